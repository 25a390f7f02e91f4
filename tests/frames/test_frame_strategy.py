"""DataFrame strategies: when they are asked, the shipped example against plain arithmetic, and a restart at any bar."""

from __future__ import annotations

import json
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, ClassVar

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kyzlo_actors.domain.errors import BadInput
from kyzlo_actors.domain.strategy.protocol import Context, Signal, make_parameters
from kyzlo_actors.frames.frame_trend import FrameTrend, FrameTrendParameters
from kyzlo_actors.frames.strategy import FrameStrategy
from tests.domain.builders import bar, tick

CENTS = st.lists(st.integers(9_950, 10_050), min_size=1, max_size=60)


def holding(position: int = 0) -> Context:
    return Context(symbol="AAPL", quantity=Decimal(10), position=Decimal(position), average_cost=Decimal(0))


@dataclass(frozen=True, slots=True, kw_only=True)
class NoParameters:
    """None."""


class Recorder(FrameStrategy):
    """Wants one share more for each call."""

    name: ClassVar[str] = "recorder"
    Parameters: ClassVar[type[Any]] = NoParameters
    history_bars = 3  # type: ignore[assignment]

    def __init__(self, parameters: NoParameters) -> None:
        super().__init__(parameters)
        self.frames: list[pd.DataFrame] = []

    def on_frame(self, context: Context, frame: pd.DataFrame) -> Signal | None:
        self.frames.append(frame)
        return Signal(target_position=Decimal(len(self.frames)), reason="called")


def test_asked_on_each_new_bar_and_on_nothing_else() -> None:
    recorder = Recorder(NoParameters())
    recorder.on_warm_up(holding(), bar(0, 1.0))
    assert recorder.on_tick(holding(), tick()) is None
    assert recorder.frames == []
    assert recorder.on_bar(holding(), bar(1, 2.0)) is not None
    assert recorder.on_bar(holding(), bar(1, 5.0, revision=1)) is None
    assert recorder.on_bar(holding(), bar(0, 7.0)) is None  # an older one
    assert recorder.on_bar(holding(), bar(5, 9.0, revision=1)) is None  # first seen as a correction
    assert recorder.on_bar(holding(), bar(6, 3.0)) is not None
    assert [frame["close"].tolist() for frame in recorder.frames] == [[1.0, 2.0], [5.0, 9.0, 3.0]]


def by_hand(cents: list[int], horizons: tuple[int, int, int], *, short: bool) -> list[Decimal | None]:
    answers: list[Decimal | None] = []
    position = 0
    for end, close in enumerate(cents):
        answer = None
        if end >= horizons[2]:
            vote = sum((close > cents[end - h]) - (close < cents[end - h]) for h in horizons)
            target = 10 if vote > 0 else -10 * short
            if vote and target != position:
                position = target
                answer = Decimal(target)
        answers.append(answer)
    return answers


def targets(
    strategy: FrameTrend, cents: list[int], start: int = 0, position: int = 0
) -> tuple[list[Decimal | None], int]:
    answers: list[Decimal | None] = []
    for index, cent in enumerate(cents):
        signal = strategy.on_bar(holding(position), bar(start + index, cent / 100))
        answers.append(None if signal is None else signal.target_position)
        position = position if signal is None else int(signal.target_position)
    return answers, position


HORIZONS = st.tuples(st.integers(1, 4), st.integers(1, 4), st.integers(1, 4)).map(
    lambda steps: (steps[0], steps[0] + steps[1], sum(steps))
)


def trend(horizons: tuple[int, int, int], *, short: bool = False) -> FrameTrend:
    fast, medium, slow = horizons
    return FrameTrend(FrameTrendParameters(fast=fast, medium=medium, slow=slow, allow_short=short))


@given(CENTS, HORIZONS, st.booleans())
def test_the_trend_is_the_vote_of_three_returns(
    cents: list[int], horizons: tuple[int, int, int], short: bool
) -> None:
    assert targets(trend(horizons, short=short), cents)[0] == by_hand(cents, horizons, short=short)


@given(CENTS, CENTS, HORIZONS)
def test_a_restart_gives_the_same_signals(
    before: list[int], after: list[int], horizons: tuple[int, int, int]
) -> None:
    original, restored = trend(horizons), trend(horizons)
    _, position = targets(original, before)
    restored.load(json.loads(json.dumps(original.save(), allow_nan=False)))
    assert targets(restored, after, len(before), position) == targets(original, after, len(before), position)


def test_what_it_says_is_plain() -> None:
    strategy = trend((1, 2, 3))
    assert strategy.warm_up_bars == strategy.history_bars == 4
    for index in range(3):
        strategy.on_warm_up(holding(), bar(index, 100.0 + index))
    signal = strategy.on_bar(holding(), bar(3, 110.0))
    assert signal is not None
    assert isinstance(signal.target_position, Decimal)
    assert signal.indicators == pytest.approx(
        {"return_1": 110 / 102 - 1, "return_2": 110 / 101 - 1, "return_3": 0.1}
    )
    assert {type(value) for value in signal.indicators.values()} == {float}


@pytest.mark.parametrize("given_values", [{"fast": 60}, {"slow": 200}, {"fast": 0}, {"medium": 20.5}])
def test_bad_parameters_are_bad_input(given_values: dict[str, object]) -> None:
    with pytest.raises(BadInput, match=r"symbols\.AAPL"):
        make_parameters(FrameTrend, given_values, field_prefix="symbols.AAPL")
