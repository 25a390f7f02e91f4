"""Mean reversion: bet on the way back when the price is too many standard deviations from its rolling mean.

Source: the entry and exit by z-score of E. P. Chan, "Algorithmic Trading: Winning Strategies and Their Rationale"
(Wiley, 2013), ch. 3, there called Bollinger bands and shown on the spread of a pair. Ours is the same on the price of
one symbol, which reverts less reliably than a spread; the stop, and the wait after it, are our own. The deviation is
that of the population, as in J. Bollinger, "Bollinger on Bollinger Bands" (McGraw-Hill, 2001).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import Any, ClassVar, Final

from kyzlo_actors.domain.indicators import RollingMoments
from kyzlo_actors.domain.market import Bar
from kyzlo_actors.domain.strategy.protocol import BaseStrategy, Context, Signal

# Relative. What lies below is the rounding of prices that do not move, far below the effect of one cent.
_ROUNDING: Final = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True)
class MeanReversionParameters:
    """`period` in bars; the others in standard deviations from the mean of the last `period` closes.

    Enter at `entry_z` or beyond, leave at `exit_z` or inside, give up at `stop_z` or beyond (0: never). A z-score of n
    values cannot pass sqrt(n - 1), so neither may `entry_z` and `stop_z`.
    """

    period: int = 20
    entry_z: float = 2.0
    exit_z: float = 0.5
    stop_z: float = 4.0
    allow_short: bool = False

    def __post_init__(self) -> None:
        if not 3 <= self.period <= 200:
            raise ValueError(f"period must be from 3 to 200, not {self.period}")
        largest = sqrt(self.period - 1)
        if not 0 <= self.exit_z < self.entry_z < largest:
            raise ValueError(
                f"0 <= exit_z < entry_z < {largest:.4g} must hold (the largest z of {self.period} bars), "
                f"not exit_z={self.exit_z}, entry_z={self.entry_z}"
            )
        if self.stop_z != 0 and not self.entry_z < self.stop_z < largest:
            raise ValueError(
                f"stop_z must be 0 (none), or above entry_z and below {largest:.4g}, not {self.stop_z}"
            )


class MeanReversion(BaseStrategy):
    """Enters on a live bar only. An exit that history shows (after a gap) is told with the next live bar.

    After a stop it waits until the price has been back inside `exit_z`, or the next bar would enter again.
    """

    name: ClassVar[str] = "mean_reversion"
    Parameters: ClassVar[type[Any]] = MeanReversionParameters

    def __init__(self, parameters: MeanReversionParameters) -> None:
        self.parameters = parameters
        self._moments = RollingMoments(parameters.period)
        self._side = 0  # wanted: -1, 0 or 1
        self._told = 0  # the side of the last signal
        self._is_waiting = False
        self._reason = ""
        self._last_bar_start_ns = -1

    @property
    def warm_up_bars(self) -> int:
        return self.parameters.period

    def on_bar(self, context: Context, bar: Bar) -> Signal | None:
        z = self._learn(bar)
        if z is None:
            return None
        self._leave(z)
        if self._side == self._told == 0 and not self._is_waiting:
            self._enter(z)
        if self._side == self._told:
            return None
        self._told = self._side
        return Signal(
            target_position=context.quantity * self._side,
            reason=self._reason,
            indicators={
                "z": z,
                "mean": self._moments.mean or 0.0,
                "deviation": self._moments.deviation() or 0.0,
            },
        )

    def on_warm_up(self, context: Context, bar: Bar) -> None:
        z = self._learn(bar)
        if z is not None:
            self._leave(z)

    def save(self) -> dict[str, Any]:
        return {
            "moments": self._moments.save(),
            "side": self._side,
            "told": self._told,
            "is_waiting": self._is_waiting,
            "reason": self._reason,
            "last_bar_start_ns": self._last_bar_start_ns,
        }

    def load(self, state: dict[str, Any]) -> None:
        self._moments.load(state["moments"])
        self._side, self._told = state["side"], state["told"]
        self._is_waiting, self._reason = state["is_waiting"], state["reason"]
        self._last_bar_start_ns = state["last_bar_start_ns"]

    def _learn(self, bar: Bar) -> float | None:
        """The z-score of a new bar's close; None for an old or revised bar, without history, or without movement."""
        if bar.start_ns <= self._last_bar_start_ns:
            return None
        self._last_bar_start_ns = bar.start_ns
        self._moments.update(bar.close)
        mean, deviation = self._moments.mean, self._moments.deviation()
        if mean is None or deviation is None or deviation <= _ROUNDING * abs(mean):
            return None
        return (bar.close - mean) / deviation

    def _leave(self, z: float) -> None:
        parameters = self.parameters
        if abs(z) <= parameters.exit_z:
            self._is_waiting = False
        if self._side == 0:
            return
        distance = -z * self._side  # how far on the losing side of the mean, which is where it entered
        if distance <= parameters.exit_z:
            self._side, self._reason = 0, "back inside exit_z"
        elif parameters.stop_z and distance >= parameters.stop_z:
            self._side, self._reason, self._is_waiting = 0, "beyond stop_z", True

    def _enter(self, z: float) -> None:
        parameters = self.parameters
        if not parameters.entry_z <= abs(z) < (parameters.stop_z or abs(z) + 1):
            return
        if z < 0:
            self._side, self._reason = 1, "below the mean by entry_z"
        elif parameters.allow_short:
            self._side, self._reason = -1, "above the mean by entry_z"
