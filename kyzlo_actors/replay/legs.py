"""The legs of brackets, ocos and otos: orders of their own that wait, and exits that close the same shares once."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from kyzlo_actors.domain.order import OrderTicket
from kyzlo_actors.domain.values import OrderClass, OrderType, PositionIntent, Side
from kyzlo_actors.replay.ends import end
from kyzlo_actors.replay.floor import Floor
from kyzlo_actors.replay.matching_messages import OrderEvent
from kyzlo_actors.replay.venue_order import STOPS, VenueOrder, VenueStatus


def leg_tickets(parent: OrderTicket) -> list[OrderTicket]:
    """The tickets of the order's legs, take-profit first, without their ids; none for a simple order."""
    if parent.order_class is OrderClass.SIMPLE:
        return []
    is_oco = parent.order_class is OrderClass.OCO
    opposite = Side.SELL if parent.side is Side.BUY else Side.BUY
    leg = OrderTicket(
        client_order_id="",
        symbol=parent.symbol,
        side=parent.side if is_oco else opposite,
        qty=parent.qty,
        time_in_force=parent.time_in_force,
        order_class=parent.order_class,
    )
    made = []
    if parent.take_profit_limit_price is not None and not is_oco:
        made.append(replace(leg, order_type=OrderType.LIMIT, limit_price=parent.take_profit_limit_price))
    if parent.stop_loss_stop_price is not None:
        limit = parent.stop_loss_limit_price
        kind = OrderType.STOP if limit is None else OrderType.STOP_LIMIT
        made.append(replace(leg, order_type=kind, limit_price=limit, stop_price=parent.stop_loss_stop_price))
    return made


def exit_intent(side: Side) -> PositionIntent:
    """What a leg of that side does."""
    return PositionIntent.BUY_TO_CLOSE if side is Side.BUY else PositionIntent.SELL_TO_CLOSE


def arm_legs(floor: Floor, parent: VenueOrder, ts: int) -> None:
    """The legs come to life: the take-profit works, the stop-loss stays held beside it until its stop triggers."""
    for leg in floor.book.legs_of(parent):
        if leg.status.is_terminal or leg.activated:
            continue
        waits = leg.ticket.order_type in STOPS and floor.book.sibling(leg) is not None
        if waits or leg.status is not VenueStatus.HELD:
            before = leg.status_before and (VenueStatus.HELD if waits else VenueStatus.NEW)
            floor.put(leg, activated=True, updated_ns=ts, status_before=before)
            continue
        status = VenueStatus.NEW if floor.is_live(leg.ticket) else VenueStatus.ACCEPTED
        floor.move(leg, OrderEvent(status), ts, status=status, activated=True)


def after_fill(floor: Floor, order: VenueOrder, qty: Decimal, ts: int) -> None:
    """`qty` shares of an order were filled: a complete parent arms its legs, an exit gives its sibling less to do."""
    filled = order.status is VenueStatus.FILLED
    if filled and order.legs and order.ticket.order_class is not OrderClass.OCO:
        arm_legs(floor, order, ts)
    sibling = floor.book.sibling(order) if order.is_exit else None
    if sibling is None:
        return
    if sibling.parent_id == order.venue_order_id and not sibling.activated:
        arm_legs(floor, order, ts)  # a fill by force may come before the order has reached the market
        sibling = floor.book.orders[sibling.venue_order_id]
    if filled:
        end(floor, sibling, VenueStatus.CANCELED, ts)
        return
    for other in (sibling, floor.book.successor(sibling)):
        if other is not None:
            ticket = replace(other.ticket, qty=other.ticket.qty - qty)
            floor.put(other, ticket=ticket, updated_ns=ts)


def adopt(floor: Floor, parent: VenueOrder) -> None:
    """A replaced order's legs now hang on the new one, for as many shares as its whole chain trades."""
    for leg in floor.book.legs_of(parent):
        if leg.status.is_terminal:
            continue
        qty = leg.ticket.qty if parent.ticket.order_class is OrderClass.OCO else parent.chain_total_qty
        floor.put(leg, parent_id=parent.venue_order_id, ticket=replace(leg.ticket, qty=qty))
