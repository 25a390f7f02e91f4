"""Indicators against the naive computation, and saved states that go on to the last bit."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kyzlo_actors.domain.indicators import SimpleMovingAverage

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
