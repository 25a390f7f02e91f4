"""Breakout: long above the highest high of the last bars, out below the lowest low of fewer; short the other way round.

Source: R. Donchian's channel (the "weekly rule"), with the periods of system 1 in C. Faith, "Way of the Turtle"
(McGraw-Hill, 2007): in at 20, out at 10. Not taken over from there: entries inside the bar (ours are judged at its
close), sizes by volatility, adding to winners, the two-N stop, and skipping the signal after a winner.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from kyzlo_actors.domain.indicators import RollingExtreme
from kyzlo_actors.domain.market import Bar
from kyzlo_actors.domain.strategy.protocol import BaseStrategy, Context, Signal


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakoutParameters:
    """`entry` and `leave` in bars before the present one; `allow_short` also sells below the lowest low."""

    entry: int = 20
    leave: int = 10
    allow_short: bool = False

    def __post_init__(self) -> None:
        if not 1 <= self.leave <= self.entry <= 200:
            raise ValueError(
                f"1 <= leave <= entry <= 200 must hold, not leave={self.leave}, entry={self.entry}"
            )


@dataclass(slots=True, kw_only=True)
class _Channel:
    """The four lines before a bar; prices."""

    entry_high: float
    entry_low: float
    leave_high: float
    leave_low: float


class Breakout(BaseStrategy):
    """Enters on a live bar only. An exit that history shows (after a gap) is told with the next live bar."""

    name: ClassVar[str] = "breakout"
    Parameters: ClassVar[type[Any]] = BreakoutParameters

    def __init__(self, parameters: BreakoutParameters) -> None:
        self.parameters = parameters
        self._lines = {
            "entry_high": RollingExtreme(parameters.entry, max),
            "entry_low": RollingExtreme(parameters.entry, min),
            "leave_high": RollingExtreme(parameters.leave, max),
            "leave_low": RollingExtreme(parameters.leave, min),
        }
        self._side = 0  # wanted: -1, 0 or 1
        self._told = 0  # the side of the last signal
        self._last_bar_start_ns = -1

    @property
    def warm_up_bars(self) -> int:
        return self.parameters.entry

    def on_bar(self, context: Context, bar: Bar) -> Signal | None:
        channel = self._learn(bar)
        if channel is None:
            return None
        self._leave(bar.close, channel)
        if self._side == 0:
            self._enter(bar.close, channel)
        if self._side == self._told:
            return None
        self._told = self._side
        reasons = {1: "above the highest high", -1: "below the lowest low", 0: "out of the shorter channel"}
        return Signal(
            target_position=context.quantity * self._side,
            reason=reasons[self._side],
            indicators={
                "close": bar.close,
                "entry_high": channel.entry_high,
                "entry_low": channel.entry_low,
                "leave_high": channel.leave_high,
                "leave_low": channel.leave_low,
            },
        )

    def on_warm_up(self, context: Context, bar: Bar) -> None:
        channel = self._learn(bar)
        if channel is not None:
            self._leave(bar.close, channel)

    def save(self) -> dict[str, Any]:
        return {
            **{name: line.save() for name, line in self._lines.items()},
            "side": self._side,
            "told": self._told,
            "last_bar_start_ns": self._last_bar_start_ns,
        }

    def load(self, state: dict[str, Any]) -> None:
        for name, line in self._lines.items():
            line.load(state[name])
        self._side, self._told = state["side"], state["told"]
        self._last_bar_start_ns = state["last_bar_start_ns"]

    def _learn(self, bar: Bar) -> _Channel | None:
        """The channel before a new bar; None for an old or revised bar, and while there is too little history."""
        if bar.start_ns <= self._last_bar_start_ns:
            return None
        self._last_bar_start_ns = bar.start_ns
        before = {name: line.value for name, line in self._lines.items()}
        for name, line in self._lines.items():
            line.update(bar.high if name.endswith("high") else bar.low)
        values = {name: value for name, value in before.items() if value is not None}
        return _Channel(**values) if len(values) == len(before) else None

    def _leave(self, close: float, channel: _Channel) -> None:
        is_out = close < channel.leave_low if self._side > 0 else close > channel.leave_high
        if is_out:
            self._side = 0

    def _enter(self, close: float, channel: _Channel) -> None:
        if close > channel.entry_high:
            self._side = 1
        elif close < channel.entry_low and self.parameters.allow_short:
            self._side = -1
