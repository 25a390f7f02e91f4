"""Polygon's REST side through the vendor's own client: bars of every timespan, trades, quotes, refusals."""

from __future__ import annotations

import itertools
import json
from datetime import date
from typing import TYPE_CHECKING, Any

import httpx
import massive
import polygon as old_polygon
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from massive.exceptions import BadResponse

from kyzlo_actors.venue.market.periods import TIMESPANS, Step
from kyzlo_actors.venue.timestamps import new_york_ns, rfc3339_new_york

if TYPE_CHECKING:
    from conftest import RunningVenue, StartVenue

INTRADAY = {"mode": "intraday", "odd_lot_share": 0.7, "trf_share": 0.4, "spread_bps": 2}
EXCHANGE = {"mode": "exchange"}
# A Friday, after the close.
EVENING = {"starts_at": "2026-11-20T18:00:00-05:00"}
SYMBOL = {"symbol": "WAVE", "name": "W", "exchange": "NYSE", "tape": 1, "start_price": 50}
RARE = [{**SYMBOL, "ticks_per_second": 0.05, "volatility": 0.01}]


def rest(venue: RunningVenue, module: Any = massive, key: str = "P") -> Any:
    return module.RESTClient(key, base=venue.url, retries=0, read_timeout=40.0)


def day_ms(text: str, clock_time: str = "00:00") -> int:
    return new_york_ns(date.fromisoformat(text), clock_time) // 1_000_000


@pytest.fixture
def evening(start_venue: StartVenue) -> RunningVenue:
    return start_venue(market=INTRADAY, calendar=EXCHANGE, clock=EVENING, symbols=RARE)


def test_days_are_new_york_sessions(evening: RunningVenue) -> None:
    bars = list(rest(evening).list_aggs("WAVE", 1, "day", "2026-11-01", "2026-11-22"))
    days = [rfc3339_new_york(bar.timestamp * 1_000_000) for bar in bars]
    assert all(day[11:19] == "00:00:00" for day in days)
    numbers = [int(day[8:10]) for day in days]
    assert numbers == [2, 3, 4, 5, 6, 9, 10, 11, 12, 13, 16, 17, 18, 19, 20]
    assert all(bar.low <= bar.open <= bar.high and bar.low <= bar.close <= bar.high for bar in bars)
    again = list(rest(evening).list_aggs("WAVE", 1, "day", "2026-11-01", "2026-11-22", sort="desc", limit=4))
    assert [bar.timestamp for bar in again] == [bar.timestamp for bar in reversed(bars)]


def test_longer_bars_are_made_of_days(evening: RunningVenue) -> None:
    asked = rest(evening)
    days = list(asked.list_aggs("WAVE", 1, "day", "2026-09-01", "2026-11-20"))
    for unit in ("week", "month", "quarter", "year"):
        longer = list(asked.list_aggs("WAVE", 1, unit, "2026-09-01", "2026-11-20"))
        assert longer == sorted(longer, key=lambda bar: bar.timestamp)
        whole = [bar for bar in longer if bar.timestamp >= days[0].timestamp - 1]
        for bar, after in zip(whole, [*whole, None][1:], strict=True):
            parts = [
                day
                for day in days
                if bar.timestamp <= day.timestamp and (after is None or day.timestamp < after.timestamp)
            ]
            assert (bar.open, bar.close) == (parts[0].open, parts[-1].close), unit
            assert bar.high == max(day.high for day in parts)


def test_today_is_exact_and_its_close_is_the_auction(evening: RunningVenue) -> None:
    asked = rest(evening)
    (day,) = asked.list_aggs("WAVE", 1, "day", "2026-11-20", "2026-11-20")
    minutes = list(asked.list_aggs("WAVE", 1, "minute", "2026-11-20", "2026-11-20", limit=50_000))
    first, last = day_ms("2026-11-20", "09:30"), day_ms("2026-11-20", "16:00")
    regular = [bar for bar in minutes if first <= bar.timestamp < last]
    outside = [bar for bar in minutes if not first <= bar.timestamp < last]
    assert outside and day.open == regular[0].open and day.high >= max(bar.high for bar in regular)
    trades = list(
        asked.list_trades(
            "WAVE", timestamp_gte=last * 1_000_000, timestamp_lt=(last + 1_000) * 1_000_000, order="asc"
        )
    )
    (auction,) = (trade for trade in trades if 8 in (trade.conditions or ()))
    assert (day.close, auction.size % 100) == (auction.price, 0)
    hours = list(asked.list_aggs("WAVE", 1, "hour", first, last - 1))
    assert hours[-1].close == regular[-1].close


def test_limits_count_base_aggregates_and_pages_lead_on(evening: RunningVenue) -> None:
    url = f"{evening.url}/v2/aggs/ticker/WAVE/range/15/minute/2026-11-20/2026-11-20?limit=30"
    headers = {"Authorization": "Bearer P"}
    page = httpx.get(url, headers=headers, timeout=40).json()
    assert (page["resultsCount"], page["queryCount"], page["status"]) == (2, 30, "OK")
    rows = page["results"]
    while page.get("next_url"):
        page = httpx.get(page["next_url"], headers=headers, timeout=40).json()
        rows += page.get("results", [])
    whole = list(rest(evening).list_aggs("WAVE", 15, "minute", "2026-11-20", "2026-11-20", limit=50_000))
    assert [row["t"] for row in rows] == [bar.timestamp for bar in whole]
    weekend = httpx.get(url.replace("2026-11-20", "2026-11-15").replace("15/m", "1/m"), headers=headers)
    assert weekend.json()["resultsCount"] == 0 and "results" not in weekend.json()


@pytest.mark.parametrize("module", [massive, old_polygon])
def test_a_scenarios_own_history_is_answered_as_it_stands(start_venue: StartVenue, module: Any) -> None:
    rows = [
        {"o": 1, "h": 2, "l": 1, "c": 2, "v": 5, "vw": 1.5, "t": 1700000040000 + 60_000 * n, "n": 3}
        for n in range(5)
    ]
    venue = start_venue(history=[{"symbol": "AAA", "timespan": "minute", "rows": rows}])
    for sort in ("asc", "desc"):
        bars = list(
            rest(venue, module).list_aggs("AAA", 1, "minute", "2023-11-14", "2023-11-15", limit=2, sort=sort)
        )
        assert sorted(bar.timestamp for bar in bars) == [row["t"] for row in rows]
        assert (bars[0].timestamp < bars[-1].timestamp) == (sort == "asc")


def test_trades_and_quotes_are_paged_without_loss(evening: RunningVenue) -> None:
    asked = rest(evening)
    bounds = {
        "timestamp_gte": day_ms("2026-11-20", "10:00") * 1_000_000,
        "timestamp_lt": day_ms("2026-11-20", "10:30") * 1_000_000,
    }
    whole = list(asked.list_trades("WAVE", **bounds, limit=50_000, order="asc"))
    assert len(whole) > 40
    assert [trade.sip_timestamp for trade in whole] == sorted(trade.sip_timestamp for trade in whole)
    for order in ("asc", "desc"):
        paged = list(asked.list_trades("WAVE", **bounds, limit=7, order=order))
        assert sorted(paged, key=lambda t: (t.sip_timestamp, t.id)) == sorted(
            whole, key=lambda t: (t.sip_timestamp, t.id)
        )
    quotes = list(asked.list_quotes("WAVE", **bounds, limit=11))
    assert len(quotes) == sum(trade.trf_id is None for trade in whole)
    fractional = [trade for trade in whole if trade.size < 1]
    assert all(trade.decimal_size == str(trade.size) for trade in fractional)


def test_the_newest_trade_and_quote_and_the_state_of_the_market(evening: RunningVenue) -> None:
    asked = rest(evening)
    trade, quote = asked.get_last_trade("WAVE"), asked.get_last_quote("WAVE")
    assert trade.ticker == "WAVE" and trade.sip_timestamp <= evening.clock() * 10
    assert 0 < quote.bid_price < quote.ask_price or 0 in (quote.bid_price, quote.ask_price)
    state = asked.get_market_status()
    assert (state.market, state.after_hours, state.early_hours) == ("extended-hours", True, False)
    (before,) = asked.get_previous_close_agg("WAVE")
    (thursday,) = asked.list_aggs("WAVE", 1, "day", "2026-11-19", "2026-11-19")
    assert before.close == thursday.close
    rows = {row.id: row for row in asked.list_conditions(asset_class="stocks")}
    assert rows[12].update_rules.consolidated.updates_volume
    assert not rows[12].update_rules.consolidated.updates_high_low
    with pytest.raises(BadResponse, match="NOT_FOUND"):
        asked.get_last_trade("NOBODY")


def test_a_broken_trade_shows_in_history_only(venue: RunningVenue) -> None:
    asked = rest(venue)
    for price, code in ((None, 8), (99.5, 1)):
        venue.ctl(break_trade={"symbol": "AAA"} if price is None else {"symbol": "AAA", "price": price})
        found = venue.until(lambda code=code: [trade for trade in newest(asked) if trade.correction == code])
        assert price is None or found[0].price == price


def newest(asked: Any) -> list[Any]:
    return list(itertools.islice(asked.list_trades("AAA", limit=50), 50))


REFUSED = [
    ({"history_days": 30}, "list_aggs", ("WAVE", 1, "day", "2020-01-01", "2026-11-20"), "data timeframe"),
    (
        {"end_of_day": True},
        "list_aggs",
        ("WAVE", 1, "minute", "2026-11-20", "2026-11-20"),
        "before end of day",
    ),
    ({"channels": ["A", "AM"]}, "list_trades", ("WAVE",), "You are not entitled to this data"),
    ({"channels": ["T"]}, "list_quotes", ("WAVE",), "You are not entitled to this data"),
]


@pytest.mark.parametrize(("plan", "method", "arguments", "words"), REFUSED)
def test_what_a_plan_refuses(
    start_venue: StartVenue, plan: dict[str, Any], method: str, arguments: tuple[Any, ...], words: str
) -> None:
    venue = start_venue(calendar=EXCHANGE, clock=EVENING, symbols=RARE, polygon=plan)
    with pytest.raises(BadResponse) as caught:
        list(getattr(rest(venue), method)(*arguments))
    body = json.loads(str(caught.value))
    assert body["status"] == "NOT_AUTHORIZED" and words in body["message"]


def test_a_delayed_plan_says_so_and_ends_earlier(start_venue: StartVenue) -> None:
    venue = start_venue(polygon={"delayed": True, "delay_seconds": 600})
    now_ms = venue.clock() // 1_000_000
    url = f"{venue.url}/v2/aggs/ticker/AAA/range/1/minute/{now_ms - 1_800_000}/{now_ms}"
    body = httpx.get(url, headers={"Authorization": "Bearer P"}).json()
    assert body["status"] == "DELAYED"
    assert now_ms - 780_000 < body["results"][-1]["t"] <= venue.clock() // 1_000_000 - 600_000


def test_too_many_requests_and_bad_days(start_venue: StartVenue) -> None:
    venue = start_venue(polygon={"requests_per_minute": 2})

    def ask(key: str = "P") -> tuple[int, str]:
        headers = {"Authorization": f"Bearer {key}"}
        reply = httpx.get(f"{venue.url}/v1/marketstatus/now", headers=headers)
        return reply.status_code, reply.text

    venue.ctl(fail_polygon_5xx={"status": 503, "html": True})
    status, page = ask()
    assert status == 503 and page.startswith("<html>")
    assert ask()[0] == 200
    venue.ctl(polygon_rate_limit=1)
    status, text = ask()
    assert status == 429 and "You've exceeded the maximum requests per minute" in text
    # The plan's own limit, without any fault.
    assert [ask()[0] for _ in range(2)] == [200, 429]
    assert ask("no")[0] == 401
    with pytest.raises(BadResponse, match="Unknown API Key"):
        rest(venue, key="no").get_market_status()


BAD = (
    "v3/trades/WAVE?limit=0",
    "v3/trades/WAVE?order=up",
    "v3/trades/WAVE?sort=price",
    "v3/trades/WAVE?timestamp.gte=soon",
    "v3/trades/WAVE?timestamp.near=1",
    "v3/trades/WAVE?cursor=%21",
    "v2/aggs/ticker/WAVE/range/1/day/2026-11-20/2026-11-19",
    "v2/aggs/ticker/WAVE/range/1/day/2026-11-20/2026-11-21?sort=up",
    "v2/aggs/ticker/WAVE/range/0/day/2026-11-20/2026-11-21",
)


def test_bad_requests_are_refused_with_words(evening: RunningVenue) -> None:
    for path in BAD:
        reply = httpx.get(f"{evening.url}/{path}", headers={"Authorization": "Bearer P"})
        assert (reply.status_code, reply.json()["status"]) == (400, "ERROR"), path
        assert reply.json()["error"]


@settings(max_examples=300, deadline=None)
@given(
    unit=st.sampled_from(TIMESPANS),
    multiplier=st.integers(1, 12),
    ts_ms=st.integers(0, 2_000_000_000_000),
    count=st.integers(1, 6),
)
def test_steps_cover_time_without_gaps(unit: str, multiplier: int, ts_ms: int, count: int) -> None:
    step = Step(unit=unit, multiplier=multiplier)
    start = step.floor_ms(ts_ms)
    assert start <= ts_ms < step.next_ms(start)
    assert step.floor_ms(start) == start and step.floor_ms(step.next_ms(start)) == step.next_ms(start)
    assert step.first_ms(ts_ms) in (start, step.next_ms(start))
    end = start
    for _ in range(count):
        end = step.next_ms(end)
    up = list(step.starts(start, end, descending=False))
    assert up == list(reversed(list(step.starts(start, end, descending=True))))
    assert len(up) == count + 1
