"""The venue through an exchange's day: orders end at an early close, halts reach orders, the clock runs fast."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from kyzlo_actors.venue.scenario import load_scenario

if TYPE_CHECKING:
    from conftest import RunningVenue, Socket, StartVenue

EXCHANGE = {"mode": "exchange"}
STILL = {"exchange": "NASDAQ", "tape": 3, "volatility": 0, "name": "A", "start_price": 100}
INTRADAY = {"mode": "intraday", "odd_lot_share": 0.5, "trf_share": 0.3, "spread_bps": 2}


def until_event(stream: Socket, event: str) -> Any:
    while (found := stream.recv()["data"])["event"] != event:
        pass
    return found


def test_a_day_order_ends_at_an_early_close(start_venue: StartVenue) -> None:
    # The Friday after Thanksgiving, by the rule, two seconds before 13:00.
    venue = start_venue(calendar=EXCHANGE, clock={"starts_at": "2026-11-27T12:59:58-05:00"})
    stream = venue.stream()
    assert venue.rest.get("/v2/clock").json()["next_close"] == "2026-11-27T13:00:00-05:00"
    venue.order("day", type="limit", limit_price="90")
    venue.order("gtc", type="limit", limit_price="90", time_in_force="gtc")
    ended = until_event(stream, "expired")
    assert ended["order"]["client_order_id"] == "day"
    assert ended["timestamp"].startswith("2026-11-27T18:00:0")
    clock = venue.rest.get("/v2/clock").json()
    assert clock["is_open"] is False and clock["next_open"] == "2026-11-30T09:30:00-05:00"
    assert venue.by_id("gtc")["status"] == "new"


def test_an_extended_order_says_when_its_evening_ends(start_venue: StartVenue) -> None:
    venue = start_venue(calendar=EXCHANGE, clock={"starts_at": "2026-11-27T13:30:00-05:00"})
    evening = venue.order("evening", type="limit", limit_price="90", extended_hours=True).json()
    assert evening["expires_at"] == "2026-11-27T22:00:00Z"
    monday = venue.order("monday", type="limit", limit_price="90").json()
    assert monday["expires_at"] == "2026-11-30T21:00:00Z"


def test_the_session_opens_at_half_past_nine(start_venue: StartVenue) -> None:
    venue = start_venue(calendar=EXCHANGE, clock={"starts_at": "2026-11-24T09:29:58-05:00"})
    stream = venue.stream()
    venue.order("early")
    assert venue.by_id("early")["status"] in ("pending_new", "accepted")
    filled = until_event(stream, "fill")
    assert filled["timestamp"] >= "2026-11-24T14:30:00"


def test_a_fast_clock_runs_fast_and_nothing_is_left_out(start_venue: StartVenue) -> None:
    venue = start_venue(clock={"starts_at": "2026-11-24T12:00:10-05:00", "speed": 60})
    socket = venue.polygon("AM.AAA")
    bars: list[dict[str, Any]] = []
    while len(bars) < 4:
        bars += [row for row in socket.recv() if row["ev"] == "AM"]
    assert [bar["s"] for bar in bars] == [bars[0]["s"] + 60_000 * number for number in range(4)]
    assert venue.ctl()["counts"]["skipped_ms"] == 0


def test_news_halt_a_symbol_for_its_orders_too(start_venue: StartVenue) -> None:
    venue = start_venue(
        calendar=EXCHANGE,
        market={**INTRADAY, "news_share": 1.0, "news_size": 0.5, "luld_band": 0.001, "halt_seconds": 3600},
        clock={"starts_at": "2026-11-24T09:45:00-05:00", "speed": 3000},
        behaviour={"halt_event": "suspended", "max_connections": 9},
        symbols=[{"symbol": "AAA", **STILL, "ticks_per_second": 0.1}],
    )
    stream = venue.stream()
    venue.order("waits", type="limit", limit_price="1")
    halted = until_event(stream, "suspended")
    assert halted["order"]["client_order_id"] == "waits"


def test_the_shipped_market_plays_at_any_hour(start_venue: StartVenue) -> None:
    """As shipped, whatever the time of day is."""
    scenario = load_scenario("market").model_dump(mode="json")
    scenario["keys"] = {"alpaca_key": "K", "alpaca_secret": "S", "polygon_key": "P"}
    venue = start_venue(**scenario)
    socket = venue.polygon("T.*")
    seen: set[str] = set()
    end = time.monotonic() + 30
    while len(seen) < 10 and time.monotonic() < end:
        seen |= {row["sym"] for row in socket.recv() if row["ev"] == "T"}
    assert len(seen) >= 10


def test_a_running_session_knows_the_figures_of_its_whole_day(start_venue: StartVenue) -> None:
    venue: RunningVenue = start_venue(
        market=INTRADAY, calendar=EXCHANGE, clock={"starts_at": "2026-11-24T13:00:00-05:00"}
    )
    socket = venue.polygon("A.AAA")
    rows: list[dict[str, Any]] = []
    while not rows:
        rows = [row for row in socket.recv() if row["ev"] == "A"]
    assert rows[0]["av"] > 1_000 * rows[0]["v"] > 0 and rows[0]["op"] > 0 and rows[0]["a"] > 0
