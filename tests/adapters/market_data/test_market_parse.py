"""Polygon frames: what becomes a tick, what is skipped and counted, and that nothing ever raises."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kyzlo_actors.adapters.market_data.parse import (
    MAX_FRAME_BYTES,
    ParseCounters,
    Status,
    TradePrint,
    parse_aggregates,
    parse_frame,
    time_ns,
)
from kyzlo_actors.domain.market import Bar

TRADE: dict[str, Any] = {
    "ev": "T", "sym": "AAPL", "i": "143541", "x": 4, "p": 297.845, "s": 40, "ds": "40.0", "c": [14, 37, 41],
    "t": 1781622376036, "pt": 1781622376029, "q": 4938312, "z": 3, "trfi": 202, "trft": 1781622376036,
}  # fmt: skip
MINUTE: dict[str, Any] = {
    "ev": "AM", "sym": "GTE", "v": 4110, "dv": "4110.5", "op": 0.4372, "vw": 0.4488, "o": 0.4488, "c": 0.4486,
    "h": 0.4489, "l": 0.4486, "a": 0.4352, "z": 685, "s": 1610144640000, "e": 1610144700000,
}  # fmt: skip


def parse(*rows: object) -> tuple[list[object], ParseCounters]:
    counters = ParseCounters()
    return list(parse_frame(orjson.dumps(list(rows)), 7, counters)), counters


def test_a_trade() -> None:
    (event,), counters = parse(TRADE)
    assert isinstance(event, TradePrint)
    tick = event.tick
    assert (tick.symbol, tick.price, tick.size) == ("AAPL", 297.845, 40.0)
    assert tick.ts_event == 1781622376036_000_000
    assert tick.ts_init == 7
    assert tick.natural_key == "T:4:202:143541"
    assert event.conditions == (14, 37, 41)
    assert event.report_delay_ns == 7_000_000
    assert counters.bad_events == 0


def test_a_fractional_trade_takes_the_exact_size() -> None:
    (event,), _ = parse({**TRADE, "s": 0, "ds": "0.4"})
    assert isinstance(event, TradePrint)
    assert event.tick.size == 0.4


def test_a_trade_on_an_exchange_is_never_a_late_report() -> None:
    row = {key: value for key, value in TRADE.items() if not key.startswith("trf")}
    (event,), _ = parse({**row, "pt": TRADE["t"] - 60_000})
    assert isinstance(event, TradePrint)
    assert event.report_delay_ns == 0
    assert event.tick.trf == 0


@pytest.mark.parametrize(
    "change",
    [
        {"p": "much"}, {"p": 0}, {"p": -1.0}, {"p": None}, {"p": True}, {"p": [1]}, {"sym": 5}, {"sym": ""},
        {"t": "now"}, {"t": 0}, {"t": None}, {"t": 1e300}, {"s": 0, "ds": None}, {"ds": "0"}, {"ds": "-1"},
        {"i": None}, {"i": {}}, {"x": "4"}, {"x": None}, {"trfi": "202"},
    ],
)  # fmt: skip
def test_a_wrong_field_costs_that_trade_only(change: dict[str, object]) -> None:
    events, counters = parse({**TRADE, **change}, TRADE)
    assert len(events) == 1
    assert counters.bad_events == 1


def test_conditions_of_any_kind() -> None:
    (event,), counters = parse({**TRADE, "c": [37, "x", None]})
    assert isinstance(event, TradePrint)
    assert event.conditions == (37, -1, -1)
    assert counters.bad_conditions == 2
    (event,), _ = parse({key: value for key, value in TRADE.items() if key != "c"})
    assert isinstance(event, TradePrint)
    assert event.conditions == ()


def test_statuses_and_trades_share_a_frame() -> None:
    status = {"ev": "status", "status": "success", "message": "subscribed to: T.AAPL", "new": 1}
    events, counters = parse(status, TRADE, {"ev": "LULD", "T": "MSFT"}, {"ev": 5}, 3, None)
    assert events[0] == Status("success", "subscribed to: T.AAPL")
    assert len(events) == 2
    assert counters.unknown_events == 4


def test_an_aggregate() -> None:
    (bar,), _ = parse(MINUTE)
    assert isinstance(bar, Bar)
    assert bar.interval_ns == 60_000_000_000
    assert (bar.open, bar.high, bar.low, bar.close, bar.volume) == (0.4488, 0.4489, 0.4486, 0.4486, 4110.5)
    events, counters = parse({**MINUTE, "h": 0.1}, {**MINUTE, "e": MINUTE["s"]})
    assert events == []
    assert counters.bad_events == 2


def test_history_rows() -> None:
    counters = ParseCounters()
    row = {"o": 74.06, "h": 75.15, "l": 73.7975, "c": 75.0875, "v": 135647456.0, "t": 1577941200000, "n": 15}
    body = {"results": [row, {**row, "t": "x"}, 5]}
    (bar,) = parse_aggregates(body, "AAPL", 60_000_000_000, 9, counters)
    assert (bar.start_ns, bar.trade_count, bar.ts_init) == (1577941200000_000_000, 15, 9)
    assert counters.bad_events == 2
    for empty in ({"resultsCount": 0}, {"results": None}, [], None, "x"):
        assert parse_aggregates(empty, "AAPL", 1, 9, counters) == []


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1_781_622_376, 1_781_622_376 * 10**9),
        (1_781_622_376_036, 1_781_622_376_036 * 10**6),
        (1_601_316_752_683_746, 1_601_316_752_683_746 * 10**3),
        (1_601_316_752_683_746_123, 1_601_316_752_683_746_123),
        (True, None),
        (float("inf"), None),
        (-5, None),
        ("1", None),
    ],
)
def test_magnitude_tells_the_unit(value: object, expected: int | None) -> None:
    assert time_ns(value) == expected


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | st.text(),
    lambda children: (
        st.lists(children, max_size=4) | st.dictionaries(st.text(max_size=5), children, max_size=4)
    ),
    max_leaves=12,
)
FIELDS = sorted({*TRADE, *MINUTE, "status", "message"})
rows = st.dictionaries(st.sampled_from(FIELDS), json_values, max_size=8)


@given(st.lists(rows, max_size=4), st.sampled_from(["T", "AM", "A", "status", "Q"]))
def test_wrong_types_anywhere_never_raise(wrong: list[dict[str, object]], kind: str) -> None:
    base = {"T": TRADE, "AM": MINUTE}.get(kind, {})
    for row in wrong:
        for event in parse({**base, **row, "ev": kind})[0]:
            if isinstance(event, TradePrint):
                assert event.tick.price > 0
                assert event.tick.size > 0
    parse_aggregates({"results": wrong}, "AAPL", 60_000_000_000, 1, ParseCounters())


@given(st.binary(max_size=200) | st.text(max_size=200))
def test_arbitrary_bytes_never_raise(payload: bytes | str) -> None:
    assert isinstance(parse_frame(payload, 1, ParseCounters()), list)


@given(st.integers(0, 400))
def test_a_cut_frame_is_one_bad_frame(length: int) -> None:
    whole = orjson.dumps([TRADE, TRADE])
    counters = ParseCounters()
    events = parse_frame(whole[: min(length, len(whole) - 1)], 1, counters)
    assert events == []
    assert counters.bad_frames == 1


def test_html_and_huge_frames_are_bad_frames() -> None:
    counters = ParseCounters()
    assert parse_frame(b"<html>502 Bad Gateway</html>", 1, counters) == []
    assert parse_frame(b"[" + b" " * MAX_FRAME_BYTES + b"]", 1, counters) == []
    assert parse_frame(b"[" * 100_000, 1, counters) == []
    assert counters.bad_frames == 3
