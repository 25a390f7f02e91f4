"""Whether the gate may send entries: told to it at each change, and again when it asks for the book."""

from __future__ import annotations

from dataclasses import replace

from kyzlo_actors.domain.execution.draft import Draft
from kyzlo_actors.domain.messages import EntriesAllowed, EntriesBlocked


def allow(draft: Draft) -> None:
    """Let entries through again, if everything that blocks them is over."""
    state = draft.state
    if state.stream_up and state.reconciled and not state.allowed and state.halt is None:
        draft.state = replace(state, allowed=True)
        draft.send("risk", EntriesAllowed(stamp=draft.own_stamp("allowed")))


def block(draft: Draft, code: str, detail: str) -> None:
    """Take no entries until `allow`."""
    draft.state = replace(draft.state, allowed=False)
    draft.send("risk", EntriesBlocked(stamp=draft.own_stamp(f"blocked-{code}"), code=code, detail=detail))


def tell(draft: Draft) -> None:
    """Whether orders are taken, once more: the first word may have been lost, or risk is in a new life."""
    if draft.state.allowed:
        draft.send("risk", EntriesAllowed(stamp=draft.own_stamp("allowed")))
    else:
        block(draft, "NOT_RECONCILED", "the book is not proven equal to the broker's")
