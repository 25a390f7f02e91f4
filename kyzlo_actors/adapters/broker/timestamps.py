"""RFC 3339 as Alpaca writes it: 0 to 9 fractional digits, `Z` or an offset; int nanoseconds UTC here."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from typing import Final

from kyzlo_actors.domain.values import NS_PER_SECOND

_EPOCH_DAY: Final = date(1970, 1, 1).toordinal()
_SECONDS_PER_DAY: Final = 86_400
_LONGEST: Final = 64
# What a journal can hold: the year 2262.
_LATEST_NS: Final = 2**63
_FORM: Final = re.compile(
    r"(\d{4})-(\d{2})-(\d{2})[Tt ](\d{2}):(\d{2}):(\d{2})(?:\.(\d{1,30}))?"
    r"(?:[Zz]|([+-])(\d{2}):?(\d{2}))?",
    re.ASCII,
)


def timestamp_ns(text: object) -> int | None:
    """Nanoseconds UTC, or None when `text` is no such time, or one beyond 64 bits.

    Digits beyond nine are cut; no offset means UTC.
    """
    if not isinstance(text, str) or len(text) > _LONGEST:
        return None
    found = _FORM.fullmatch(text)
    if found is None:
        return None
    year, month, day, hour, minute, second = (int(part) for part in found.groups()[:6])
    if hour > 23 or minute > 59 or second > 60:
        return None
    try:
        days = date(year, month, day).toordinal() - _EPOCH_DAY
    except ValueError:
        return None
    seconds = days * _SECONDS_PER_DAY + hour * 3600 + minute * 60 + second
    fraction, sign, offset_hours, offset_minutes = found.groups()[6:]
    if sign is not None:
        offset = int(offset_hours) * 3600 + int(offset_minutes) * 60
        seconds -= offset if sign == "+" else -offset
    ts = seconds * NS_PER_SECOND + int((fraction or "")[:9].ljust(9, "0"))
    return ts if -_LATEST_NS <= ts < _LATEST_NS else None


def rfc3339(ts: int) -> str:
    """The instant with nine fractional digits. Times before 1970 become 1970: they only bound a search."""
    seconds, ns = divmod(max(ts, 0), NS_PER_SECOND)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{ns:09d}Z"
