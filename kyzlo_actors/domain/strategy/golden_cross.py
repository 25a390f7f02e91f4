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
    """Acts on the crossing only: a side that was known before the start gives no signal.

    History enters nothing. A position that it shows to be on the wrong side (after a gap) is left with the next price.
    """

    name: ClassVar[str] = "golden_cross"
    Parameters: ClassVar[type[Any]] = GoldenCrossParameters

    def __init__(self, parameters: GoldenCrossParameters) -> None:
        self.parameters = parameters
        self._fast = SimpleMovingAverage(parameters.fast)
        self._slow = SimpleMovingAverage(parameters.slow)
        self._above: bool | None = None
        self._told: bool | None = None  # the side of the last signal that wanted a position
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
            self._learn(bar.close)

    def save(self) -> dict[str, Any]:
        return {
            "fast": self._fast.save(),
            "slow": self._slow.save(),
            "above": self._above,
            "told": self._told,
            "last_bar_start_ns": self._last_bar_start_ns,
        }

    def load(self, state: dict[str, Any]) -> None:
        self._fast.load(state["fast"])
        self._slow.load(state["slow"])
        self._above, self._told = state["above"], state.get("told")
        self._last_bar_start_ns = state["last_bar_start_ns"]

    def _is_new(self, bar: Bar) -> bool:
        if self.parameters.on != "bars" or bar.start_ns <= self._last_bar_start_ns:
            return False
        self._last_bar_start_ns = bar.start_ns
        return True

    def _on_price(self, context: Context, price: float) -> Signal | None:
        before = self._above
        averages = self._learn(price)
        above = self._above
        if averages is None or before is None or above is None:
            return None
        if above != before:
            below_target = -context.quantity if self.parameters.allow_short else Decimal(0)
            target = context.quantity if above else below_target
        elif self._told not in (None, above):
            target = Decimal(0)
        else:
            return None
        self._told = above if target else None
        fast, slow = averages
        return Signal(
            target_position=target,
            reason="fast average crossed above slow" if above else "fast average crossed below slow",
            indicators={"fast": fast, "slow": slow},
        )

    def _learn(self, price: float) -> tuple[float, float] | None:
        """Both averages; None while one is unknown, and where they are equal."""
        fast, slow = self._fast.update(price), self._slow.update(price)
        # Averages of equal prices differ by rounding: that is no crossing.
        if fast is None or slow is None or abs(fast - slow) <= _ROUNDING * abs(slow):
            return None
        self._above = fast > slow
        return fast, slow
