"""Mean reversion against pandas, its stop and what it waits for, and a restart at any bar."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from kyzlo_actors.domain.errors import BadInput
from kyzlo_actors.domain.strategy.mean_reversion import MeanReversion, MeanReversionParameters
from kyzlo_actors.domain.strategy.protocol import Context, make_parameters
from tests.domain.builders import bar

CONTEXT = Context(symbol="AAPL", quantity=Decimal(10), position=Decimal(0), average_cost=Decimal(0))
CENTS = st.lists(st.integers(9_900, 10_100), min_size=1, max_size=80)
PARAMETERS = st.builds(
    lambda period, short, stop: MeanReversionParameters(
        period=period, entry_z=1.1, exit_z=0.3, stop_z=1.7 if stop else 0.0, allow_short=short
    ),
    st.integers(5, 12),
    st.booleans(),
    st.booleans(),
)
LEVELS = np.array([0.3, 1.1, 1.7])


def targets(strategy: MeanReversion, cents: list[int], start: int = 0) -> list[Decimal | None]:
    signals = [strategy.on_bar(CONTEXT, bar(start + i, c / 100)) for i, c in enumerate(cents)]
    return [None if signal is None else signal.target_position for signal in signals]


def by_pandas(cents: list[int], parameters: MeanReversionParameters) -> list[Decimal | None]:
    """The rules as the docstring says them, on rolling z-scores of pandas."""
    closes = pd.Series(cents, dtype="float64") / 100
    rolling = closes.rolling(parameters.period)
    deviations = rolling.std(ddof=0)
    z_scores = ((closes - rolling.mean()) / deviations).where(deviations > 1e-6)
    assume(not np.any(np.abs(z_scores.abs().to_numpy()[:, None] - LEVELS) < 1e-6))  # a matter of the last bit
    answers: list[Decimal | None] = []
    side, is_waiting = 0, False
    for z in z_scores:
        before = side
        if np.isnan(z):
            answers.append(None)
            continue
        if abs(z) < parameters.exit_z:
            is_waiting = False
        if side and (side * z > 0 or abs(z) < parameters.exit_z):
            side = 0
        elif side and parameters.stop_z and abs(z) > parameters.stop_z:
            side, is_waiting = 0, True
        elif not side and not is_waiting and parameters.entry_z < abs(z) < (parameters.stop_z or np.inf):
            side = 1 if z < 0 else -1 if parameters.allow_short else 0
        answers.append(None if side == before else Decimal(10 * side))
    return answers


@given(CENTS, PARAMETERS)
def test_equals_pandas(cents: list[int], parameters: MeanReversionParameters) -> None:
    assert targets(MeanReversion(parameters), cents) == by_pandas(cents, parameters)


@given(CENTS, CENTS, PARAMETERS)
def test_a_restart_gives_the_same_signals(
    before: list[int], after: list[int], parameters: MeanReversionParameters
) -> None:
    original, restored = MeanReversion(parameters), MeanReversion(parameters)
    targets(original, before)
    restored.load(original.save())
    assert targets(restored, after, len(before)) == targets(original, after, len(before))


@given(st.integers(1, 10**6), st.integers(3, 40))
def test_a_market_that_stands_still_is_silent(cents: int, period: int) -> None:
    strategy = MeanReversion(MeanReversionParameters(period=period, entry_z=1.0, exit_z=0.0, stop_z=0.0))
    assert set(targets(strategy, [cents] * 3 * period)) == {None}


def dipping(**changes: float) -> MeanReversion:
    """Long after nine equal closes and one a dollar lower (z = -3)."""
    strategy = MeanReversion(
        MeanReversionParameters(**{"period": 10, "entry_z": 2.0, "exit_z": 0.5, "stop_z": 0.0, **changes})  # type: ignore[arg-type]
    )
    assert targets(strategy, [10_000] * 9) == [None] * 9
    return strategy


def test_in_below_the_mean_and_out_at_the_mean() -> None:
    strategy = dipping()
    signal = strategy.on_bar(CONTEXT, bar(9, 99.0))
    assert signal is not None
    assert signal.target_position == 10
    assert signal.indicators == pytest.approx({"z": -3.0, "mean": 99.9, "deviation": 0.3})
    assert targets(strategy, [10_000], 10) == [Decimal(0)]


def test_after_a_stop_it_waits_until_the_price_has_been_back() -> None:
    strategy = dipping(stop_z=2.9, entry_z=1.4)
    # -3 is beyond the stop already: too late to enter
    assert targets(strategy, [9_900, 9_900], 9) == [None, Decimal(10)]
    assert targets(strategy, [9_500], 11) == [None]
    assert targets(strategy, [8_000], 12) == [Decimal(0)]
    assert targets(strategy, [7_900], 13) == [None]  # z is that of an entry, but it waits
    assert strategy.save()["is_waiting"] is True
    assert targets(strategy, [9_400], 14) == [None]
    assert strategy.save()["is_waiting"] is False


def test_history_enters_nothing_and_an_exit_in_it_is_told_by_the_next_bar() -> None:
    strategy = dipping()
    strategy.on_warm_up(CONTEXT, bar(9, 99.0))
    assert targets(strategy, [10_000], 10) == [None]
    held = dipping()
    assert targets(held, [9_900], 9) == [Decimal(10)]
    held.on_warm_up(CONTEXT, bar(10, 100.0))  # a gap, in which it came back
    assert targets(held, [9_990], 11) == [Decimal(0)]


def test_a_revised_or_older_bar_counts_once() -> None:
    strategy = dipping()
    saved = strategy.save()
    assert strategy.on_bar(CONTEXT, bar(8, 50.0, revision=1)) is None
    strategy.on_warm_up(CONTEXT, bar(3, 50.0))
    assert strategy.save() == saved


@pytest.mark.parametrize(
    "given_values",
    [
        {"period": 2},
        {"period": 201},
        {"entry_z": 0.5},
        {"exit_z": -0.1},
        {"entry_z": 4.4},
        {"stop_z": 2.0},
        {"stop_z": 4.4},
        {"entry_z": float("nan")},
        {"stop_z": float("nan")},
        {"period": 20.0},
        {"allow_short": "yes"},
    ],
)
def test_bad_parameters_are_bad_input(given_values: dict[str, object]) -> None:
    with pytest.raises(BadInput, match=r"symbols\.AAPL"):
        make_parameters(MeanReversion, given_values, field_prefix="symbols.AAPL")
