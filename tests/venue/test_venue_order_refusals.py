"""What `POST /v2/orders` refuses: one row for each of the broker's errors, and bodies that are rubbish."""

from __future__ import annotations

import json
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest
from alpaca.trading.requests import (
    LimitOrderRequest,
    MarketOrderRequest,
    StopLimitOrderRequest,
    StopOrderRequest,
    TrailingStopOrderRequest,
)

from kyzlo_actors.venue.timestamps import new_york_ns
from tests.venue.broker_client import MARGIN, broker, refusal

if TYPE_CHECKING:
    from conftest import RunningVenue, StartVenue

EXITS = {"take_profit": {"limit_price": "110"}, "stop_loss": {"stop_price": "90"}}
# (fields beside symbol AAA, qty 1, buy, market, day; "" leaves one out), HTTP status, code, how the message begins.
REFUSALS: list[tuple[dict[str, Any], int, int, str]] = [
    ({"symbol": "ZZZ"}, 422, 42210000, 'asset "ZZZ" not found'),
    ({"symbol": "OLD"}, 422, 42210000, 'asset "OLD" is not active'),
    ({"symbol": "OFF"}, 422, 42210000, 'asset "OFF" is not tradable'),
    ({"qty": ""}, 422, 40010001, "qty or notional is required"),
    ({"notional": "5"}, 422, 40010001, "only one of qty or notional is accepted"),
    ({"qty": "0"}, 422, 40010001, "qty must be > 0"),
    ({"qty": -3}, 422, 40010001, "qty must be > 0"),
    ({"qty": "NaN"}, 422, 40010001, "qty is not a usable number"),
    ({"qty": "x"}, 422, 40010001, "qty is not a number"),
    ({"qty": True}, 422, 40010001, "qty is not a number"),
    ({"qty": [1]}, 422, 40010001, "qty is not a number"),
    ({"qty": "1e99"}, 422, 40010001, "qty must be at most"),
    ({"qty": "0.1234567891"}, 422, 40010001, "qty must be at most"),
    ({"type": "limit", "limit_price": "-1"}, 422, 40010001, "limit price must be > 0"),
    ({"type": "limit"}, 422, 40010001, "limit orders require a limit price"),
    ({"type": "stop"}, 422, 40010001, "stop orders require a stop price"),
    (
        {"type": "stop_limit", "stop_price": "105"},
        422,
        40010001,
        "stop limit orders require both stop and limit price",
    ),
    ({"limit_price": "5"}, 422, 40010001, "market orders require no stop or limit price"),
    ({"type": "trailing_stop"}, 422, 40010001, "trailing stop orders must specify one of"),
    (
        {"type": "trailing_stop", "trail_price": "1", "trail_percent": "1"},
        422,
        40010001,
        "trailing stop orders must specify one of trail_price or trail_percent",
    ),
    ({"type": "trailing_stop", "trail_price": "0"}, 422, 40010001, "trail must be > 0"),
    ({"trail_price": "1"}, 422, 40010001, "only trailing stop orders may specify"),
    ({"type": "iceberg"}, 422, 40010001, "invalid order type"),
    ({"type": ["limit"]}, 422, 40010001, "invalid order type"),
    ({"time_in_force": "gtd"}, 422, 40010001, "invalid time_in_force"),
    ({"side": "short"}, 422, 40010001, "invalid side"),
    ({"order_class": "mleg"}, 422, 40010001, "invalid order_class"),
    ({"position_intent": "buy_to_hold"}, 422, 40010001, "invalid position_intent"),
    ({"extended_hours": "maybe"}, 422, 40010001, "extended_hours must be true or false"),
    ({"take_profit": 5}, 422, 40010001, "take_profit must be an object"),
    ({"client_order_id": "x" * 129}, 422, 40010001, "client_order_id must be no more than 128 characters"),
    ({"client_order_id": 7}, 422, 40010001, "client_order_id must be a string"),
    ({"type": "limit", "limit_price": "90.123"}, 422, 42210000, "invalid limit_price 90.123. sub-penny"),
    ({"type": "limit", "limit_price": "0.12345"}, 422, 42210000, "invalid limit_price 0.12345. sub-penny"),
    ({"type": "stop", "stop_price": "105.001"}, 422, 42210000, "invalid stop_price 105.001. sub-penny"),
    ({"qty": "0.5", "time_in_force": "gtc"}, 422, 42210000, "fractional orders must be DAY orders"),
    ({"qty": "", "notional": "5", "time_in_force": "ioc"}, 422, 42210000, "fractional orders must be DAY"),
    ({"qty": "0.5", "order_class": "bracket"}, 422, 42210000, "fractional orders must be simple orders"),
    ({"qty": "", "notional": "0.5"}, 422, 42210000, "notional must be >= 1.00"),
    ({"qty": "0.5", "side": "sell"}, 422, 42210000, "fractional orders cannot be sold short"),
    ({"qty": "0.5", "symbol": "BBB"}, 403, 40310000, 'asset "BBB" is not fractionable'),
    ({"extended_hours": True}, 422, 42210000, "extended hours order must be DAY or GTC limit orders"),
    (
        {"extended_hours": True, "type": "limit", "limit_price": "90", "time_in_force": "ioc"},
        422,
        42210000,
        "extended hours order must be DAY or GTC limit orders",
    ),
    (
        {"type": "stop", "stop_price": "105", "side": "sell"},
        422,
        42210000,
        "stop price must be less than current price",
    ),
    ({"type": "stop", "stop_price": "95"}, 422, 42210000, "stop price must be greater than current price"),
    ({"order_class": "bracket"}, 422, 42210000, "bracket orders require take_profit.limit_price"),
    (
        {"order_class": "bracket", "take_profit": {"limit_price": 110}},
        422,
        42210000,
        "bracket orders require stop_loss.stop_price",
    ),
    (
        {"order_class": "bracket", **EXITS, "time_in_force": "ioc"},
        422,
        42210000,
        "bracket orders must be DAY or GTC orders",
    ),
    (
        {"order_class": "bracket", **EXITS, "take_profit": {"limit_price": "99"}},
        422,
        42210000,
        "take_profit.limit_price must be >= base_price + 0.01",
    ),
    (
        {"order_class": "bracket", **EXITS, "stop_loss": {"stop_price": "101"}},
        422,
        42210000,
        "stop_loss.stop_price must be <= base_price - 0.01",
    ),
    (
        {"order_class": "bracket", **EXITS, "stop_loss": {"stop_price": "90.001"}},
        422,
        42210000,
        "invalid stop_loss.stop_price 90.001. sub-penny",
    ),
    ({"order_class": "oto", **EXITS}, 422, 42210000, "oto orders require one of"),
    ({"order_class": "oto"}, 422, 42210000, "oto orders require one of"),
    ({"order_class": "oco", **EXITS}, 422, 42210000, "oco orders must be limit orders"),
    (
        {"order_class": "oco", "type": "limit", "take_profit": {"limit_price": "110"}},
        422,
        42210000,
        "oco orders require stop_loss.stop_price",
    ),
    (EXITS, 422, 40010001, "simple orders have no take_profit or stop_loss"),
    ({"qty": "100000"}, 403, 40310000, "insufficient buying power"),
    (
        {"position_intent": "sell_to_open"},
        422,
        42210000,
        "position intent mismatch, inferred: buy_to_open, specified: sell_to_open",
    ),
    ({"symbol": "BBB", "side": "sell"}, 422, 42210000, 'asset "BBB" cannot be sold short'),
]


def test_bad_orders_get_the_brokers_words_and_leave_no_trace(start_venue: StartVenue) -> None:
    venue = start_venue(**MARGIN)
    for fields, status, code, message in REFUSALS:
        reply = venue.order(**fields)
        body = reply.json()
        assert (reply.status_code, body.get("code")) == (status, code), (fields, body)
        assert body["message"][: len(message)] == message, (fields, body)
    assert venue.ctl()["orders"] == []


RUBBISH: list[Any] = [
    b"",
    b"{",
    b"[]",
    b"null",
    b'"text"',
    b"\xff\xfe",
    b"[" * 5_000,
    b'{"qty":' + b"9" * 5_000 + b"}",
    {"symbol": None},
    {"symbol": ["AAA"]},
    {"symbol": {"a": 1}},
    {"symbol": "AAA", "qty": {"a": 1}},
    {"symbol": "AAA", "qty": 1, "side": {}, "type": [], "time_in_force": 5},
    {"symbol": "AAA", "qty": 1e308, "side": "buy", "type": "market", "time_in_force": "day"},
    {"symbol": "AAA", "qty": "1", "stop_loss": {"stop_price": {}}},
    {"symbol": "AAA", "qty": "-0", "side": "buy", "type": "market", "time_in_force": "day"},
    {"symbol": "AAA", "qty": "1e-9999999", "side": "buy"},
    {"symbol": "A" * 10_000},
]


@pytest.mark.parametrize("body", RUBBISH)
def test_rubbish_is_refused_and_never_an_error_of_ours(venue: RunningVenue, body: Any) -> None:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    reply = venue.rest.post("/v2/orders", content=content)
    assert reply.status_code in (400, 422), reply.text
    assert reply.json()["message"]


def test_the_brokers_own_client_reads_the_refusals(start_venue: StartVenue) -> None:
    client = broker(start_venue(**MARGIN))
    usual = {"symbol": "AAA", "qty": 1, "side": "buy", "time_in_force": "day"}
    for request, expected in [
        (MarketOrderRequest(**usual | {"symbol": "ZZZ"}), (422, 42210000, 'asset "ZZZ" not found')),
        (
            LimitOrderRequest(**usual, limit_price=90.123),
            (
                422,
                42210000,
                "invalid limit_price 90.123. sub-penny increment does not fulfill minimum pricing criteria",
            ),
        ),
        (
            StopOrderRequest(**usual, stop_price=90),
            (422, 42210000, "stop price must be greater than current price"),
        ),
        (
            StopLimitOrderRequest(**usual | {"side": "sell"}, stop_price=110, limit_price=109),
            (422, 42210000, "stop price must be less than current price"),
        ),
        (
            TrailingStopOrderRequest(**usual, trail_percent=100),
            (422, 40010001, "trail_percent must be < 100"),
        ),
    ]:
        assert refusal(lambda request=request: client.submit_order(request)) == expected  # type: ignore[misc]


def test_the_numbers_that_decided_are_told(start_venue: StartVenue) -> None:
    venue = start_venue()
    poor = venue.order(qty="1000").json()
    assert (poor["buying_power"], poor["cost_basis"]) == ("10000", "103103")
    stop = venue.order(type="stop", stop_price="95").json()
    assert (stop["market_price"], stop["stop_price"]) == ("100", "95")
    venue.bought("10")
    working = venue.order("c", side="sell", qty="4", type="limit", limit_price="200").json()
    held = venue.order(side="sell", qty="7").json()
    assert held["message"] == "insufficient qty available for order (requested: 7, available: 6)"
    assert (held["available"], held["existing_qty"], held["held_for_orders"]) == ("6", "10", "4")
    assert (held["symbol"], held["related_orders"]) == ("AAA", [working["id"]])


def test_a_client_order_id_is_used_once_in_either_code(start_venue: StartVenue) -> None:
    venue = start_venue()
    venue.bought("1", "a")
    again = venue.order("a")
    assert (again.status_code, again.json()) == (
        422,
        {"code": 40010001, "message": "client_order_id must be unique"},
    )
    other = start_venue(behaviour={"duplicate_id_code": 42210000})
    other.bought("1", "a")
    assert other.order("a").json() == {"code": 42210000, "message": "client_order_id must be unique"}


@pytest.mark.parametrize(("after_end", "status"), [("refused", 422), ("allowed", 200)])
def test_an_id_is_free_again_after_a_cancel_only_where_the_switch_says_so(
    start_venue: StartVenue, after_end: str, status: int
) -> None:
    venue = start_venue(behaviour={"duplicate_id_after_end": after_end})
    order_id = venue.order("a", type="limit", limit_price="90").json()["id"]
    venue.rest.delete(f"/v2/orders/{order_id}")
    venue.until_status("a", "canceled")
    assert venue.order("a", type="limit", limit_price="91").status_code == status


@pytest.mark.parametrize(("switch", "code"), [(403, 40310000), (422, 42210000)])
def test_orders_that_could_meet_each_other_are_wash_trades(
    start_venue: StartVenue, switch: int, code: int
) -> None:
    venue = start_venue(behaviour={"wash_trade_status": switch})
    venue.bought("10")
    working = venue.order("b", side="sell", qty="5", type="limit", limit_price="105").json()["id"]
    reply = venue.order("c", qty="1")
    body = reply.json()
    assert (reply.status_code, body["code"]) == (switch, code)
    assert body["message"] == "potential wash trade detected. use complex orders"
    assert body["reject_reason"] == "opposite side limit order exists"
    assert body["existing_order_id"] == working
    assert venue.order("d", qty="1", type="limit", limit_price="99").status_code == 200


def test_a_position_is_never_crossed(start_venue: StartVenue) -> None:
    venue = start_venue(**MARGIN)
    venue.bought("10")
    more = venue.order(side="sell", qty="11")
    assert (more.status_code, more.json()["available"]) == (403, "10")
    open_short = venue.order(side="sell", qty="5", position_intent="sell_to_open")
    assert open_short.status_code == 422
    assert open_short.json()["message"] == (
        "position intent mismatch, inferred: sell_to_close, specified: sell_to_open"
    )


def test_what_an_account_may_not_do(start_venue: StartVenue) -> None:
    def told(**flags: Any) -> tuple[int, str]:
        made = start_venue(**MARGIN | {"account": {**MARGIN["account"], **flags}})
        reply = made.order(side="sell" if "shorting_enabled" in flags else "buy")
        return reply.status_code, reply.json()["message"]

    assert told(shorting_enabled=False) == (403, "account is not allowed to short")
    assert told(trading_blocked=True) == (403, "account PA3MARGIN is not authorized to trade")
    assert told(account_blocked=True) == (403, "account PA3MARGIN is not authorized to trade")
    assert told(status="ACCOUNT_CLOSED") == (403, "account PA3MARGIN is not authorized to trade")
    assert told(trade_suspended_by_user=True) == (403, "new orders are rejected by user request")
    assert told(liquidation_only=True) == (403, "account PA3MARGIN is restricted to liquidation only")


def test_who_may_only_liquidate_may_do_that(start_venue: StartVenue) -> None:
    venue = start_venue(**MARGIN)
    venue.bought("10")
    venue.ctl(account={"liquidation_only": True})
    assert venue.order("more", qty="1").status_code == 403
    assert venue.order("less", side="sell", qty="4").status_code == 200
    assert venue.rest.delete("/v2/positions/AAA", params={"qty": "6"}).status_code == 200


def test_a_long_cannot_be_opened_beside_an_open_short_sale(start_venue: StartVenue) -> None:
    venue = start_venue(**MARGIN)
    venue.order("s", side="sell", qty="5", type="limit", limit_price="120")
    reply = venue.order("b", qty="5", type="limit", limit_price="80")
    assert (reply.status_code, reply.json()["code"]) == (403, 40310000)
    assert reply.json()["message"] == "cannot open a long buy while a short sell order is open"


@pytest.mark.parametrize(
    ("time_in_force", "clock", "words", "message"),
    [
        ("opg", "09:27", "3:50pm", ""),
        ("opg", "09:28", "3:50pm", "opg orders must be submitted after 7:00pm and before 9:28am"),
        ("opg", "18:59", "3:50pm", "opg orders must be submitted after 7:00pm and before 9:28am"),
        ("opg", "19:00", "3:50pm", ""),
        ("cls", "15:49", "3:50pm", ""),
        ("cls", "15:50", "3:50pm", "cls orders must be submitted after 7:00pm and before 3:50pm"),
        ("cls", "15:54", "3:55pm", ""),
        ("cls", "15:55", "3:55pm", "cls orders must be submitted after 7:00pm and before 3:55pm"),
        ("cls", "19:00", "3:50pm", ""),
    ],
)
def test_auction_orders_have_their_windows(
    start_venue: StartVenue, time_in_force: str, clock: str, words: str, message: str
) -> None:
    venue = start_venue(calendar={"mode": "exchange"}, behaviour={"auction_words": words})
    day = venue.rest.get("/v2/calendar").json()[-1]["date"]
    venue.clock.jump_to(new_york_ns(date.fromisoformat(day), clock))
    reply = venue.order(time_in_force=time_in_force)
    assert reply.status_code == (403 if message else 200), reply.text
    if message:
        assert reply.json() == {"code": 40310000, "message": message}
