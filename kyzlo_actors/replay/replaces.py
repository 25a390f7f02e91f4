"""Replaces: a new order takes the place of a working one, for what is left of the chain's total."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Final

from kyzlo_actors.domain.order import ZERO, OrderTicket
from kyzlo_actors.domain.values import OrderType, TimeInForce
from kyzlo_actors.replay.filling import match_symbol
from kyzlo_actors.replay.floor import Floor
from kyzlo_actors.replay.legs import adopt
from kyzlo_actors.replay.matching_messages import (
    ConfirmReplace,
    OrderEvent,
    OrderMoved,
    ReplaceRefused,
    RequestReplace,
)
from kyzlo_actors.replay.refusals import refusal_of, reserve_of
from kyzlo_actors.replay.taking import new_order
from kyzlo_actors.replay.ticket_checks import is_fractional
from kyzlo_actors.replay.venue_order import VenueOrder, VenueStatus

_LASTING: Final = frozenset({TimeInForce.DAY, TimeInForce.GTC})
_LIMITS: Final = frozenset({OrderType.LIMIT, OrderType.STOP_LIMIT})
_STOPPED: Final = frozenset({OrderType.STOP, OrderType.STOP_LIMIT})


def request_replace(floor: Floor, event: RequestReplace) -> None:
    """Take the new order (`pending_new`); the old one is `pending_replace` from now on. Or refuse."""
    old = floor.book.orders.get(event.venue_order_id)
    if old is None or not _is_open(old):
        status = old.status if old else None
        floor.tell(ReplaceRefused(venue_order_id=event.venue_order_id, status=status))
        return
    ticket = _changed(old, event)
    refused = _fault(floor, old, ticket, event)
    if refused is not None:
        floor.tell(refused)
        return
    new = _successor(floor, old, ticket, event.ts)
    floor.book.add(new)
    floor.tell(OrderMoved(order=new, event=OrderEvent.PENDING_NEW, ts=event.ts))
    floor.move(
        old,
        OrderEvent.PENDING_REPLACE,
        event.ts,
        status=VenueStatus.PENDING_REPLACE,
        status_before=old.status,
    )


def confirm_replace(floor: Floor, event: ConfirmReplace) -> None:
    """The replace has reached the market: the old order is `replaced`, the new one works on for what is left."""
    new, ts = floor.book.orders.get(event.venue_order_id), event.ts
    if new is None or not new.awaits_replace or new.replaces is None:
        return
    old = floor.book.orders[new.replaces]
    status = old.status_before or VenueStatus.NEW
    if status is VenueStatus.PARTIALLY_FILLED:
        status = VenueStatus.NEW
    # First the new order, silently: the shares and the money are never unclaimed between the two.
    new = floor.put(
        new,
        activated=True,
        covered=ZERO,
        status=status,
        parent_id=old.parent_id,  # its parent may have been replaced meanwhile
        legs=old.legs,
        triggered=old.triggered,
        hwm=old.hwm,
    )
    floor.move(
        old,
        OrderEvent.REPLACED,
        ts,
        status=VenueStatus.REPLACED,
        status_before=None,
        replaced_by=new.venue_order_id,
        replaced_ns=ts,
    )
    adopt(floor, new)
    floor.move(new, OrderEvent(status), ts)
    match_symbol(floor, new.ticket.symbol, ts)


def _is_open(order: VenueOrder) -> bool:
    """Whether it works at the market: an armed stop-loss does, a leg that waits for its parent does not."""
    armed = order.status is VenueStatus.HELD and order.activated
    return armed or order.status in (VenueStatus.NEW, VenueStatus.PARTIALLY_FILLED)


def _changed(old: VenueOrder, event: RequestReplace) -> OrderTicket:
    """The ticket with what the event changes; its quantity is the chain's total."""
    ticket = replace(
        old.ticket,
        client_order_id=event.client_order_id,
        qty=old.chain_total_qty if event.qty is None else event.qty,
        time_in_force=event.time_in_force or old.ticket.time_in_force,
        limit_price=old.ticket.limit_price if event.limit_price is None else event.limit_price,
        stop_price=old.ticket.stop_price if event.stop_price is None else event.stop_price,
    )
    if event.trail is None:
        return ticket
    if ticket.trail_percent is not None:
        return replace(ticket, trail_percent=event.trail)
    return replace(ticket, trail_price=event.trail)


def _fault(
    floor: Floor, old: VenueOrder, ticket: OrderTicket, event: RequestReplace
) -> ReplaceRefused | None:
    same = replace(ticket, client_order_id=old.ticket.client_order_id, qty=old.ticket.qty) == old.ticket
    unchanged = same and ticket.qty == old.chain_total_qty
    detail = _detail(old, ticket, event)
    refused = ReplaceRefused(venue_order_id=old.venue_order_id, status=old.status)
    if unchanged:
        return replace(refused, unchanged=True)
    if detail:
        return replace(refused, detail=detail)
    done = old.chain_qty + old.own_filled_qty
    refusal = refusal_of(floor, replace(ticket, qty=ticket.qty - done), old)
    return None if refusal is None else replace(refused, refusal=refusal)


def _detail(old: VenueOrder, ticket: OrderTicket, event: RequestReplace) -> str:
    """What is wrong with the change itself, or an empty string."""
    kind = ticket.order_type
    if is_fractional(old.ticket):
        return "notional and fractional orders cannot be replaced"
    if ticket.qty % 1:
        return "qty must be a whole number"
    if ticket.qty <= old.chain_qty + old.own_filled_qty:
        return "qty must be > filled_qty"
    if old.is_exit and ticket.qty != old.chain_total_qty:
        return "the qty of a leg cannot be replaced"
    if event.limit_price is not None and (kind not in _LIMITS or event.limit_price <= 0):
        return "limit_price does not fit the order" if kind not in _LIMITS else "limit price must be > 0"
    if event.stop_price is not None and (kind not in _STOPPED or event.stop_price <= 0):
        return "stop_price does not fit the order" if kind not in _STOPPED else "stop price must be > 0"
    if event.trail is not None and (kind is not OrderType.TRAILING_STOP or event.trail <= 0):
        return "trail does not fit the order" if kind is not OrderType.TRAILING_STOP else "trail must be > 0"
    if old.triggered and (event.stop_price is not None or event.trail is not None):
        return "the stop has triggered"
    other_time = event.time_in_force not in (None, old.ticket.time_in_force)
    if other_time and not {event.time_in_force, old.ticket.time_in_force} <= _LASTING:
        return "time_in_force can only change between day and gtc"
    return ""


def _successor(floor: Floor, old: VenueOrder, ticket: OrderTicket, ts: int) -> VenueOrder:
    done: Decimal = old.chain_qty + old.own_filled_qty
    carries = floor.terms.replaced_filled_qty == "carried" and done > 0
    new = new_order(
        floor,
        ticket if carries else replace(ticket, qty=ticket.qty - done),
        old.intent,
        ts,
        reserve_price=reserve_of(floor, ticket, old.intent),
        covered=old.reserved,
        parent_id=old.parent_id,
        replaces=old.venue_order_id,
        chain_qty=done,
        carries=carries,
    )
    if not carries:
        return new
    # What the chain has cost so far comes along with what it has filled, or the average price would be wrong.
    before = old.filled_notional if old.carries or not old.chain_qty else _chain_notional(floor, old)
    return replace(new, filled_qty=done, filled_notional=before)


def _chain_notional(floor: Floor, order: VenueOrder) -> Decimal:
    """Price x quantity of all that the chain up to `order` has filled."""
    total = order.filled_notional
    while not order.carries and order.replaces is not None:
        order = floor.book.orders[order.replaces]
        total += order.filled_notional
    return total
