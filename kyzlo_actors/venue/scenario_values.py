"""Kinds of values that a scenario holds: what is no day, no time of day, no symbol … is refused while it is read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Annotated, Final

from pydantic import AfterValidator, Field

from kyzlo_actors.venue.timestamps import parse_rfc3339

# A symbol stands in paths and comma-separated lists.
SYMBOL: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9.:_-]{0,19}")
MAX_PRICE: Final = 1e7
_BAR_FIELDS: Final = frozenset("ohlcvt")
# The calendar must reach some days and years further on both sides.
_FIRST_YEAR, _LAST_YEAR = 1980, 2100


def _day(text: str) -> str:
    try:
        is_day = date.fromisoformat(text).isoformat() == text
    except ValueError:
        is_day = False
    if not is_day:
        raise ValueError("give a day as YYYY-MM-DD")
    return text


def _closing_time(text: str) -> str:
    if not re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", text) or text <= "09:30":
        raise ValueError("give New York's time as HH:MM, after 09:30")
    return text


def _moment(text: str) -> str:
    try:
        ns = parse_rfc3339(text)
    except (ValueError, OverflowError):
        ns = 0
    first, last = (parse_rfc3339(f"{year}-01-01") for year in (_FIRST_YEAR, _LAST_YEAR))
    if not first <= ns < last:
        raise ValueError(
            f"give RFC 3339 (2026-11-20T15:00:00Z) in the years {_FIRST_YEAR} to {_LAST_YEAR - 1}"
        )
    return text


def _symbol(text: str) -> str:
    if not SYMBOL.fullmatch(text):
        raise ValueError("give 1 to 20 letters, digits, and . : _ - after the first")
    return text


def _bar(row: Mapping[str, float]) -> Mapping[str, float]:
    if not row.keys() >= _BAR_FIELDS:
        raise ValueError(f"a row needs {', '.join(sorted(_BAR_FIELDS))}")
    return row


Share = Annotated[float, Field(ge=0, le=1)]
Cash = Annotated[Decimal, Field(gt=0, le=10**15)]
Text = Annotated[str, Field(min_length=1, max_length=128)]
Price = Annotated[float, Field(ge=1, le=MAX_PRICE)]
Day = Annotated[str, AfterValidator(_day)]
ClosingTime = Annotated[str, AfterValidator(_closing_time)]
Moment = Annotated[str, AfterValidator(_moment)]
Symbol = Annotated[str, AfterValidator(_symbol)]
BarRow = Annotated[Mapping[str, float], AfterValidator(_bar)]
