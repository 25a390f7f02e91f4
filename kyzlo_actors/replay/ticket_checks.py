"""What can be said against an order by looking at its ticket alone, or at two tickets."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from kyzlo_actors.domain.order import OrderTicket
from kyzlo_actors.domain.values import OrderClass, OrderType, Side, TimeInForce

_LASTING: Final = frozenset({TimeInForce.DAY, TimeInForce.GTC})
_LIMITS: Final = frozenset({OrderType.LIMIT, OrderType.STOP_LIMIT})
_STOPPED: Final = frozenset({OrderType.STOP, OrderType.STOP_LIMIT})
_AUCTIONS: Final = frozenset({TimeInForce.OPG, TimeInForce.CLS})
_AUCTION_TYPES: Final = frozenset({OrderType.MARKET, OrderType.LIMIT})
_SMALLEST: Final = Decimal("1e-9")


def ticket_fault(ticket: OrderTicket) -> str:
    """What is wrong with the ticket itself, or an empty string."""
    return _amount_fault(ticket) or _price_fault(ticket) or _time_fault(ticket) or class_fault(ticket)


def is_fractional(ticket: OrderTicket) -> bool:
    """Whether it asks for parts of shares."""
    return ticket.notional is not None or ticket.qty % 1 != 0


def would_cross(ticket: OrderTicket, working: OrderTicket) -> bool:
    """Whether the new order could trade against our own working one; a stop could, whatever its price."""
    if ticket.side is working.side:
        return False
    if ticket.order_type is not OrderType.LIMIT or working.order_type is not OrderType.LIMIT:
        return True
    assert ticket.limit_price is not None and working.limit_price is not None
    distance = ticket.limit_price - working.limit_price
    return distance >= 0 if ticket.side is Side.BUY else distance <= 0


def kind_words(ticket: OrderTicket) -> str:
    """Market, limit or stop."""
    return str(ticket.order_type) if ticket.order_type in _AUCTION_TYPES else "stop"


def _amount_fault(ticket: OrderTicket) -> str:
    if ticket.notional is not None:
        if ticket.qty:
            return "only one of qty or notional is accepted"
        return "" if ticket.notional > 0 else "notional must be > 0"
    if ticket.qty <= 0:
        return "qty must be > 0"
    return "qty must have at most 9 decimal places" if ticket.qty % _SMALLEST else ""


def _price_fault(ticket: OrderTicket) -> str:
    kind, limit, stop = ticket.order_type, ticket.limit_price, ticket.stop_price
    trails = [trail for trail in (ticket.trail_price, ticket.trail_percent) if trail is not None]
    if kind is OrderType.LIMIT and (limit is None or limit <= 0):
        return "limit orders require a limit price > 0"
    if kind is OrderType.STOP and (stop is None or stop <= 0):
        return "stop orders require a stop price > 0"
    if kind is OrderType.STOP_LIMIT and (stop is None or stop <= 0 or limit is None or limit <= 0):
        return "stop limit orders require both stop and limit price > 0"
    if kind is OrderType.TRAILING_STOP and (len(trails) != 1 or trails[0] <= 0):
        return "trailing stop orders must specify one of trail_price or trail_percent, > 0"
    if ticket.trail_percent is not None and ticket.trail_percent >= 100:
        return "trail_percent must be < 100"
    spare_limit = limit is not None and kind not in _LIMITS
    spare_stop = stop is not None and kind not in _STOPPED
    if spare_limit or spare_stop or (trails and kind is not OrderType.TRAILING_STOP):
        words = str(kind).replace("_", " ")
        return f"{words} orders require no {_spare_words(kind)}"
    return ""


def _spare_words(kind: OrderType) -> str:
    match kind:
        case OrderType.MARKET | OrderType.TRAILING_STOP:
            return "stop or limit price"
        case OrderType.LIMIT:
            return "stop price"
        case OrderType.STOP:
            return "limit price"
        case _:
            return "trail"


def _time_fault(ticket: OrderTicket) -> str:
    if is_fractional(ticket) and ticket.time_in_force is not TimeInForce.DAY:
        return "fractional orders must be DAY orders"
    if ticket.extended_hours and not (
        ticket.order_type is OrderType.LIMIT and ticket.time_in_force in _LASTING
    ):
        return "extended hours order must be DAY or GTC limit orders"
    if ticket.time_in_force in _AUCTIONS and ticket.order_type not in _AUCTION_TYPES:
        return f"{ticket.time_in_force} orders must be market or limit orders"
    return ""


def class_fault(ticket: OrderTicket) -> str:
    """What is wrong with the ticket's exits, or an empty string."""
    kind, profit, stop = (
        ticket.order_class,
        ticket.take_profit_limit_price,
        ticket.stop_loss_stop_price,
    )
    if kind is OrderClass.SIMPLE:
        return "simple orders have no take_profit and no stop_loss" if profit or stop else ""
    if is_fractional(ticket):
        return "fractional orders must be simple orders"
    if ticket.time_in_force not in _LASTING:
        return f"{kind} orders must be DAY or GTC orders"
    if ticket.extended_hours:
        return "extended hours order must be simple orders"
    if kind is OrderClass.BRACKET and profit is None:
        return "bracket orders require take_profit.limit_price"
    if kind is not OrderClass.OTO and stop is None:
        return f"{kind} orders require stop_loss.stop_price"
    if kind is OrderClass.OTO and (profit is None) == (stop is None):
        return "oto orders require one of take_profit.limit_price or stop_loss.stop_price"
    if kind is OrderClass.OCO and ticket.order_type is not OrderType.LIMIT:
        return "oco orders must be limit orders"
    return _exits_fault(ticket)


def _exits_fault(ticket: OrderTicket) -> str:
    """Exits must lie on both sides of each other, and of the price at which the order itself trades."""
    is_oco = ticket.order_class is OrderClass.OCO
    profit = ticket.limit_price if is_oco else ticket.take_profit_limit_price
    stop, stop_limit = ticket.stop_loss_stop_price, ticket.stop_loss_limit_price
    if any(price is not None and price <= 0 for price in (profit, stop, stop_limit)):
        return "take_profit and stop_loss prices must be > 0"
    if stop_limit is not None and stop is None:
        return "stop_loss.limit_price requires stop_loss.stop_price"
    closes_long = (ticket.side is Side.SELL) == is_oco
    sign = 1 if closes_long else -1
    base = None if is_oco else ticket.limit_price or ticket.stop_price
    if profit is not None and stop is not None and (profit - stop) * sign <= 0:
        words = ">" if closes_long else "<"
        return f"take_profit.limit_price must be {words} stop_loss.stop_price"
    if base is not None and profit is not None and (profit - base) * sign <= 0:
        return f"take_profit.limit_price must be {'>' if closes_long else '<'} base_price"
    if base is not None and stop is not None and (base - stop) * sign <= 0:
        return f"stop_loss.stop_price must be {'<' if closes_long else '>'} base_price"
    return ""
