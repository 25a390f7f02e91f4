"""What the feed, the bars and the REST side ask of a market, be it seeded or replayed from a file."""

from __future__ import annotations

from typing import Protocol

from kyzlo_actors.replay.matching_messages import Quote
from kyzlo_actors.venue.market.intraday import Halt
from kyzlo_actors.venue.market.prints import Band, Print, VenueBar


class MarketSource(Protocol):
    """Prints by the second in which they are reported. The same question gets the same answer at any time."""

    @property
    def symbols(self) -> tuple[str, ...]:
        """All symbols, in a fixed order."""

    @property
    def version(self) -> int:
        """Grows when prints that were computed ahead are stale."""

    def span_ms(self) -> tuple[int, int] | None:
        """The first and the last instant at which anything may print; None when nothing ever does."""

    def quiet_until_ms(self, ts_ms: int) -> int:
        """Nothing prints from `ts_ms` until then (`ts_ms` itself: something may)."""

    def prints(self, symbol: str, second: int) -> list[Print]:
        """All trades of `symbol` that are reported in that epoch second, in order of time."""

    def due(self, second: int) -> list[Print]:
        """The same of all symbols."""

    def on_time(self, symbol: str, second: int) -> list[Print]:
        """Trades of that second, without those that were reported late."""

    def late(self, symbol: str, start_ms: int, end_ms: int) -> list[Print]:
        """Trades that were made in `[start_ms, end_ms)` and reported late; the second they belong to is over."""

    def sketch(self, symbol: str, start_ms: int, end_ms: int) -> VenueBar | None:
        """About how that stretch went, cheaply; None when nothing traded or only the prints can tell."""

    def quote(self, symbol: str, ts_ms: int) -> Quote:
        """Bid, ask and newest price at `ts_ms`."""

    def jump(self, symbol: str, price: float, ts_ms: int) -> None:
        """From `ts_ms` on the price is `price`, and what follows is scaled with it."""

    def halt_at(self, symbol: str, second: int) -> Halt | None:
        """The halt that holds in that second."""

    def band(self, symbol: str, ts_ms: int) -> Band | None:
        """The limits between which it may trade at `ts_ms`; None when there are none."""
