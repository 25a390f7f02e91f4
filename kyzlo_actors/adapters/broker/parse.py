"""Alpaca's JSON as our own records. Pure and tolerant: what cannot be used is counted and None, never an error."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, time
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Any, Final, TypeVar

import orjson

from kyzlo_actors.adapters.broker.timestamps import timestamp_ns
from kyzlo_actors.domain.broker import (
    BrokerAccount,
    BrokerAsset,
    BrokerClock,
    BrokerExecution,
    BrokerOrder,
    BrokerPosition,
)
from kyzlo_actors.domain.order import ZERO, OrderStatus
from kyzlo_actors.domain.session import SessionCalendar, SessionDay
from kyzlo_actors.domain.values import OrderType, Side, TimeInForce
from kyzlo_actors.infrastructure.new_york import new_york_ns

# The broker's words. A word that is not here is not terminal: the order is read again.
STATUSES: Final[dict[str, OrderStatus]] = {
    "pending_new": OrderStatus.ACCEPTED,
    "accepted": OrderStatus.ACCEPTED,
    "held": OrderStatus.ACCEPTED,
    "accepted_for_bidding": OrderStatus.ACCEPTED,
    "pending_review": OrderStatus.ACCEPTED,
    "new": OrderStatus.NEW,
    # Rare, and live: an execution can still come.
    "stopped": OrderStatus.NEW,
    "suspended": OrderStatus.NEW,
    "calculated": OrderStatus.NEW,
    "partially_filled": OrderStatus.PARTIALLY_FILLED,
    "filled": OrderStatus.FILLED,
    "done_for_day": OrderStatus.DONE_FOR_DAY,
    "canceled": OrderStatus.CANCELED,
    "expired": OrderStatus.EXPIRED,
    "replaced": OrderStatus.REPLACED,
    "pending_cancel": OrderStatus.PENDING_CANCEL,
    "pending_replace": OrderStatus.PENDING_REPLACE,
    "rejected": OrderStatus.REJECTED,
}
_LONGEST_NUMBER: Final = 64
_LARGEST_EXPONENT: Final = 30

Json = Mapping[str, Any]
_Word = TypeVar("_Word", bound=StrEnum)


@dataclass(slots=True)
class ParseCounters:
    """What could not be used. `dropped`: an identity field was missing, so the whole record is unusable."""

    missing_fields: int = 0
    unknown_words: int = 0
    dropped: int = 0
    unknown_frames: int = 0


def load_json(payload: bytes | str) -> Any:
    """The JSON value, or None when it is none (HTML of a proxy, a cut frame)."""
    try:
        return orjson.loads(payload)
    except orjson.JSONDecodeError:
        return None


def parse_order(data: object, counters: ParseCounters) -> BrokerOrder | None:
    """One order without its legs; None (counted) without id, client order id, symbol or side."""
    if not isinstance(data, dict):
        counters.dropped += 1
        return None
    venue_order_id, client_order_id = _text(data.get("id")), _text(data.get("client_order_id"))
    symbol, side = _text(data.get("symbol")), _word(Side, data.get("side"), counters)
    if venue_order_id is None or client_order_id is None or symbol is None or side is None:
        counters.dropped += 1
        return None
    raw_status = _text(data.get("status")) or ""
    status = STATUSES.get(raw_status)
    counters.unknown_words += status is None
    filled_qty = decimal(data.get("filled_qty"))
    counters.missing_fields += filled_qty is None
    return BrokerOrder(
        venue_order_id=venue_order_id,
        client_order_id=client_order_id,
        symbol=symbol,
        side=side,
        qty=decimal(data.get("qty")),
        order_type=_word(OrderType, data.get("type") or data.get("order_type"), counters),
        time_in_force=_word(TimeInForce, data.get("time_in_force"), counters),
        limit_price=decimal(data.get("limit_price")),
        status=status,
        raw_status=raw_status,
        filled_qty=filled_qty if filled_qty is not None else ZERO,
        filled_avg_price=decimal(data.get("filled_avg_price")),
        submitted_ns=_time(data, ("submitted_at", "created_at"), counters),
        updated_ns=_time(data, ("updated_at", "submitted_at", "created_at"), counters),
        replaced_by=_text(data.get("replaced_by")),
        replaces=_text(data.get("replaces")),
    )


def each_order(data: object) -> Iterator[object]:
    """The order and the legs rolled up in it, flat. Legs have no legs."""
    yield data
    legs = data.get("legs") if isinstance(data, dict) else None
    yield from legs if isinstance(legs, list) else ()


def parse_account(data: object, counters: ParseCounters) -> BrokerAccount | None:
    """The account; None (counted) without number, status, cash or equity."""
    if not isinstance(data, dict):
        counters.dropped += 1
        return None
    number, status = _text(data.get("account_number")), _text(data.get("status"))
    cash, equity = decimal(data.get("cash")), decimal(data.get("equity"))
    if number is None or status is None or cash is None or equity is None:
        counters.dropped += 1
        return None
    last_equity, buying_power = decimal(data.get("last_equity")), decimal(data.get("buying_power"))
    counters.missing_fields += (last_equity is None) + (buying_power is None)
    return BrokerAccount(
        account_number=number,
        status=status,
        currency=_text(data.get("currency")) or "USD",
        cash=cash,
        equity=equity,
        last_equity=last_equity if last_equity is not None else equity,
        buying_power=buying_power if buying_power is not None else ZERO,
        # A flag that is missing counts as "not blocked"; one that is no boolean counts as blocked.
        trading_blocked=data.get("trading_blocked", False) is not False,
        account_blocked=data.get("account_blocked", False) is not False,
        trade_suspended_by_user=data.get("trade_suspended_by_user", False) is not False,
        shorting_enabled=data.get("shorting_enabled") is True,
    )


def parse_position(data: object, counters: ParseCounters) -> BrokerPosition | None:
    """One position, signed; None (counted) without symbol or quantity."""
    symbol = _text(data.get("symbol")) if isinstance(data, dict) else None
    qty = decimal(data.get("qty")) if isinstance(data, dict) else None
    if not isinstance(data, dict) or symbol is None or qty is None:
        counters.dropped += 1
        return None
    price = decimal(data.get("avg_entry_price"))
    counters.missing_fields += price is None
    # Whether a short's quantity carries its sign is unproven: the word decides.
    signed = -abs(qty) if data.get("side") == "short" else qty
    return BrokerPosition(
        symbol=symbol,
        qty=signed,
        avg_entry_price=price if price is not None else ZERO,
        current_price=decimal(data.get("current_price")),
    )


def parse_clock(data: object, counters: ParseCounters) -> BrokerClock | None:
    """The broker's time; None (counted) when any of its four fields is missing."""
    if isinstance(data, dict) and isinstance(data.get("is_open"), bool):
        times = [timestamp_ns(data.get(key)) for key in ("timestamp", "next_open", "next_close")]
        now_ns, open_ns, close_ns = times
        if now_ns is not None and open_ns is not None and close_ns is not None:
            return BrokerClock(
                timestamp_ns=now_ns, is_open=data["is_open"], next_open_ns=open_ns, next_close_ns=close_ns
            )
    counters.dropped += 1
    return None


def parse_calendar(data: object, counters: ParseCounters) -> SessionCalendar | None:
    """Trading days, ascending; their times are New York's. A day that cannot be read is left out (closed)."""
    if not isinstance(data, list):
        counters.dropped += 1
        return None
    days = {}
    for row in data:
        day = _session_day(row) if isinstance(row, dict) else None
        if day is None:
            counters.dropped += 1
        else:
            days[day.date] = day
    return SessionCalendar(days=tuple(days[key] for key in sorted(days)))


def parse_asset(data: object, counters: ParseCounters) -> BrokerAsset | None:
    """One asset; None (counted) without its symbol. What is not clearly allowed is not."""
    symbol = _text(data.get("symbol")) if isinstance(data, dict) else None
    if not isinstance(data, dict) or symbol is None:
        counters.dropped += 1
        return None
    return BrokerAsset(
        symbol=symbol,
        tradable=data.get("tradable") is True and data.get("status", "active") == "active",
        shortable=data.get("shortable") is True,
        fractionable=data.get("fractionable") is True,
    )


def parse_execution(data: object, counters: ParseCounters) -> BrokerExecution | None:
    """One FILL of the activities ledger; None (counted) when anything of it is missing."""
    if not isinstance(data, dict):
        counters.dropped += 1
        return None
    execution_id, order_id = _text(data.get("id")), _text(data.get("order_id"))
    symbol, side = _text(data.get("symbol")), _word(Side, data.get("side"), counters)
    qty, price, cum_qty = (decimal(data.get(key)) for key in ("qty", "price", "cum_qty"))
    ts_event = timestamp_ns(data.get("transaction_time"))
    if execution_id is None or order_id is None or symbol is None or side is None:
        counters.dropped += 1
        return None
    if qty is None or price is None or cum_qty is None or ts_event is None:
        counters.dropped += 1
        return None
    return BrokerExecution(
        execution_id=execution_id,
        venue_order_id=order_id,
        symbol=symbol,
        side=side,
        qty=qty,
        price=price,
        cum_qty=cum_qty,
        ts_event=ts_event,
    )


def decimal(value: object) -> Decimal | None:
    """A finite amount out of a JSON string or number; None when it is none, or absurdly large or small."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    text = value if isinstance(value, str) else repr(value)
    if not text.isascii() or len(text) > _LONGEST_NUMBER or "_" in text:
        return None
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    if not number.is_finite() or abs(number.adjusted()) > _LARGEST_EXPONENT:
        return None
    return number


def _session_day(row: Json) -> SessionDay | None:
    try:
        day = date.fromisoformat(str(row.get("date")))
        opening, closing = (time.fromisoformat(str(row.get(key))) for key in ("open", "close"))
        open_ns, close_ns = new_york_ns(day, opening), new_york_ns(day, closing)
    except (ValueError, TypeError, OverflowError):
        return None
    if close_ns <= open_ns:
        return None
    return SessionDay(date=day.isoformat(), open_ns=open_ns, close_ns=close_ns)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _word(kind: type[_Word], value: object, counters: ParseCounters) -> _Word | None:
    try:
        return kind(str(value))
    except ValueError:
        counters.unknown_words += value is not None
        return None


def _time(data: Json, keys: tuple[str, ...], counters: ParseCounters) -> int:
    for key in keys:
        ts = timestamp_ns(data.get(key))
        if ts is not None:
            return ts
    counters.missing_fields += 1
    return 0
