"""An order meets a quote: stops trigger, what is marketable trades."""

from __future__ import annotations

from decimal import Decimal

from kyzlo_actors.domain.order import ZERO
from kyzlo_actors.domain.values import OrderType, TimeInForce
from kyzlo_actors.replay.ends import end
from kyzlo_actors.replay.executions import execute, open_qty
from kyzlo_actors.replay.floor import Floor
from kyzlo_actors.replay.matching_messages import ForceFill, OrderEvent, Quote, SessionPhase
from kyzlo_actors.replay.prices import (
    Watch,
    has_triggered,
    is_better,
    last,
    limit_of,
    touch,
    watch_for,
    within_limit,
)
from kyzlo_actors.replay.venue_order import MATCHABLE, STOPS, VenueOrder, VenueStatus

_AT_ONCE = frozenset({TimeInForce.IOC, TimeInForce.FOK})


def match_symbol(floor: Floor, symbol: str, ts: int) -> None:
    """Every order of the symbol meets its newest quote, oldest first."""
    quote = floor.quotes.get(symbol)
    if quote is None or floor.fills_held or symbol in floor.halted or floor.phase is SessionPhase.CLOSED:
        return
    for venue_order_id in list(floor.book.open_ids.get(symbol, ())):
        # Looked up anew each time: one fill may end, shrink or arm another order.
        order = floor.book.orders[venue_order_id]
        if can_trade(floor, order):
            _meet(floor, order, quote, ts)


def can_trade(floor: Floor, order: VenueOrder) -> bool:
    """Whether the order is at the market, in a session of its own."""
    return order.activated and order.status in MATCHABLE and floor.is_live(order.ticket)


def watch_symbol(floor: Floor, symbol: str) -> Watch:
    """What the symbol's quotes must pass to mean anything to its orders, as things are now."""
    return watch_for(order for order in floor.book.open_orders(symbol) if can_trade(floor, order))


def force_fill(floor: Floor, event: ForceFill) -> None:
    """Fill an order whatever its price, session or halt. Nothing if it is over, a leg that waits, or has no price."""
    order = floor.book.orders.get(event.venue_order_id)
    waits = order is not None and not order.activated and (order.parent_id or order.awaits_replace)
    if order is None or order.status.is_terminal or waits:
        return
    quote = floor.quotes.get(order.ticket.symbol)
    price = event.price or touch(order.ticket.side, quote) or last(quote)
    if price is None:
        return
    leaves_qty = open_qty(order, price)
    qty = leaves_qty if event.qty is None else min(event.qty, leaves_qty)
    if qty > 0:
        execute(floor, order, qty, price, event.ts)


def auction(floor: Floor, order: VenueOrder, price: Decimal, ts: int) -> None:
    """The order meets an auction at `price`: all of it trades, or nothing and it expires."""
    qty = open_qty(order, price)
    if qty and within_limit(order.ticket.side, price, order.ticket.limit_price):
        execute(floor, order, qty, price, ts)
    else:
        end(floor, order, VenueStatus.EXPIRED, ts)


def _meet(floor: Floor, order: VenueOrder, quote: Quote, ts: int) -> None:
    tif = order.ticket.time_in_force
    if tif is TimeInForce.CLS:
        return
    if tif is TimeInForce.OPG:
        price = last(quote)
        if price is not None:
            auction(floor, order, price, ts)
        return
    if order.ticket.order_type in STOPS and not order.triggered:
        triggered = _meet_stop(floor, order, last(quote), ts)
        if triggered is None:
            if tif in _AT_ONCE:
                end(floor, order, VenueStatus.CANCELED, ts)
            return
        order = triggered
    _trade(floor, order, quote, ts)


def _trade(floor: Floor, order: VenueOrder, quote: Quote, ts: int) -> None:
    price = touch(order.ticket.side, quote)
    if price is None:
        return
    if within_limit(order.ticket.side, price, limit_of(order)):
        leaves_qty = open_qty(order, price)
        qty = _planned_qty(floor, order, leaves_qty) if leaves_qty else leaves_qty
        if qty:
            order = execute(floor, order, qty, price, ts)
    if order.ticket.time_in_force in _AT_ONCE:
        end(floor, order, VenueStatus.CANCELED, ts)


def _planned_qty(floor: Floor, order: VenueOrder, leaves_qty: Decimal) -> Decimal:
    qty = floor.plan.next_qty(order.ticket, order.chain_qty + order.own_filled_qty, leaves_qty)
    all_or_nothing = order.ticket.time_in_force is TimeInForce.FOK
    return ZERO if all_or_nothing and qty < leaves_qty else qty


def _meet_stop(floor: Floor, order: VenueOrder, price: Decimal | None, ts: int) -> VenueOrder | None:
    """The order after its stop met a trade at `price`; None: it has not triggered."""
    if price is None:
        return None
    if has_triggered(order, price):
        if order.status is VenueStatus.HELD:
            return floor.move(order, OrderEvent.NEW, ts, status=VenueStatus.NEW, triggered=True)
        before = order.status_before and VenueStatus.NEW
        return floor.put(order, triggered=True, updated_ns=ts, status_before=before)
    if order.ticket.order_type is OrderType.TRAILING_STOP and is_better(order, price):
        floor.put(order, hwm=price, updated_ns=ts)
    return None
