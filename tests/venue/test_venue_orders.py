"""Orders over real HTTP: their life, by type and time in force."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from kyzlo_actors.venue.timestamps import parse_rfc3339

if TYPE_CHECKING:
    from conftest import RunningVenue


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


def test_numbers_may_be_json_numbers(venue: RunningVenue) -> None:
    reply = venue.order("a", qty=2.5, type="limit", limit_price=90.1)
    assert (reply.json()["qty"], reply.json()["limit_price"]) == ("2.5", "90.1")
    assert venue.order(None, qty=1).json()["client_order_id"]


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
    assert venue.order("c").json()["status"] == "accepted"
    assert venue.by_id("c")["status"] == "accepted"


def test_stops_wait_for_a_trade_and_trailing_stops_follow_it(venue: RunningVenue) -> None:
    venue.bought("10")
    stop = venue.order("stop", side="sell", qty="5", type="stop", stop_price="95").json()
    trail = venue.order("trail", side="sell", qty="5", type="trailing_stop", trail_price="4").json()
    assert (stop["stop_price"], trail["trail_price"], trail["trail_percent"]) == ("95", "4", None)
    venue.until_status("trail", "new")
    venue.ctl(set_price={"symbol": "AAA", "price": 110})
    venue.until(lambda: venue.by_id("trail")["hwm"] == "110")
    venue.ctl(set_price={"symbol": "AAA", "price": 105})
    venue.until_status("trail", "filled")
    assert venue.by_id("stop")["status"] == "new"
    venue.ctl(set_price={"symbol": "AAA", "price": 94})
    venue.until_status("stop", "filled")


def test_what_cannot_fill_at_once_is_canceled(venue: RunningVenue) -> None:
    for time_in_force in ("ioc", "fok"):
        venue.order(time_in_force, type="limit", limit_price="90", time_in_force=time_in_force)
        venue.until_status(time_in_force, "canceled")
        venue.order(f"{time_in_force}-now", time_in_force=time_in_force)
        venue.until_status(f"{time_in_force}-now", "filled")


def test_dollars_instead_of_shares(venue: RunningVenue) -> None:
    order = venue.order("a", qty="", notional=50.05).json()
    assert (order["qty"], order["notional"], order["filled_qty"]) == (None, "50.05", "0")
    filled = venue.until_status("a", "filled")
    assert (filled["qty"], filled["filled_qty"], filled["filled_avg_price"]) == (None, "0.5", "100.1")


def test_good_till_canceled_has_an_end(venue: RunningVenue) -> None:
    day = venue.order("a", type="limit", limit_price="9").json()
    gtc = venue.order("b", type="limit", limit_price="9", time_in_force="gtc").json()
    assert parse_rfc3339(gtc["expires_at"]) > parse_rfc3339(day["expires_at"])


def test_an_oco_is_the_take_profit_and_one_leg(venue: RunningVenue) -> None:
    venue.bought("10")
    order = venue.order(
        "o",
        side="sell",
        qty="10",
        type="limit",
        time_in_force="gtc",
        order_class="oco",
        take_profit={"limit_price": "110"},
        stop_loss={"stop_price": "95"},
    ).json()
    assert (order["order_class"], order["limit_price"], len(order["legs"])) == ("oco", "110", 1)
    venue.until_status("o", "new")
    assert venue.rest.get("/v2/positions/AAA").json()["qty_available"] == "0"
    venue.ctl(set_price={"symbol": "AAA", "price": 94})
    venue.until_status("o", "canceled")
    leg = venue.rest.get(f"/v2/orders/{order['legs'][0]['id']}").json()
    assert (leg["status"], leg["order_class"], leg["filled_qty"]) == ("filled", "oco", "10")
