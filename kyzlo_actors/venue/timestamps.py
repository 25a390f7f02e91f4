"""RFC 3339 timestamps to and from int nanoseconds, and New York's local time."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from kyzlo_actors.domain.values import NS_PER_SECOND

NEW_YORK: Final = ZoneInfo("America/New_York")
_PATTERN: Final = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)(?:[Tt ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?\s*([Zz]|[+\- ]\d\d:?\d\d)?)?$"
)


def rfc3339(ts: int, digits: int = 6) -> str:
    """`2026-11-20T15:00:00.451234Z` with that many fractional digits (0-9)."""
    seconds, ns = divmod(ts, NS_PER_SECOND)
    text = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{text}.{ns:09d}"[: len(text) + 1 + digits] + "Z" if digits else f"{text}Z"


def rfc3339_new_york(ts: int, digits: int = 0) -> str:
    """The same instant with New York's offset, as Alpaca's clock writes it."""
    seconds, ns = divmod(ts, NS_PER_SECOND)
    local = datetime.fromtimestamp(seconds, NEW_YORK).strftime("%Y-%m-%dT%H:%M:%S%z")
    fraction = f".{ns:09d}"[: 1 + digits] if digits else ""
    return f"{local[:-5]}{fraction}{local[-5:-2]}:{local[-2:]}"


def parse_rfc3339(text: str) -> int:
    """Nanoseconds UTC of a timestamp with 0-9 fractional digits; a bare date is its midnight UTC.

    A blank stands for a plus sign that was lost on its way through a form.
    Raises: ValueError: it is no timestamp.
    """
    found = _PATTERN.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"not a timestamp: {text!r}")
    year, month, day, hour, minute, second, fraction, zone = found.groups()
    moment = datetime(
        int(year), int(month), int(day), int(hour or 0), int(minute or 0), int(second or 0), tzinfo=UTC
    )
    if zone and zone not in "Zz":
        offset = timedelta(hours=int(zone[1:3]), minutes=int(zone[-2:]))
        try:
            moment += offset if zone[0] == "-" else -offset
        except OverflowError:
            raise ValueError(f"not a timestamp: {text!r}") from None
    return int(moment.timestamp()) * NS_PER_SECOND + int((fraction or "0").ljust(9, "0"))


def new_york_ns(day: date, clock_time: str) -> int:
    """Nanoseconds UTC of `HH:MM` on that day in New York."""
    hour, minute = clock_time.split(":")
    local = datetime(day.year, day.month, day.day, int(hour), int(minute), tzinfo=NEW_YORK)
    return int(local.timestamp()) * NS_PER_SECOND


def new_york_date(ts: int) -> date:
    """The day it is in New York at `ts`."""
    return datetime.fromtimestamp(ts // NS_PER_SECOND, NEW_YORK).date()
