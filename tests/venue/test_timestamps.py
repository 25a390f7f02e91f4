"""Timestamps as clients send them, at the edges of the calendar."""

from __future__ import annotations

import pytest

from kyzlo_actors.venue.timestamps import parse_rfc3339


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-00:01"])
def test_a_time_before_the_first_or_after_the_last_year_is_none(text: str) -> None:
    with pytest.raises(ValueError, match="not a timestamp"):
        parse_rfc3339(text)
