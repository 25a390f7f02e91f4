"""New York time, and a machine without time zone data."""

from __future__ import annotations

from datetime import date, time
from zoneinfo import ZoneInfoNotFoundError

import pytest

from kyzlo_actors.domain.errors import BadInput
from kyzlo_actors.infrastructure import new_york

SECOND = 1_000_000_000


def test_summer_and_winter() -> None:
    assert new_york.new_york_ns(date(2026, 7, 1), time(9, 30)) == 1_782_912_600 * SECOND
    assert new_york.new_york_ns(date(2026, 12, 1), time(9, 30)) == 1_796_135_400 * SECOND


def test_no_time_zone_data_is_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ZoneInfoNotFoundError(name)

    monkeypatch.setattr(new_york, "ZoneInfo", missing)
    with pytest.raises(BadInput, match="tzdata"):
        new_york.new_york_ns(date(2026, 7, 1), time(9, 30))
    with pytest.raises(BadInput, match="tzdata"):
        new_york.RegularHours()
