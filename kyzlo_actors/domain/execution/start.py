"""A new life: what the last one left open is decided, doubted, or read from the broker."""

from __future__ import annotations

from dataclasses import replace

from kyzlo_actors.domain.execution import entries, lookups, moves, reconciliation
from kyzlo_actors.domain.execution.draft import Draft
from kyzlo_actors.domain.messages import Started
from kyzlo_actors.domain.order import OrderStatus


def on_started(draft: Draft, event: Started) -> None:
    """First event of each life."""
    draft.state = replace(
        draft.state,
        incarnation=event.incarnation,
        stream_up=False,
        reconciled=False,
        allowed=False,
        look_ups={},
        halt=None,
        halt_canceled=frozenset(),
        read_in_this_life=False,
    )
    for order_id in sorted(draft.state.live):
        order = draft.state.orders[order_id]
        if order.status is OrderStatus.PENDING:
            # SubmitStarted is recorded before the first byte: without it, the broker never saw the order.
            moves.deny(draft, order, "NEVER_SENT", "the broker actor ended before the first byte left")
        elif order.status in (OrderStatus.SUBMITTED, OrderStatus.UNKNOWN):
            lookups.doubt(draft, order_id, "the broker actor ended before the answer came")
    entries.block(draft, "STARTING", "not reconciled yet")
    reconciliation.read_state(draft, "start")
