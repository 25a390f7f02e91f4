"""The files that `kyzlo strategy new` writes: NAME, CLASS and the like are replaced."""

from __future__ import annotations

from typing import Final

DOOR: Final = '''"""CLASS, a strategy for KYZLO: strategy.py, and its test."""
'''

STRATEGY: Final = '''"""CLASS: long while the price is above where it was some bars ago, flat while it is below.

The idea is an example: replace it. The frame around it is what a strategy needs to live with real money.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, ClassVar

from kyzlo_actors.domain.market import Bar
from kyzlo_actors.domain.strategy.protocol import BaseStrategy, Context, Signal


@dataclass(frozen=True, slots=True, kw_only=True)
class CLASSParameters:
    """What [symbols.X.parameters] may hold: `lookback` in bars; `rise` is relative (0.001 is 0.1 %)."""

    lookback: int = 5
    rise: float = 0.0005

    def __post_init__(self) -> None:
        # Checked at the start: what makes no sense is refused in one line before anything trades.
        if not 1 <= self.lookback <= 199:
            raise ValueError(f"lookback must be from 1 to 199, not {self.lookback}")
        if not 0 <= self.rise < 1:
            raise ValueError(f"rise must be at least 0 and below 1, not {self.rise}")


class CLASS(BaseStrategy):
    """One object for each symbol. No clock, no I/O, no globals: it knows only what its callbacks are given."""

    name: ClassVar[str] = "NAME"  # part of every order's id
    Parameters: ClassVar[type[Any]] = CLASSParameters

    def __init__(self, parameters: CLASSParameters) -> None:
        self.parameters = parameters
        self._closes: deque[float] = deque(maxlen=parameters.lookback + 1)  # bounded
        self._last_start_ns = -1

    @property
    def warm_up_bars(self) -> int:
        return self.parameters.lookback + 1  # history that it gets before the first live bar, at most 200

    def on_bar(self, context: Context, bar: Bar) -> Signal | None:
        """A closed bar: the position you want, or None for no opinion."""
        if not self._learn(bar):
            return None
        change = self._closes[-1] / self._closes[0] - 1
        if change > self.parameters.rise:
            target = context.quantity
        elif change < 0:
            target = Decimal(0)  # -context.quantity would be short
        else:
            return None
        if target == context.position:
            return None  # it is held already
        return Signal(
            target_position=target,
            reason="rising" if target else "falling",
            indicators={"change": change},  # kept in the journal beside the order
        )

    def on_warm_up(self, context: Context, bar: Bar) -> None:
        """A bar of history: learn from it; nothing can be traded on it."""
        self._learn(bar)

    def save(self) -> dict[str, Any]:
        """Everything that it knows, as plain JSON: a killed actor goes on from here."""
        return {"closes": list(self._closes), "last_start_ns": self._last_start_ns}

    def load(self, state: dict[str, Any]) -> None:
        self._closes.clear()
        self._closes.extend(state["closes"])
        self._last_start_ns = state["last_start_ns"]

    def _learn(self, bar: Bar) -> bool:
        """Whether the bar is new and there is enough history."""
        if bar.start_ns <= self._last_start_ns:
            return False  # a correction of a closed bar (bar.revision > 0): it must not fire a signal again
        self._last_start_ns = bar.start_ns
        self._closes.append(bar.close)
        return len(self._closes) == self._closes.maxlen
'''

FRAME_STRATEGY: Final = '''\
"""CLASS: long while the price is above its mean of the last bars, flat while it is below, on pandas.

The idea is an example: replace it. The frame around it is what a strategy needs to live with real money.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any, ClassVar

import pandas as pd

from kyzlo_actors.domain.strategy.protocol import Context, Signal
from kyzlo_actors.frames.strategy import FrameStrategy


@dataclass(frozen=True, slots=True, kw_only=True)
class CLASSParameters:
    """What [symbols.X.parameters] may hold: `lookback` in bars; `rise` is relative (0.001 is 0.1 %)."""

    lookback: int = 5
    rise: float = 0.0005

    def __post_init__(self) -> None:
        # Checked at the start: what makes no sense is refused in one line before anything trades.
        if not 1 <= self.lookback <= 199:
            raise ValueError(f"lookback must be from 1 to 199, not {self.lookback}")
        if not 0 <= self.rise < 1:
            raise ValueError(f"rise must be at least 0 and below 1, not {self.rise}")


class CLASS(FrameStrategy):
    """One object for each symbol. No clock, no I/O, no globals: it knows only the frame and the context."""

    name: ClassVar[str] = "NAME"  # part of every order's id
    Parameters: ClassVar[type[Any]] = CLASSParameters
    time_zone: ClassVar[str] = "America/New_York"  # of the frame's index; "UTC" is a little faster

    @property
    def history_bars(self) -> int:
        return int(self.parameters.lookback) + 1  # rows of the frame; up to 200 are there from the start

    def on_frame(self, context: Context, frame: pd.DataFrame) -> Signal | None:
        """A bar closed, the last row of the frame (open, high, low, close, volume): the position you want, or None.

        The frame is yours. It is kept over restarts; if you keep more than it, add that to `save` and `load`.
        """
        if len(frame) < self.history_bars:
            return None
        close = frame["close"]
        change = float(close.iloc[-1] / close.mean() - 1)
        if change > self.parameters.rise:
            target = context.quantity
        elif change < 0:
            target = Decimal(0)  # -context.quantity would be short
        else:
            return None
        if target == context.position:
            return None  # it is held already
        return Signal(
            target_position=target,
            reason="above its mean" if target else "below its mean",
            indicators={"change": change},  # kept in the journal beside the order
        )
'''

TEST: Final = '''\
"""CLASS: what it wants on rising and falling prices, and that corrections and restarts change nothing."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

from kyzlo_actors.domain.market import Bar
from kyzlo_actors.domain.strategy.protocol import Context
from NAME.strategy import CLASS, CLASSParameters

SECOND = 1_000_000_000
RISING = [100.0, 100.5, 101.0, 101.5, 102.0, 102.5]
FALLING = [102.0, 101.0, 100.0, 99.0, 98.0, 97.0]


def context(position: int) -> Context:
    return Context(symbol="AAPL", quantity=Decimal(10), position=Decimal(position), average_cost=Decimal(0))


def bar(index: int, close: float, revision: int = 0) -> Bar:
    start = 1_700_000_000 * SECOND + index * SECOND
    return Bar("AAPL", SECOND, start, close, close, close, close, 100.0, 1, revision, False, start + SECOND)


def targets(strategy: CLASS, closes: list[float], start: int = 0) -> list[int]:
    """The position after each bar, starting flat."""
    position, positions = 0, []
    for index, close in enumerate(closes, start=start):
        signal = strategy.on_bar(context(position), bar(index, close))
        position = position if signal is None else int(signal.target_position)
        positions.append(position)
    return positions


def test_in_when_it_rises_and_out_when_it_falls() -> None:
    strategy = CLASS(CLASSParameters(lookback=5))
    assert targets(strategy, RISING + FALLING) == [0, 0, 0, 0, 0, 10, 10, EXPECTED]


def test_a_corrected_bar_fires_no_signal() -> None:
    strategy = CLASS(CLASSParameters(lookback=5))
    targets(strategy, RISING[:-1])
    assert strategy.on_bar(context(0), bar(4, 200.0, revision=1)) is None


def test_a_restart_changes_nothing() -> None:
    original, restored = CLASS(CLASSParameters()), CLASS(CLASSParameters())
    targets(original, RISING)
    restored.load(json.loads(json.dumps(original.save())))
    assert targets(restored, FALLING, 6) == targets(original, FALLING, 6)


def test_parameters_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match="lookback"):
        CLASSParameters(lookback=0)
'''

# The positions after the eighth bar, which differ with the idea.
EXPECTED: Final = {False: "10, 0, 0, 0, 0", True: "0, 0, 0, 0, 0"}

PARAMETERS: Final = {"lookback": 5, "rise": 0.0005}
"""The defaults of both templates, for the settings that are printed."""
