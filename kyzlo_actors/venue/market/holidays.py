"""The US exchanges' holidays and early closes, by the rules that make them, so that they never run out."""

from __future__ import annotations

from datetime import date, timedelta
from functools import lru_cache
from typing import Final

EARLY_CLOSE: Final = "13:00"
_MONDAY, _THURSDAY, _SATURDAY, _SUNDAY = 0, 3, 5, 6
_WEEK: Final = timedelta(days=7)
_DAY: Final = timedelta(days=1)
_FIRST_JUNETEENTH: Final = 2022


def is_holiday(day: date) -> bool:
    """Whether the exchanges are shut although it is a weekday."""
    return day in _holidays(day.year)


def closes_early(day: date) -> bool:
    """Whether the regular session ends at `EARLY_CLOSE`: the days around the 4th of July, Thanksgiving, Christmas."""
    if day.weekday() >= _SATURDAY or is_holiday(day):
        return False
    after_thanksgiving = day == _nth(day.year, 11, _THURSDAY, 4) + _DAY
    return after_thanksgiving or (day.month, day.day) in {(7, 3), (12, 24)}


@lru_cache(maxsize=64)
def _holidays(year: int) -> frozenset[date]:
    days = {
        _nth(year, 1, _MONDAY, 3),  # Martin Luther King
        _nth(year, 2, _MONDAY, 3),  # Washington
        _easter(year) - 2 * _DAY,  # Good Friday
        _nth(year, 6, _MONDAY, 1) - _WEEK,  # Memorial Day: the last Monday of May
        _observed(date(year, 7, 4)),
        _nth(year, 9, _MONDAY, 1),  # Labor Day
        _nth(year, 11, _THURSDAY, 4),  # Thanksgiving
        _observed(date(year, 12, 25)),
    }
    if year >= _FIRST_JUNETEENTH:
        days.add(_observed(date(year, 6, 19)))
    new_year = date(year, 1, 1)
    # On a Saturday it is not moved: the last day of the year is for the books.
    if new_year.weekday() != _SATURDAY:
        days.add(_observed(new_year))
    return frozenset(days)


def _observed(day: date) -> date:
    """Saturday's holiday is kept on Friday, Sunday's on Monday."""
    if day.weekday() == _SATURDAY:
        return day - _DAY
    return day + _DAY if day.weekday() == _SUNDAY else day


def _nth(year: int, month: int, weekday: int, count: int) -> date:
    first = date(year, month, 1)
    return first + timedelta(days=(weekday - first.weekday()) % 7) + (count - 1) * _WEEK


def _easter(year: int) -> date:
    """Easter Sunday (Meeus, Jones and Butcher; Gregorian)."""
    golden, (century, rest) = year % 19, divmod(year, 100)
    leap_centuries, century_rest = divmod(century, 4)
    moon = (19 * golden + century - leap_centuries - (century - (century + 8) // 25 + 1) // 3 + 15) % 30
    leaps, years = divmod(rest, 4)
    weekday = (32 + 2 * century_rest + 2 * leaps - moon - years) % 7
    late = (golden + 11 * moon + 22 * weekday) // 451
    month, day = divmod(moon + weekday - 7 * late + 114, 31)
    return date(year, month, day + 1)
