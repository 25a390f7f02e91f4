"""Golden cross: long while the fast moving average is above the slow one, flat (or short) while it is below.

Source: the standard two-average crossover, e.g. J. J. Murphy, "Technical Analysis of the Financial Markets", ch. 9.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any, ClassVar, Final

from kyzlo_actors.domain.indicators import SimpleMovingAverage
from kyzlo_actors.domain.market import Bar, Tick
from kyzlo_actors.domain.strategy.protocol import BaseStrategy, Context, Signal

# Relative. Twenty times the error of a sum of 200 floats, far below the effect of one cent.
_ROUNDING: Final = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True)
class GoldenCrossParameters:
    """`fast` and `slow` are periods in `on` ("bars" or "ticks"); `allow_short` goes short below instead of flat."""

    fast: int = 50
    slow: int = 200
    on: str = "bars"
    allow_short: bool = False

    def __post_init__(self) -> None:
        if not 1 <= self.fast < self.slow:
            raise ValueError(
                f"fast must be at least 1 and below slow, not fast={self.fast}, slow={self.slow}"
            )
        if self.slow > 200:
            raise ValueError(f"slow must be at most 200, not {self.slow}")
        if self.on not in ("bars", "ticks"):
            raise ValueError(f'on must be "bars" or "ticks", not {self.on!r}')


class GoldenCross(BaseStrategy):
    """Acts on the crossing only: a side that was known before the start gives no signal."""

    name: ClassVar[str] = "golden_cross"
    Parameters: ClassVar[type[Any]] = GoldenCrossParameters

    def __init__(self, parameters: GoldenCrossParameters) -> None:
        self.parameters = parameters
        self._fast = SimpleMovingAverage(parameters.fast)
        self._slow = SimpleMovingAverage(parameters.slow)
        self._above: bool | None = None
        self._last_bar_start_ns = -1

    @property
    def warm_up_bars(self) -> int:
        return self.parameters.slow if self.parameters.on == "bars" else 0

    def on_tick(self, context: Context, tick: Tick) -> Signal | None:
        return self._on_price(context, tick.price) if self.parameters.on == "ticks" else None

    def on_bar(self, context: Context, bar: Bar) -> Signal | None:
        if not self._is_new(bar):
            return None
        return self._on_price(context, bar.close)

    def on_warm_up(self, context: Context, bar: Bar) -> None:
        if self._is_new(bar):
            self._on_price(context, bar.close)

    def save(self) -> dict[str, Any]:
        return {
            "fast": self._fast.save(),
            "slow": self._slow.save(),
            "above": self._above,
            "last_bar_start_ns": self._last_bar_start_ns,
        }

    def load(self, state: dict[str, Any]) -> None:
        self._fast.load(state["fast"])
        self._slow.load(state["slow"])
        self._above = state["above"]
        self._last_bar_start_ns = state["last_bar_start_ns"]

    def _is_new(self, bar: Bar) -> bool:
        if self.parameters.on != "bars" or bar.start_ns <= self._last_bar_start_ns:
            return False
        self._last_bar_start_ns = bar.start_ns
        return True

    def _on_price(self, context: Context, price: float) -> Signal | None:
        fast, slow = self._fast.update(price), self._slow.update(price)
        # Averages of equal prices differ by rounding: that is no crossing.
        if fast is None or slow is None or abs(fast - slow) <= _ROUNDING * abs(slow):
            return None
        above, before = fast > slow, self._above
        self._above = above
        if before is None or above == before:
            return None
        below_target = -context.quantity if self.parameters.allow_short else Decimal(0)
        return Signal(
            target_position=context.quantity if above else below_target,
            reason="fast average crossed above slow" if above else "fast average crossed below slow",
            indicators={"fast": fast, "slow": slow},
        )
