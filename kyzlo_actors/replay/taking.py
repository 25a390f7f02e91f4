"""Orders come in, and reach the market."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from kyzlo_actors.domain.order import ZERO, OrderTicket
from kyzlo_actors.domain.values import OrderClass, PositionIntent, TimeInForce
from kyzlo_actors.replay.ends import end
from kyzlo_actors.replay.filling import match_symbol
from kyzlo_actors.replay.floor import Floor
from kyzlo_actors.replay.legs import arm_legs, exit_intent, leg_tickets
from kyzlo_actors.replay.matching_messages import (
    ActivateOrder,
    OrderEvent,
    OrderMoved,
    SessionPhase,
    SubmitOrder,
)
from kyzlo_actors.replay.refusals import claim_of, intent_of, refusal_of, reserve_of
from kyzlo_actors.replay.venue_order import VenueOrder, VenueStatus

_DAY_NS: Final = 86_400_000_000_000


def take(floor: Floor, event: SubmitOrder) -> None:
    """Take the order, and with it its legs; or refuse it, and nothing has changed."""
    ticket = event.ticket
    refusal = refusal_of(floor, ticket)
    if refusal is not None:
        floor.tell(refusal)
        return
    intent = intent_of(floor, ticket)
    leg_numbers = range(len(floor.book.orders) + 2, len(floor.book.orders) + 2 + len(leg_tickets(ticket)))
    order = new_order(
        floor,
        ticket,
        intent,
        event.ts,
        reserve_price=reserve_of(floor, ticket, intent),
        claimed_qty=ZERO if ticket.notional is None else claim_of(floor, ticket, intent),
        legs=tuple(floor.make_id("order", number) for number in leg_numbers),
    )
    _add(floor, order)
    for number, leg in zip(leg_numbers, leg_tickets(ticket), strict=True):
        named = replace(leg, client_order_id=floor.make_id("leg", number))
        held: dict[str, Any] = {"status": VenueStatus.HELD, "parent_id": order.venue_order_id}
        _add(floor, new_order(floor, named, exit_intent(leg.side), event.ts, **held))


def new_order(
    floor: Floor, ticket: OrderTicket, intent: PositionIntent, ts: int, **fields: Any
) -> VenueOrder:
    """The next order of the account, just taken; it reserves nothing if `fields` do not say so."""
    sequence = len(floor.book.orders) + 1
    lasting = ticket.time_in_force is TimeInForce.GTC
    given: dict[str, Any] = {"status": VenueStatus.PENDING_NEW, "reserve_price": ZERO} | fields
    return VenueOrder(
        venue_order_id=floor.make_id("order", sequence),
        sequence=sequence,
        ticket=ticket,
        submitted_ns=ts,
        updated_ns=ts,
        intent=intent,
        expires_ns=ts + floor.terms.gtc_days * _DAY_NS if lasting else 0,
        **given,
    )


def activate(floor: Floor, event: ActivateOrder) -> None:
    """The order has reached the market. Legs and replacing orders get there another way."""
    order, ts = floor.book.orders.get(event.venue_order_id), event.ts
    if order is None or order.activated or order.status.is_terminal:
        return
    if order.parent_id is not None or order.awaits_replace:
        return
    if order.ticket.time_in_force is TimeInForce.OPG and floor.phase is SessionPhase.REGULAR:
        end(floor, order, VenueStatus.EXPIRED, ts)  # it was on its way when the auction was held
        return
    status = VenueStatus.NEW if floor.is_live(order.ticket) else VenueStatus.ACCEPTED
    if order.status is VenueStatus.PENDING_CANCEL:
        # The cancel was asked for while the order was on its way: it may trade now, but stays as it was.
        order = floor.put(order, activated=True, updated_ns=ts, status_before=status)
    else:
        order = floor.move(order, OrderEvent(status), ts, status=status, activated=True)
    if order.ticket.order_class is OrderClass.OCO:
        arm_legs(floor, order, ts)
    match_symbol(floor, order.ticket.symbol, ts)


def _add(floor: Floor, order: VenueOrder) -> None:
    floor.book.add(order)
    floor.tell(OrderMoved(order=order, event=OrderEvent(order.status), ts=order.submitted_ns))
