"""Alpaca's JSON: every field, every word, and that nothing ever raises."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kyzlo_actors.adapters.broker import parse
from kyzlo_actors.adapters.broker.encode import order_body
from kyzlo_actors.adapters.broker.parse import ParseCounters
from kyzlo_actors.adapters.broker.stream_frames import (
    Authorization,
    Listening,
    Unusable,
    parse_stream_frame,
)
from kyzlo_actors.adapters.broker.timestamps import rfc3339, timestamp_ns
from kyzlo_actors.domain.broker_events import TradeUpdated
from kyzlo_actors.domain.order import OrderStatus, OrderTicket
from kyzlo_actors.domain.values import OrderType, Side, TimeInForce

ORDER: dict[str, Any] = {
    "id": "61e69015-8549-4bfd-b9c3-01e75843f47d", "client_order_id": "kyzlo.x.1",
    "created_at": "2026-11-20T15:00:00.451234567Z", "updated_at": "2026-11-20T15:00:01Z",
    "submitted_at": "2026-11-20T10:00:00.5-05:00", "filled_at": None, "replaced_by": None, "replaces": None,
    "symbol": "AAPL", "notional": None, "qty": "10", "filled_qty": "3", "filled_avg_price": "190.123456789",
    "order_class": "", "order_type": "limit", "type": "limit", "side": "buy", "time_in_force": "day",
    "limit_price": "190.1", "status": "partially_filled", "extended_hours": False, "legs": None, "novel": 1,
}  # fmt: skip
UPDATE: dict[str, Any] = {
    "event": "partial_fill", "execution_id": "e-1", "timestamp": "2026-11-20T15:00:00.451234567Z",
    "price": "190.1", "qty": "3", "position_qty": "3", "order": ORDER,
}  # fmt: skip


def second(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 10**9


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-20T15:00:00Z", second("2026-11-20T15:00:00")),
        ("2026-11-20T15:00:00.4Z", second("2026-11-20T15:00:00") + 400_000_000),
        ("2026-11-20T11:00:00.123456789-05:00", second("2026-11-20T16:00:00") + 123_456_789),
        ("2026-11-20T11:00:00.1234567899999+00:00", second("2026-11-20T11:00:00") + 123_456_789),
        ("2026-11-20 21:30:00+0530", second("2026-11-20T16:00:00")),
        ("1969-12-31T23:59:59.5Z", -500_000_000),
        ("2026-02-30T00:00:00Z", None),
        ("2026-11-20T25:00:00Z", None),
        ("2026-11-20", None),
        ("", None),
        (None, None),
        (17, None),
    ],
)
def test_timestamps(text: object, expected: int | None) -> None:
    assert timestamp_ns(text) == expected


@given(st.integers(0, 4 * 10**18))
def test_timestamps_there_and_back(ts: int) -> None:
    assert timestamp_ns(rfc3339(ts)) == ts


def test_an_order() -> None:
    counters = ParseCounters()
    order = parse.parse_order(ORDER, counters)
    assert order is not None
    assert order.client_order_id == "kyzlo.x.1"
    assert (order.side, order.order_type, order.time_in_force) == (Side.BUY, OrderType.LIMIT, TimeInForce.DAY)
    assert (order.qty, order.filled_qty, order.limit_price) == (Decimal(10), Decimal(3), Decimal("190.1"))
    assert order.filled_avg_price == Decimal("190.123456789")
    assert order.status is OrderStatus.PARTIALLY_FILLED
    assert order.submitted_ns == second("2026-11-20T15:00:00") + 500_000_000
    assert counters == ParseCounters()


def test_every_status_word_of_the_vendor_is_known() -> None:
    live = {
        "pending_new", "accepted", "held", "accepted_for_bidding", "pending_review", "new", "stopped", "suspended",
        "calculated", "partially_filled", "done_for_day", "pending_cancel", "pending_replace",
    }  # fmt: skip
    over = {"filled", "canceled", "expired", "replaced", "rejected"}
    assert set(parse.STATUSES) == live | over
    assert {word for word, status in parse.STATUSES.items() if status.is_terminal} == over


def test_an_unknown_status_is_none_and_keeps_its_word() -> None:
    counters = ParseCounters()
    order = parse.parse_order({**ORDER, "status": "teleported"}, counters)
    assert order is not None
    assert order.status is None
    assert order.raw_status == "teleported"
    assert counters.unknown_words == 1


@pytest.mark.parametrize("name", ["id", "client_order_id", "symbol", "side"])
def test_an_order_without_its_identity_is_dropped(name: str) -> None:
    for wrong in (None, "", 5, []):
        counters = ParseCounters()
        assert parse.parse_order({**ORDER, name: wrong}, counters) is None
        assert counters.dropped == 1


def test_optional_fields_may_be_missing() -> None:
    needed = ("id", "client_order_id", "symbol", "side")
    counters = ParseCounters()
    order = parse.parse_order({name: ORDER[name] for name in needed}, counters)
    assert order is not None
    assert (order.status, order.qty, order.filled_qty, order.submitted_ns) == (None, None, 0, 0)
    assert counters.missing_fields == 3


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("10", Decimal(10)),
        ("0.123456789", Decimal("0.123456789")),
        (10, Decimal(10)),
        (0.1, Decimal("0.1")),
        ("NaN", None),
        ("Infinity", None),
        ("1e999999", None),
        ("1_000", None),
        ("٣", None),
        ("", None),
        (True, None),
        (None, None),
        ("9" * 100, None),
    ],
)
def test_amounts(value: object, expected: Decimal | None) -> None:
    assert parse.decimal(value) == expected


def test_account_and_its_blocks() -> None:
    body = {
        "account_number": "PA3", "status": "ACTIVE", "currency": "USD", "cash": "100", "equity": "110",
        "last_equity": "90", "buying_power": "200", "trading_blocked": False, "account_blocked": False,
        "trade_suspended_by_user": False, "shorting_enabled": True,
    }  # fmt: skip
    account = parse.parse_account(body, ParseCounters())
    assert account is not None
    assert account.may_trade
    assert (account.cash, account.last_equity) == (Decimal(100), Decimal(90))
    for name in ("trading_blocked", "account_blocked", "trade_suspended_by_user"):
        for value in (True, None, "yes"):
            blocked = parse.parse_account({**body, name: value}, ParseCounters())
            assert blocked is not None
            assert not blocked.may_trade
    assert parse.parse_account({**body, "cash": "x"}, ParseCounters()) is None


def test_positions_are_signed() -> None:
    body = {"symbol": "A", "qty": "5", "side": "long", "avg_entry_price": "2"}
    long = parse.parse_position(body, ParseCounters())
    short = parse.parse_position({**body, "side": "short"}, ParseCounters())
    signed = parse.parse_position({**body, "side": "short", "qty": "-5"}, ParseCounters())
    assert long is not None
    assert long.qty == 5
    assert short is not None
    assert short == signed
    assert short.qty == -5


def test_clock_and_calendar() -> None:
    body = {
        "timestamp": "2026-11-20T11:00:00.123456789-05:00",
        "is_open": True,
        "next_open": "2026-11-23T09:30:00-05:00",
        "next_close": "2026-11-20T16:00:00-05:00",
    }
    clock = parse.parse_clock(body, ParseCounters())
    assert clock is not None
    assert clock.next_close_ns == second("2026-11-20T21:00:00")
    rows = [
        {"date": "2026-11-27", "open": "09:30", "close": "13:00", "session_open": "0400"},
        {"date": "2026-07-01", "open": "09:30", "close": "16:00"},
        {"date": "2026-11-28", "open": "?", "close": "13:00"},
        {"date": "2026-11-28", "open": "16:00", "close": "13:00"},
        7,
    ]
    counters = ParseCounters()
    calendar = parse.parse_calendar(rows, counters)
    assert calendar is not None
    assert [day.date for day in calendar.days] == ["2026-07-01", "2026-11-27"]
    assert calendar.days[0].open_ns == second("2026-07-01T13:30:00")
    assert calendar.days[1].close_ns == second("2026-11-27T18:00:00")
    assert counters.dropped == 3


def test_asset_and_execution() -> None:
    asset = parse.parse_asset({"symbol": "A", "status": "active", "tradable": True}, ParseCounters())
    assert asset is not None
    assert (asset.tradable, asset.shortable) == (True, False)
    row = {
        "id": "2026::u", "activity_type": "FILL", "transaction_time": "2026-11-20T15:00:00.451234Z",
        "type": "partial_fill", "price": "190.1", "qty": "3", "side": "buy", "symbol": "AAPL", "leaves_qty": "7",
        "cum_qty": "3", "order_id": "61e6",
    }  # fmt: skip
    execution = parse.parse_execution(row, ParseCounters())
    assert execution is not None
    assert (execution.cum_qty, execution.price) == (Decimal(3), Decimal("190.1"))
    assert parse.parse_execution({**row, "cum_qty": None}, ParseCounters()) is None


def frame(stream: str, data: object) -> bytes:
    return orjson.dumps({"stream": stream, "data": data})


@pytest.mark.parametrize("as_text", [True, False])
def test_an_order_event_in_either_kind_of_frame(as_text: bool) -> None:
    payload = frame("trade_updates", UPDATE)
    event = parse_stream_frame(payload.decode() if as_text else payload, 5, ParseCounters())
    assert isinstance(event, TradeUpdated)
    assert (event.event, event.execution_id, event.price, event.qty) == (
        "partial_fill",
        "e-1",
        Decimal("190.1"),
        Decimal(3),
    )
    assert event.ts_event == second("2026-11-20T15:00:00") + 451_234_567
    assert event.now_ns == 5


def test_frames_of_the_handshake() -> None:
    counters = ParseCounters()
    good = frame("authorization", {"status": "authorized", "action": "authenticate"})
    bad = frame("authorization", {"status": "unauthorized", "action": "listen"})
    assert parse_stream_frame(good, 1, counters) == Authorization(authorized=True)
    assert parse_stream_frame(bad, 1, counters) == Authorization(authorized=False)
    listening = frame("listening", {"streams": ["trade_updates"]})
    assert parse_stream_frame(listening, 1, counters) == Listening(streams=("trade_updates",))
    assert parse_stream_frame(frame("weather", {}), 1, counters) == Unusable(
        detail="unknown stream", is_order_news=False
    )


def test_an_order_event_without_identity_is_dropped_loudly() -> None:
    for wrong in (
        {**UPDATE, "order": {**ORDER, "id": None}},
        {**UPDATE, "event": 3},
        {**UPDATE, "order": []},
        5,
    ):
        counters = ParseCounters()
        event = parse_stream_frame(frame("trade_updates", wrong), 1, counters)
        assert isinstance(event, Unusable)
        assert event.is_order_news
        assert counters.dropped + counters.unknown_frames == 1


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | st.text(),
    lambda children: (
        st.lists(children, max_size=4) | st.dictionaries(st.text(max_size=5), children, max_size=4)
    ),
    max_leaves=12,
)
FIELDS = sorted(
    {*ORDER, *UPDATE, "account_number", "cash", "equity", "timestamp", "is_open", "date", "open", "close"}
)
wrong_rows = st.dictionaries(st.sampled_from(FIELDS), json_values, max_size=8)


@given(wrong_rows, json_values)
def test_wrong_types_anywhere_never_raise(row: dict[str, Any], anything: Any) -> None:
    counters = ParseCounters()
    for body in (row, {**ORDER, **row}, anything):
        for one in (
            parse.parse_order,
            parse.parse_account,
            parse.parse_position,
            parse.parse_clock,
            parse.parse_asset,
            parse.parse_execution,
        ):
            one(body, counters)
        parse.parse_calendar([body], counters)
        parse.parse_calendar(body, counters)
        list(parse.each_order(body))
    parse_stream_frame(frame("trade_updates", {**UPDATE, **row}), 1, counters)
    parse_stream_frame(frame("trade_updates", {**UPDATE, "order": {**ORDER, **row}}), 1, counters)
    parse_stream_frame(orjson.dumps(anything), 1, counters)


@given(st.binary(max_size=200) | st.text(max_size=200), st.integers(0, 700))
def test_arbitrary_and_cut_frames_never_raise(payload: bytes | str, length: int) -> None:
    counters = ParseCounters()
    parse_stream_frame(payload, 1, counters)
    whole = frame("trade_updates", UPDATE)
    cut = parse_stream_frame(whole[: min(length, len(whole) - 1)], 1, counters)
    assert isinstance(cut, Unusable)


def test_a_ticket_goes_out_as_strings() -> None:
    ticket = OrderTicket(client_order_id="kyzlo.x.1", symbol="BRK.B", side=Side.SELL, qty=Decimal("1E+2"))
    assert orjson.loads(order_body(ticket)) == {
        "symbol": "BRK.B",
        "qty": "100",
        "side": "sell",
        "type": "market",
        "time_in_force": "day",
        "client_order_id": "kyzlo.x.1",
    }
    limit = OrderTicket(
        client_order_id="k",
        symbol="A",
        side=Side.BUY,
        qty=Decimal("0.5"),
        order_type=OrderType.LIMIT,
        limit_price=Decimal("190.10"),
        extended_hours=True,
    )
    assert orjson.loads(order_body(limit)) | {
        "limit_price": "190.10",
        "extended_hours": True,
        "qty": "0.5",
    } == (orjson.loads(order_body(limit)))
