"""How an order ends without a fill, and what ends with it: its legs, its sibling, the order that was to replace it."""

from __future__ import annotations

from typing import Final

from kyzlo_actors.replay.floor import Floor
from kyzlo_actors.replay.matching_messages import EndOrder, OrderEvent
from kyzlo_actors.replay.venue_order import VenueOrder, VenueStatus

_TIME_FIELD: Final = {
    VenueStatus.CANCELED: "canceled_ns",
    VenueStatus.EXPIRED: "expired_ns",
    VenueStatus.REJECTED: "failed_ns",
}
_WORKING: Final = frozenset({VenueStatus.ACCEPTED, VenueStatus.NEW, VenueStatus.PARTIALLY_FILLED})


def end(floor: Floor, order: VenueOrder, status: VenueStatus, ts: int) -> None:
    """The order ends `canceled`, `expired` or `rejected`; whatever hangs on it ends too. Nothing for an ended one."""
    order = floor.book.orders[order.venue_order_id]
    if order.status.is_terminal:
        return
    if order.awaits_replace:
        refuse_replace(floor, order, ts)
        return
    sibling = floor.book.sibling(order) if order.is_exit else None
    floor.move(order, OrderEvent(status), ts, status=status, status_before=None, **{_TIME_FIELD[status]: ts})
    forsake_replace(floor, order, ts)
    for leg in floor.book.legs_of(order):
        end(floor, leg, VenueStatus.CANCELED, ts)
    if sibling is not None:
        expired = status is VenueStatus.EXPIRED
        end(floor, sibling, VenueStatus.EXPIRED if expired else VenueStatus.CANCELED, ts)


def end_order(floor: Floor, event: EndOrder) -> None:
    """The market ends an order by itself, or for today; any other status than those four means nothing."""
    order = floor.book.orders.get(event.venue_order_id)
    if order is None:
        return
    if event.status in _TIME_FIELD:
        end(floor, order, event.status, event.ts)
    elif event.status is VenueStatus.DONE_FOR_DAY and order.status in _WORKING:
        floor.move(order, OrderEvent.DONE_FOR_DAY, event.ts, status=VenueStatus.DONE_FOR_DAY)


def forsake_replace(floor: Floor, old: VenueOrder, ts: int) -> None:
    """The order is over: what was to replace it is rejected."""
    successor = floor.book.successor(old)
    if successor is not None:
        _reject(floor, successor, ts)


def refuse_replace(floor: Floor, successor: VenueOrder, ts: int) -> None:
    """The replace is refused: the new order is rejected, and the old one is again what it was."""
    _reject(floor, successor, ts)
    assert successor.replaces is not None, "only an order that replaces another comes here"
    resume(floor, floor.book.orders[successor.replaces], OrderEvent.ORDER_REPLACE_REJECTED, ts)


def resume(floor: Floor, order: VenueOrder, event: OrderEvent, ts: int) -> None:
    """What was asked of the order is refused: it is again what it was, or what it would be by now."""
    status = order.status_before or VenueStatus.NEW
    asleep = status in (VenueStatus.ACCEPTED, VenueStatus.DONE_FOR_DAY)
    if asleep and floor.is_live(order.ticket):
        status = VenueStatus.PARTIALLY_FILLED if order.own_filled_qty else VenueStatus.NEW
    floor.move(order, event, ts, status=status, status_before=None)


def _reject(floor: Floor, successor: VenueOrder, ts: int) -> None:
    floor.move(
        successor,
        OrderEvent.ORDER_REPLACE_REJECTED,
        ts,
        status=VenueStatus.REJECTED,
        status_before=None,
        failed_ns=ts,
    )
