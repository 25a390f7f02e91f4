"""Breakout against pandas, reversals, gaps, and a restart at any bar."""

from __future__ import annotations

from decimal import Decimal

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kyzlo_actors.domain.errors import BadInput
from kyzlo_actors.domain.market import Bar
from kyzlo_actors.domain.strategy.breakout import Breakout, BreakoutParameters
from kyzlo_actors.domain.strategy.protocol import Context, make_parameters
from tests.domain.builders import bar

CONTEXT = Context(symbol="AAPL", quantity=Decimal(10), position=Decimal(0), average_cost=Decimal(0))
# Low, close above it, high above that; in cents.
ROWS = st.tuples(st.integers(9_900, 10_000), st.integers(0, 60), st.integers(0, 60))
BARS = st.lists(ROWS, min_size=1, max_size=80)
PARAMETERS = st.builds(
    lambda leave, more, short: BreakoutParameters(entry=leave + more, leave=leave, allow_short=short),
    st.integers(1, 6),
    st.integers(0, 6),
    st.booleans(),
)


def made(index: int, row: tuple[int, int, int]) -> Bar:
    low, up, more = row
    one = bar(index, (low + up) / 100)
    one.low, one.high = low / 100, (low + up + more) / 100
    return one


def targets(strategy: Breakout, rows: list[tuple[int, int, int]], start: int = 0) -> list[Decimal | None]:
    signals = [strategy.on_bar(CONTEXT, made(start + i, row)) for i, row in enumerate(rows)]
    return [None if signal is None else signal.target_position for signal in signals]


def by_pandas(rows: list[tuple[int, int, int]], parameters: BreakoutParameters) -> list[Decimal | None]:
    bars = pd.DataFrame([(b.high, b.low, b.close) for b in (made(i, row) for i, row in enumerate(rows))])
    bars.columns = pd.Index(["high", "low", "close"])
    before = bars.shift()
    top, bottom = before.high.rolling(parameters.entry).max(), before.low.rolling(parameters.entry).min()
    upper, lower = before.high.rolling(parameters.leave).max(), before.low.rolling(parameters.leave).min()
    answers: list[Decimal | None] = []
    side = 0
    for i, close in enumerate(bars.close):
        told = side
        if i >= parameters.entry:
            if side > 0 and close < lower[i]:
                side = 0
            if side < 0 and close > upper[i]:
                side = 0
            if side == 0 and close > top[i]:
                side = 1
            elif side == 0 and close < bottom[i] and parameters.allow_short:
                side = -1
        answers.append(None if side == told else Decimal(10 * side))
    return answers


@given(BARS, PARAMETERS)
def test_equals_pandas(rows: list[tuple[int, int, int]], parameters: BreakoutParameters) -> None:
    assert targets(Breakout(parameters), rows) == by_pandas(rows, parameters)


@given(BARS, BARS, PARAMETERS)
def test_a_restart_gives_the_same_signals(
    before: list[tuple[int, int, int]], after: list[tuple[int, int, int]], parameters: BreakoutParameters
) -> None:
    original, restored = Breakout(parameters), Breakout(parameters)
    targets(original, before)
    restored.load(original.save())
    assert targets(restored, after, len(before)) == targets(original, after, len(before))


def closes(strategy: Breakout, prices: list[float], start: int = 0) -> list[Decimal | None]:
    signals = [strategy.on_bar(CONTEXT, bar(start + i, price)) for i, price in enumerate(prices)]
    return [None if signal is None else signal.target_position for signal in signals]


def test_in_above_the_channel_out_below_the_shorter_one() -> None:
    strategy = Breakout(BreakoutParameters(entry=3, leave=2))
    assert strategy.warm_up_bars == 3
    assert closes(strategy, [10, 9, 10, 10, 11, 12, 11.5, 11.4, 11.5]) == [
        None,
        None,
        None,
        None,  # as high as the channel is not above it
        Decimal(10),
        None,
        None,
        Decimal(0),
        None,
    ]


def test_a_reversal_is_one_signal() -> None:
    strategy = Breakout(BreakoutParameters(entry=2, leave=1, allow_short=True))
    assert closes(strategy, [10, 10, 11, 5, 20]) == [None, None, Decimal(10), Decimal(-10), Decimal(10)]


def test_history_enters_nothing_and_an_exit_in_it_is_told_by_the_next_bar() -> None:
    strategy = Breakout(BreakoutParameters(entry=2, leave=1))
    for index, price in enumerate((10.0, 10.0, 11.0)):
        strategy.on_warm_up(CONTEXT, bar(index, price))
    assert closes(strategy, [10.9, 11.5], 3) == [None, Decimal(10)]
    strategy.on_warm_up(CONTEXT, bar(5, 9.0))  # a gap, in which it fell out
    assert closes(strategy, [9.5], 6) == [Decimal(0)]


def test_a_revised_or_older_bar_counts_once() -> None:
    strategy = Breakout(BreakoutParameters(entry=2, leave=1))
    closes(strategy, [10.0, 9.0, 9.5])
    saved = strategy.save()
    assert strategy.on_bar(CONTEXT, bar(2, 50.0, revision=1)) is None
    strategy.on_warm_up(CONTEXT, bar(0, 50.0))
    assert strategy.save() == saved


@pytest.mark.parametrize(
    "given_values",
    [{"entry": 5, "leave": 6}, {"leave": 0}, {"entry": 201}, {"entry": "20"}, {"allow_short": 1}],
)
def test_bad_parameters_are_bad_input(given_values: dict[str, object]) -> None:
    with pytest.raises(BadInput, match=r"symbols\.AAPL"):
        make_parameters(Breakout, given_values, field_prefix="symbols.AAPL")
