"""A trading day as the market plays it: auctions, gaps, news and halts, late prints, odd tapes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date, timedelta
from functools import lru_cache
from typing import Any

import pytest

from kyzlo_actors.replay.matching_messages import SessionPhase
from kyzlo_actors.venue.market.bars import Bars
from kyzlo_actors.venue.market.calendar import VenueCalendar
from kyzlo_actors.venue.market.feed import Feed
from kyzlo_actors.venue.market.intraday import Halt
from kyzlo_actors.venue.market.prints import Band, Print, VenueBar
from kyzlo_actors.venue.market.quotes import quote_print
from kyzlo_actors.venue.market.seeded import Market
from kyzlo_actors.venue.polygon.json_shapes import quote_json
from kyzlo_actors.venue.scenario import Scenario, load_scenario
from kyzlo_actors.venue.timestamps import new_york_ns

HOURS = load_scenario("hours")
CALENDAR = VenueCalendar(HOURS.calendar.rules)
DAY = date(2026, 11, 20)
OPEN = new_york_ns(DAY, "09:30") // 1_000_000_000
CLOSE = new_york_ns(DAY, "16:00") // 1_000_000_000
SYMBOL = HOURS.symbols[0].symbol


def changed(**terms: Any) -> Scenario:
    raw = json.loads(HOURS.model_dump_json())
    raw["market"] |= terms
    return Scenario.model_validate_json(json.dumps(raw))


def market(seed: int = 1, **terms: Any) -> Market:
    return Market(changed(**terms), seed=seed, speed=1.0, calendar=CALENDAR)


class Tape:
    """Hears everything."""

    def __init__(self) -> None:
        self.prints: list[Print] = []
        self.bars: list[tuple[str, VenueBar]] = []
        self.halts: list[tuple[str, bool, int, float, float]] = []
        self.bands: list[Band] = []
        self.phases: list[SessionPhase] = []

    def on_session(self, phase: SessionPhase, ts: int) -> None:
        self.phases.append(phase)

    def on_halt(self, symbol: str, halted: bool, ts: int, low: float, high: float) -> None:
        self.halts.append((symbol, halted, ts // 1_000_000_000, low, high))

    def on_bands(self, bands: Sequence[Band]) -> None:
        self.bands += bands

    def on_prints(self, prints: Sequence[Print]) -> None:
        self.prints += prints

    def on_bars(self, channel: str, bars: Sequence[VenueBar]) -> None:
        self.bars += [(channel, bar) for bar in bars]


def played(source: Market, start: int, seconds: int, window_ms: int = 120_000) -> tuple[Tape, Bars]:
    tape, bars = Tape(), Bars(source, CALENDAR, lambda: window_ms)
    feed = Feed(source, bars, CALENDAR, lambda: start * 1_000_000_000, tape)
    for second in range(start, start + seconds):
        feed.advance(second * 1000 + 999)
    return tape, bars


def test_auctions_are_printed_and_their_official_copies_do_not_count() -> None:
    source = market()
    for second, auction, official in ((OPEN, 17, 16), (CLOSE, 8, 15)):
        trades = source.prints(SYMBOL, second)
        (cross,) = (trade for trade in trades if auction in trade.conditions)
        (copy,) = (trade for trade in trades if official in trade.conditions)
        assert cross.conditions == (auction, 9, 41) and cross.moves_price and not copy.moves_price
        assert (cross.price, cross.size, cross.ts_ms + 1) == (copy.price, copy.size, copy.ts_ms)
        bar = Bars(source, CALENDAR).second_bar(SYMBOL, second)
        assert bar is not None and cross.size <= bar.volume < 2 * cross.size


def test_outside_the_session_prints_are_extended_hours_prints_and_still_make_minute_bars() -> None:
    source = market()
    early = [trade for second in range(OPEN - 3600, OPEN) for trade in source.prints(SYMBOL, second)]
    assert early and all(12 in trade.conditions and not trade.moves_price for trade in early)
    bars = Bars(source, CALENDAR)
    assert list(bars.bars(SYMBOL, (OPEN - 3600) * 1000, OPEN * 1000, 60_000))
    inside = [trade for second in range(OPEN, OPEN + 60) for trade in source.prints(SYMBOL, second)]
    assert not any(12 in trade.conditions for trade in inside)
    night = new_york_ns(DAY, "02:00") // 1_000_000_000
    assert not any(source.prints(SYMBOL, second) for second in range(night, night + 600))


def test_the_day_is_busy_at_its_ends() -> None:
    source = market(burst_share=0, news_share=0)

    def count(start: int) -> int:
        return sum(len(source.due(second)) for second in range(start, start + 120))

    assert count(OPEN + 60) > 1.5 * count((OPEN + CLOSE) // 2) < count(CLOSE - 180)


def test_prices_jump_over_night_and_rest_on_weekends() -> None:
    source = market(gap=0.1, news_share=0)
    end = new_york_ns(DAY, "20:00") // 1_000_000
    monday = new_york_ns(DAY + timedelta(days=3), "09:30") // 1_000_000
    assert source.mid(SYMBOL, end + 1) == source.mid(SYMBOL, end + 40 * 3_600_000)
    moves = [abs(source.mid(name, monday + 1_000) / source.mid(name, end) - 1) for name in source.symbols]
    assert max(moves) > 0.03


def test_a_tape_has_odd_lots_fractions_and_numbers_that_step_back() -> None:
    source = market(regress_share=0.05)
    trades = [trade for second in range(OPEN, OPEN + 900) for trade in source.prints(SYMBOL, second)]
    odd = [trade for trade in trades if 37 in trade.conditions]
    assert 0.6 < len(odd) / len(trades) < 0.8
    assert any(trade.size < 1 for trade in odd)
    numbers = [trade.sequence for trade in trades]
    assert numbers != sorted(numbers) and len(set(numbers)) < len(numbers)
    assert len({(trade.exchange, trade.trf, trade.trade_id) for trade in trades}) == len(trades)


def test_a_quiet_symbol_is_silent_for_minutes() -> None:
    source = market()
    (quiet,) = (part.symbol for part in HOURS.symbols if part.quiet_share > 0.3)
    silent = longest = 0
    for second in range(OPEN + 1, OPEN + 7_200):
        silent = 0 if source.prints(quiet, second) else silent + 1
        longest = max(longest, silent)
    assert longest >= 300


@lru_cache(maxsize=1)
def halted() -> tuple[Market, str, Halt]:
    source = market(news_share=1.0, news_size=0.2)
    for symbol in source.symbols:
        for second in range(OPEN, CLOSE, 60):
            halt = source.halt_at(symbol, second)
            if halt:
                return source, symbol, halt
    raise AssertionError("no halt in a day full of news")


def test_news_beyond_the_band_halt_a_symbol_and_it_reopens() -> None:
    source, symbol, halt = halted()
    tape, _ = played(source, halt.start_s - 20, 20 + halt.end_s - halt.start_s + 5)
    own = [entry for entry in tape.halts if entry[0] == symbol]
    assert [(entry[1], entry[2]) for entry in own] == [(True, halt.start_s), (False, halt.end_s)]
    trades = [trade for trade in tape.prints if trade.symbol == symbol]
    assert not any(halt.start_s <= trade.ts_ms // 1000 < halt.end_s for trade in trades)
    after = [trade for trade in trades if trade.ts_ms // 1000 >= halt.end_s]
    assert any(trade.conditions == (18, 9, 41) for trade in after)
    # Before it stopped, the price stood at the edge of its band, and not beyond.
    before = [
        trade.price for trade in trades if trade.ts_ms // 1000 in range(halt.start_s - 14, halt.start_s)
    ]
    low, high = own[0][3:]
    assert before and all(low * 0.98 < price < high * 1.02 for price in before)
    assert abs(after[0].price / before[-1] - 1) > 0.001
    assert {band.symbol for band in tape.bands} == set(source.symbols)


def test_a_late_print_revises_its_bars_and_history_has_the_revised_ones() -> None:
    source = market(late_share=1.0, news_share=0)
    tape, bars = played(source, OPEN + 3600, 300)
    late = [trade for trade in tape.prints if trade.ts_ms - trade.participant_ms > 2_000]
    assert late and all(trade.trf_ms < trade.ts_ms - 2_000 and not trade.conditions for trade in late)
    told: dict[tuple[str, str, int], list[VenueBar]] = {}
    for channel, bar in tape.bars:
        told.setdefault((channel, bar.symbol, bar.start_ms), []).append(bar)
    revised = {key: seen for key, seen in told.items() if len(seen) > 1}
    assert {channel for channel, _, _ in revised} == {"A", "AM"}
    now_ms = (OPEN + 3900) * 1000 - 1
    for (_, symbol, start_ms), seen in told.items():
        assert bars.bar(symbol, start_ms, seen[-1].end_ms, now_ms) == seen[-1]
    assert all(seen[0].volume < seen[-1].volume for seen in revised.values())


def test_no_window_no_revision() -> None:
    source = market(late_share=1.0, news_share=0)
    tape, _ = played(source, OPEN + 3600, 130, window_ms=0)
    starts = [(channel, bar.symbol, bar.start_ms) for channel, bar in tape.bars]
    assert len(starts) == len(set(starts))


def test_quotes_are_now_and_then_one_sided_or_crossed() -> None:
    source = market(one_sided_share=0.1, crossed_share=0.1)
    terms = changed(one_sided_share=0.1, crossed_share=0.1).market
    trades = [trade for second in range(OPEN, OPEN + 300) for trade in source.prints(SYMBOL, second)]
    quotes = [quote_print(trade, source.quote(SYMBOL, trade.ts_ms), terms) for trade in trades]
    assert any(quote.bid > quote.ask > 0 for quote in quotes)
    (lone, *_) = (quote for quote in quotes if not quote.ask)
    assert "ap" not in quote_json(lone) and quote_json(lone)["bp"] == lone.bid
    (both, *_) = (quote for quote in quotes if quote.bid and quote.ask)
    assert quote_json(both, round_lot=100)["bs"] * 100 == quote_json(both)["bs"] == both.bid_size


@pytest.mark.parametrize("start", [OPEN + 100, CLOSE - 5])
def test_history_joins_the_stream(start: int) -> None:
    source = market()
    tape, _ = played(source, start, 10)
    again = Market(changed(), seed=1, speed=1.0, calendar=CALENDAR)
    assert (
        tape.prints
        == [trade for second in range(start, start + 10) for trade in again.due(second)][-len(tape.prints) :]
    )


def test_a_feed_passes_over_the_night_without_looking_at_every_second() -> None:
    source, tape = market(), Tape()
    evening = new_york_ns(DAY, "19:59") // 1_000_000
    asked: list[int] = []
    original = source.due
    source.due = lambda second: asked.append(second) or original(second)  # type: ignore[method-assign, func-returns-value]
    feed = Feed(source, Bars(source, CALENDAR), CALENDAR, lambda: evening * 1_000_000, tape)
    # The weekend, in steps below what counts as slept through.
    feed._speed = 1e6
    feed.advance(new_york_ns(DAY + timedelta(days=3), "04:00") // 1_000_000)
    assert tape.phases == [
        SessionPhase.POST,
        SessionPhase.CLOSED,
        SessionPhase.OVERNIGHT,
        SessionPhase.PRE,
    ]
    assert len(asked) < 200
