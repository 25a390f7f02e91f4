"""Moving an order along the table of legal moves, and telling its symbol and the gate."""

from __future__ import annotations

from dataclasses import replace

from kyzlo_actors.domain.execution.draft import Draft
from kyzlo_actors.domain.identity import event_id
from kyzlo_actors.domain.messages import OrderDenied, OrderStatusChanged
from kyzlo_actors.domain.order import Order, OrderStatus, is_legal


def move(draft: Draft, order_id: str, status: OrderStatus, reason: str) -> None:
    """Move an order along the table and tell its symbol and the gate; a move to where it is tells nobody."""
    order = draft.state.orders[order_id]
    if order.status is status or not is_legal(order.status, status):
        return
    change_id = event_id("status", order_id, status, order.causation_id, draft.now_ns)
    moved = order.moved(status, reason=reason, causation_id=change_id)
    draft.put(moved)
    if status is OrderStatus.CANCELED and draft.state.halt is not None:
        draft.state = replace(draft.state, halt_canceled=draft.state.halt_canceled | {order_id})
    change = OrderStatusChanged(
        stamp=order.caused(change_id, ts_event=draft.now_ns),
        symbol=order.ticket.symbol,
        client_order_id=order_id,
        venue_order_id=moved.venue_order_id,
        status=status,
        filled_qty=moved.filled_qty,
        reason=reason,
        sequence=draft.state.sequences.get(order.ticket.symbol, 0),
    )
    draft.send_followers(order.ticket.symbol, change)


def deny(draft: Draft, order: Order, code: str, detail: str) -> None:
    """Our own refusal: the broker never saw the order."""
    order_id = order.ticket.client_order_id
    denied_id = event_id("denied", order_id, code)
    draft.put(order.moved(OrderStatus.DENIED, reason=f"{code}: {detail}", causation_id=denied_id))
    denied = OrderDenied(
        stamp=order.caused(denied_id, ts_event=draft.now_ns),
        symbol=order.ticket.symbol,
        client_order_id=order_id,
        code=code,
        detail=detail,
    )
    draft.send_followers(order.ticket.symbol, denied)
