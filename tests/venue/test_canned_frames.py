"""Canned frames: placeholders filled in, frames apart, nonsense refused at the start."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kyzlo_actors.domain.errors import BadInput
from kyzlo_actors.venue.frames import CannedFrames, canned
from kyzlo_actors.venue.scenario import FramePart

NOW_NS = 1_764_000_000_123_456_789


def part(*frames: list[dict[str, Any]], stream: str = "polygon", channel: str = "T") -> FramePart:
    return FramePart.model_validate({"stream": stream, "channel": channel, "frames": frames})


def test_placeholders_are_filled_in_wherever_they_stand() -> None:
    event = {
        "sym": "$symbol",
        "t": "$now_ms",
        "e": "$now_ms+60000",
        "trft": "$now_ms-3",
        "ns": "$now_ns+1",
        "at": "$now",
        "later": "$now+1000000000",
        "q": "$seq",
        "deep": {"list": ["$seq", "plain", 5, None]},
    }
    canned_frames = CannedFrames([part([event], [{"q": "$seq"}]), part([{"x": 1}], stream="data")], "polygon")
    (first,), (second,) = canned_frames.play("T", "AAA", NOW_NS)
    assert first == {
        "sym": "AAA",
        "t": 1_764_000_000_123,
        "e": 1_764_000_060_123,
        "trft": 1_764_000_000_120,
        "ns": NOW_NS + 1,
        "at": "2025-11-24T16:00:00.123456789Z",
        "later": "2025-11-24T16:00:01.123456789Z",
        "q": 1,
        "deep": {"list": [2, "plain", 5, None]},
    }
    assert second == {"q": 3}
    assert canned_frames.play("T", "BBB", NOW_NS)[1] == [{"q": 6}], "numbers grow from one call to the next"


def test_channels_and_streams_are_kept_apart() -> None:
    parts = [
        part([{"a": 1}]),
        part([{"b": 1}]),
        part([{"c": 1}], channel="Q"),
        part([{"d": 1}], stream="data"),
    ]
    frames = CannedFrames(parts, "polygon")
    assert frames.play("T", "AAA", NOW_NS) == [[{"a": 1}], [{"b": 1}]]
    assert frames.frames_for("nothing") == () and frames.play("nothing", "AAA", NOW_NS) == []
    assert canned(CannedFrames(parts, "data").frames_for("T"), "AAA", NOW_NS) == [[{"d": 1}]]


@pytest.mark.parametrize("text", ["$", "$time", "$now_ms+", "$now_ms*2", "$symbol+1", "$seq 1"])
def test_a_placeholder_nobody_knows_is_refused(text: str) -> None:
    with pytest.raises(BadInput, match=r"\$now_ms"):
        CannedFrames([part([{"deep": [text]}])], "polygon")


@given(st.recursive(st.none() | st.integers() | st.text(st.characters(exclude_characters="$")), st.lists))
def test_what_is_no_placeholder_stays_as_it_is(value: Any) -> None:
    frames = CannedFrames([part([{"value": value}])], "polygon")
    assert frames.play("T", "AAA", NOW_NS) == [[{"value": value}]]
