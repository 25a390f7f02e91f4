"""How the venue's orders, positions and assets look on Alpaca's wire: money is strings, no key is ever missing."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any, Final
from uuid import NAMESPACE_DNS, uuid5

from kyzlo_actors.domain.order import ZERO
from kyzlo_actors.domain.values import OrderClass
from kyzlo_actors.replay.matching_messages import Fill
from kyzlo_actors.replay.venue_order import VenueOrder
from kyzlo_actors.venue.scenario import Scenario, SymbolPart
from kyzlo_actors.venue.timestamps import rfc3339

Json = dict[str, Any]
_PRICE_STEP: Final = Decimal("0.000001")
_MARGIN_PERCENT: Final = 30
_FULL_MARGIN_PERCENT: Final = 100


def number(value: Decimal) -> str:
    """Plain digits without trailing zeros."""
    text = f"{value:f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text in ("", "-0") else text


def money(value: Decimal) -> str:
    """At most six decimals."""
    return number(value.quantize(_PRICE_STEP, ROUND_HALF_EVEN))


def asset_id(symbol: str) -> str:
    """The same for ever, as asset ids are."""
    return str(uuid5(NAMESPACE_DNS, f"asset:{symbol}"))


def symbol_of(scenario: Scenario, wanted: str) -> SymbolPart | None:
    """The symbol of that name or asset id."""
    by_name = scenario.symbol(wanted)
    return by_name or next((part for part in scenario.symbols if asset_id(part.symbol) == wanted), None)


def account_id(account_number: str) -> str:
    """Id of the account of that number."""
    return str(uuid5(NAMESPACE_DNS, f"account:{account_number}"))


def order_json(
    order: VenueOrder, expires_ns: int, *, digits: int = 6, legs: Sequence[Json] | None = None
) -> Json:
    """An order that ends by itself at `expires_ns`; `digits` are those of its times."""
    ticket = order.ticket
    submitted = rfc3339(order.submitted_ns, digits)
    average = order.filled_avg_price
    return {
        "id": order.venue_order_id,
        "client_order_id": ticket.client_order_id,
        "created_at": submitted,
        "updated_at": rfc3339(order.updated_ns, digits),
        "submitted_at": submitted,
        "filled_at": _time(order.filled_ns, digits),
        "expired_at": _time(order.expired_ns, digits),
        "expires_at": rfc3339(expires_ns, 0),
        "canceled_at": _time(order.canceled_ns, digits),
        "failed_at": _time(order.failed_ns, digits),
        "replaced_at": _time(order.replaced_ns, digits),
        "replaced_by": order.replaced_by,
        "replaces": order.replaces,
        "asset_id": asset_id(ticket.symbol),
        "symbol": ticket.symbol,
        "asset_class": "us_equity",
        "notional": _number(ticket.notional),
        "qty": None if ticket.notional is not None else number(ticket.qty),
        "filled_qty": number(order.filled_qty),
        "filled_avg_price": None if average is None else money(average),
        "order_class": "" if ticket.order_class is OrderClass.SIMPLE else str(ticket.order_class),
        "order_type": str(ticket.order_type),
        "type": str(ticket.order_type),
        "side": str(ticket.side),
        "position_intent": str(order.intent),
        "time_in_force": str(ticket.time_in_force),
        "limit_price": _number(ticket.limit_price),
        "stop_price": _number(order.stop_price),
        "status": str(order.status),
        "extended_hours": ticket.extended_hours,
        "legs": list(legs) if legs else None,
        "trail_percent": _number(ticket.trail_percent),
        "trail_price": _number(ticket.trail_price),
        "hwm": _number(order.hwm),
        "subtag": None,
        "source": None,
    }


def execution_json(fill: Fill) -> Json:
    """One execution, without its own id and time: each interface has names of its own for those."""
    return {
        "order_id": fill.venue_order_id,
        "client_order_id": fill.client_order_id,
        "symbol": fill.symbol,
        "side": str(fill.side),
        "qty": number(fill.qty),
        "price": number(fill.price),
        "cum_qty": number(fill.cum_qty),
        "leaves_qty": number(fill.leaves_qty),
        "position_qty": number(fill.position_qty),
    }


def position_json(
    part: SymbolPart,
    *,
    qty: Decimal,
    cost: Decimal,
    available: Decimal,
    last: Decimal,
    last_day: Decimal,
    carried: Decimal,
    signed: bool = True,
) -> Json:
    """A position of `qty` shares that cost `cost` (both negative when short), at the price `last`.

    `last_day` is the price at the previous close, `carried` the shares held since then, signed. With `signed` false a
    short's quantities are shown without their sign.
    """
    value, average = qty * last, cost / qty
    gain = value - cost
    day_basis = carried * last_day + (qty - carried) * average
    shown = 1 if signed or qty > 0 else -1
    return {
        "asset_id": asset_id(part.symbol),
        "symbol": part.symbol,
        "exchange": part.exchange,
        "asset_class": "us_equity",
        "asset_marginable": part.marginable,
        "qty": number(qty * shown),
        "avg_entry_price": money(average),
        "side": "long" if qty > 0 else "short",
        "market_value": money(value),
        "cost_basis": money(cost),
        "unrealized_pl": money(gain),
        "unrealized_plpc": money(_ratio(gain, cost)),
        "unrealized_intraday_pl": money(value - day_basis),
        "unrealized_intraday_plpc": money(_ratio(value - day_basis, day_basis)),
        "current_price": number(last),
        "lastday_price": number(last_day),
        "change_today": money(_ratio(last - last_day, last_day)),
        "qty_available": number(available * shown),
    }


def asset_json(part: SymbolPart) -> Json:
    """What may be traded, and how."""
    margin = _MARGIN_PERCENT if part.marginable else _FULL_MARGIN_PERCENT
    easy = part.shortable and part.easy_to_borrow
    usual = "easy_to_borrow" if easy else "hard_to_borrow" if part.shortable else "not_shortable"
    return {
        "id": asset_id(part.symbol),
        "class": "us_equity",
        "exchange": part.exchange,
        "symbol": part.symbol,
        "name": part.name,
        "status": "active" if part.active else "inactive",
        "tradable": part.tradable and part.active,
        "marginable": part.marginable,
        "shortable": part.shortable,
        "easy_to_borrow": easy,
        "borrow_status": part.borrow_status or usual,
        "fractionable": part.fractionable,
        "maintenance_margin_requirement": margin,
        "margin_requirement_long": str(margin),
        "margin_requirement_short": str(margin),
        "attributes": ["fractional_eh_enabled"] if part.fractional_extended_hours else [],
    }


def _number(value: Decimal | None) -> str | None:
    return None if value is None else number(value)


def _ratio(part: Decimal, whole: Decimal) -> Decimal:
    return part / abs(whole) if whole else ZERO


def _time(ts: int, digits: int) -> str | None:
    return rfc3339(ts, digits) if ts else None
