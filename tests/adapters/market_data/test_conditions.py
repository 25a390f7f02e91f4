"""Trade conditions: any "no" wins, unknown ones update nothing, extended hours make only their own bars."""

from __future__ import annotations

from datetime import date, time

import pytest

from kyzlo_actors.adapters.market_data.conditions import UPDATE_RULES, ConditionFilter, UpdateRules
from kyzlo_actors.infrastructure.new_york import RegularHours, new_york_ns

NOON = new_york_ns(date(2026, 11, 20), time(12))
EVENING = new_york_ns(date(2026, 11, 20), time(17))
ALL = UpdateRules(True, True, True)
VOLUME = UpdateRules(False, False, True)
NOTHING = UpdateRules(False, False, False)


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        ((), ALL),
        ((14, 41), ALL),
        ((17, 9, 41), ALL),
        ((14, 37, 41), VOLUME),
        ((5,), UpdateRules(True, False, True)),
        ((22, 2), VOLUME),
        ((15,), NOTHING),
        ((16, 9), NOTHING),
        ((38,), UpdateRules(True, True, False)),
        ((60,), ALL),
        ((60, 37), VOLUME),
        ((12,), VOLUME),
    ],
)
def test_any_no_wins(conditions: tuple[int, ...], expected: UpdateRules) -> None:
    assert ConditionFilter().rules(conditions, NOON) == expected


def test_an_unknown_condition_updates_nothing_and_is_counted() -> None:
    conditions = ConditionFilter()
    assert conditions.rules((14, 999), NOON) == NOTHING
    assert conditions.rules((-1,), NOON) == NOTHING
    assert conditions.unknown == 2


def test_form_t_makes_extended_hours_bars_only() -> None:
    conditions = ConditionFilter()
    assert conditions.rules((12,), EVENING) == ALL
    assert conditions.rules((12, 37), EVENING) == VOLUME
    assert conditions.rules((12,), NOON) == VOLUME
    assert conditions.rules((13,), EVENING) == VOLUME


def test_every_condition_of_the_specification_is_known() -> None:
    assert set(range(1, 42)) - set(UPDATE_RULES) == {24, 26, 30, 31, 39, 40}


@pytest.mark.parametrize("day", [date(2026, 7, 1), date(2026, 12, 1), date(2026, 3, 8), date(2026, 11, 1)])
def test_regular_hours_follow_new_york_through_the_year(day: date) -> None:
    hours = RegularHours()
    opening, closing = new_york_ns(day, time(9, 30)), new_york_ns(day, time(16))
    assert closing - opening == 6.5 * 3600 * 10**9
    assert [hours.contain(ts) for ts in (opening - 1, opening, closing - 1, closing)] == [
        False,
        True,
        True,
        False,
    ]
    assert not hours.contain(new_york_ns(day, time(0)))
