"""New York time: the exchange's and the broker's calendars speak it, everything else here is ns UTC."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from kyzlo_actors.domain.errors import BadInput
from kyzlo_actors.domain.values import NS_PER_SECOND

_NAME: Final = "America/New_York"
_REGULAR_OPEN: Final = time(9, 30)
_REGULAR_CLOSE: Final = time(16, 0)


def new_york() -> ZoneInfo:
    """The time zone.

    Raises: BadInput: this machine has no time zone data.
    """
    try:
        return ZoneInfo(_NAME)
    except ZoneInfoNotFoundError:
        cure = "install the tzdata package (pip install tzdata, or the system's)"
        raise BadInput("time zone", _NAME, cure) from None


def new_york_ns(day: date, at: time) -> int:
    """Nanoseconds UTC of a New York date and time."""
    return int(datetime.combine(day, at, new_york()).timestamp()) * NS_PER_SECOND


class RegularHours:
    """Whether an instant lies in 09:30-16:00 New York time (any day: holidays print nothing anyway).

    Remembers the hours of the last day that was asked for, because it is asked on the tick path.
    Raises at construction: BadInput: this machine has no time zone data.
    """

    __slots__ = ("_close_ns", "_day_end_ns", "_day_start_ns", "_open_ns", "_zone")

    def __init__(self) -> None:
        self._zone = new_york()
        self._day_start_ns = self._day_end_ns = self._open_ns = self._close_ns = 0

    def contain(self, ts: int) -> bool:
        """Whether `ts` (ns UTC, year 1 to 9998) is inside the regular hours of its New York day."""
        if not self._day_start_ns <= ts < self._day_end_ns:
            self._load(ts)
        return self._open_ns <= ts < self._close_ns

    def _load(self, ts: int) -> None:
        day = datetime.fromtimestamp(ts // NS_PER_SECOND, self._zone).date()
        self._day_start_ns = new_york_ns(day, time.min)
        self._day_end_ns = new_york_ns(day + timedelta(days=1), time.min)
        self._open_ns = new_york_ns(day, _REGULAR_OPEN)
        self._close_ns = new_york_ns(day, _REGULAR_CLOSE)


def new_york_date(ts: int) -> str:
    """The New York date (`YYYY-MM-DD`) of an instant in ns UTC."""
    return datetime.fromtimestamp(ts // NS_PER_SECOND, new_york()).date().isoformat()
