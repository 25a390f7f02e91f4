"""Incremental indicators: constant work for each value, state that can be saved and loaded as plain lists."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import sqrt
from typing import Generic, TypeVar


class SimpleMovingAverage:
    """Mean of the last `period` values.

    A running sum gains rounding error for ever, so it is summed anew each time the ring comes round.
    """

    __slots__ = ("_index", "_sum", "_values", "count", "period")

    def __init__(self, period: int) -> None:
        if period < 1:
            raise ValueError(f"period must be at least 1, not {period}")
        self.period = period
        self.count = 0
        self._values = [0.0] * period
        self._index = 0
        self._sum = 0.0

    def update(self, value: float) -> float | None:
        """Take one value; the mean, or None while fewer than `period` values are known."""
        self._sum += value - self._values[self._index]
        self._values[self._index] = value
        self._index += 1
        if self._index == self.period:
            self._index = 0
            self._sum = sum(self._values)
        self.count += 1
        return self.value

    @property
    def value(self) -> float | None:
        """The mean, or None while fewer than `period` values are known."""
        return self._sum / self.period if self.count >= self.period else None

    def save(self) -> list[float]:
        """`[count, index, sum, *ring]`: exactly what it is, so that it goes on to the last bit."""
        return [self.count, self._index, self._sum, *self._values]

    def load(self, saved: Sequence[float]) -> None:
        """Become what `save` described. Raises: ValueError: it was saved with another period."""
        count, index, total, *values = saved
        if len(values) != self.period:
            raise ValueError(f"saved with period {len(values)}, not {self.period}")
        self.count, self._index, self._sum, self._values = int(count), int(index), total, values


Part = TypeVar("Part")
# Count, mean, and sum of the squared distances from the mean.
_Moments = tuple[int, float, float]
_NO_MOMENTS: _Moments = (0, 0.0, 0.0)


class _Window(Generic[Part]):
    """The last `period` values as two parts: the tail of the last full ring, and the head of what came since.

    What a part amounts to is extended by one value at a time and never reduced, so nothing is ever taken out.
    Amortized constant work.
    """

    __slots__ = ("_empty", "_head", "_index", "_tails", "_values", "count", "period")

    def __init__(self, period: int, empty: Part) -> None:
        if period < 1:
            raise ValueError(f"period must be at least 1, not {period}")
        self.period = period
        self.count = 0
        self._empty = empty
        self._values = [0.0] * period
        self._index = 0
        self._head = empty
        self._tails = [empty] * period

    @property
    def is_full(self) -> bool:
        """Whether `period` values are known."""
        return self.count >= self.period

    def save(self) -> list[float]:
        """`[count, index, *ring]`: everything else follows from it, to the last bit."""
        return [self.count, self._index, *self._values]

    def load(self, saved: Sequence[float]) -> None:
        """Become what `save` described. Raises: ValueError: it was saved with another period."""
        count, index, *values = saved
        if len(values) != self.period:
            raise ValueError(f"saved with period {len(values)}, not {self.period}")
        self.count, self._index, self._values = int(count), int(index), values
        self._tails = self._tails_from(self._index)
        self._head = self._empty
        for value in self._values[: self._index]:
            self._head = self._extended(self._head, value)

    @property
    def _tail(self) -> Part:
        return self._tails[self._index]

    def _extended(self, part: Part, value: float) -> Part:
        raise NotImplementedError

    def _take(self, value: float) -> None:
        self._values[self._index] = value
        self._head = self._extended(self._head, value)
        self._index += 1
        self.count += 1
        if self._index == self.period:
            self._index = 0
            self._head = self._empty
            self._tails = self._tails_from(0)

    def _tails_from(self, first: int) -> list[Part]:
        """For each place from `first` what the ring from there to its end amounts to."""
        tails = [self._empty] * self.period
        tail = self._empty
        for place in range(self.period - 1, first - 1, -1):
            tails[place] = tail = self._extended(tail, self._values[place])
        return tails


class RollingMoments(_Window[_Moments]):
    """Mean and standard deviation of the last `period` values, without drift and without subtraction.

    Taking a value out of a running variance loses digits that never come back. Here nothing is taken out: the window
    is the tail of the last full ring plus the values since, each part updated by Welford's method and joined by
    Chan's formula (T. Chan, G. Golub, R. LeVeque, "Algorithms for Computing the Sample Variance", The American
    Statistician 37, 1983). Amortized constant work; equal values give a deviation of exactly zero.
    """

    __slots__ = ()

    def __init__(self, period: int) -> None:
        super().__init__(period, _NO_MOMENTS)

    def update(self, value: float) -> None:
        """Take one value."""
        self._take(value)

    @property
    def mean(self) -> float | None:
        """The mean, or None while fewer than `period` values are known."""
        return self._joined()[1] if self.is_full else None

    def deviation(self, ddof: int = 0) -> float | None:
        """The standard deviation with `period - ddof` in the denominator.

        None while fewer than `period` values are known, and where the denominator is not positive.
        """
        if not self.is_full or self.period <= ddof:
            return None
        return sqrt(self._joined()[2] / (self.period - ddof))

    def _extended(self, part: _Moments, value: float) -> _Moments:
        count, mean, squares = part
        count += 1
        delta = value - mean
        mean += delta / count
        return count, mean, squares + delta * (value - mean)

    def _joined(self) -> _Moments:
        count_a, mean_a, squares_a = self._tail
        count_b, mean_b, squares_b = self._head
        count = count_a + count_b
        delta = mean_b - mean_a
        share = count_b / count
        return count, mean_a + delta * share, squares_a + squares_b + delta * delta * count_a * share


class RollingExtreme(_Window[float | None]):
    """The largest (`pick` is max) or smallest (min) of the last `period` values.

    The largest of the tail of the last full ring and of the values since (M. van Herk, "A fast algorithm for local
    minimum and maximum filters on rectangular and octagonal kernels", Pattern Recognition Letters 13, 1992).
    Amortized constant work.
    """

    __slots__ = ("_pick",)

    def __init__(self, period: int, pick: Callable[[float, float], float]) -> None:
        super().__init__(period, None)
        self._pick = pick

    def update(self, value: float) -> float | None:
        """Take one value; the extreme, or None while fewer than `period` values are known."""
        self._take(value)
        return self.value

    @property
    def value(self) -> float | None:
        """The extreme, or None while fewer than `period` values are known."""
        return self._extended(self._head, self._tail) if self.is_full and self._tail is not None else None

    def _extended(self, part: float | None, value: float) -> float | None:
        return value if part is None else self._pick(part, value)
