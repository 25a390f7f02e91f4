"""Cancels: asked for, confirmed by the market, or refused by it."""

from __future__ import annotations

from kyzlo_actors.replay.ends import end, refuse_replace, resume
from kyzlo_actors.replay.filling import match_symbol
from kyzlo_actors.replay.floor import Floor
from kyzlo_actors.replay.matching_messages import (
    CancelRefused,
    ConfirmCancel,
    OrderEvent,
    RefuseCancel,
    RequestCancel,
)
from kyzlo_actors.replay.venue_order import VenueStatus

_NOT_NOW = frozenset({VenueStatus.PENDING_CANCEL, VenueStatus.PENDING_REPLACE})


def request_cancel(floor: Floor, event: RequestCancel) -> None:
    """`pending_cancel`, or a refusal: it is over, being canceled or being replaced already, or unknown."""
    order = floor.book.orders.get(event.venue_order_id)
    if order is None or order.status.is_terminal or order.status in _NOT_NOW or order.awaits_replace:
        status = order.status if order else None
        floor.tell(CancelRefused(venue_order_id=event.venue_order_id, status=status))
        return
    floor.move(
        order,
        OrderEvent.PENDING_CANCEL,
        event.ts,
        status=VenueStatus.PENDING_CANCEL,
        status_before=order.status,
    )


def confirm_cancel(floor: Floor, event: ConfirmCancel) -> None:
    """The cancel has reached the market: what is left of the order is canceled."""
    order = floor.book.orders.get(event.venue_order_id)
    if order is not None and order.status is VenueStatus.PENDING_CANCEL:
        end(floor, order, VenueStatus.CANCELED, event.ts)


def refuse_cancel(floor: Floor, event: RefuseCancel) -> None:
    """A cancel or replace loses: the order is again what it was. A replace may be named by either of its orders."""
    order = floor.book.orders.get(event.venue_order_id)
    if order is None:
        return
    successor = order if order.awaits_replace else floor.book.successor(order)
    if successor is not None:
        refuse_replace(floor, successor, event.ts)
    elif order.status is VenueStatus.PENDING_CANCEL:
        resume(floor, order, OrderEvent.ORDER_CANCEL_REJECTED, event.ts)
    match_symbol(floor, order.ticket.symbol, event.ts)
