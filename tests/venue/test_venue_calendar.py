"""The venue's days: holidays by rule, phases, early closes, and a clock that is not the machine's."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kyzlo_actors.replay.matching_messages import SessionPhase
from kyzlo_actors.venue.clock import VenueClock
from kyzlo_actors.venue.market.calendar import CalendarMode, CalendarRules, VenueCalendar
from kyzlo_actors.venue.market.holidays import closes_early, is_holiday
from kyzlo_actors.venue.timestamps import new_york_ns, rfc3339_new_york

EXCHANGE = VenueCalendar(CalendarRules(mode=CalendarMode.EXCHANGE))
# As the exchange has published them.
HOLIDAYS = {
    2021: "01-01 01-18 02-15 04-02 05-31 07-05 09-06 11-25 12-24",
    2022: "01-17 02-21 04-15 05-30 06-20 07-04 09-05 11-24 12-26",
    2024: "01-01 01-15 02-19 03-29 05-27 06-19 07-04 09-02 11-28 12-25",
    2026: "01-01 01-19 02-16 04-03 05-25 06-19 07-03 09-07 11-26 12-25",
    2027: "01-01 01-18 02-15 03-26 05-31 06-18 07-05 09-06 11-25 12-24",
}
EARLY = {2022: "11-25", 2024: "07-03 11-29 12-24", 2025: "07-03 11-28 12-24", 2026: "11-27 12-24"}


def days_of(year: int) -> list[date]:
    return [date(year, 1, 1) + timedelta(days=offset) for offset in range(365)]


@pytest.mark.parametrize("year", sorted(HOLIDAYS))
def test_holidays_are_the_exchanges(year: int) -> None:
    found = [f"{day:%m-%d}" for day in days_of(year) if day.weekday() < 5 and is_holiday(day)]
    assert " ".join(found) == HOLIDAYS[year]


@pytest.mark.parametrize("year", sorted(EARLY))
def test_early_closes_are_the_exchanges(year: int) -> None:
    assert " ".join(f"{day:%m-%d}" for day in days_of(year) if closes_early(day)) == EARLY[year]


def phase(day: str, clock_time: str) -> str:
    return str(EXCHANGE.phase(new_york_ns(date.fromisoformat(day), clock_time)))


def test_a_day_has_its_phases() -> None:
    times = ("00:00", "03:59", "04:00", "09:29", "09:30", "15:59", "16:00", "19:59", "20:00", "23:59")
    assert [phase("2026-11-24", at) for at in times] == [
        *["overnight"] * 2,
        *["pre"] * 2,
        *["regular"] * 2,
        *["post"] * 2,
        *["overnight"] * 2,
    ]


def test_nights_belong_to_the_day_that_follows() -> None:
    # Friday night and Saturday nothing; Sunday night is Monday's. The night before a holiday is nobody's.
    assert [phase("2026-11-20", "20:00"), phase("2026-11-21", "12:00")] == ["closed", "closed"]
    assert [phase("2026-11-22", "19:59"), phase("2026-11-22", "20:00")] == ["closed", "overnight"]
    assert [phase("2026-11-25", "20:00"), phase("2026-11-26", "20:00")] == ["closed", "overnight"]


def test_an_early_close_ends_everything_early() -> None:
    times = ("12:59", "13:00", "16:59", "17:00", "20:00")
    assert [phase("2026-11-27", at) for at in times] == ["regular", "post", "post", "closed", "closed"]


@pytest.mark.parametrize(
    ("at", "end"),
    [
        ("2026-11-20T15:00", "2026-11-20T20:00"),
        ("2026-11-20T19:59", "2026-11-20T20:00"),
        ("2026-11-20T20:00", "2026-11-23T20:00"),
        ("2026-11-27T12:00", "2026-11-27T17:00"),
        ("2026-11-27T16:59", "2026-11-27T17:00"),
        ("2026-11-27T17:00", "2026-11-30T20:00"),
    ],
)
def test_evenings_end_when_their_last_phase_does(at: str, end: str) -> None:
    day, clock_time = at.split("T")
    end_ns = EXCHANGE.evening_end_ns(new_york_ns(date.fromisoformat(day), clock_time))
    assert rfc3339_new_york(end_ns)[:16] == end
    assert EXCHANGE.phase(end_ns - 1) is SessionPhase.POST is not EXCHANGE.phase(end_ns)


def test_a_scenario_may_have_its_own_days() -> None:
    rules = CalendarRules(mode=CalendarMode.EXCHANGE, us_holidays=False, holidays=frozenset({"2026-11-24"}))
    own = VenueCalendar(rules)
    assert own.day(date(2026, 11, 24)) is None and own.day(date(2026, 11, 26)) is not None
    always = VenueCalendar(CalendarRules(mode=CalendarMode.ALWAYS, early_closes=(("2026-11-27", "13:00"),)))
    friday = always.day(date(2026, 11, 27))
    assert friday is not None and rfc3339_new_york(friday.close_ns)[11:16] == "13:00"


@settings(max_examples=200, deadline=None)
@given(second=st.integers(1_600_000_000, 2_000_000_000))
def test_phases_cover_every_instant_and_agree_with_sessions(second: int) -> None:
    ts = second * 1_000_000_000
    span = EXCHANGE.span(ts)
    assert span.start_ns <= ts < span.end_ns
    assert EXCHANGE.phase(span.start_ns) is EXCHANGE.phase(span.end_ns - 1) is span.phase
    session = EXCHANGE.current(ts)
    assert (span.phase is SessionPhase.REGULAR) == (session.open_ns <= ts)


def test_a_venue_clock_runs_from_where_it_is_told_at_its_speed() -> None:
    machine = [1_000]
    clock = VenueClock(lambda: machine[0], starts_ns=5_000_000, speed=10.0)
    assert clock() == 5_000_000
    machine[0] += 100
    assert clock() == 5_001_000
    clock.jump_to(6_000_000)
    clock.jump_to(1)
    machine[0] += 1
    assert clock() == 6_000_010


def test_a_venue_clock_waits_for_its_limit_and_then_goes_on_without_a_jump() -> None:
    machine = [0]
    clock = VenueClock(lambda: machine[0], starts_ns=0, speed=100.0)
    clock.limit_ns = 50
    machine[0] = 1_000
    assert clock() == 50
    clock.limit_ns = 10_000
    machine[0] += 2
    assert clock() == 250


def test_the_machines_clock_knows_no_limit() -> None:
    clock = VenueClock(lambda: 7)
    clock.limit_ns = 1
    clock.jump_to(99)
    assert clock() == 7 and not clock.is_virtual
