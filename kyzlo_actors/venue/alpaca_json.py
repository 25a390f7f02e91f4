"""How the venue's state looks on Alpaca's wire: money and quantities are strings, no key is ever missing."""

from __future__ import annotations

from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any, Final
from uuid import NAMESPACE_DNS, uuid5

from kyzlo_actors.domain.order import ZERO
from kyzlo_actors.domain.session import SessionDay
from kyzlo_actors.domain.values import NS_PER_SECOND, Side, TimeInForce
from kyzlo_actors.replay.matching_messages import Fill
from kyzlo_actors.replay.venue_order import VenueOrder
from kyzlo_actors.venue.scenario import SymbolPart
from kyzlo_actors.venue.timestamps import NEW_YORK, rfc3339

Json = dict[str, Any]
_PRICE_STEP: Final = Decimal("0.000001")
# Keys that are always there and never say anything here: nothing this venue supports fills them.
_UNUSED_IN_ORDERS: Final[Json] = {
    "failed_at": None,
    "replaced_at": None,
    "replaced_by": None,
    "replaces": None,
    "notional": None,
    "order_class": "",
    "stop_price": None,
    "legs": None,
    "trail_percent": None,
    "trail_price": None,
    "hwm": None,
    "subtag": None,
    "source": None,
}
_FIXED_IN_ACCOUNT: Final[Json] = {
    "status": "ACTIVE",
    "crypto_status": "INACTIVE",
    "currency": "USD",
    "options_buying_power": "0",
    "short_market_value": "0",
    "initial_margin": "0",
    "maintenance_margin": "0",
    "last_maintenance_margin": "0",
    "sma": "0",
    "accrued_fees": "0",
    "intraday_adjustments": "0",
    "trading_blocked": False,
    "transfers_blocked": False,
    "account_blocked": False,
    "trade_suspended_by_user": False,
    "shorting_enabled": False,
    "options_approved_level": 0,
    "options_trading_level": 0,
}
_GTC_NS: Final = 90 * 86_400 * NS_PER_SECOND


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


def account_id(account_number: str) -> str:
    """Id of the account of that number."""
    return str(uuid5(NAMESPACE_DNS, f"account:{account_number}"))


def order_json(order: VenueOrder, session: SessionDay, *, digits: int = 6) -> Json:
    """An order; `session` is the one it was given in or queued for, `digits` those of its times."""
    ticket = order.ticket
    submitted = rfc3339(order.submitted_ns, digits)
    day = ticket.time_in_force is TimeInForce.DAY
    average = order.filled_avg_price
    return {
        **_UNUSED_IN_ORDERS,
        "id": order.venue_order_id,
        "client_order_id": ticket.client_order_id,
        "created_at": submitted,
        "updated_at": rfc3339(order.updated_ns, digits),
        "submitted_at": submitted,
        "filled_at": _time(order.filled_ns, digits),
        "expired_at": _time(order.expired_ns, digits),
        "expires_at": rfc3339(session.close_ns if day else order.submitted_ns + _GTC_NS, 0),
        "canceled_at": _time(order.canceled_ns, digits),
        "asset_id": asset_id(ticket.symbol),
        "symbol": ticket.symbol,
        "asset_class": "us_equity",
        "qty": number(ticket.qty),
        "filled_qty": number(order.filled_qty),
        "filled_avg_price": None if average is None else money(average),
        "order_type": str(ticket.order_type),
        "type": str(ticket.order_type),
        "side": str(ticket.side),
        "position_intent": "buy_to_open" if ticket.side is Side.BUY else "sell_to_close",
        "time_in_force": str(ticket.time_in_force),
        "limit_price": None if ticket.limit_price is None else number(ticket.limit_price),
        "status": str(order.status),
        "extended_hours": ticket.extended_hours,
    }


def activity_id(fill: Fill) -> str:
    """New York's local time down to the millisecond, and the execution."""
    seconds, ns = divmod(fill.ts, NS_PER_SECOND)
    local = datetime.fromtimestamp(seconds, NEW_YORK).strftime("%Y%m%d%H%M%S")
    return f"{local}{ns // 1_000_000:03d}::{fill.execution_id}"


def activity_json(fill: Fill, account_number: str) -> Json:
    """One row of the fill ledger."""
    done = not fill.leaves_qty
    return {
        "id": activity_id(fill),
        "account_id": account_id(account_number),
        "activity_type": "FILL",
        "transaction_time": rfc3339(fill.ts),
        "type": "fill" if done else "partial_fill",
        "price": number(fill.price),
        "qty": number(fill.qty),
        "side": str(fill.side),
        "symbol": fill.symbol,
        "leaves_qty": number(fill.leaves_qty),
        "order_id": fill.venue_order_id,
        "cum_qty": number(fill.cum_qty),
        "order_status": "filled" if done else "partially_filled",
    }


def position_json(
    part: SymbolPart, *, qty: Decimal, cost: Decimal, available: Decimal, last: Decimal
) -> Json:
    """A long position of `qty` > 0 shares that cost `cost`, at the price `last`."""
    value = qty * last
    gain = value - cost
    share = gain / cost if cost else ZERO
    return {
        "asset_id": asset_id(part.symbol),
        "symbol": part.symbol,
        "exchange": part.exchange,
        "asset_class": "us_equity",
        "asset_marginable": True,
        "qty": number(qty),
        "avg_entry_price": money(cost / qty),
        "side": "long",
        "market_value": money(value),
        "cost_basis": money(cost),
        "unrealized_pl": money(gain),
        "unrealized_plpc": money(share),
        "unrealized_intraday_pl": money(gain),
        "unrealized_intraday_plpc": money(share),
        "current_price": number(last),
        "lastday_price": number(last),
        "change_today": "0",
        "qty_available": number(available),
    }


def asset_json(part: SymbolPart) -> Json:
    """What may be traded, and how."""
    return {
        "id": asset_id(part.symbol),
        "class": "us_equity",
        "exchange": part.exchange,
        "symbol": part.symbol,
        "name": part.name,
        "status": "active" if part.active else "inactive",
        "tradable": part.tradable and part.active,
        "marginable": True,
        "shortable": part.shortable,
        "easy_to_borrow": part.shortable,
        "borrow_status": "easy_to_borrow" if part.shortable else "not_shortable",
        "fractionable": part.fractionable,
        "maintenance_margin_requirement": 30,
        "margin_requirement_long": "30",
        "margin_requirement_short": "30",
        "attributes": [],
    }


def account_json(
    *,
    account_number: str,
    cash: Decimal,
    buying_power: Decimal,
    positions_value: Decimal,
    starting_cash: Decimal,
    multiplier: Decimal,
    created_ns: int,
) -> Json:
    """The account; the equity of "yesterday" is what it started with."""
    equity = cash + positions_value
    return {
        **_FIXED_IN_ACCOUNT,
        "id": account_id(account_number),
        "account_number": account_number,
        "cash": money(cash),
        "buying_power": money(max(ZERO, buying_power)),
        "regt_buying_power": money(max(ZERO, buying_power)),
        "non_marginable_buying_power": money(max(ZERO, min(cash, buying_power))),
        "portfolio_value": money(equity),
        "equity": money(equity),
        "last_equity": money(starting_cash),
        "long_market_value": money(positions_value),
        "multiplier": number(multiplier),
        "balance_asof": rfc3339(created_ns)[:10],
        "created_at": rfc3339(created_ns),
    }


def _time(ts: int, digits: int) -> str | None:
    return rfc3339(ts, digits) if ts else None
