"""Polygon (Massive) frames and replies as our own records. Pure and tolerant: it counts, it never raises."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import Any, Final

import orjson

from kyzlo_actors.domain.market import Bar, Tick
from kyzlo_actors.domain.values import NS_PER_MILLISECOND, NS_PER_SECOND

# Larger frames are not ours: the vendor's stay below a megabyte.
MAX_FRAME_BYTES: Final = 16 << 20
_AGGREGATES: Final = frozenset({"A", "AM"})
_LATEST_TS: Final = 1 << 62
_TRADE_ID_LENGTH: Final = 64
# Exchange ids and counts of trades are small; what is larger does not fit a slot.
_LARGEST_COUNT: Final = 1 << 32


@dataclass(slots=True)
class ParseCounters:
    """What could not be used. `bad_frames`: not JSON; `bad_events`: a needed field missing or mistyped."""

    frames: int = 0
    bad_frames: int = 0
    bad_events: int = 0
    unknown_events: int = 0
    bad_conditions: int = 0


@dataclass(slots=True)
class TradePrint:
    """One trade as printed. `report_delay_ns`: how long after its execution it was reported."""

    tick: Tick
    conditions: tuple[int, ...]
    report_delay_ns: int


@dataclass(frozen=True, slots=True)
class Status:
    """What the server says about the session; both words in its own spelling."""

    status: str
    message: str


FeedEvent = TradePrint | Status | Bar


def parse_frame(payload: bytes | str, recv_ns: int, counters: ParseCounters) -> list[FeedEvent]:
    """The usable events of one frame in its order; `recv_ns` becomes their `ts_init`."""
    counters.frames += 1
    rows = _load(payload)
    if isinstance(rows, dict):
        rows = [rows]
    if not isinstance(rows, list):
        counters.bad_frames += 1
        return []
    events: list[FeedEvent] = []
    for row in rows:
        kind = row.get("ev") if isinstance(row, dict) else None
        event: FeedEvent | None
        if kind == "T":
            event = _trade(row, recv_ns, counters)
        elif kind == "status":
            event = Status(str(row.get("status", "")), str(row.get("message", "")))
        elif isinstance(kind, str) and kind in _AGGREGATES:
            event = _stream_aggregate(row, recv_ns)
        else:
            counters.unknown_events += 1
            continue
        if event is None:
            counters.bad_events += 1
        else:
            events.append(event)
    return events


def parse_aggregates(
    body: Any, symbol: str, interval_ns: int, recv_ns: int, counters: ParseCounters
) -> list[Bar]:
    """The bars of one aggregates reply; `results` is absent when there are none."""
    rows = body.get("results") if isinstance(body, dict) else None
    bars = []
    for row in rows if isinstance(rows, list) else ():
        start_ns = time_ns(row.get("t")) if isinstance(row, dict) else None
        bar = (
            _bar(row, symbol, start_ns, interval_ns, recv_ns, trade_count=row.get("n")) if start_ns else None
        )
        if bar is None:
            counters.bad_events += 1
        else:
            bars.append(bar)
    return bars


def time_ns(value: object) -> int | None:
    """A vendor timestamp as ns UTC; its magnitude tells its unit (s, ms, µs, ns). None when it is none."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value) or value <= 0:
        return None
    if value < 1e11:
        scaled = value * NS_PER_SECOND
    elif value < 1e14:
        scaled = value * NS_PER_MILLISECOND
    elif value < 1e17:
        scaled = value * 1_000
    else:
        scaled = value
    return int(scaled) if scaled < _LATEST_TS else None


def _trade(row: dict[str, Any], recv_ns: int, counters: ParseCounters) -> TradePrint | None:
    symbol, price, ts_event = row.get("sym"), _number(row.get("p")), time_ns(row.get("t"))
    exchange, trf, trade_id = _count(row.get("x")), _count(row.get("trfi", 0)), row.get("i")
    size = _size(row)
    if type(trade_id) is int:
        trade_id = str(trade_id)
    if not (isinstance(symbol, str) and symbol and isinstance(trade_id, str) and trade_id):
        return None
    if price is None or price <= 0 or size is None or size <= 0 or ts_event is None:
        return None
    if exchange is None or trf is None:
        return None
    tick = Tick(symbol, price, size, ts_event, recv_ns, exchange, trf, trade_id[:_TRADE_ID_LENGTH])
    return TradePrint(tick, _conditions(row.get("c"), counters), _report_delay_ns(row, ts_event))


def _report_delay_ns(row: dict[str, Any], ts_event: int) -> int:
    """0 on an exchange; a trade reporting facility may be minutes late, and no condition says so."""
    reported_ns = time_ns(row.get("trft"))
    if reported_ns is None:
        return 0
    executed_ns = time_ns(row.get("pt")) or reported_ns
    return ts_event - min(executed_ns, reported_ns)


def _size(row: dict[str, Any]) -> float | None:
    """Shares: `ds` where it is (fractional trades have `s` 0), else `s`."""
    exact = _number(row.get("ds"))
    return exact if exact is not None else _number(row.get("s"))


def _conditions(value: object, counters: ParseCounters) -> tuple[int, ...]:
    """Condition ids; what is not a number becomes -1, which no table knows: it then updates nothing."""
    if value is None:
        return ()
    rows = value if isinstance(value, list) else [value]
    ids = tuple(row if type(row) is int else -1 for row in rows)
    counters.bad_conditions += ids.count(-1)
    return ids


def _stream_aggregate(row: dict[str, Any], recv_ns: int) -> Bar | None:
    symbol, start_ns, end_ns = row.get("sym"), time_ns(row.get("s")), time_ns(row.get("e"))
    if not isinstance(symbol, str) or start_ns is None or end_ns is None or end_ns <= start_ns:
        return None
    return _bar(row, symbol, start_ns, end_ns - start_ns, recv_ns, trade_count=None)


def _bar(
    row: dict[str, Any], symbol: str, start_ns: int, interval_ns: int, recv_ns: int, *, trade_count: object
) -> Bar | None:
    prices = [_number(row.get(key)) for key in "ohlc"]
    volume = _number(row.get("dv"))
    if volume is None:
        volume = _number(row.get("v"))
    first, high, low, last = prices
    if first is None or high is None or low is None or last is None or volume is None:
        return None
    if low <= 0 or volume < 0 or not low <= min(first, last) <= max(first, last) <= high:
        return None
    count = _count(trade_count) or 0
    return Bar(symbol, interval_ns, start_ns, first, high, low, last, volume, count, 0, False, recv_ns)


def _count(value: object) -> int | None:
    """A whole number from 0 on that is no absurdity; None when it is none."""
    return value if type(value) is int and 0 <= value < _LARGEST_COUNT else None


def _number(value: object) -> float | None:
    """A finite number, also out of a string; None when it is none."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if isfinite(number) else None


def _load(payload: bytes | str) -> object:
    if len(payload) > MAX_FRAME_BYTES:
        return None
    try:
        return orjson.loads(payload)
    except orjson.JSONDecodeError:
        return None
