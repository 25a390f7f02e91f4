"""The symbol's question for its book: asked until it is answered, and only the open one's answer counts."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from kyzlo_actors.domain.identity import event_id
from kyzlo_actors.domain.messages import PositionSnapshot, RequestSnapshot, SequenceObserved
from kyzlo_actors.domain.stamp import Stamp
from kyzlo_actors.domain.symbol.draft import Draft
from kyzlo_actors.domain.values import NS_PER_SECOND

SNAPSHOT_TIMER: Final = "snapshot"
SNAPSHOT_RETRY_NS: Final = NS_PER_SECOND


def ask(draft: Draft, reason: str) -> None:
    """Stop proposing and ask for the broker actor's book, again each second until it answers.

    A repeated question keeps its id, so that a slow answer to the first one still counts.
    """
    asked = draft.state.asked + 1 if draft.state.synced else draft.state.asked
    draft.state = replace(draft.state, synced=False, asked=asked)
    request = RequestSnapshot(
        stamp=Stamp.first(_open_question(draft), draft.now_ns),
        symbol=draft.settings.symbol,
        incarnation=draft.state.incarnation,
        reason=reason,
    )
    draft.send("risk", request)
    draft.schedule(SNAPSHOT_TIMER, SNAPSHOT_RETRY_NS)


def on_timer(draft: Draft) -> None:
    """A second has passed since the question."""
    if not draft.state.synced:
        ask(draft, "no answer yet")


def on_sequence(draft: Draft, event: SequenceObserved) -> None:
    """The broker actor has booked a fill that never came here."""
    if draft.state.synced and event.sequence > draft.state.sequence:
        ask(draft, "fill sequence is behind")


def is_answered_by(draft: Draft, snapshot: PositionSnapshot) -> bool:
    """Only the answer to the question that is still open: an older one may lack what was proposed since."""
    return not draft.state.synced and snapshot.stamp.causation_id == _open_question(draft)


def _open_question(draft: Draft) -> str:
    return event_id("snapshot", draft.settings.symbol, draft.state.incarnation, draft.state.asked)
