"""The stretches of time that aggregates cover: fixed steps up to the hour, New York days and longer ones by date."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from kyzlo_actors.domain.values import NS_PER_MILLISECOND
from kyzlo_actors.venue.timestamps import new_york_date, new_york_ns

FIXED_MS: Final = {"second": 1_000, "minute": 60_000, "hour": 3_600_000}
_MONTHS: Final = {"month": 1, "quarter": 3, "year": 12}
TIMESPANS: Final = (*FIXED_MS, "day", "week", *_MONTHS)
# How many base aggregates (seconds, minutes or days) one bar is made of: the limit counts those.
_BASES: Final = {
    "second": 1,
    "minute": 1,
    "hour": 60,
    "day": 1,
    "week": 5,
    "month": 21,
    "quarter": 63,
    "year": 252,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """`multiplier` times one of `TIMESPANS`."""

    unit: str
    multiplier: int

    @property
    def is_fixed(self) -> bool:
        """Whether it is a fixed number of milliseconds."""
        return self.unit in FIXED_MS

    @property
    def bases(self) -> int:
        """Base aggregates in one bar."""
        return _BASES[self.unit] * self.multiplier

    def first_ms(self, ts_ms: int) -> int:
        """The start of the first bar of a range that begins at `ts_ms`: the next full step, or the day (week,
        month …) in which it lies."""
        if self.is_fixed:
            step_ms = FIXED_MS[self.unit] * self.multiplier
            return -(-ts_ms // step_ms) * step_ms
        return _midnight_ms(self._floor(_date(ts_ms)))

    def floor_ms(self, ts_ms: int) -> int:
        """The start of the bar in which `ts_ms` lies."""
        if self.is_fixed:
            step_ms = FIXED_MS[self.unit] * self.multiplier
            return ts_ms // step_ms * step_ms
        return _midnight_ms(self._floor(_date(ts_ms)))

    def next_ms(self, start_ms: int) -> int:
        """The start of the bar after the one that starts at `start_ms`."""
        if self.is_fixed:
            return start_ms + FIXED_MS[self.unit] * self.multiplier
        return _midnight_ms(self._after(_date(start_ms)))

    def starts(self, first_ms: int, last_ms: int, *, descending: bool) -> Iterator[int]:
        """Starts of the bars in `[first_ms, last_ms]`; `first_ms` is a start."""
        if not descending:
            while first_ms <= last_ms:
                yield first_ms
                first_ms = self.next_ms(first_ms)
            return
        start = self.floor_ms(last_ms)
        while start >= first_ms:
            yield start
            start = self.floor_ms(start - 1)

    def _floor(self, day: date) -> date:
        if self.unit == "day":
            return day - timedelta(days=day.toordinal() % self.multiplier)
        if self.unit == "week":
            # Weeks begin on Sunday.
            sunday = day - timedelta(days=day.isoweekday() % 7)
            return sunday - timedelta(weeks=sunday.toordinal() // 7 % self.multiplier)
        months = _MONTHS[self.unit] * self.multiplier
        number = (day.year * 12 + day.month - 1) // months * months
        return date(number // 12, number % 12 + 1, 1)

    def _after(self, day: date) -> date:
        if self.unit in ("day", "week"):
            return day + timedelta(days=self.multiplier * (7 if self.unit == "week" else 1))
        number = day.year * 12 + day.month - 1 + _MONTHS[self.unit] * self.multiplier
        return date(number // 12, number % 12 + 1, 1)


def _date(ts_ms: int) -> date:
    return new_york_date(ts_ms * NS_PER_MILLISECOND)


def _midnight_ms(day: date) -> int:
    return new_york_ns(day, "00:00") // NS_PER_MILLISECOND
