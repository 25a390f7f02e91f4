"""What one quote means to one order: pure functions of both."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from math import inf
from typing import Final

from kyzlo_actors.domain.order import ZERO, OrderTicket
from kyzlo_actors.domain.values import OrderType, Side, TimeInForce
from kyzlo_actors.replay.matching_messages import Quote
from kyzlo_actors.replay.venue_order import STOPS, VenueOrder

# The broker holds back a little more than the price for what has no limit, because the price may run.
RESERVE_FACTOR: Final = Decimal("1.03")
# A buy stop becomes a stop-limit with this much room, so that a gap does not buy at any price.
_STOP_ROOM_CHEAP: Final = Decimal("1.04")
_STOP_ROOM: Final = Decimal("1.025")
_CHEAP_BELOW: Final = Decimal(50)
# The first quote that an order of this kind meets decides about it, whatever the price.
_FIRST_QUOTE: Final = frozenset({TimeInForce.IOC, TimeInForce.FOK, TimeInForce.OPG})


@dataclass(slots=True)
class Watch:
    """Prices that a quote must pass to mean anything to the orders of one symbol; the millions that do not are free.

    Floats, rounded as the quote's own are: a quote inside is certain to mean nothing, one outside is looked at.
    """

    ask_at_most: float = -inf
    bid_at_least: float = inf
    last_at_most: float = -inf
    last_at_least: float = inf

    def is_met(self, quote: Quote) -> bool:
        """Whether some order must look at `quote`."""
        return (
            quote.ask <= self.ask_at_most
            or quote.bid >= self.bid_at_least
            or quote.last <= self.last_at_most
            or quote.last >= self.last_at_least
        )


def watch_for(orders: Iterable[VenueOrder]) -> Watch:
    """The watch over `orders`, which are at the market."""
    watch = Watch()
    for order in orders:
        is_buy = order.ticket.side is Side.BUY
        if order.ticket.time_in_force is TimeInForce.CLS:
            continue  # it meets no quote, only the closing auction
        if order.ticket.time_in_force in _FIRST_QUOTE:
            watch.ask_at_most = inf
        elif order.ticket.order_type in STOPS and not order.triggered:
            _watch_stop(watch, order, is_buy)
        elif is_buy:
            limit = limit_of(order)
            watch.ask_at_most = max(watch.ask_at_most, inf if limit is None else float(limit))
        else:
            limit = limit_of(order)
            watch.bid_at_least = min(watch.bid_at_least, -inf if limit is None else float(limit))
    return watch


def _watch_stop(watch: Watch, order: VenueOrder, is_buy: bool) -> None:
    stop, best = order.stop_price, order.hwm
    trails = order.ticket.order_type is OrderType.TRAILING_STOP
    above = stop if is_buy else best if trails else None
    below = best if is_buy and trails else None if is_buy else stop
    if stop is None:
        watch.last_at_least = -inf  # a trailing stop takes the first price that it sees
    if above is not None:
        watch.last_at_least = min(watch.last_at_least, float(above))
    if below is not None:
        watch.last_at_most = max(watch.last_at_most, float(below))


def touch(side: Side, quote: Quote | None) -> Decimal | None:
    """What a market order of that side pays or gets; None: that side has no price."""
    if quote is None:
        return None
    price = quote.ask if side is Side.BUY else quote.bid
    return exact(price) if price > 0 else None


def last(quote: Quote | None) -> Decimal | None:
    """The last trade's price, or None."""
    return exact(quote.last) if quote is not None and quote.last > 0 else None


def limit_of(order: VenueOrder) -> Decimal | None:
    """The worst price at which the order may trade (once triggered); None: any."""
    ticket = order.ticket
    if ticket.order_type is OrderType.STOP and ticket.side is Side.BUY and ticket.stop_price is not None:
        return stop_room(ticket.stop_price)
    return ticket.limit_price


def stop_room(stop_price: Decimal) -> Decimal:
    """The limit of a buy stop at `stop_price`."""
    return stop_price * (_STOP_ROOM_CHEAP if stop_price < _CHEAP_BELOW else _STOP_ROOM)


def within_limit(side: Side, price: Decimal, limit: Decimal | None) -> bool:
    """Whether an order of that side may trade at `price`."""
    if limit is None:
        return True
    return price <= limit if side is Side.BUY else price >= limit


def has_triggered(order: VenueOrder, price: Decimal) -> bool:
    """Whether a trade at `price` triggers the stop."""
    stop = order.stop_price
    if stop is None:
        return False
    return price <= stop if order.ticket.side is Side.SELL else price >= stop


def is_better(order: VenueOrder, price: Decimal) -> bool:
    """Whether a trailing stop follows a trade at `price`."""
    if order.hwm is None:
        return True
    return price > order.hwm if order.ticket.side is Side.SELL else price < order.hwm


def implied_stop(ticket: OrderTicket, price: Decimal | None) -> Decimal | None:
    """Where the ticket's stop stands at the start: a trailing one hangs on `price`, and is None without."""
    if ticket.order_type is not OrderType.TRAILING_STOP:
        return ticket.stop_price
    if price is None:
        return None
    distance = ticket.trail_price
    if distance is None:
        distance = price * (ticket.trail_percent or ZERO) / 100
    return price + distance * ticket.side.sign


def reserve_price(ticket: OrderTicket, quote: Quote | None) -> Decimal | None:
    """Buying power that one share (one dollar of a notional order) of an opening order holds back; None: no price."""
    if ticket.notional is not None:
        return Decimal(1) if ticket.limit_price is not None or touch(ticket.side, quote) is not None else None
    ask = touch(Side.BUY, quote)
    price: Decimal | None
    if ticket.limit_price is not None:
        price = ticket.limit_price
    elif ticket.order_type in STOPS:
        stop = implied_stop(ticket, last(quote))
        price = None if stop is None else stop * RESERVE_FACTOR
    else:
        price = None if ask is None else ask * RESERVE_FACTOR
    if ticket.side is Side.BUY or price is None:
        return price
    return price if ask is None else max(price, ask * RESERVE_FACTOR)


def extends(ticket: OrderTicket) -> bool:
    """Whether the order also trades outside the regular session."""
    lasting = ticket.time_in_force in (TimeInForce.DAY, TimeInForce.GTC)
    return ticket.extended_hours and ticket.order_type is OrderType.LIMIT and lasting


def exact(price: float) -> Decimal:
    """The price as a person would write it."""
    return Decimal(repr(price))
