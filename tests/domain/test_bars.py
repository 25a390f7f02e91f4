"""Bars: closing, revising, dropping, and independence of the order of arrival."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from kyzlo_actors.domain.bars import BarBuilder
from kyzlo_actors.domain.market import Bar, Tick

SECOND = 1_000_000_000
MS = 1_000_000
START = 1_700_000_000 * SECOND
# Offset in ms, price, size, whether it moves the price.
Row = tuple[int, float, float, bool]


def tick(offset_ns: int, price: float, size: float = 100.0) -> Tick:
    ts = START + offset_ns
    return Tick("AAPL", price, size, ts, ts + MS, 4, 0, str(offset_ns))


def feed(builder: BarBuilder, trade: Tick, *, updates_price: bool = True) -> list[Bar]:
    return builder.on_trade(trade, updates_price=updates_price, now_ns=trade.ts_init)


def test_a_trade_of_the_next_window_closes_the_bar() -> None:
    builder = BarBuilder("AAPL", SECOND)
    assert feed(builder, tick(0, 10.0)) == []
    assert feed(builder, tick(500 * MS, 12.0)) == []
    assert feed(builder, tick(900 * MS, 9.0)) == []
    assert builder.running is not None
    assert builder.running.close == 9.0
    (bar,) = feed(builder, tick(SECOND, 11.0))
    assert (bar.open, bar.high, bar.low, bar.close) == (10.0, 12.0, 9.0, 9.0)
    assert (bar.volume, bar.trade_count, bar.revision) == (300.0, 3, 0)
    assert bar.start_ns == START
    assert builder.running.open == 11.0


def test_time_closes_a_bar_after_the_grace_and_only_once() -> None:
    builder = BarBuilder("AAPL", SECOND, grace_ns=50 * MS)
    feed(builder, tick(0, 10.0))
    assert builder.on_time(START + SECOND + 49 * MS) == []
    (bar,) = builder.on_time(START + SECOND + 50 * MS)
    assert bar.close == 10.0
    assert builder.running is None
    assert builder.on_time(START + 2 * SECOND) == []


def test_no_bar_without_an_eligible_trade() -> None:
    builder = BarBuilder("AAPL", SECOND)
    assert feed(builder, tick(0, 10.0), updates_price=False) == []
    assert builder.running is None
    assert builder.on_time(START + 2 * SECOND) == []
    assert feed(builder, tick(5 * SECOND, 10.0)) == []


def test_volume_before_the_first_price_counts() -> None:
    builder = BarBuilder("AAPL", SECOND)
    feed(builder, tick(0, 99.0, 7.0), updates_price=False)
    feed(builder, tick(10 * MS, 10.0, 1.0))
    (bar,) = builder.on_time(START + 2 * SECOND)
    assert (bar.open, bar.high, bar.volume, bar.trade_count) == (10.0, 10.0, 8.0, 2)


def test_late_trades_revise_the_last_two_bars_and_no_older_one() -> None:
    builder = BarBuilder("AAPL", SECOND)
    for second in range(4):
        feed(builder, tick(second * SECOND + 500 * MS, 10.0 + second))
    (revised,) = feed(builder, tick(2 * SECOND + 900 * MS, 50.0))
    assert (revised.start_ns, revised.revision, revised.close) == (START + 2 * SECOND, 1, 50.0)
    (again,) = feed(builder, tick(2 * SECOND + 100 * MS, 1.0))
    assert (again.revision, again.open, again.low, again.close) == (2, 1.0, 1.0, 50.0)
    (older,) = feed(builder, tick(SECOND, 3.0))
    assert (older.start_ns, older.revision) == (START + SECOND, 1)
    assert feed(builder, tick(999 * MS, 3.0)) == []
    assert builder.late_dropped == 1


def test_a_late_trade_may_create_a_bar_that_was_missing() -> None:
    builder = BarBuilder("AAPL", SECOND)
    feed(builder, tick(0, 10.0))
    feed(builder, tick(2 * SECOND, 12.0))
    (bar,) = feed(builder, tick(SECOND, 11.0))
    assert (bar.start_ns, bar.revision, bar.close) == (START + SECOND, 0, 11.0)


def test_an_absurd_timestamp_does_not_make_the_others_late() -> None:
    builder = BarBuilder("AAPL", SECOND)
    feed(builder, tick(0, 10.0))
    far = tick(3600 * SECOND, 99.0)
    assert builder.on_trade(far, updates_price=True, now_ns=START) == []
    assert builder.future_dropped == 1
    assert feed(builder, tick(1, 11.0)) == []
    assert builder.late_dropped == 0


prices = st.integers(1, 400).map(lambda n: n / 4)
trades = st.lists(
    st.tuples(st.integers(0, 3 * 1000 - 1), prices, st.integers(1, 40).map(float), st.booleans()),
    min_size=1,
    max_size=40,
    unique_by=lambda trade: trade[0],
)


def newest(bars: list[Bar]) -> dict[int, Bar]:
    """The last word on each window; a repeated revision would be a defect."""
    seen: dict[int, Bar] = {}
    for bar in bars:
        before = seen.get(bar.start_ns)
        assert bar.revision == (before.revision + 1 if before else 0)
        seen[bar.start_ns] = bar
    return seen


def values(bars: dict[int, Bar]) -> dict[int, tuple[float, ...]]:
    return {
        start: (bar.open, bar.high, bar.low, bar.close, bar.volume, bar.trade_count)
        for start, bar in bars.items()
    }


@given(trades, st.randoms(use_true_random=False))
def test_any_order_of_arrival_gives_the_same_bars(rows: list[Row], random: Random) -> None:
    """Three windows: whatever the order, nothing is older than the two that stay open for late trades."""
    shuffled = list(rows)
    random.shuffle(shuffled)
    outcomes = []
    for order in (sorted(rows), shuffled):
        builder = BarBuilder("AAPL", SECOND)
        emitted: list[Bar] = []
        for offset_ms, price, size, moves in order:
            trade = tick(offset_ms * MS, price, size)
            emitted += builder.on_trade(trade, updates_price=moves, now_ns=START + 4 * SECOND)
        emitted += builder.on_time(START + 4 * SECOND)
        assert builder.late_dropped == builder.future_dropped == 0
        outcomes.append(values(newest(emitted)))
    assert outcomes[0] == outcomes[1]
    assert outcomes[0] == from_all_trades(rows)


def from_all_trades(rows: list[Row]) -> dict[int, tuple[float, ...]]:
    """The same bars the simple way: all trades at once."""
    bars: dict[int, tuple[float, ...]] = {}
    for window in range(3):
        inside = sorted(row for row in rows if row[0] // 1000 == window)
        moving = [price for _, price, _, moves in inside if moves]
        if moving:
            volume = sum(size for _, _, size, _ in inside)
            first, last = moving[0], moving[-1]
            bars[START + window * SECOND] = (first, max(moving), min(moving), last, volume, len(inside))
    return bars
