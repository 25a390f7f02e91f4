"""Orders over real HTTP: their life, refusals, listing, cancels, positions and the ledger."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import httpx

from kyzlo_actors.venue.timestamps import parse_rfc3339

if TYPE_CHECKING:
    from conftest import RunningVenue, StartVenue


def test_a_market_order_is_pending_new_in_the_reply_and_filled_soon(venue: RunningVenue) -> None:
    reply = venue.order("a", qty="10")
    order = reply.json()
    assert (reply.status_code, order["status"], order["filled_qty"]) == (200, "pending_new", "0")
    assert None not in [order[name] for name in ("id", "client_order_id", "submitted_at", "updated_at")]
    filled = venue.until_status("a", "filled")
    assert (filled["filled_qty"], filled["filled_avg_price"], filled["filled_at"] is None) == (
        "10",
        "100.1",
        False,
    )
    account = venue.rest.get("/v2/account").json()
    assert (account["account_number"], account["status"], account["cash"]) == ("PA3TEST", "ACTIVE", "8999")
    assert account["buying_power"] == "8999"
    (position,) = venue.rest.get("/v2/positions").json()
    assert (position["symbol"], position["qty"], position["avg_entry_price"]) == ("AAA", "10", "100.1")
    assert (position["side"], position["qty_available"]) == ("long", "10")
    assert venue.rest.get("/v2/positions/BBB").status_code == 404
    assert venue.rest.get(f"/v2/orders/{order['id']}").json() == filled


def test_a_limit_order_waits_for_its_price(venue: RunningVenue) -> None:
    venue.order("a", type="limit", limit_price="90")
    venue.until_status("a", "new")
    venue.ctl(set_price={"symbol": "AAA", "price": 80})
    filled = venue.until_status("a", "filled")
    assert Decimal(filled["filled_avg_price"]) < 90


def test_partial_fills_add_up(start_venue: StartVenue) -> None:
    venue = start_venue(partial_fill_percent=100)
    venue.bought("7", "a")
    rows = venue.rest.get("/v2/account/activities/FILL", params={"direction": "asc"}).json()
    assert [(row["type"], row["qty"], row["cum_qty"], row["leaves_qty"]) for row in rows] == [
        ("partial_fill", "3", "3", "4"),
        ("fill", "4", "7", "0"),
    ]


def test_a_client_order_id_can_be_used_once(venue: RunningVenue) -> None:
    venue.bought("1", "a")
    again = venue.order("a")
    assert (again.status_code, again.json()["message"]) == (422, "client_order_id must be unique")
    state = venue.ctl()
    assert (state["posts"]["a"], len(state["orders"])) == (2, 1)


def test_money_and_shares_are_limited(venue: RunningVenue) -> None:
    poor = venue.order("a", qty="1000")
    assert (poor.status_code, poor.json()["code"]) == (403, 40310000)
    assert poor.json()["message"] == "insufficient buying power"
    assert (poor.json()["buying_power"], poor.json()["cost_basis"]) == ("10000", "103103")
    venue.bought("10")
    short = venue.order("b", side="sell", qty="11")
    assert short.status_code == 403
    assert short.json()["message"] == "insufficient qty available for order (requested: 11, available: 10)"
    assert short.json()["held_for_orders"] == "0"
    venue.order("c", side="sell", qty="4", type="limit", limit_price="200")
    held = venue.order("d", side="sell", qty="7").json()
    assert (held["available"], held["held_for_orders"], len(held["related_orders"])) == ("6", "4", 1)
    wash = venue.order("e", qty="1")
    assert (wash.status_code, wash.json()["message"][:20]) == (403, "potential wash trade")


REFUSALS: list[tuple[dict[str, Any], int, str]] = [
    ({"symbol": "ZZZ"}, 422, 'asset "ZZZ" not found'),
    ({"symbol": "OLD"}, 422, 'asset "OLD" is not active'),
    ({"symbol": "OFF"}, 422, 'asset "OFF" is not tradable'),
    ({"qty": ""}, 422, "qty or notional is required"),
    ({"notional": "5"}, 422, "only one of qty or notional is accepted"),
    ({"qty": "0"}, 422, "qty must be > 0"),
    ({"qty": "NaN"}, 422, "qty is not a usable number"),
    ({"qty": "x"}, 422, "qty is not a number"),
    ({"qty": "0.1234567891"}, 422, "qty must be at most"),
    ({"type": "limit", "limit_price": "-1"}, 422, "limit price must be > 0"),
    ({"type": "limit"}, 422, "limit orders require a limit price"),
    ({"type": "stop"}, 422, "stop orders require a stop price"),
    ({"type": "stop_limit", "stop_price": "5"}, 422, "stop limit orders require both stop and limit price"),
    ({"limit_price": "5"}, 422, "market orders require no stop or limit price"),
    ({"type": "trailing_stop"}, 422, "trailing stop orders must specify one of"),
    ({"type": "iceberg"}, 422, "invalid order type"),
    ({"time_in_force": "gtd"}, 422, "invalid time_in_force"),
    ({"side": "short"}, 422, "invalid side"),
    ({"client_order_id": "x" * 129}, 422, "client_order_id must be no more than 128 characters"),
    ({"type": "limit", "limit_price": "90.123"}, 422, "invalid limit_price 90.123. sub-penny increment"),
    ({"type": "limit", "limit_price": "0.12345"}, 422, "invalid limit_price 0.12345. sub-penny increment"),
    ({"qty": "0.5", "time_in_force": "gtc"}, 422, "fractional orders must be DAY orders"),
    ({"qty": "0.5", "order_class": "bracket"}, 422, "fractional orders must be simple orders"),
    ({"qty": "", "notional": "0.5"}, 422, "notional must be >= 1.00"),
    ({"qty": "0.5", "symbol": "BBB"}, 403, 'asset "BBB" is not fractionable'),
    ({"extended_hours": True}, 422, "extended hours order must be DAY or GTC limit orders"),
    ({"qty": "", "notional": "5"}, 422, "notional is not supported by this venue"),
    ({"order_class": "bracket"}, 422, "order_class bracket is not supported by this venue"),
    ({"type": "stop", "stop_price": "5"}, 422, "order type stop is not supported by this venue"),
    ({"time_in_force": "ioc"}, 422, "time_in_force ioc is not supported by this venue"),
]


def test_bad_orders_get_the_brokers_words_and_leave_no_trace(venue: RunningVenue) -> None:
    for fields, status, message in REFUSALS:
        reply = venue.order(**fields)
        assert (reply.status_code, reply.json()["message"][: len(message)]) == (status, message), fields
    broken = venue.rest.post("/v2/orders", content=b"{")
    assert broken.status_code == 400
    assert venue.ctl()["orders"] == []


def test_numbers_may_be_json_numbers(venue: RunningVenue) -> None:
    reply = venue.order("a", qty=2.5, type="limit", limit_price=90.1)
    assert (reply.json()["qty"], reply.json()["limit_price"]) == ("2.5", "90.1")
    assert venue.order(None, qty=1).json()["client_order_id"]


def test_cancel_is_asked_for_first_and_done_later(venue: RunningVenue) -> None:
    order_id = venue.order("a", type="limit", limit_price="90").json()["id"]
    assert venue.rest.delete(f"/v2/orders/{order_id}").status_code == 204
    again = venue.rest.delete(f"/v2/orders/{order_id}")
    assert (again.status_code, again.json()["message"]) == (422, "order pending cancel")
    venue.until_status("a", "canceled")
    late = venue.rest.delete(f"/v2/orders/{order_id}")
    assert (late.status_code, late.json()["message"]) == (422, 'order is already in "canceled" state')
    unknown = venue.rest.delete("/v2/orders/00000000-0000-0000-0000-000000000001")
    assert unknown.status_code == 404
    malformed = venue.rest.delete("/v2/orders/what")
    assert (malformed.status_code, malformed.json()["message"]) == (422, "order_id is missing")
    replaced = venue.rest.patch(f"/v2/orders/{order_id}", json={"qty": "2"})
    assert replaced.status_code == 422


def test_a_fill_can_win_against_a_cancel(start_venue: StartVenue) -> None:
    venue = start_venue(latency={"route_ms": 1, "cancel_ms": 2000})
    order_id = venue.order("a", type="limit", limit_price="90").json()["id"]
    venue.until_status("a", "new")
    assert venue.rest.delete(f"/v2/orders/{order_id}").status_code == 204
    venue.ctl(set_price={"symbol": "AAA", "price": 80})
    venue.until_status("a", "filled")
    late = venue.rest.delete(f"/v2/orders/{order_id}")
    assert late.json()["message"] == 'order is already in "filled" state'


def test_cancel_all_answers_207(venue: RunningVenue) -> None:
    made = {venue.order(name, type="limit", limit_price="9").json()["id"] for name in ("a", "b", "c")}
    reply = venue.rest.delete("/v2/orders")
    assert reply.status_code == 207
    assert {row["id"] for row in reply.json()} == made
    assert {row["status"] for row in reply.json()} == {200}
    venue.until(lambda: venue.rest.get("/v2/orders", params={"status": "open"}).json() == [])
    assert len(venue.rest.get("/v2/orders", params={"status": "closed"}).json()) == 3


def listed(venue: RunningVenue, **params: Any) -> list[str]:
    reply = venue.rest.get("/v2/orders", params=params)
    assert reply.status_code == 200, reply.text
    return [order["client_order_id"] for order in reply.json()]


def test_orders_are_listed_by_status_time_symbol_side_and_page(venue: RunningVenue) -> None:
    for name in "abcd":
        venue.order(name, type="limit", limit_price="9", symbol="BBB" if name == "d" else "AAA")
    venue.bought("1", "z")
    assert listed(venue) == ["d", "c", "b", "a"]
    assert listed(venue, status="closed") == ["z"]
    assert listed(venue, status="all", direction="asc", nested="True") == ["a", "b", "c", "d", "z"]
    assert listed(venue, status="all", direction="asc", limit=2) == ["a", "b"]
    assert listed(venue, symbols="BBB,ZZZ") == ["d"]
    assert listed(venue, side="sell") == []
    moment = venue.by_id("b")["submitted_at"].replace("Z", "+00:00")
    # The wire shows microseconds: the exact instant lies a little after what it says.
    assert listed(venue, after=moment, direction="asc")[-2:] == ["c", "d"]
    assert "c" not in listed(venue, until=moment)
    second = venue.by_id("b")["id"]
    assert listed(venue, after_order_id=second, direction="asc") == ["c", "d"]
    assert listed(venue, before_order_id=second) == ["a"]
    for bad in ({"limit": "x"}, {"status": "odd"}, {"after": "yesterday"}, {"after_order_id": "no"}):
        assert venue.rest.get("/v2/orders", params=bad).status_code == 422
    assert (
        venue.rest.get("/v2/orders:by_client_order_id", params={"client_order_id": "no"}).status_code == 404
    )


def test_the_ledger_is_paged(venue: RunningVenue) -> None:
    for name in "abc":
        venue.bought("1", name)
    every = venue.rest.get(
        "/v2/account/activities", params={"activity_types": "FILL", "direction": "asc"}
    ).json()
    assert [row["order_id"] for row in every] == [venue.by_id(name)["id"] for name in "abc"]
    first = venue.rest.get("/v2/account/activities/FILL", params={"direction": "asc", "page_size": 2}).json()
    token = {"direction": "asc", "page_token": first[-1]["id"]}
    rest = venue.rest.get("/v2/account/activities/FILL", params=token).json()
    assert first + rest == every
    newest = venue.rest.get("/v2/account/activities/FILL").json()
    assert newest == every[::-1]
    later = venue.rest.get("/v2/account/activities", params={"after": every[0]["transaction_time"]}).json()
    assert every[2] in later
    assert venue.rest.get("/v2/account/activities/DIV").json() == []
    bad = venue.rest.get("/v2/account/activities/NOPE")
    assert (bad.status_code, bad.json()["message"]) == (422, "invalid activity type: NOPE")


def test_positions_are_closed_one_by_one_and_all_together(venue: RunningVenue) -> None:
    venue.bought("10")
    part = venue.rest.delete("/v2/positions/AAA", params={"percentage": "40"})
    assert (part.status_code, part.json()["qty"], part.json()["side"]) == (200, "4", "sell")
    venue.until(lambda: venue.rest.get("/v2/positions/AAA").json().get("qty") == "6")
    venue.order("held", side="sell", qty="6", type="limit", limit_price="500")
    (row,) = venue.rest.delete("/v2/positions").json()
    assert (row["symbol"], row["status"], row["body"]["available"]) == ("AAA", 403, "0")
    venue.rest.delete("/v2/orders")
    venue.until_status("held", "canceled")
    reply = venue.rest.delete("/v2/positions", params={"cancel_orders": "true"})
    assert (reply.status_code, [row["status"] for row in reply.json()]) == (207, [200])
    venue.until(lambda: venue.rest.get("/v2/positions").json() == [])
    assert venue.rest.delete("/v2/positions/AAA").status_code == 404


def test_keys_rate_limit_and_headers(start_venue: StartVenue) -> None:
    venue = start_venue(rate_limit_per_minute=3)
    nobody = httpx.get(f"{venue.url}/v2/account", headers={"APCA-API-KEY-ID": "K"})
    assert (nobody.status_code, nobody.json()) == (401, {"message": "unauthorized."})
    replies = [venue.rest.get("/v2/clock") for _ in range(4)]
    assert [reply.status_code for reply in replies] == [200, 200, 200, 429]
    assert [reply.headers["X-RateLimit-Remaining"] for reply in replies] == ["2", "1", "0", "0"]
    assert int(replies[-1].headers["X-RateLimit-Reset"]) > venue.clock() // 1_000_000_000
    assert len({reply.headers["X-Request-ID"] for reply in replies}) == 4
    assert replies[-1].json() == {"code": 42910000, "message": "rate limit exceeded"}


def test_assets_clock_and_calendar(venue: RunningVenue) -> None:
    assets = venue.rest.get("/v2/assets", params={"status": "active"}).json()
    assert [asset["symbol"] for asset in assets] == ["AAA", "BBB", "OFF", "WAVE"]
    asset = venue.rest.get("/v2/assets/BBB").json()
    assert (asset["tradable"], asset["fractionable"], asset["shortable"]) == (True, False, False)
    assert venue.rest.get(f"/v2/assets/{asset['id']}").json() == asset
    missing = venue.rest.get("/v2/assets/ZZZ")
    assert (missing.status_code, missing.json()["code"]) == (404, 40410000)
    clock = venue.rest.get("/v2/clock").json()
    assert clock["is_open"] is True
    today = clock["timestamp"][:10]
    (day,) = venue.rest.get("/v2/calendar", params={"start": today, "end": today}).json()
    assert (day["date"], day["open"], day["close"]) == (today, "00:00", "23:59")
    assert venue.rest.get("/v2/calendar", params={"start": "soon"}).status_code == 422
    assert venue.rest.get("/v2/calendar", params={"start": "1970-01-01"}).status_code == 422


def test_day_orders_expire_when_the_session_closes(venue: RunningVenue) -> None:
    order = venue.order("a", type="limit", limit_price="9").json()
    venue.order("b", type="limit", limit_price="9", time_in_force="gtc")
    venue.until_status("b", "new")
    close = venue.rest.get("/v2/clock").json()["next_close"]
    assert order["expires_at"]
    venue.clock.jump_to(parse_rfc3339(close) + 1_000_000_000)
    venue.until_status("a", "expired")
    assert venue.by_id("b")["status"] == "new"
    assert venue.rest.get("/v2/clock").json()["is_open"] is False
    venue.order("c")
    venue.until_status("c", "accepted")
