"""Files of trades played again: read, sorted, streamed, and asked for over REST."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import massive
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kyzlo_actors.domain.errors import BadInput
from kyzlo_actors.replay.matching_messages import SessionPhase
from kyzlo_actors.venue.clock import VenueClock
from kyzlo_actors.venue.market.bars import Bars
from kyzlo_actors.venue.market.calendar import VenueCalendar
from kyzlo_actors.venue.market.feed import Feed
from kyzlo_actors.venue.market.prints import Band, Print, VenueBar
from kyzlo_actors.venue.market.replay_file import MAX_BAD_ROWS, ReadTally, read_trades
from kyzlo_actors.venue.market.replayed import ReplayMarket, load_replay
from kyzlo_actors.venue.options import MAX_SYMBOLS, VenueOptions
from kyzlo_actors.venue.scenario import load_scenario
from kyzlo_actors.venue.server import serve
from tests.venue.trade_files import COLUMNS, rows_of, write

HOURS = load_scenario("hours")
CALENDAR = VenueCalendar(HOURS.calendar.rules)
FRIDAY, MONDAY = date(2026, 11, 20), date(2026, 11, 23)
WAIT_SECONDS = 40.0


def replay(*paths: Path) -> ReplayMarket:
    return load_replay(paths, HOURS).market


class Tape:
    def __init__(self) -> None:
        self.prints: list[Print] = []
        self.bars: list[tuple[str, VenueBar]] = []
        self.phases: list[SessionPhase] = []

    def on_session(self, phase: SessionPhase, ts: int) -> None:
        self.phases.append(phase)

    def on_halt(self, symbol: str, halted: bool, ts: int, low: float, high: float) -> None:
        raise AssertionError

    def on_bands(self, bands: Sequence[Band]) -> None:
        raise AssertionError

    def on_prints(self, prints: Sequence[Print]) -> None:
        self.prints += prints

    def on_bars(self, channel: str, bars: Sequence[VenueBar]) -> None:
        self.bars += [(channel, bar) for bar in bars]


def played(market: ReplayMarket) -> tuple[Tape, Bars]:
    """Everything of it, at once."""
    tape, bars = Tape(), Bars(market, CALENDAR)
    clock = VenueClock(lambda: 0, starts_ns=(market.first_ms - 1_000) * 1_000_000)
    feed = Feed(market, bars, CALENDAR, clock, tape, clock, leaps=True)
    feed.advance(market.last_ms + 120_000)
    return tape, bars


def test_every_trade_is_streamed_once_in_order_of_time_whatever_the_files_order(tmp_path: Path) -> None:
    # As the vendor's: by symbol first, then by time; and the later day is named first.
    later = write(tmp_path / "b.csv.gz", rows_of("AAA", MONDAY, 50) + rows_of("ZZZ", MONDAY, 50))
    first = write(tmp_path / "a.csv", rows_of("AAA", FRIDAY, 200) + rows_of("ZZZ", FRIDAY, 100))
    market = replay(later, first)
    assert market.symbols == ("AAA", "ZZZ")
    tape, bars = played(market)
    assert len(tape.prints) == 400
    assert [trade.ts_ms for trade in tape.prints] == sorted(trade.ts_ms for trade in tape.prints)
    assert any(trade.size == 0.4 for trade in tape.prints) and any(trade.trf == 202 for trade in tape.prints)
    assert tape.phases.count(SessionPhase.REGULAR) == 2
    minutes = [bar for channel, bar in tape.bars if channel == "AM"]
    assert sum(bar.volume for bar in minutes) == pytest.approx(sum(t.size for t in tape.prints))
    for bar in minutes:
        assert bars.bar(bar.symbol, bar.start_ms, bar.end_ms) == bar


def test_the_desks_quotes_follow_the_tape(tmp_path: Path) -> None:
    market = replay(write(tmp_path / "a.csv", rows_of("AAA", FRIDAY, 100)))
    for trade in played(market)[0].prints:
        quote = market.quote("AAA", trade.ts_ms)
        assert quote.bid < quote.ask and quote.bid <= quote.last <= quote.ask
        if trade.moves_price:
            assert quote.last == trade.price
    before = market.quote("AAA", market.first_ms - 60_000)
    assert before.last == market.quote("AAA", market.first_ms).last
    market.jump("AAA", 50.0, market.last_ms + 1)
    assert market.quote("AAA", market.last_ms + 2).last == pytest.approx(50.0)


def test_records_about_earlier_trades_are_no_prints(tmp_path: Path) -> None:
    rows = [list(row) for row in rows_of("AAA", FRIDAY, 4)]
    rows[1][2], rows[2][2] = 8, 12
    tally = ReadTally()
    trades = list(read_trades(write(tmp_path / "a.csv", rows), tally))
    assert ([trade.correction for trade in trades], tally.records) == ([0, 8, 0], 1)


def test_columns_may_come_in_any_order_and_more_than_needed(tmp_path: Path) -> None:
    columns = ("surprise", *reversed(COLUMNS))
    rows = [["?", *reversed(row)] for row in rows_of("AAA", FRIDAY, 5)]
    plain = list(read_trades(write(tmp_path / "a.csv", rows_of("AAA", FRIDAY, 5)), ReadTally()))
    assert list(read_trades(write(tmp_path / "b.csv", rows, columns), ReadTally())) == plain
    few = write(
        tmp_path / "c.csv",
        [["AAA", "1.5", "2", plain[0].ts_ms * 10**6]],
        ["ticker", "price", "size", "sip_timestamp"],
    )
    (trade,) = read_trades(few, ReadTally())
    assert (trade.price, trade.conditions, trade.exchange, trade.tape) == (1.5, (), 0, 1)


BAD_CELLS = [
    ("price", "-1", "above 0"),
    ("price", "nan", "above 0"),
    ("size", "much", "above 0"),
    ("sip_timestamp", "1795185000", "19 digits"),
    ("conditions", "@TI", "whole number"),
    ("ticker", "", "a symbol"),
    ("ticker", "A B/C", "a symbol"),
    ("exchange", "Q", "whole number"),
]


@pytest.mark.parametrize(("column", "value", "cure"), BAD_CELLS)
def test_a_bad_row_is_named_counted_and_left_out(tmp_path: Path, column: str, value: str, cure: str) -> None:
    rows = [list(row) for row in rows_of("AAA", FRIDAY, 3)]
    rows[1][COLUMNS.index(column)] = value
    tally = ReadTally()
    path = write(tmp_path / "a.csv", rows)
    assert len(list(read_trades(path, tally))) == 2
    assert (tally.rows, tally.bad_rows) == (3, 1)
    assert tally.first_bad.startswith(f"{path}: line 3, column {column}: {value!r}")
    assert cure in tally.first_bad


def test_too_many_bad_rows_are_a_bad_file(tmp_path: Path) -> None:
    rows = [["AAA", "x", "1", "1"]] * (MAX_BAD_ROWS + 1)
    path = write(tmp_path / "a.csv", rows, ["ticker", "price", "size", "sip_timestamp"])
    with pytest.raises(BadInput, match="more than 1000 bad rows"):
        list(read_trades(path, ReadTally()))


def test_files_that_cannot_be_used_are_refused_in_a_line(tmp_path: Path) -> None:
    empty = write(tmp_path / "empty.csv", [])
    headless = write(tmp_path / "headless.csv", [], ["ticker", "px"])
    broken = tmp_path / "broken.csv.gz"
    broken.write_bytes(b"no gzip")
    binary = tmp_path / "binary.csv"
    binary.write_bytes(b"\xff\xfe\x00")
    cut = tmp_path / "cut.csv.gz"
    cut.write_bytes(write(tmp_path / "whole.csv.gz", rows_of("A", FRIDAY, 500)).read_bytes()[:-200])
    for path, words in (
        (empty, "holds no trade that is wanted"),
        (headless, "the column 'price' is missing"),
        (broken, "give a file of trades"),
        (binary, "give a file of trades"),
        (cut, "give a file of trades"),
        (tmp_path / "none.csv", "No such file"),
    ):
        with pytest.raises(BadInput, match=words) as caught:
            load_replay([path], HOURS)
        assert "\n" not in str(caught.value)


def test_a_broken_archive_is_refused_in_a_line(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv.gz", rows_of("AAA", FRIDAY, 400))
    whole = path.read_bytes()
    for broken in (whole[: len(whole) // 2], whole[:20] + b"\xff" * 40 + whole[60:], whole[:-8] + b"\0" * 8):
        path.write_bytes(broken)
        with pytest.raises(BadInput, match="replay") as told:
            list(read_trades(path, ReadTally()))
        assert "\n" not in str(told.value)


def test_symbols_that_the_scenario_knows_keep_their_terms_others_get_defaults(tmp_path: Path) -> None:
    known = HOURS.symbols[0]
    made = load_replay(
        [write(tmp_path / "a.csv", rows_of(known.symbol, FRIDAY, 3) + rows_of("NEWCO", FRIDAY, 3))], HOURS
    )
    assert made.scenario.symbol(known.symbol) == known
    new = made.scenario.symbol("NEWCO")
    assert new is not None and (new.exchange, new.tradable) == ("NYSE", True)
    assert len(made.scenario.symbols) == 2


def test_symbols_beyond_the_bound_are_left_out_but_never_the_scenarios(tmp_path: Path) -> None:
    known = HOURS.symbols[-1].symbol
    names = [*(f"S{number}" for number in range(MAX_SYMBOLS)), known]
    rows = [row for name in names for row in rows_of(name, FRIDAY, 1)]
    made = load_replay([write(tmp_path / "a.csv", rows)], HOURS)
    room = MAX_SYMBOLS - len(HOURS.symbols)
    assert (len(made.market.symbols), made.tally.dropped) == (room + 1, MAX_SYMBOLS - room)
    assert known in made.market.symbols


def test_only_the_symbols_that_are_wanted_are_read(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", [*rows_of("AAA", FRIDAY, 3), ["BBB", "unreadable"]])
    made = load_replay([path], HOURS, ["AAA"])
    assert made.market.symbols == ("AAA",)
    assert (made.tally.dropped, made.tally.bad_rows) == (1, 0)
    with pytest.raises(BadInput, match="no trade that is wanted"):
        load_replay([path], HOURS, ["CCC"])


@settings(max_examples=200, deadline=None)
@given(text=st.text(max_size=300))
def test_no_text_makes_the_reader_stumble(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.getbasetemp() / "any.csv"
    path.write_bytes(b"ticker,price,size,sip_timestamp\n" + text.encode("utf-8", "replace"))
    tally = ReadTally()
    try:
        trades = list(read_trades(path, tally))
    except BadInput:
        return
    assert len(trades) + tally.bad_rows + tally.records + tally.dropped == tally.rows


def in_a_venue(options: VenueOptions, act: Callable[[int], None]) -> None:
    """Run `act(port)` beside a venue."""

    async def scene() -> None:
        is_ready: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        task = asyncio.create_task(serve(options, ready=is_ready.set_result))
        waiting = asyncio.wait({task, asyncio.ensure_future(is_ready)}, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.wait_for(waiting, WAIT_SECONDS)
        await asyncio.to_thread(act, is_ready.result())
        task.cancel()
        await asyncio.wait({task})

    asyncio.run(scene())


def test_a_venue_replays_days_in_seconds_and_leaps_over_the_weekend(tmp_path: Path) -> None:
    rows = rows_of("AAA", FRIDAY, 200, start="19:55") + rows_of("AAA", MONDAY, 200, start="04:00")
    path = write(tmp_path / "a.csv.gz", rows)

    def watch(port: int) -> None:
        asked = massive.RESTClient("hours-polygon", base=f"http://127.0.0.1:{port}", retries=0)
        heard: list[Any] = []
        over = threading.Event()

        async def listen() -> None:
            client = massive.WebSocketClient(
                api_key="hours-polygon", feed=f"127.0.0.1:{port}", secure=False, subscriptions=["T.AAA"]
            )

            async def take(messages: list[Any]) -> None:
                heard.extend(messages)
                if messages[-1].id == "200" and messages[-1].timestamp > heard[0].timestamp + 86_400_000:
                    over.set()

            task = asyncio.create_task(client.connect(take))
            await asyncio.to_thread(over.wait, WAIT_SECONDS)
            task.cancel()

        asyncio.run(listen())
        assert over.is_set()
        trades = list(asked.list_trades("AAA", order="asc", limit=100))
        assert len(trades) == 400
        assert [t.id for t in heard] == [t.id for t in trades][-len(heard) :]
        hours = list(asked.list_aggs("AAA", 1, "hour", "2026-11-19", "2026-11-23"))
        assert len(hours) == 2 and hours[0].transactions == 200

    in_a_venue(VenueOptions(scenario="hours", replay=(path,), clock_speed=300.0), watch)


def test_the_ready_line_tells_what_is_replayed(tmp_path: Path) -> None:
    from kyzlo_actors.venue.stage import set_stage

    rows = [*rows_of("AAA", FRIDAY, 3), ["BBB"]]
    options = VenueOptions(scenario="hours", replay=(write(tmp_path / "a.csv", rows),), clock_speed=2.0)
    stage = set_stage(options, lambda: 0)
    about = json.loads(json.dumps(stage.about()))
    assert about["symbols"] == ["AAA"]
    assert about["replay"]["first"].startswith("2026-11-20T14:30:0") and about["replay"]["bad_rows"] == 1
    assert stage.clock() == (stage.replay.market.first_ms - 2_000) * 1_000_000  # type: ignore[union-attr]
