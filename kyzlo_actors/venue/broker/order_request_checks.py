"""What can be said against an order's draft, top-down in the broker's order; the first fault is the answer.

What needs the account or open orders (buying power, shares, wash trades, …) is the matching engine's business.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from kyzlo_actors.domain.values import OrderClass, OrderType, Side, TimeInForce
from kyzlo_actors.venue.broker.json_shapes import number
from kyzlo_actors.venue.broker.order_request_draft import Draft, decimals
from kyzlo_actors.venue.broker.order_request_windows import AuctionWindows
from kyzlo_actors.venue.broker.refusal import (
    Refusal,
    bad_field,
    duplicate_id,
    forbidden,
    not_processable,
)
from kyzlo_actors.venue.control.behaviour import Behaviour

_MAX_ID_LENGTH: Final = 128
_STOPS: Final = (OrderType.STOP, OrderType.STOP_LIMIT)
_LIMITS: Final = (OrderType.LIMIT, OrderType.STOP_LIMIT)
_LASTING: Final = (TimeInForce.DAY, TimeInForce.GTC)
_STEP: Final = Decimal("0.01")


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestContext:
    """What the checks must know of the rest of the venue. `last_price` is None where nothing has a price yet."""

    behaviour: Behaviour
    windows: AuctionWindows
    now_ns: int
    fractional_trading: bool
    is_taken: Callable[[str], bool]
    last_price: Callable[[str], Decimal | None]


def draft_fault(draft: Draft, client_order_id: str, context: RequestContext) -> Refusal | None:
    """The first thing wrong with it, or None."""
    return (
        _amount_fault(draft)
        or _price_fault(draft)
        or _trail_fault(draft)
        or (bad_field(draft.enum_fault) if draft.enum_fault else None)
        or id_fault(client_order_id, context)
        or _tick_fault(draft)
        or _fraction_fault(draft, context)
        or _session_fault(draft)
        or _window_fault(draft, context)
        or _stop_fault(draft, context)
        or _class_fault(draft)
        or _base_price_fault(draft, context)
    )


def id_fault(client_order_id: str, context: RequestContext) -> Refusal | None:
    """Too long, or used before."""
    if len(client_order_id) > _MAX_ID_LENGTH:
        return bad_field(f"client_order_id must be no more than {_MAX_ID_LENGTH} characters")
    return duplicate_id(context.behaviour) if context.is_taken(client_order_id) else None


def is_sub_penny(price: Decimal) -> bool:
    """Whether it lies between two ticks: a cent from one dollar on, a hundredth of a cent below."""
    return decimals(price) > (2 if price >= 1 else 4)


def _amount_fault(draft: Draft) -> Refusal | None:
    if draft.qty is None and draft.notional is None:
        return bad_field("qty or notional is required")
    if draft.qty is not None and draft.notional is not None:
        return bad_field("only one of qty or notional is accepted")
    if draft.qty is not None and draft.qty <= 0:
        return bad_field("qty must be > 0")
    for words, price in (
        ("limit price", draft.limit_price),
        ("stop price", draft.stop_price),
        ("take_profit.limit_price", draft.take_profit_limit_price),
        ("stop_loss.stop_price", draft.stop_loss_stop_price),
        ("stop_loss.limit_price", draft.stop_loss_limit_price),
    ):
        if price is not None and price <= 0:
            return bad_field(f"{words} must be > 0")
    return None


def _price_fault(draft: Draft) -> Refusal | None:
    kind, limit, stop = draft.order_type, draft.limit_price, draft.stop_price
    if kind is OrderType.LIMIT and limit is None:
        return bad_field("limit orders require a limit price")
    if kind is OrderType.LIMIT and stop is not None:
        return bad_field("limit orders require no stop price")
    if kind is OrderType.STOP and stop is None:
        return bad_field("stop orders require a stop price")
    if kind is OrderType.STOP and limit is not None:
        return bad_field("stop orders require no limit price")
    if kind is OrderType.STOP_LIMIT and (stop is None or limit is None):
        return bad_field("stop limit orders require both stop and limit price")
    if kind in (OrderType.MARKET, OrderType.TRAILING_STOP) and (stop is not None or limit is not None):
        return bad_field(f"{str(kind).replace('_', ' ')} orders require no stop or limit price")
    return None


def _trail_fault(draft: Draft) -> Refusal | None:
    given = [value for value in (draft.trail_price, draft.trail_percent) if value is not None]
    if draft.order_type is OrderType.TRAILING_STOP:
        if len(given) != 1:
            return bad_field("trailing stop orders must specify one of trail_price or trail_percent")
        if given[0] <= 0:
            return bad_field("trail must be > 0")
        if draft.trail_percent is not None and draft.trail_percent >= 100:
            return bad_field("trail_percent must be < 100")
    elif given and draft.order_type is not None:
        return bad_field("only trailing stop orders may specify trail_price or trail_percent")
    return None


def _tick_fault(draft: Draft) -> Refusal | None:
    for name, price in (
        ("limit_price", draft.limit_price),
        ("stop_price", draft.stop_price),
        ("take_profit.limit_price", draft.take_profit_limit_price),
        ("stop_loss.stop_price", draft.stop_loss_stop_price),
        ("stop_loss.limit_price", draft.stop_loss_limit_price),
    ):
        if price is not None and is_sub_penny(price):
            why = "sub-penny increment does not fulfill minimum pricing criteria"
            return not_processable(f"invalid {name} {number(price)}. {why}")
    return None


def _fraction_fault(draft: Draft, context: RequestContext) -> Refusal | None:
    if not draft.fractional:
        return None
    if draft.time_in_force is not TimeInForce.DAY:
        return not_processable("fractional orders must be DAY orders")
    if draft.order_class is not OrderClass.SIMPLE:
        return not_processable("fractional orders must be simple orders")
    if draft.notional is not None and draft.notional < 1:
        return not_processable("notional must be >= 1.00")
    if draft.notional is not None and decimals(draft.notional) > 2:
        return not_processable("notional amount must be limited to 2 decimal places")
    if not draft.part.fractionable:
        return forbidden(f'asset "{draft.part.symbol}" is not fractionable')
    if not context.fractional_trading:
        return forbidden("account is not allowed to trade fractional shares")
    return None


def _session_fault(draft: Draft) -> Refusal | None:
    if not draft.extended_hours:
        return None
    if draft.order_type is not OrderType.LIMIT or draft.time_in_force not in _LASTING:
        return not_processable("extended hours order must be DAY or GTC limit orders")
    if draft.order_class is not OrderClass.SIMPLE:
        return not_processable("extended hours order must be simple orders")
    if draft.fractional and not draft.part.fractional_extended_hours:
        symbol = draft.part.symbol
        return not_processable(f'asset "{symbol}" is not eligible for fractional extended hours trading')
    return None


def _window_fault(draft: Draft, context: RequestContext) -> Refusal | None:
    if draft.time_in_force is None:
        return None
    message = context.windows.fault(draft.time_in_force, context.now_ns, context.behaviour.auction_words)
    return forbidden(message) if message else None


def _stop_fault(draft: Draft, context: RequestContext) -> Refusal | None:
    """A stop that would trigger at once."""
    market = context.last_price(draft.part.symbol)
    stop = draft.stop_price
    if draft.order_type not in _STOPS or stop is None or market is None:
        return None
    numbers = {"market_price": number(market), "stop_price": number(stop)}
    if draft.side is Side.SELL and stop >= market:
        return not_processable("stop price must be less than current price", **numbers)
    if draft.side is Side.BUY and stop <= market:
        return not_processable("stop price must be greater than current price", **numbers)
    return None


def _class_fault(draft: Draft) -> Refusal | None:
    take_profit, stop_loss = draft.take_profit_limit_price, draft.stop_loss_stop_price
    kind = draft.order_class
    if kind is OrderClass.SIMPLE:
        exits = (take_profit, stop_loss, draft.stop_loss_limit_price)
        return bad_field("simple orders have no take_profit or stop_loss") if any(exits) else None
    if draft.time_in_force not in _LASTING:
        return not_processable(f"{kind} orders must be DAY or GTC orders")
    if kind is OrderClass.OCO and draft.order_type is not OrderType.LIMIT:
        return not_processable("oco orders must be limit orders")
    if kind is not OrderClass.OCO and draft.order_type not in (OrderType.MARKET, OrderType.LIMIT):
        return not_processable(f"{kind} orders must be market or limit orders")
    if kind is OrderClass.BRACKET and take_profit is None:
        return not_processable("bracket orders require take_profit.limit_price")
    if kind in (OrderClass.BRACKET, OrderClass.OCO) and stop_loss is None:
        return not_processable(f"{kind} orders require stop_loss.stop_price")
    if kind is OrderClass.OTO and (take_profit is None) == (stop_loss is None):
        return not_processable("oto orders require one of take_profit.limit_price or stop_loss.stop_price")
    if stop_loss is None and draft.stop_loss_limit_price is not None:
        return not_processable("stop_loss.limit_price requires stop_loss.stop_price")
    return None


def _base_price_fault(draft: Draft, context: RequestContext) -> Refusal | None:
    """Exits must lie on their sides of the price at which the position is entered (oco: of each other)."""
    if draft.order_class is OrderClass.SIMPLE or draft.side is None:
        return None
    base = draft.limit_price or context.last_price(draft.part.symbol)
    if base is None:
        return None
    # An oco closes, the others open: their exits are on the other side.
    upwards = (draft.side is Side.SELL) == (draft.order_class is OrderClass.OCO)
    profit, stop = draft.take_profit_limit_price, draft.stop_loss_stop_price
    above, below = (profit, stop) if upwards else (stop, profit)
    names = ("take_profit.limit_price", "stop_loss.stop_price")
    above_name, below_name = names if upwards else names[::-1]
    if above is not None and above < base + _STEP:
        return not_processable(f"{above_name} must be >= base_price + 0.01", base_price=number(base))
    if below is not None and below > base - _STEP:
        return not_processable(f"{below_name} must be <= base_price - 0.01", base_price=number(base))
    return None
