"""The broker's calendar: today's session, an early close, the next open."""

from __future__ import annotations

from datetime import datetime, time
from typing import Final

from kyzlo_actors.bootstrap.doctor.finding import Finding, fail, ok, warn
from kyzlo_actors.domain.broker import BrokerClock
from kyzlo_actors.domain.session import SessionCalendar, SessionDay
from kyzlo_actors.domain.values import NS_PER_SECOND
from kyzlo_actors.infrastructure.new_york import new_york, new_york_date

CALENDAR: Final = "calendar"
_REGULAR_CLOSE: Final = time(16, 0)


def calendar_finding(calendar: SessionCalendar, clock: BrokerClock) -> Finding:
    """What today is, by the broker's own time."""
    now_ns = clock.timestamp_ns
    if not calendar.days:
        return fail(
            CALENDAR, "the broker names no session", "without a calendar every order is refused: ask it"
        )
    today = next((day for day in calendar.days if day.date == new_york_date(now_ns)), None)
    text = f"{_session(today)}; " if today else "no session today; "
    if calendar.is_open(now_ns):
        text += "open now"
    elif (opens_ns := calendar.next_open_ns(now_ns)) is not None:
        text += f"next open {_local(opens_ns):%a %Y-%m-%d %H:%M} New York"
    else:
        return warn(CALENDAR, f"{text}no session follows", "the broker's calendar ends: look again later")
    if calendar.is_open(now_ns) != clock.is_open:
        word = "open" if clock.is_open else "closed"
        cure = "orders may wait or be rejected: ask the broker"
        return warn(CALENDAR, f"{text}, but the broker's clock says {word}", cure)
    return ok(CALENDAR, text)


def _session(day: SessionDay) -> str:
    opens, closes = _local(day.open_ns), _local(day.close_ns)
    early = ", an early close" if closes.date() == opens.date() and closes.time() < _REGULAR_CLOSE else ""
    return f"today {opens:%H:%M} to {closes:%H:%M} New York{early}"


def _local(ts: int) -> datetime:
    return datetime.fromtimestamp(ts // NS_PER_SECOND, new_york())
