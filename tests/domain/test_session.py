"""The calendar: what lies in a session, and that outside its days everything is closed."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kyzlo_actors.domain.session import SessionCalendar, SessionDay

DAYS = tuple(
    SessionDay(date=f"2026-01-{d:02}", open_ns=d * 100 + 30, close_ns=d * 100 + 60) for d in (1, 2, 5)
)
CALENDAR = SessionCalendar(days=DAYS)


@given(st.integers(0, 700))
def test_open_exactly_within_a_session(ts: int) -> None:
    within = [day for day in DAYS if day.open_ns <= ts < day.close_ns]
    assert CALENDAR.is_open(ts) == bool(within)
    assert CALENDAR.day_at(ts) == (within[0] if within else None)
    assert CALENDAR.next_open_ns(ts) == min((d.open_ns for d in DAYS if d.open_ns > ts), default=None)


def test_an_empty_calendar_is_closed() -> None:
    assert not SessionCalendar().is_open(1)
    assert SessionCalendar().next_open_ns(1) is None
