"""The venue's trading days and their phases: the exchange's hours, or (`always`) every day from midnight to 23:59.

The broker's calendar speaks in `HH:MM`, so even `always` shuts for the last minute of each New York day.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import Final

from kyzlo_actors.domain.session import SessionDay
from kyzlo_actors.replay.matching_messages import SessionPhase
from kyzlo_actors.venue.market.holidays import EARLY_CLOSE, closes_early, is_holiday
from kyzlo_actors.venue.timestamps import new_york_date, new_york_ns

_SATURDAY: Final = 5
_DAY: Final = timedelta(days=1)
# Longest run of closed days that is searched for the next session.
_SEARCH_DAYS: Final = 15
_PRE, _REGULAR_CLOSE, _POST_END, _EARLY_POST_END = "04:00", "16:00", "20:00", "17:00"


class CalendarMode(StrEnum):
    """When the venue trades."""

    ALWAYS = "always"
    EXCHANGE = "exchange"


@dataclass(frozen=True, slots=True, kw_only=True)
class CalendarRules:
    """`holidays` are dates `YYYY-MM-DD`; `early_closes` pairs of date and `HH:MM`, all New York.

    They hold in both modes; `us_holidays` adds the exchanges' own to the mode `exchange`. With `never_closes` the
    calendar tells all this, and the venue trades on regardless: for judges who come at any hour.
    """

    mode: CalendarMode
    holidays: frozenset[str] = frozenset()
    early_closes: tuple[tuple[str, str], ...] = ()
    us_holidays: bool = True
    never_closes: bool = False

    def hours(self, day: date) -> tuple[str, str] | None:
        """Opening and closing time of that day, or None when nothing trades."""
        if day.isoformat() in self.holidays:
            return None
        early = dict(self.early_closes).get(day.isoformat())
        if self.mode is CalendarMode.ALWAYS:
            return "00:00", early or "23:59"
        if day.weekday() >= _SATURDAY or (self.us_holidays and is_holiday(day)):
            return None
        if self.us_holidays and early is None and closes_early(day):
            early = EARLY_CLOSE
        return "09:30", early or _REGULAR_CLOSE


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseSpan:
    """A stretch of one phase: `[start_ns, end_ns)` UTC. It ends at midnight in New York at the latest."""

    phase: SessionPhase
    start_ns: int
    end_ns: int


class VenueCalendar:
    """Sessions and phases of any day, computed when asked."""

    def __init__(self, rules: CalendarRules) -> None:
        self.rules = rules
        self._day = lru_cache(maxsize=4_096)(self._build)
        self._spans = lru_cache(maxsize=1_024)(self._build_spans)
        self._newest = PhaseSpan(phase=SessionPhase.CLOSED, start_ns=0, end_ns=0)

    def day(self, day: date) -> SessionDay | None:
        """The session of that day, or None."""
        return self._day(day)

    def days(self, start: date, end: date) -> list[SessionDay]:
        """Sessions from `start` to `end`, both included."""
        count = (end - start).days + 1
        found = (self._day(start + timedelta(days=offset)) for offset in range(count))
        return [session for session in found if session]

    def span(self, ts: int) -> PhaseSpan:
        """The phase at `ts` (ns UTC), and from when to when it holds."""
        newest = self._newest
        if not newest.start_ns <= ts < newest.end_ns:
            starts, spans = self._spans(new_york_date(ts))
            newest = self._newest = spans[bisect_right(starts, ts) - 1]
        return newest

    def phase(self, ts: int) -> SessionPhase:
        """The phase at `ts` (ns UTC)."""
        return self.span(ts).phase

    def is_open(self, ts: int) -> bool:
        """Whether the regular session is open at `ts` (ns UTC)."""
        return self.span(ts).phase is SessionPhase.REGULAR

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

    def evening_end_ns(self, ts: int) -> int:
        """When the evening session ends that comes (or goes on) at `ts`: where nothing trades late, the session itself.

        Raises: ValueError: there is none within two weeks.
        """
        today = new_york_date(ts)
        for offset in range(_SEARCH_DAYS):
            session = self._day(today + timedelta(days=offset))
            if session and ts < (end_ns := self._evening_end_ns(session)):
                return end_ns
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
        return day + _DAY

    def _build(self, day: date) -> SessionDay | None:
        hours = self.rules.hours(day)
        if hours is None:
            return None
        opening, closing = hours
        return SessionDay(
            date=day.isoformat(), open_ns=new_york_ns(day, opening), close_ns=new_york_ns(day, closing)
        )

    def _build_spans(self, day: date) -> tuple[list[int], list[PhaseSpan]]:
        """The phases of one New York day, from midnight to midnight."""
        starts = self._phase_starts(day)
        ends = [start for start, _ in starts[1:]] + [new_york_ns(day + _DAY, "00:00")]
        spans = [
            PhaseSpan(phase=phase, start_ns=start, end_ns=end)
            for (start, phase), end in zip(starts, ends, strict=True)
            if start < end
        ]
        return [span.start_ns for span in spans], spans

    def _phase_starts(self, day: date) -> list[tuple[int, SessionPhase]]:
        today = self._day(day)
        midnight = new_york_ns(day, "00:00")
        if self.rules.never_closes:
            return [(midnight, SessionPhase.REGULAR)]
        if self.rules.mode is CalendarMode.ALWAYS:
            if today is None:
                return [(midnight, SessionPhase.CLOSED)]
            return [(today.open_ns, SessionPhase.REGULAR), (today.close_ns, SessionPhase.CLOSED)]
        # The night before a trading day belongs to it.
        starts = [(midnight, SessionPhase.OVERNIGHT if today else SessionPhase.CLOSED)]
        if today:
            starts += [
                (new_york_ns(day, _PRE), SessionPhase.PRE),
                (today.open_ns, SessionPhase.REGULAR),
                (today.close_ns, SessionPhase.POST),
                (self._evening_end_ns(today), SessionPhase.CLOSED),
            ]
        if self._day(day + _DAY):
            starts.append((new_york_ns(day, _POST_END), SessionPhase.OVERNIGHT))
        return starts

    def _evening_end_ns(self, session: SessionDay) -> int:
        if self.rules.mode is CalendarMode.ALWAYS:
            return session.close_ns
        day = date.fromisoformat(session.date)
        early = session.close_ns < new_york_ns(day, _REGULAR_CLOSE)
        return max(new_york_ns(day, _EARLY_POST_END if early else _POST_END), session.close_ns)
