"""The last closed bars of one symbol as a pandas DataFrame."""

from __future__ import annotations

from bisect import bisect_left
from typing import Any, Final, Literal

import numpy as np
import pandas as pd

from kyzlo_actors.domain.market import Bar

COLUMNS: Final = ("open", "high", "low", "close", "volume")
MAX_BARS: Final = 1_000
"""A window is part of every snapshot of its actor: beyond this that would cost more than trading."""


class BarWindow:
    """At most `capacity` bars, ordered by start; the oldest goes out.

    Kept in arrays twice as long as the window, so that a new bar is one column written and nothing moved; the frame is
    a copy of their end.
    """

    __slots__ = ("_begin", "_end", "_starts", "_values", "capacity")

    def __init__(self, capacity: int) -> None:
        if not 1 <= capacity <= MAX_BARS:
            raise ValueError(f"a frame holds from 1 to {MAX_BARS} bars, not {capacity}")
        self.capacity = capacity
        self._starts = np.zeros(2 * capacity, dtype=np.int64)
        self._values = np.zeros((len(COLUMNS), 2 * capacity), dtype=np.float64)
        self._begin = self._end = 0

    def __len__(self) -> int:
        return self._end - self._begin

    def put(self, bar: Bar) -> Literal["new", "changed", "ignored"]:
        """Take a bar: after the others ("new"), or replacing its row or filling a hole ("changed").

        "ignored": older than all of a full window.
        """
        if not len(self) or bar.start_ns > self._starts[self._end - 1]:
            self._append(bar)
            return "new"
        starts = self._starts[self._begin : self._end]
        row = bisect_left(starts, bar.start_ns)
        if starts[row] == bar.start_ns:
            self._write(self._begin + row, bar)
            return "changed"
        if row == 0 and len(self) == self.capacity:
            return "ignored"
        self._insert(row, bar)
        return "changed"

    def frame(self, time_zone: str) -> pd.DataFrame:
        """A new DataFrame, the oldest bar first: float64 columns open, high, low, close, volume.

        The index `start` is the beginning of each bar, datetime64[ns] in `time_zone`; bars without a trade are missing.
        """
        starts = self._starts[self._begin : self._end].copy()
        values = self._values[:, self._begin : self._end].copy()
        index = pd.DatetimeIndex(starts.view("M8[ns]"), tz="UTC", name="start")
        if time_zone != "UTC":
            index = index.tz_convert(time_zone)
        return pd.DataFrame(values.T, index=index, columns=list(COLUMNS), copy=False)

    def save(self) -> dict[str, Any]:
        """`{"starts": [ns UTC], "open": [], "high": [], …}`, the oldest bar first."""
        kept = slice(self._begin, self._end)
        columns = {name: self._values[row, kept].tolist() for row, name in enumerate(COLUMNS)}
        return {"starts": self._starts[kept].tolist(), **columns}

    def load(self, saved: dict[str, Any]) -> None:
        """Become what `save` described; of a longer window its newest bars."""
        starts = saved["starts"][-self.capacity :]
        self._begin, self._end = 0, len(starts)
        self._starts[: self._end] = starts
        for row, name in enumerate(COLUMNS):
            self._values[row, : self._end] = saved[name][-self.capacity :]

    def _append(self, bar: Bar) -> None:
        if self._end == len(self._starts):
            kept = slice(self._begin, self._end)
            count = len(self)
            self._starts[:count], self._values[:, :count] = self._starts[kept], self._values[:, kept]
            self._begin, self._end = 0, count
        self._write(self._end, bar)
        self._end += 1
        self._begin = max(self._begin, self._end - self.capacity)

    def _insert(self, row: int, bar: Bar) -> None:
        """Rare: the first trade of a bar came after the next bar had closed."""
        kept = slice(self._begin, self._end)
        starts = np.insert(self._starts[kept], row, 0)[-self.capacity :]
        values = np.insert(self._values[:, kept], row, 0.0, axis=1)[:, -self.capacity :]
        dropped = len(self) + 1 - len(starts)
        self._begin, self._end = 0, len(starts)
        self._starts[: self._end], self._values[:, : self._end] = starts, values
        self._write(row - dropped, bar)

    def _write(self, place: int, bar: Bar) -> None:
        self._starts[place] = bar.start_ns
        self._values[:, place] = (bar.open, bar.high, bar.low, bar.close, bar.volume)
