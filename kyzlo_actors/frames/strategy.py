"""The base of strategies that think in DataFrames: history in, a signal out, once for each closed bar."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

from kyzlo_actors.domain.market import Bar
from kyzlo_actors.domain.strategy.protocol import BaseStrategy, Context, Signal

if TYPE_CHECKING:
    import pandas as pd

_MOST_WARM_UP_BARS: Final = 200


class FrameStrategy(BaseStrategy):
    """Derive from it, give `name`, `Parameters` and `history_bars`, and write `on_frame`.

    The frame holds the last `history_bars` closed bars, fewer in the beginning: float64 columns open, high, low, close,
    volume; the index `start` is datetime64[ns] in `time_zone`. It is the strategy's own copy. A bar in which nothing
    was traded is missing: reindex if you count in time. A corrected bar changes its row and asks for no signal; nor
    does history. Ticks never come here.
    """

    time_zone: ClassVar[str] = "UTC"
    """Of the index; "America/New_York" for the exchange's own time."""

    def __init__(self, parameters: Any) -> None:
        # pandas comes when a strategy is made (in the guardian, before the first fork), not when one is looked at.
        from kyzlo_actors.frames.window import BarWindow

        self.parameters = parameters
        self._window = BarWindow(self.history_bars)

    @property
    def history_bars(self) -> int:
        """How many bars the frame holds at most, up to 1,000; of these at most 200 are there from the start."""
        return _MOST_WARM_UP_BARS

    @property
    def warm_up_bars(self) -> int:
        return min(self.history_bars, _MOST_WARM_UP_BARS)

    def on_frame(self, context: Context, frame: pd.DataFrame) -> Signal | None:
        """A bar closed: the last row. The position you want, or None."""
        return None

    def on_bar(self, context: Context, bar: Bar) -> Signal | None:
        is_news = self._window.put(bar) == "new" and bar.revision == 0
        return self.on_frame(context, self._window.frame(self.time_zone)) if is_news else None

    def on_warm_up(self, context: Context, bar: Bar) -> None:
        self._window.put(bar)

    def save(self) -> dict[str, Any]:
        """The bars. A strategy with a state of its own adds it: `{**super().save(), "mine": …}`."""
        return {"bars": self._window.save()}

    def load(self, state: dict[str, Any]) -> None:
        self._window.load(state["bars"])
