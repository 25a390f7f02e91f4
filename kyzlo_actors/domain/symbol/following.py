"""How the symbol follows the broker actor's book: its word is taken as it is, and what may be missing is asked for."""

from __future__ import annotations

from dataclasses import replace

from kyzlo_actors.domain.identity import event_id
from kyzlo_actors.domain.messages import (
    OrderDenied,
    OrderFilled,
    OrderStatusChanged,
    PositionSnapshot,
    SendRefused,
)
from kyzlo_actors.domain.order import Order, OrderStatus
from kyzlo_actors.domain.symbol import questions, watch
from kyzlo_actors.domain.symbol.draft import Draft
from kyzlo_actors.domain.symbol.pursuit import pursue


def on_fill(draft: Draft, fill: OrderFilled) -> None:
    """Shares traded: the position moves, in the order of the fills' numbers."""
    state = draft.state
    if not state.synced or fill.sequence <= state.sequence:
        return
    if fill.sequence > state.sequence + 1:
        questions.ask(draft, "a fill is missing")
        return
    position = state.position.filled(fill.side, fill.qty, fill.price, fill.fee)
    draft.state = replace(state, position=position, sequence=fill.sequence)
    order = state.orders.get(fill.client_order_id)
    if order is not None:
        updated = replace(
            order,
            status=fill.status,
            filled_qty=fill.cum_qty,
            venue_order_id=fill.venue_order_id,
            causation_id=fill.stamp.event_id,
        )
        _follow(draft, updated)
    draft.strategy.on_fill(draft.context, fill)
    pursue(draft)


def on_status(draft: Draft, change: OrderStatusChanged) -> None:
    """One of our orders moved."""
    if draft.state.synced and change.sequence > draft.state.sequence:
        questions.ask(draft, "a fill is missing")
        return
    order = draft.state.orders.get(change.client_order_id)
    if order is None:
        # The fill before it told the end already; the strategy hears of the move all the same.
        draft.strategy.on_order_event(draft.context, change)
        return
    # The broker actor keeps the book of record; its word is taken as it is, even when one of ours was lost.
    updated = replace(
        order,
        status=change.status,
        venue_order_id=change.venue_order_id,
        reason=change.reason,
        causation_id=change.stamp.event_id,
    )
    _follow(draft, updated)
    if change.status is OrderStatus.SUBMITTED:
        watch.submitted(draft, change.client_order_id)
    draft.strategy.on_order_event(draft.context, change)
    pursue(draft)


def on_denied(draft: Draft, denied: OrderDenied) -> None:
    """The gate or the broker actor refused: the wish ends with its order."""
    order = draft.state.orders.get(denied.client_order_id)
    if order is None or order.status not in (OrderStatus.PENDING, OrderStatus.SUBMITTED):
        return  # about a repeated proposal: the order itself is known to be at the broker
    draft.drop(denied.client_order_id)
    draft.end_pursuit(order)
    if denied.code == "DUPLICATE_ID":
        # The gate judged this very intent before: only the book can tell what became of it.
        questions.ask(draft, "an intent was judged before")
    else:
        pursue(draft)


def on_snapshot(draft: Draft, snapshot: PositionSnapshot) -> None:
    """Adopt the broker actor's book. Nothing was proposed since the question, so what it lacks is over."""
    if not questions.is_answered_by(draft, snapshot):
        return
    orders = {order.ticket.client_order_id: order for order in snapshot.orders}
    draft.state = replace(
        draft.state,
        synced=True,
        position=snapshot.position.position,
        sequence=snapshot.position.sequence,
        orders=orders,
        canceling=draft.state.canceling & frozenset(orders),
    )
    for order_id in sorted(orders):
        watch.adopted(draft, order_id)
    pursue(draft)


def on_send_refused(draft: Draft, event: SendRefused) -> None:
    """The proposal provably never left: the intent ends here. A refused question is asked again by its timer."""
    for order_id, order in draft.state.orders.items():
        if order.causation_id != event.message_id or order.status is not OrderStatus.PENDING:
            continue
        denied_id = event_id("denied", order_id, "RISK_UNREACHABLE")
        denied = OrderDenied(
            stamp=order.caused(denied_id, ts_event=draft.now_ns),
            symbol=draft.settings.symbol,
            client_order_id=order_id,
            code="RISK_UNREACHABLE",
            detail="the risk gate's mailbox refused the proposal; nothing was sent",
        )
        draft.record(denied)
        draft.drop(order_id)
        draft.end_pursuit(order)
        pursue(draft)
        return


def _follow(draft: Draft, order: Order) -> None:
    """The order as it is now; one that ended without its last fill takes its wish with it."""
    draft.put(order)
    if order.status.is_terminal and order.status is not OrderStatus.FILLED:
        draft.end_pursuit(order)
