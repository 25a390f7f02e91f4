"""Indicators against the naive computation, and saved states that go on to the last bit."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable
from fractions import Fraction

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kyzlo_actors.domain.indicators import RollingExtreme, RollingMoments, SimpleMovingAverage

CENTS = st.lists(st.integers(1, 10_000_000).map(lambda cents: cents / 100), max_size=120)
PRICES = st.lists(st.floats(0.01, 1e5, allow_nan=False), max_size=120)


@given(PRICES, st.integers(1, 30))
def test_equals_the_naive_mean(prices: list[float], period: int) -> None:
    average = SimpleMovingAverage(period)
    for index, price in enumerate(prices):
        value = average.update(price)
        window = prices[max(0, index + 1 - period) : index + 1]
        if len(window) < period:
            assert value is None
        else:
            assert value == pytest.approx(math.fsum(window) / period, rel=1e-9)
        assert value == average.value


@given(PRICES, PRICES, st.integers(1, 30))
def test_save_and_load_change_no_bit(before: list[float], after: list[float], period: int) -> None:
    original = SimpleMovingAverage(period)
    for price in before:
        original.update(price)
    restored = SimpleMovingAverage(period)
    restored.load(original.save())
    assert [restored.update(p) for p in after] == [original.update(p) for p in after]


def test_a_state_of_another_period_is_refused() -> None:
    with pytest.raises(ValueError, match="period 3, not 4"):
        SimpleMovingAverage(4).load(SimpleMovingAverage(3).save())


def test_a_period_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        SimpleMovingAverage(0)


@given(CENTS, st.integers(1, 30), st.sampled_from([0, 1]))
def test_moments_equal_pandas(prices: list[float], period: int, ddof: int) -> None:
    rolling = pd.Series(prices, dtype="float64").rolling(period)
    means, deviations = rolling.mean(), rolling.std(ddof=ddof)
    moments = RollingMoments(period)
    for index, price in enumerate(prices):
        moments.update(price)
        if moments.mean is None:
            assert index + 1 < period
            assert math.isnan(means[index])
            assert moments.deviation(ddof) is None
            continue
        assert moments.mean == pytest.approx(means[index], rel=1e-9)
        deviation = moments.deviation(ddof)
        if period == ddof:
            assert deviation is None
            continue
        # pandas takes values out of its sums: what a large one leaves behind is its error, not ours.
        assert deviation == pytest.approx(deviations[index], rel=1e-6, abs=1e-6 * max(prices[: index + 1]))


@given(PRICES, st.integers(1, 30))
def test_moments_equal_exact_fractions(prices: list[float], period: int) -> None:
    """After a price a billion times the others, too: nothing of it is left once it is out of the window."""
    moments = RollingMoments(period)
    for index, price in enumerate(prices):
        moments.update(price)
        window = [Fraction(value) for value in prices[max(0, index + 1 - period) : index + 1]]
        if len(window) == period:
            exact = math.sqrt(statistics.pvariance(window))
            assert moments.deviation() == pytest.approx(
                exact, rel=1e-9, abs=1e-15 * float(max(window)) * period
            )


@given(st.floats(0.01, 1e5), st.integers(1, 30), PRICES)
def test_equal_values_have_a_deviation_of_exactly_zero(
    price: float, period: int, before: list[float]
) -> None:
    moments = RollingMoments(period)
    for value in [*before, *[price] * 2 * period]:
        moments.update(value)
    assert moments.deviation() == 0.0
    assert moments.mean == price


@pytest.mark.parametrize("pick", [max, min])
@given(PRICES, st.integers(1, 30))
def test_extremes_equal_pandas(
    pick: Callable[[float, float], float], prices: list[float], period: int
) -> None:
    rolling = pd.Series(prices, dtype="float64").rolling(period)
    wanted = rolling.max() if pick is max else rolling.min()
    extreme = RollingExtreme(period, pick)
    values = [extreme.update(price) for price in prices]
    assert [math.nan if value is None else value for value in values] == pytest.approx(
        wanted.tolist(), rel=0, abs=0, nan_ok=True
    )


@given(PRICES, PRICES, st.integers(1, 30))
def test_rolling_state_goes_on_to_the_last_bit(before: list[float], after: list[float], period: int) -> None:
    moments, again = RollingMoments(period), RollingMoments(period)
    extreme, extreme_again = RollingExtreme(period, max), RollingExtreme(period, max)
    for price in before:
        moments.update(price)
        extreme.update(price)
    again.load(moments.save())
    extreme_again.load(extreme.save())
    for price in after:
        moments.update(price)
        again.update(price)
        assert (again.mean, again.deviation()) == (moments.mean, moments.deviation())
        assert extreme_again.update(price) == extreme.update(price)


def test_rolling_states_of_another_period_and_bad_periods_are_refused() -> None:
    with pytest.raises(ValueError, match="period 3, not 4"):
        RollingMoments(4).load(RollingMoments(3).save())
    with pytest.raises(ValueError, match="period 3, not 4"):
        RollingExtreme(4, max).load(RollingExtreme(3, max).save())
    for bad in (0, -1):
        with pytest.raises(ValueError, match="at least 1"):
            RollingMoments(bad)
        with pytest.raises(ValueError, match="at least 1"):
            RollingExtreme(bad, min)
