"""Time-series momentum: long while most of the past returns over three horizons are positive, else flat (or short).

Source: T. Moskowitz, Y. H. Ooi, L. H. Pedersen, "Time series momentum", Journal of Financial Economics 104 (2012),
228-250: the sign of a market's own past return says something about its next one. They study excess returns over 1 to
48 months on futures, one horizon at a time, with sizes by volatility. Ours is a vote of three horizons on plain
returns, with the size from the settings; that it holds on bars of minutes is nobody's claim.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, ClassVar

from kyzlo_actors.domain.strategy.protocol import Context, Signal
from kyzlo_actors.frames.strategy import FrameStrategy

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameTrendParameters:
    """Horizons of the past returns, in bars; `allow_short` goes short instead of flat."""

    fast: int = 20
    medium: int = 60
    slow: int = 120
    allow_short: bool = False

    def __post_init__(self) -> None:
        if not 1 <= self.fast < self.medium < self.slow <= 199:
            raise ValueError(
                f"1 <= fast < medium < slow <= 199 must hold, "
                f"not fast={self.fast}, medium={self.medium}, slow={self.slow}"
            )


class FrameTrend(FrameStrategy):
    """Wants a position for as long as the vote stands; says so only while it holds another one."""

    name: ClassVar[str] = "frame_trend"
    Parameters: ClassVar[type[Any]] = FrameTrendParameters

    @property
    def history_bars(self) -> int:
        return int(self.parameters.slow) + 1

    def on_frame(self, context: Context, frame: pd.DataFrame) -> Signal | None:
        if len(frame) < self.history_bars:
            return None
        close = frame["close"]
        horizons = [self.parameters.fast, self.parameters.medium, self.parameters.slow]
        past = close.iloc[[-1 - horizon for horizon in horizons]]
        returns = close.iloc[-1] / past.to_numpy() - 1
        vote = int((returns > 0).sum() - (returns < 0).sum())
        if vote == 0:
            return None
        target = context.quantity if vote > 0 else -context.quantity * self.parameters.allow_short
        if target == context.position:
            return None
        return Signal(
            target_position=Decimal(target),
            reason="most past returns are positive" if vote > 0 else "most past returns are negative",
            indicators={
                f"return_{horizon}": float(value) for horizon, value in zip(horizons, returns, strict=True)
            },
        )
