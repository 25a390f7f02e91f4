"""The trading day: orders wake up when their session begins, meet the auctions, and end when their time is over."""

from __future__ import annotations

from typing import Final

from kyzlo_actors.domain.values import TimeInForce
from kyzlo_actors.replay.ends import end
from kyzlo_actors.replay.filling import auction, can_trade, match_symbol
from kyzlo_actors.replay.floor import Floor
from kyzlo_actors.replay.matching_messages import (
    EnterSession,
    HaltSymbol,
    HoldFills,
    OrderEvent,
    SessionPhase,
)
from kyzlo_actors.replay.prices import extends, last
from kyzlo_actors.replay.venue_order import VenueOrder, VenueStatus

_DAYTIME: Final = frozenset({SessionPhase.PRE, SessionPhase.REGULAR, SessionPhase.POST})
_ASLEEP: Final = frozenset({VenueStatus.ACCEPTED, VenueStatus.DONE_FOR_DAY})
_WORKING: Final = frozenset({VenueStatus.NEW, VenueStatus.PARTIALLY_FILLED})


def enter_session(floor: Floor, event: EnterSession) -> None:
    """Leave the phase that was (auction, ends), then enter the new one (orders wake up and meet the market)."""
    if event.phase is floor.phase:
        return
    before, ts = floor.phase, event.ts
    if before is SessionPhase.REGULAR:
        _closing_auction(floor, ts)
    for order in floor.book.open_orders():
        _end_or_rest(floor, floor.book.orders[order.venue_order_id], before, event)
    floor.phase = event.phase
    for order in floor.book.open_orders():
        if order.status in _ASLEEP and order.activated and floor.is_live(order.ticket):
            status = VenueStatus.PARTIALLY_FILLED if order.own_filled_qty else VenueStatus.NEW
            floor.move(order, OrderEvent.NEW, ts, status=status)
    match_all(floor, ts)


def halt_symbol(floor: Floor, event: HaltSymbol) -> None:
    """Stop one symbol, or let it go on: its orders then meet the price at which it reopens."""
    if event.halted:
        floor.halted.add(event.symbol)
    elif event.symbol in floor.halted:
        floor.halted.discard(event.symbol)
        match_symbol(floor, event.symbol, event.ts)


def hold_fills(floor: Floor, event: HoldFills) -> None:
    """Stop everything, or let it go on."""
    floor.fills_held = event.held
    if not event.held:
        match_all(floor, event.ts)


def match_all(floor: Floor, ts: int) -> None:
    """Every order meets its symbol's newest quote; what the quotes must pass is worked out anew."""
    floor.book.changed.update(floor.book.open_ids)
    for symbol in list(floor.book.open_ids):
        match_symbol(floor, symbol, ts)


def _closing_auction(floor: Floor, ts: int) -> None:
    """Orders on the close trade at the last price; there is no auction, and they expire, in a halt or without one."""
    for order in floor.book.open_orders():
        symbol = order.ticket.symbol
        if order.ticket.time_in_force is not TimeInForce.CLS or not can_trade(floor, order):
            continue
        price = last(floor.quotes.get(symbol))
        if price is not None and symbol not in floor.halted and not floor.fills_held:
            auction(floor, order, price, ts)


def _end_or_rest(floor: Floor, order: VenueOrder, before: SessionPhase, event: EnterSession) -> None:
    """What becomes of one order when the phase `before` is over. One that has not arrived yet waits for the next."""
    ts, tif = event.ts, order.ticket.time_in_force
    if order.status.is_terminal:
        return
    if order.expires_ns and order.expires_ns <= ts:
        end(floor, order, VenueStatus.EXPIRED, ts)
        return
    day_is_over = before in _DAYTIME and event.phase in (SessionPhase.CLOSED, SessionPhase.OVERNIGHT)
    is_over = day_is_over if extends(order.ticket) else before is SessionPhase.REGULAR
    if not is_over or not order.activated:
        return
    if tif is TimeInForce.DAY:
        end(floor, order, VenueStatus(floor.terms.day_order_end), ts)
    elif tif in (TimeInForce.OPG, TimeInForce.CLS):
        end(floor, order, VenueStatus.EXPIRED, ts)
    elif tif in (TimeInForce.IOC, TimeInForce.FOK):
        end(floor, order, VenueStatus.CANCELED, ts)
    elif floor.terms.gtc_done_for_day and order.status in _WORKING:
        floor.move(order, OrderEvent.DONE_FOR_DAY, ts, status=VenueStatus.DONE_FOR_DAY)
