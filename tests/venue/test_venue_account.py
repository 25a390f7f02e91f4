"""Account, configurations, clock, calendar, assets; keys, limits and headers of every reply; unknown routes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest
from alpaca.trading.enums import AccountStatus, AssetStatus
from alpaca.trading.models import TradeAccount
from alpaca.trading.requests import GetAssetsRequest, GetCalendarRequest

from tests.venue.broker_client import MARGIN, STILL, broker, refusal

if TYPE_CHECKING:
    from conftest import RunningVenue, StartVenue


def test_an_account_with_margin(start_venue: StartVenue) -> None:
    venue = start_venue(**MARGIN)
    fresh = broker(venue).get_account()
    assert isinstance(fresh, TradeAccount)
    assert (fresh.status, fresh.multiplier, fresh.shorting_enabled) == (AccountStatus.ACTIVE, "4", True)
    assert (fresh.buying_power, fresh.regt_buying_power, fresh.equity) == ("400000", "200000", "100000")
    assert (fresh.pattern_day_trader, fresh.daytrade_count) == (None, None)
    venue.bought("100", "long")
    account = venue.rest.get("/v2/account").json()
    assert (account["cash"], account["long_market_value"], account["short_market_value"]) == (
        "89990",
        "10000",
        "0",
    )
    assert (account["equity"], account["last_equity"], account["portfolio_value"]) == (
        "99990",
        "100000",
        "99990",
    )
    assert (account["initial_margin"], account["maintenance_margin"]) == ("5000", "3000")
    assert "pattern_day_trader" not in account


def test_the_short_side_of_an_account(start_venue: StartVenue) -> None:
    venue = start_venue(**MARGIN)
    venue.order("short", side="sell", qty="100")
    venue.until_status("short", "filled")
    account = venue.rest.get("/v2/account").json()
    assert (account["cash"], account["short_market_value"], account["long_market_value"]) == (
        "109990",
        "-10000",
        "0",
    )
    assert account["equity"] == "99990"


def test_flags_of_the_scenario_and_at_run_time(start_venue: StartVenue) -> None:
    account = {**MARGIN["account"], "trading_blocked": True, "status": "INACTIVE"}
    venue = start_venue(**MARGIN | {"account": account})
    shown = venue.rest.get("/v2/account").json()
    assert (shown["trading_blocked"], shown["status"], shown["account_blocked"]) == (True, "INACTIVE", False)
    venue.ctl(account={"trading_blocked": False, "status": "ACTIVE"})
    assert venue.order("a").status_code == 200


def test_the_owner_changes_the_configurations(start_venue: StartVenue) -> None:
    venue = start_venue(**MARGIN)
    client = broker(venue)
    settings = client.get_account_configurations()
    assert (settings.suspend_trade, settings.no_shorting, settings.max_margin_multiplier) == (
        False,
        False,
        "4",
    )
    settings.suspend_trade = True
    assert client.set_account_configurations(settings).suspend_trade is True
    assert client.get_account().trade_suspended_by_user is True
    assert venue.order("a").json()["message"] == "new orders are rejected by user request"
    settings.suspend_trade, settings.no_shorting, settings.fractional_trading = False, True, False
    client.set_account_configurations(settings)
    assert venue.order("b", side="sell").json()["message"] == "account is not allowed to short"
    fraction = venue.order("c", qty="0.5").json()["message"]
    assert fraction == "account is not allowed to trade fractional shares"
    for wrong in ({"suspend_trade": "yes"}, {"max_margin_multiplier": "9"}, {"trade_confirm_email": 1}):
        reply = venue.rest.patch("/v2/account/configurations", json=wrong)
        assert (reply.status_code, reply.json()["message"]) == (422, f"invalid {next(iter(wrong))}")
    assert venue.rest.patch("/v2/account/configurations", content=b"[]").status_code == 400
    assert venue.rest.patch("/v2/account/configurations", json={"new_option": 1}).status_code == 200


def test_clock_and_calendar(venue: RunningVenue) -> None:
    clock = venue.rest.get("/v2/clock").json()
    assert clock["is_open"] is True
    assert broker(venue).get_clock().timestamp.utcoffset() is not None
    today = clock["timestamp"][:10]
    (day,) = venue.rest.get("/v2/calendar", params={"start": today, "end": today}).json()
    assert day["date"] == today
    for wrong in ({"start": "soon"}, {"start": "1970-01-01"}):
        assert venue.rest.get("/v2/calendar", params=wrong).status_code == 422


def test_a_scenario_can_show_another_clock(start_venue: StartVenue) -> None:
    shown = {
        "shown_timestamp": "2026-11-20T11:00:00.123456789-05:00",
        "shown_is_open": False,
        "shown_next_open": "2026-11-23T09:30:00-05:00",
        "shown_next_close": "2026-11-20T16:00:00-05:00",
    }
    venue = start_venue(clock=shown)
    assert venue.rest.get("/v2/clock").json() == {
        name.removeprefix("shown_"): value for name, value in shown.items()
    }


def test_a_half_day_closes_early(start_venue: StartVenue) -> None:
    venue = start_venue(calendar={"mode": "exchange", "early_closes": {"2026-11-27": "13:00"}})
    day = "2026-11-27"
    assert venue.rest.get("/v2/calendar", params={"start": day, "end": day}).json() == [
        {
            "date": day,
            "open": "09:30",
            "close": "13:00",
            "session_open": "0400",
            "session_close": "1700",
            "settlement_date": "2026-11-30",
        }
    ]
    (row,) = broker(venue).get_calendar(GetCalendarRequest(start=day, end=day))
    assert row.close.hour == 13


def test_assets_with_all_their_fields_and_filters(start_venue: StartVenue) -> None:
    symbols = [
        {"symbol": "AAA", "name": "A", "start_price": 100, "shortable": True, **STILL},
        {
            "symbol": "BRK.B",
            "name": "B",
            "start_price": 50,
            **STILL,
            "exchange": "NYSE",
            "marginable": False,
            "fractional_extended_hours": True,
        },
        {
            "symbol": "HARD",
            "name": "H",
            "start_price": 50,
            "shortable": True,
            "easy_to_borrow": False,
            **STILL,
        },
        {"symbol": "OLD", "name": "O", "start_price": 50, "active": False, **STILL},
    ]
    venue = start_venue(symbols=symbols)
    client = broker(venue)
    assert [a.symbol for a in client.get_all_assets()] == ["AAA", "BRK.B", "HARD", "OLD"]
    active = client.get_all_assets(GetAssetsRequest(status=AssetStatus.ACTIVE))
    assert [a.symbol for a in active] == ["AAA", "BRK.B", "HARD"]

    def found(**params: str) -> list[str]:
        return [row["symbol"] for row in venue.rest.get("/v2/assets", params=params).json()]

    assert found(exchange="NYSE") == ["BRK.B"]
    assert found(attributes="fractional_eh_enabled") == ["BRK.B"]
    assert found(asset_class="crypto") == []
    assert venue.rest.get("/v2/assets", params={"status": "odd"}).status_code == 422
    rows = {row["symbol"]: row for row in venue.rest.get("/v2/assets").json()}
    assert [rows[name]["borrow_status"] for name in ("AAA", "HARD", "BRK.B")] == [
        "easy_to_borrow",
        "hard_to_borrow",
        "not_shortable",
    ]
    assert (rows["BRK.B"]["marginable"], rows["BRK.B"]["margin_requirement_long"]) == (False, "100")
    assert (rows["OLD"]["status"], rows["OLD"]["tradable"]) == ("inactive", False)
    assert client.get_asset(rows["BRK.B"]["id"]).symbol == "BRK.B"
    assert refusal(lambda: client.get_asset("ZZZ")) == (404, 40410000, "asset not found for ZZZ")


def test_keys_rate_limit_and_headers(start_venue: StartVenue) -> None:
    venue = start_venue(rate_limit_per_minute=3)
    for headers in ({}, {"APCA-API-KEY-ID": "K"}, {"APCA-API-KEY-ID": "K", "APCA-API-SECRET-KEY": "\u00e9"}):
        raw = {name: value.encode("latin-1") for name, value in headers.items()}
        nobody = httpx.get(f"{venue.url}/v2/account", headers=raw)  # type: ignore[arg-type]
        assert (nobody.status_code, nobody.json()) == (401, {"message": "unauthorized."})
    replies = [venue.rest.get("/v2/clock") for _ in range(4)]
    assert [reply.status_code for reply in replies] == [200, 200, 200, 429]
    assert [reply.headers["X-RateLimit-Remaining"] for reply in replies] == ["2", "1", "0", "0"]
    assert int(replies[-1].headers["X-RateLimit-Reset"]) > venue.clock() // 1_000_000_000
    assert len({reply.headers["X-Request-ID"] for reply in replies}) == 4
    assert replies[-1].json() == {"code": 42910000, "message": "rate limit exceeded"}


def test_headers_may_be_missing_on_a_429(start_venue: StartVenue) -> None:
    venue = start_venue(rate_limit_per_minute=1, behaviour={"rate_limit_headers_on_429": False})
    assert "X-RateLimit-Limit" in venue.rest.get("/v2/clock").headers
    refused = venue.rest.get("/v2/clock")
    assert (refused.status_code, "X-RateLimit-Limit" in refused.headers) == (429, False)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v2/nothing", 404),
        ("GET", "/", 404),
        ("PUT", "/v2/orders", 405),
        ("POST", "/v2/account", 405),
        ("GET", "/v2/orders/a/b", 404),
    ],
)
def test_unknown_routes_answer_in_json(venue: RunningVenue, method: str, path: str, status: int) -> None:
    reply = venue.rest.request(method, path)
    assert reply.status_code == status
    assert isinstance(reply.json()["message"], str)


def test_a_body_too_large_is_refused_in_json(venue: RunningVenue) -> None:
    reply = venue.rest.post("/v2/orders", content=b'{"symbol":"' + b"A" * 2_000_000 + b'"}')
    assert (reply.status_code, reply.json()["message"]) == (413, "request body is too large")
