"""Golden cross against exact fractions, its silence on equal averages, and its saved state."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kyzlo_actors.domain.errors import BadInput
from kyzlo_actors.domain.strategy.golden_cross import GoldenCross, GoldenCrossParameters
from kyzlo_actors.domain.strategy.protocol import Context, make_parameters
from tests.domain.builders import bar, tick

CONTEXT = Context(symbol="AAPL", quantity=Decimal(10), position=Decimal(0), average_cost=Decimal(0))
CENTS = st.lists(st.integers(9_950, 10_050), min_size=1, max_size=80)
PERIODS = st.tuples(st.integers(1, 6), st.integers(1, 9)).map(lambda p: (p[0], p[0] + p[1]))


def targets(cross: GoldenCross, cents: list[int], start: int = 0) -> list[Decimal | None]:
    signals = [cross.on_bar(CONTEXT, bar(start + i, c / 100)) for i, c in enumerate(cents)]
    return [None if signal is None else signal.target_position for signal in signals]


def naive(cents: list[int], fast: int, slow: int, *, short: bool) -> list[Decimal | None]:
    answers: list[Decimal | None] = []
    above: bool | None = None
    for end in range(1, len(cents) + 1):
        answer = None
        if end >= slow:
            quick = Fraction(sum(cents[end - fast : end]), fast)
            calm = Fraction(sum(cents[end - slow : end]), slow)
            if quick != calm:
                if above is not None and above != (quick > calm):
                    answer = Decimal(10) if quick > calm else Decimal(-10 if short else 0)
                above = quick > calm
        answers.append(answer)
    return answers


@given(CENTS, PERIODS, st.booleans())
def test_equals_exact_fractions(cents: list[int], periods: tuple[int, int], short: bool) -> None:
    fast, slow = periods
    cross = GoldenCross(GoldenCrossParameters(fast=fast, slow=slow, allow_short=short))
    assert targets(cross, cents) == naive(cents, fast, slow, short=short)


@given(CENTS, PERIODS)
def test_equals_pandas(cents: list[int], periods: tuple[int, int]) -> None:
    """Where both averages are known and differ by more than rounding, the side is that of two rolling means."""
    fast, slow = periods
    closes = pd.Series(cents, dtype="float64") / 100
    gap = (closes.rolling(fast).mean() - closes.rolling(slow).mean()).dropna()
    above = gap[gap.abs() > 1e-7] > 0
    wanted = above[above != above.shift(fill_value=bool(above.iloc[0]) if len(above) else False)]
    signals = targets(GoldenCross(GoldenCrossParameters(fast=fast, slow=slow)), cents)
    assert [(i, t == 10) for i, t in enumerate(signals) if t is not None] == list(wanted.items())


@given(CENTS, CENTS, PERIODS)
def test_save_and_load_give_the_same_future(
    before: list[int], after: list[int], periods: tuple[int, int]
) -> None:
    parameters = GoldenCrossParameters(fast=periods[0], slow=periods[1])
    original, restored = GoldenCross(parameters), GoldenCross(parameters)
    targets(original, before)
    restored.load(original.save())
    assert targets(restored, after, len(before)) == targets(original, after, len(before))


def test_a_flat_market_after_a_trend_is_silent() -> None:
    """Averages of 190.1 over 2 and over 3 prices differ in the last bit: rounding must not trade."""
    cross = GoldenCross(GoldenCrossParameters(fast=2, slow=3))
    assert [t for t in targets(cross, [18_000, 18_500, 19_010, *([19_010] * 400)]) if t is not None] == []


def test_history_is_learned_and_gives_no_signal() -> None:
    cross = GoldenCross(GoldenCrossParameters(fast=1, slow=2))
    for index, close in enumerate((10.0, 9.0, 20.0)):
        cross.on_warm_up(CONTEXT, bar(index, close))
    assert cross.on_bar(CONTEXT, bar(3, 30.0)) is None  # above already
    signal = cross.on_bar(CONTEXT, bar(4, 5.0))
    assert signal is not None
    assert signal.target_position == 0


@pytest.mark.parametrize("short", [False, True])
def test_an_exit_that_history_shows_is_told_by_the_next_bar(short: bool) -> None:
    """The feed was away while the averages crossed back: what is held must not stay until the next crossing."""
    cross = GoldenCross(GoldenCrossParameters(fast=1, slow=2, allow_short=short))
    assert targets(cross, [1_000, 900, 2_000]) == [None, None, Decimal(10)]
    cross.on_warm_up(CONTEXT, bar(3, 15.0))
    saved = cross.save()
    restored = GoldenCross(cross.parameters)
    restored.load(saved)
    # Out only: a short would be entered late.
    assert targets(restored, [1_400, 1_300], 4) == targets(cross, [1_400, 1_300], 4) == [Decimal(0), None]


def test_an_entry_that_history_shows_is_not_made_up_for() -> None:
    cross = GoldenCross(GoldenCrossParameters(fast=1, slow=2))
    assert targets(cross, [1_000, 1_100, 900]) == [None, None, Decimal(0)]
    cross.on_warm_up(CONTEXT, bar(3, 15.0))
    assert targets(cross, [1_600], 4) == [None]


def test_there_and_back_in_history_is_nothing() -> None:
    cross = GoldenCross(GoldenCrossParameters(fast=1, slow=2))
    assert targets(cross, [1_000, 900, 2_000]) == [None, None, Decimal(10)]
    cross.on_warm_up(CONTEXT, bar(3, 15.0))
    cross.on_warm_up(CONTEXT, bar(4, 18.0))
    assert targets(cross, [1_900], 5) == [None]


def test_a_state_of_before_the_last_signal_was_kept_is_read() -> None:
    old, new = (GoldenCross(GoldenCrossParameters(fast=1, slow=2)) for _ in range(2))
    targets(old, [1_000, 900])
    state = old.save()
    del state["told"]
    new.load(state)
    assert targets(new, [2_000], 2) == [Decimal(10)]


def test_a_revised_or_older_bar_counts_once() -> None:
    cross = GoldenCross(GoldenCrossParameters(fast=1, slow=2))
    for index, close in enumerate((10.0, 9.0)):
        cross.on_bar(CONTEXT, bar(index, close))
    saved = cross.save()
    assert cross.on_bar(CONTEXT, bar(1, 50.0, revision=1)) is None
    cross.on_warm_up(CONTEXT, bar(0, 50.0))
    assert cross.save() == saved


def test_ticks_or_bars_never_both() -> None:
    on_ticks = GoldenCross(GoldenCrossParameters(fast=1, slow=2, on="ticks"))
    assert on_ticks.warm_up_bars == 0
    on_ticks.on_bar(CONTEXT, bar(0, 10.0))
    answers = [on_ticks.on_tick(CONTEXT, tick(price)) for price in (10.0, 9.0, 11.0)]
    assert [answer is not None for answer in answers] == [False, False, True]
    on_bars = GoldenCross(GoldenCrossParameters(fast=1, slow=2))
    assert on_bars.warm_up_bars == 2
    assert [on_bars.on_tick(CONTEXT, tick(price)) for price in (10.0, 9.0, 11.0)] == [None, None, None]


@pytest.mark.parametrize(
    "given_values",
    [
        {"fast": 5, "slow": 5},
        {"fast": 0},
        {"slow": 201},
        {"on": "quotes"},
        {"fast": "5"},
        {"fast": True},
        {"allow_short": 1},
        {"speed": 3},
    ],
)
def test_bad_parameters_are_bad_input(given_values: dict[str, object]) -> None:
    with pytest.raises(BadInput, match=r"symbols\.AAPL"):
        make_parameters(GoldenCross, given_values, field_prefix="symbols.AAPL")


def test_good_parameters_are_typed() -> None:
    made = make_parameters(GoldenCross, {"fast": 3, "slow": 9}, field_prefix="x")
    assert made == GoldenCrossParameters(fast=3, slow=9)
