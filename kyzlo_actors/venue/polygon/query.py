"""What Polygon's REST routes read from a request: moments, limits, cursors, with the vendor's words for errors."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from datetime import date, timedelta

import orjson

from kyzlo_actors.domain.values import NS_PER_MILLISECOND
from kyzlo_actors.venue.timestamps import new_york_ns, parse_rfc3339

_MS_DIGITS, _NS_DIGITS = 15, 20


class BadRequest(Exception):
    """The text is for the asker (400)."""


class NotIncluded(Exception):
    """The plan does not include it (403); the text is for the asker."""


class NotFound(Exception):
    """There is no such thing (404)."""


def limit(query: Mapping[str, str], default: int, top: int) -> int:
    """Raises: BadRequest."""
    text = query.get("limit", str(default))
    if not text.isdecimal() or not 1 <= int(text[:9]) <= top:
        raise BadRequest(f"limit must be from 1 to {top}")
    return int(text)


def is_descending(query: Mapping[str, str], name: str, default: str) -> bool:
    """Whether `sort` or `order` says so.

    Raises: BadRequest.
    """
    text = query.get(name, default)
    if text not in ("asc", "desc"):
        raise BadRequest(f"{name} must be asc or desc")
    return text == "desc"


def moment_ms(text: str, name: str, *, closing: bool) -> int:
    """Epoch milliseconds of `text`: a number, or a New York day (its first or its last instant).

    Raises: BadRequest.
    """
    if text.isdecimal() and len(text) <= _MS_DIGITS:
        return int(text)
    try:
        first, end = _day_ns(text)
    except (ValueError, OverflowError) as fault:
        raise BadRequest(f"could not parse the time parameter {name!r}: use YYYY-MM-DD or ms") from fault
    return end // NS_PER_MILLISECOND - 1 if closing else first // NS_PER_MILLISECOND


def span_ns(query: Mapping[str, str]) -> tuple[int, int]:
    """`[first, end)` in ns by `timestamp`, `timestamp.gte`, `.gt`, `.lte`, `.lt`: ns, a day, or RFC 3339.

    Raises: BadRequest.
    """
    first, end = 0, 1 << 62
    for name, text in query.items():
        key, _, bound = name.partition(".")
        if key != "timestamp":
            continue
        low, high = _moment_ns(text, name)
        match bound:
            case "":
                first, end = max(first, low), min(end, high)
            case "gte":
                first = max(first, low)
            case "gt":
                first = max(first, high)
            case "lte":
                end = min(end, high)
            case "lt":
                end = min(end, low)
            case _:
                raise BadRequest(f"unknown parameter {name!r}")
    return first, end


def cursor(values: Sequence[int]) -> str:
    """Where the next page begins, as text."""
    return base64.urlsafe_b64encode(orjson.dumps(list(values))).decode()


def read_cursor(text: str) -> tuple[int, int]:
    """The two numbers of `cursor`.

    Raises: BadRequest.
    """
    try:
        first, last = orjson.loads(base64.urlsafe_b64decode(text))
        return int(first), int(last)
    except (ValueError, TypeError) as fault:
        raise BadRequest("invalid cursor") from fault


def _moment_ns(text: str, name: str) -> tuple[int, int]:
    """The instant, or the day, as `[first, end)`."""
    try:
        if text.isdecimal() and len(text) <= _NS_DIGITS:
            return int(text), int(text) + 1
        if len(text) > len("2026-11-20"):
            ts = parse_rfc3339(text)
            return ts, ts + 1
        return _day_ns(text)
    except (ValueError, OverflowError) as fault:
        raise BadRequest(f"could not parse the time parameter {name!r}: use ns or YYYY-MM-DD") from fault


def _day_ns(text: str) -> tuple[int, int]:
    day = date.fromisoformat(text)
    return new_york_ns(day, "00:00"), new_york_ns(day + timedelta(days=1), "00:00")
