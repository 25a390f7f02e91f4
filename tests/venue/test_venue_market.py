"""The seeded market, its calendar, scenarios and clockwork, without a server."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from statistics import fmean

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kyzlo_actors.domain.errors import BadInput, Recoverable
from kyzlo_actors.replay.matching_messages import SessionPhase
from kyzlo_actors.venue.market.bars import Bars
from kyzlo_actors.venue.market.calendar import CalendarMode, CalendarRules, VenueCalendar
from kyzlo_actors.venue.market.feed import Feed
from kyzlo_actors.venue.market.prints import Band, Print, VenueBar, bar_of
from kyzlo_actors.venue.market.seeded import Market
from kyzlo_actors.venue.scenario import load_scenario, shipped_scenarios
from kyzlo_actors.venue.timestamps import new_york_ns, parse_rfc3339, rfc3339, rfc3339_new_york

DEMO = load_scenario("demo")
NOON = new_york_ns(date(2026, 11, 20), "12:00") // 1_000_000_000
ALWAYS = VenueCalendar(CalendarRules(mode=CalendarMode.ALWAYS))
EXCHANGE = VenueCalendar(
    CalendarRules(
        mode=CalendarMode.EXCHANGE,
        holidays=frozenset({"2026-11-26"}),
        early_closes=(("2026-11-27", "13:00"),),
    )
)


def market(seed: int = 1, speed: float = 1.0) -> Market:
    return Market(DEMO, seed=seed, speed=speed, calendar=ALWAYS)


def bars(played: Market, calendar: VenueCalendar = ALWAYS) -> Bars:
    return Bars(played, calendar)


def test_the_same_seed_plays_the_same_market() -> None:
    symbol = DEMO.symbols[0].symbol
    assert market().prints(symbol, NOON) == market().prints(symbol, NOON) != []
    assert market().prints(symbol, NOON) != market(seed=2).prints(symbol, NOON)


def crossings(prices: Sequence[float]) -> int:
    """How often the average of 5 crosses the average of 20."""
    gaps = [sum(prices[i - 5 : i]) / 5 - sum(prices[i - 20 : i]) / 20 for i in range(20, len(prices) + 1)]
    return sum((one > 0) != (two > 0) for one, two in itertools.pairwise(gaps))


def test_the_demo_crosses_every_few_seconds_on_bars_and_on_ticks() -> None:
    played = market()
    for symbol in played.symbols:
        swing = played._parts[symbol].swing
        assert swing is not None
        expected = 2 * 200 / swing.period_seconds
        made = [bar for second in range(200) if (bar := bars(played).second_bar(symbol, NOON + second))]
        assert expected * 0.6 <= crossings([bar.close for bar in made]) <= expected * 1.8, symbol
        trades = [trade for second in range(200) for trade in played.prints(symbol, NOON + second)]
        ticks = [trade.price for trade in trades if trade.moves_price]
        assert crossings(ticks) >= expected * 0.6, symbol


def test_wherever_the_demo_starts_somebody_buys_soon() -> None:
    """Only a cross upwards buys, and a symbol has one a period: the phases spread them."""
    played = market()
    slow = [part.symbol for part in DEMO.symbols if part.swing and part.swing.phase is not None]
    ups: set[int] = set()
    for symbol in slow:
        closes = {s: bar.close for s in range(400) if (bar := bars(played).second_bar(symbol, NOON + s))}
        seconds = sorted(closes)
        gaps = {
            seconds[i]: fmean(closes[s] for s in seconds[i - 4 : i + 1])
            - fmean(closes[s] for s in seconds[i - 19 : i + 1])
            for i in range(20, len(seconds))
        }
        ups |= {two for one, two in itertools.pairwise(gaps) if gaps[one] <= 0 < gaps[two]}
    ordered = sorted(ups)
    assert len(slow) >= 5 and ordered[0] < 34
    assert max(two - one for one, two in itertools.pairwise(ordered)) <= 12


def test_speed_prints_and_moves_faster() -> None:
    symbol = DEMO.symbols[0].symbol
    slow, fast = (
        [trade for second in range(60) for trade in market(speed=speed).prints(symbol, NOON + second)]
        for speed in (1.0, 5.0)
    )
    assert 4.5 < len(fast) / len(slow) < 5.5


@settings(max_examples=50, deadline=None)
@given(second=st.integers(0, 4_000_000_000), seed=st.integers(0, 99))
def test_prints_are_in_order_within_their_second_and_quotes_never_lock(second: int, seed: int) -> None:
    played = market(seed)
    symbol = played.symbols[seed % len(played.symbols)]
    quote = played.quote(symbol, second * 1000)
    assert 0 < quote.bid < quote.ask
    trades = played.prints(symbol, second)
    assert [trade.ts_ms for trade in trades] == sorted(trade.ts_ms for trade in trades)
    assert all(second * 1000 <= trade.ts_ms < (second + 1) * 1000 for trade in trades)
    assert len({trade.trade_id for trade in trades}) == len(trades)
    bar = bars(played).second_bar(symbol, second)
    movers = [trade.price for trade in trades if trade.moves_price]
    assert (bar is None) == (not movers)
    if bar:
        assert (bar.open, bar.close, bar.high, bar.low) == (movers[0], movers[-1], max(movers), min(movers))
        assert bar.volume == round(sum(trade.size for trade in trades), 6)


def test_a_jump_scales_everything_after_it_and_nothing_before() -> None:
    symbol = DEMO.symbols[0].symbol
    played, plain = market(), market()
    played.jump(symbol, 50.0, NOON * 1000 + 500)
    assert played.mid(symbol, NOON * 1000 + 500) == pytest.approx(50.0)
    assert played.mid(symbol, NOON * 1000 + 499) == plain.mid(symbol, NOON * 1000 + 499)
    assert 45 < played.mid(symbol, NOON * 1000 + 60_000) < 55
    for _ in range(999):
        played.jump(symbol, 50.0, NOON * 1000 + 600)
    with pytest.raises(Recoverable):
        played.jump(symbol, 50.0, NOON * 1000 + 700)


def test_nothing_prints_while_the_exchange_is_shut() -> None:
    shut = Market(DEMO, seed=1, speed=1, calendar=EXCHANGE)
    open_ns = new_york_ns(date(2026, 11, 20), "09:30")
    symbol = shut.symbols[0]
    assert shut.prints(symbol, open_ns // 1_000_000_000 - 1) == []
    assert shut.prints(symbol, open_ns // 1_000_000_000) != []
    assert bars(shut, EXCHANGE).bar(symbol, open_ns // 1_000_000 - 60_000, open_ns // 1_000_000) is None


def test_odd_lots_count_for_volume_only() -> None:
    def trade(price: float, size: float, conditions: tuple[int, ...]) -> Print:
        return Print("X", "1", 4, 3, price, size, conditions, 0, 0, 1, 0, 0)

    bar = bar_of("X", 0, 1000, [trade(9.0, 100.0, ()), trade(99.0, 0.5, (37,))])
    assert bar == VenueBar("X", 0, 1000, 9.0, 9.0, 9.0, 9.0, 100.5, 949.5, 2)
    assert bar_of("X", 0, 1000, [trade(99.0, 5.0, (14, 37))]) is None


class Ears:
    def __init__(self) -> None:
        self.prints: list[Print] = []
        self.bars: list[tuple[str, VenueBar]] = []
        self.sessions: list[SessionPhase] = []
        self.halts: list[tuple[str, bool, int]] = []
        self.bands: list[Band] = []

    def on_session(self, phase: SessionPhase, ts: int) -> None:
        self.sessions.append(phase)

    def on_halt(self, symbol: str, halted: bool, ts: int, low: float, high: float) -> None:
        assert 0 < low < high
        self.halts.append((symbol, halted, ts))

    def on_bands(self, bands: Sequence[Band]) -> None:
        self.bands += bands

    def on_prints(self, prints: Sequence[Print]) -> None:
        self.prints += prints

    def on_bars(self, channel: str, bars: Sequence[VenueBar]) -> None:
        self.bars += [(channel, bar) for bar in bars]


@settings(max_examples=20, deadline=None)
@given(steps=st.lists(st.integers(1, 900), min_size=1, max_size=30))
def test_the_feed_tells_every_print_once_however_it_is_woken(steps: list[int]) -> None:
    ears, played, start = Ears(), market(), NOON * 1000 + 57_250
    feed = Feed(played, bars(played), ALWAYS, lambda: start * 1_000_000, ears)
    now = start
    for step in steps:
        now += step
        feed.advance(now)
    seconds = range(start // 1000, now // 1000 + 1)
    every = [
        trade for symbol in played.symbols for second in seconds for trade in played.prints(symbol, second)
    ]
    due = [trade for trade in every if start < trade.ts_ms <= now]
    assert sorted(map(repr, ears.prints)) == sorted(map(repr, due))
    assert [trade.ts_ms for trade in ears.prints] == sorted(trade.ts_ms for trade in ears.prints)
    ends = {bar.end_ms for channel, bar in ears.bars if channel == "A"}
    assert ends == {ms for ms in range(start // 1000 * 1000 + 1000, now + 2, 1000) if ms - 1 <= now}
    assert any(channel == "AM" for channel, _ in ears.bars) == (now >= NOON * 1000 + 59_999)


def test_the_feed_skips_what_was_slept_through() -> None:
    ears, played = Ears(), market()
    feed = Feed(played, bars(played), ALWAYS, lambda: NOON * 1_000_000_000, ears)
    feed.advance(NOON * 1000 + 3_600_000)
    assert (feed.skipped_ms, ears.prints) == (3_600_000, [])
    feed.advance(NOON * 1000 + 3_601_000)
    assert ears.prints and ears.sessions == [SessionPhase.REGULAR]


def test_the_exchange_calendar_knows_weekends_holidays_and_early_closes() -> None:
    days = EXCHANGE.days(date(2026, 11, 20), date(2026, 11, 30))
    assert [day.date[-2:] for day in days] == ["20", "23", "24", "25", "27", "30"]
    friday = EXCHANGE.day(date(2026, 11, 27))
    assert friday is not None
    assert rfc3339_new_york(friday.close_ns) == "2026-11-27T13:00:00-05:00"
    thanksgiving = new_york_ns(date(2026, 11, 26), "12:00")
    assert not EXCHANGE.is_open(thanksgiving)
    assert EXCHANGE.current(thanksgiving) == friday
    assert EXCHANGE.next_open_ns(thanksgiving) == friday.open_ns
    assert EXCHANGE.next_open_ns(friday.open_ns) == new_york_ns(date(2026, 11, 30), "09:30")
    assert EXCHANGE.settlement_date(date(2026, 11, 25)) == date(2026, 11, 27)
    shut = VenueCalendar(
        CalendarRules(
            mode=CalendarMode.EXCHANGE, holidays=frozenset(f"2026-11-{day:02}" for day in range(1, 31))
        )
    )
    with pytest.raises(ValueError, match="no session"):
        shut.current(new_york_ns(date(2026, 11, 2), "12:00"))


@settings(max_examples=60, deadline=None)
@given(minute=st.integers(0, 366 * 24 * 60))
def test_the_demo_calendar_is_open_at_any_hour_but_the_days_last_minute(minute: int) -> None:
    ts = new_york_ns(date(2026, 1, 1), "00:00") + minute * 60_000_000_000
    shut = rfc3339_new_york(ts)[11:16] == "23:59"
    assert ALWAYS.is_open(ts) is not shut


@settings(max_examples=100)
@given(ts=st.integers(0, 4_000_000_000 * 10**9), digits=st.integers(0, 9))
def test_timestamps_survive_the_wire(ts: int, digits: int) -> None:
    step = 10 ** (9 - digits)
    assert parse_rfc3339(rfc3339(ts, digits)) == ts // step * step
    assert parse_rfc3339(rfc3339_new_york(ts, digits)) == ts // step * step


def test_timestamps_as_clients_send_them() -> None:
    assert parse_rfc3339("2026-11-20T10:00:00 00:00") == parse_rfc3339("2026-11-20T10:00:00Z")
    assert parse_rfc3339("2026-11-20") == parse_rfc3339("2026-11-20T00:00:00.000Z")
    for bad in ("", "soon", "2026-13-01T00:00:00Z", "2026-11-20T10:00:00.1234567890Z"):
        with pytest.raises(ValueError):
            parse_rfc3339(bad)


def test_every_shipped_scenario_can_be_played() -> None:
    assert "demo" in shipped_scenarios()
    for name in shipped_scenarios():
        assert load_scenario(name).symbols


def test_a_bad_scenario_says_what_is_wrong(tmp_path: Path) -> None:
    good = json.loads(DEMO.model_dump_json())
    path = tmp_path / "s.json"
    for change, word in (
        ({"symbols": []}, "symbols"),
        ({"surprise": 1}, "surprise"),
        ({"account": {**good["account"], "cash": -1}}, "account.cash"),
        ({"account": {**good["account"], "cash": "1e400"}}, "account.cash: '1e400'"),
        ({"account": {**good["account"], "account_number": ""}}, "account.account_number"),
        ({"clock": {"starts_at": "noon"}}, "clock.starts_at: 'noon'"),
        ({"clock": {"starts_at": "9999-12-31T23:00:00Z"}}, "clock.starts_at"),
        ({"calendar": {**good["calendar"], "holidays": ["2026-13-01"]}}, "calendar.holidays.0"),
        ({"calendar": {**good["calendar"], "early_closes": {"2026-11-27": "25:00"}}}, "2026-11-27: '25:00'"),
        ({"calendar": {**good["calendar"], "early_closes": {"soon": "13:00"}}}, "early_closes.soon"),
        ({"symbols": [{**good["symbols"][0], "start_price": 1e308}]}, "symbols.0.start_price"),
        ({"symbols": [{**good["symbols"][0], "symbol": "A/B,C"}]}, "symbols.0.symbol: 'A/B,C'"),
        ({"symbols": [good["symbols"][0]] * 2}, "twice"),
        ({"fill_plans": [{"symbol": "NOBODY"}]}, "fill_plans: 'NOBODY'"),
        ({"history": [{"symbol": "A", "timespan": "day", "rows": [{"t": 1}]}]}, "history.0.rows.0"),
        ({"keys": {**good["keys"], "alpaca_key": ""}}, "keys.alpaca_key"),
        ({"streams": {"data_feeds": ["nowhere"]}}, "streams.data_feeds.0"),
        ({"polygon": {"channels": ["Z"]}}, "polygon.channels.0"),
    ):
        path.write_text(json.dumps({**good, **change}))
        with pytest.raises(BadInput, match=word) as told:
            load_scenario(path)
        assert len(str(told.value)) < 400, "one line, however large the value is"
    path.write_text("{")
    with pytest.raises(BadInput):
        load_scenario(path)
    with pytest.raises(BadInput, match="demo"):
        load_scenario("no-such-scenario")
