"""A halt: cancel everything, take nothing new, and report until every order is proven terminal."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from kyzlo_actors.domain.execution import cancels, lookups, reconciliation
from kyzlo_actors.domain.execution.draft import Draft
from kyzlo_actors.domain.execution.state import ExecutionState
from kyzlo_actors.domain.identity import event_id
from kyzlo_actors.domain.messages import CancelAllOrders, HaltAcknowledged, HaltProgressed
from kyzlo_actors.domain.order import OrderStatus
from kyzlo_actors.domain.values import NS_PER_MILLISECOND

HALT_RECHECK_NS: Final = 500 * NS_PER_MILLISECOND
HALT_TIMER: Final = "halt"


def on_cancel_all(draft: Draft, command: CancelAllOrders) -> None:
    """Seal the gate and say so, then cancel everything. The same command may come again."""
    in_flight = tuple(
        order.ticket.client_order_id
        for order in draft.state.live_orders()
        if order.status in (OrderStatus.SUBMITTED, OrderStatus.UNKNOWN)
    )
    is_new = draft.state.halt is None or draft.state.halt.halt_id != command.halt_id
    canceled = frozenset() if is_new else draft.state.halt_canceled
    draft.state = replace(draft.state, halt=command, allowed=False, halt_canceled=canceled)
    acknowledged = HaltAcknowledged(
        stamp=command.stamp.caused(event_id("sealed", command.halt_id), ts_event=draft.now_ns),
        halt_id=command.halt_id,
        in_flight=in_flight,
        open_orders=draft.state.open_orders,
    )
    draft.send("kill_switch", acknowledged)
    for order in draft.state.live_orders():
        cancels.cancel(draft, order.ticket.client_order_id)
    reconciliation.read_state(draft, "halt")
    report(draft, command)
    draft.schedule(HALT_TIMER, HALT_RECHECK_NS)


def go_on(draft: Draft) -> None:
    """Twice a second while a halt is on: cancel what still works, read what is still open, report."""
    halt = draft.state.halt
    if halt is None:
        return
    for order in draft.state.live_orders():
        if order.status is not OrderStatus.PENDING_CANCEL and not lookups.is_going_on(draft, order):
            cancels.cancel(draft, order.ticket.client_order_id)
    if draft.state.live:
        reconciliation.read_state(draft, "halt")
    # Once more even without news: the last word may have been lost. It ends with the tree.
    report(draft, halt)
    draft.schedule(HALT_TIMER, HALT_RECHECK_NS)


def report(draft: Draft, halt: CancelAllOrders) -> None:
    """Tell the kill switch what is canceled and what is still open."""
    open_orders = draft.state.open_orders
    progressed = HaltProgressed(
        stamp=halt.stamp.caused(
            event_id("halt", halt.halt_id, *open_orders, draft.now_ns), ts_event=draft.now_ns
        ),
        halt_id=halt.halt_id,
        canceled=tuple(sorted(draft.state.halt_canceled)),
        open_orders=open_orders,
    )
    draft.send("kill_switch", progressed)


def report_change(draft: Draft, *, before: ExecutionState) -> None:
    """After each event: if a halt is on and it changed what is open, the kill switch hears of it at once."""
    halt = draft.state.halt
    if halt is not None and draft.state.live != before.live:
        report(draft, halt)
