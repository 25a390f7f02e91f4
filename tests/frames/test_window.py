"""The window against a frame built from all bars: any order, corrections, holes, restarts."""

from __future__ import annotations

import json

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kyzlo_actors.domain.market import Bar
from kyzlo_actors.frames.window import COLUMNS, MAX_BARS, BarWindow
from tests.domain.builders import NOW, SECOND

# Place and close of each bar, as they come: late ones and corrections among them.
STEPS = st.lists(st.tuples(st.integers(-3, 2), st.integers(1, 10_000)), max_size=60)


def made(index: int, cents: int) -> Bar:
    close = cents / 100
    start = NOW + index * SECOND
    return Bar(
        "AAPL", SECOND, start, close - 0.005, close + 0.01, close - 0.01, close, 3.0 * cents, 1, 0, False, 0
    )


def bars_of(steps: list[tuple[int, int]]) -> list[Bar]:
    """Steps are relative to the newest bar, so that most bars are new and some lie a little back."""
    bars, newest = [], 0
    for step, cents in steps:
        bars.append(made(newest + step, cents))
        newest = max(newest, newest + step)
    return bars


def naive(bars: list[Bar], capacity: int, time_zone: str) -> pd.DataFrame:
    """All bars that were ever put, newest version of each; a late one older than a full window is not taken."""
    held: dict[int, Bar] = {}
    for bar in bars:
        if bar.start_ns in held or len(held) < capacity or bar.start_ns > min(held):
            held[bar.start_ns] = bar
        held = {start: held[start] for start in sorted(held)[-capacity:]}
    index = pd.to_datetime(pd.Index(list(held), dtype="int64"), unit="ns", utc=True).rename("start")
    rows = [[getattr(bar, name) for name in COLUMNS] for bar in held.values()]
    frame = pd.DataFrame(rows, columns=list(COLUMNS), index=index, dtype="float64")
    return frame.tz_convert(time_zone)


@given(STEPS, st.integers(1, 12), st.sampled_from(["UTC", "America/New_York"]))
def test_equals_a_frame_of_all_bars(steps: list[tuple[int, int]], capacity: int, time_zone: str) -> None:
    bars = bars_of(steps)
    window = BarWindow(capacity)
    for count, bar in enumerate(bars, start=1):
        window.put(bar)
        pd.testing.assert_frame_equal(window.frame(time_zone), naive(bars[:count], capacity, time_zone))


@given(STEPS, STEPS, st.integers(1, 12))
def test_a_restart_goes_on_with_the_same_frame(
    before: list[tuple[int, int]], after: list[tuple[int, int]], capacity: int
) -> None:
    bars = bars_of([*before, *after])
    window, again = BarWindow(capacity), BarWindow(capacity)
    for bar in bars[: len(before)]:
        window.put(bar)
    again.load(json.loads(json.dumps(window.save(), allow_nan=False)))
    for bar in bars[len(before) :]:
        assert again.put(bar) == window.put(bar)
    pd.testing.assert_frame_equal(again.frame("UTC"), window.frame("UTC"))


def test_types_and_names_are_as_documented() -> None:
    window = BarWindow(3)
    empty = window.frame("UTC")
    window.put(made(0, 100))
    for frame in (empty, window.frame("UTC")):
        assert list(frame.columns) == ["open", "high", "low", "close", "volume"]
        assert set(map(str, frame.dtypes)) == {"float64"}
        assert frame.index.name == "start"
        assert str(frame.index.dtype) == "datetime64[ns, UTC]"
    assert str(window.frame("America/New_York").index.dtype) == "datetime64[ns, America/New_York]"


def test_the_frame_is_a_copy() -> None:
    window = BarWindow(3)
    window.put(made(0, 100))
    mine = window.frame("UTC")
    mine.iloc[0, 0] = -1.0
    assert window.frame("UTC").iloc[0, 0] == pytest.approx(0.995)


def test_what_a_bar_did_is_told() -> None:
    window = BarWindow(2)
    assert [window.put(made(i, 100)) for i in (5, 7, 5, 6, 5, 8)] == [
        "new",
        "new",
        "changed",
        "changed",
        "ignored",
        "new",
    ]


def test_a_shorter_window_loads_the_newest_bars() -> None:
    long, short = BarWindow(5), BarWindow(2)
    for index in range(5):
        long.put(made(index, 100 + index))
    short.load(long.save())
    assert short.frame("UTC")["close"].tolist() == [1.03, 1.04]


@pytest.mark.parametrize("capacity", [0, MAX_BARS + 1])
def test_a_window_has_bounds(capacity: int) -> None:
    with pytest.raises(ValueError, match="1 to 1000"):
        BarWindow(capacity)
