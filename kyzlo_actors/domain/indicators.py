"""Incremental indicators: constant work for each value, state that can be saved and loaded as plain lists."""

from __future__ import annotations

from collections.abc import Sequence


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
