"""Cancels: asked for once, and again by whatever is learned of the order until its end is proven."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from kyzlo_actors.domain.effects import CancelAtBroker
from kyzlo_actors.domain.execution import lookups, moves
from kyzlo_actors.domain.execution.draft import Draft
from kyzlo_actors.domain.order import OrderStatus
from kyzlo_actors.domain.values import NS_PER_SECOND

# A refused cancel is repeated through a lookup: at once it would be a storm of requests.
CANCEL_RETRY_NS: Final = NS_PER_SECOND


def cancel(draft: Draft, order_id: str) -> None:
    """Somebody wants the order gone: remembered until it is, whatever becomes of this request."""
    order = draft.state.orders.get(order_id)
    if order is None or order.status.is_terminal:
        return
    draft.state = replace(draft.state, canceling=draft.state.canceling | {order_id})
    if order.status is OrderStatus.PENDING:
        return  # on its way out: the first report about it brings the cancel
    if order.status is OrderStatus.UNKNOWN:
        lookups.look_up(draft, order_id, draft.now_ns)  # what is found live will be canceled then
        return
    draft.do(CancelAtBroker(client_order_id=order_id, venue_order_id=order.venue_order_id))


def cancel_symbol(draft: Draft, symbol: str) -> None:
    """Cancel every live order of one symbol."""
    for order in draft.state.live_orders(symbol):
        cancel(draft, order.ticket.client_order_id)


def cancel_if_wanted(draft: Draft, order_id: str) -> None:
    """Something was learned of the order: if it still works and is to be canceled, ask (once more)."""
    order = draft.state.orders[order_id]
    wanted = order_id in draft.state.canceling or draft.state.halt is not None
    if wanted and order.status.may_be_at_broker and order.status is not OrderStatus.PENDING_CANCEL:
        draft.do(CancelAtBroker(client_order_id=order_id, venue_order_id=order.venue_order_id))


def on_answered(draft: Draft, order_id: str) -> None:
    """The broker took the request; it has not canceled yet."""
    if order_id in draft.state.live:
        moves.move(draft, order_id, OrderStatus.PENDING_CANCEL, "cancel requested")


def on_failed(draft: Draft, order_id: str) -> None:
    """A refused cancel is evidence (already filled, already gone): read the order."""
    if order_id in draft.state.live:
        lookups.look_up(draft, order_id, draft.now_ns + CANCEL_RETRY_NS)
