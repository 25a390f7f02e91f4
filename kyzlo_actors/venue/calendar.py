"""The venue's trading days: the exchange's hours, or (`always`) every day from midnight to 23:59.

The broker's calendar speaks in `HH:MM`, so even `always` shuts for the last minute of each New York day.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import Final

from kyzlo_actors.domain.session import SessionDay
from kyzlo_actors.venue.timestamps import new_york_date, new_york_ns

_SATURDAY: Final = 5
# Longest run of closed days that is searched for the next session.
_SEARCH_DAYS: Final = 15


class CalendarMode(StrEnum):
    """When the venue trades."""

    ALWAYS = "always"
    EXCHANGE = "exchange"


@dataclass(frozen=True, slots=True, kw_only=True)
class CalendarRules:
    """`holidays` are dates `YYYY-MM-DD`; `early_closes` pairs of date and `HH:MM`, all New York."""

    mode: CalendarMode
    holidays: frozenset[str] = frozenset()
    early_closes: tuple[tuple[str, str], ...] = ()

    def hours(self, day: date) -> tuple[str, str] | None:
        """Opening and closing time of that day, or None when nothing trades."""
        if self.mode is CalendarMode.ALWAYS:
            return "00:00", "23:59"
        if day.weekday() >= _SATURDAY or day.isoformat() in self.holidays:
            return None
        return "09:30", dict(self.early_closes).get(day.isoformat(), "16:00")


class VenueCalendar:
    """Sessions of any day, computed when asked."""

    def __init__(self, rules: CalendarRules) -> None:
        self.rules = rules
        self._day = lru_cache(maxsize=4_096)(self._build)

    def day(self, day: date) -> SessionDay | None:
        """The session of that day, or None."""
        return self._day(day)

    def days(self, start: date, end: date) -> list[SessionDay]:
        """Sessions from `start` to `end`, both included."""
        count = (end - start).days + 1
        found = (self._day(start + timedelta(days=offset)) for offset in range(count))
        return [session for session in found if session]

    def is_open(self, ts: int) -> bool:
        """Whether the session is open at `ts` (ns UTC)."""
        session = self._day(new_york_date(ts))
        return session is not None and session.open_ns <= ts < session.close_ns

    def current(self, ts: int) -> SessionDay:
        """The session that is open at `ts`, else the next one.

        Raises: ValueError: there is none within two weeks.
        """
        today = new_york_date(ts)
        for offset in range(_SEARCH_DAYS):
            session = self._day(today + timedelta(days=offset))
            if session and ts < session.close_ns:
                return session
        raise ValueError(f"no session within {_SEARCH_DAYS} days of {today}")

    def next_open_ns(self, ts: int) -> int:
        """When the next session opens that is not open yet."""
        session = self.current(ts)
        return session.open_ns if ts < session.open_ns else self.current(session.close_ns).open_ns

    def settlement_date(self, day: date) -> date:
        """The next day with a session (T+1)."""
        for offset in range(1, _SEARCH_DAYS):
            if self._day(day + timedelta(days=offset)):
                return day + timedelta(days=offset)
        return day + timedelta(days=1)

    def _build(self, day: date) -> SessionDay | None:
        hours = self.rules.hours(day)
        if hours is None:
            return None
        opening, closing = hours
        return SessionDay(
            date=day.isoformat(), open_ns=new_york_ns(day, opening), close_ns=new_york_ns(day, closing)
        )
