"""Who hears the feed, and in which order."""

from __future__ import annotations

from collections.abc import Sequence

from kyzlo_actors.replay.matching_messages import SessionPhase
from kyzlo_actors.venue.broker.desk import Desk
from kyzlo_actors.venue.market.feed import FeedListener
from kyzlo_actors.venue.market.prints import Band, Print, VenueBar


class Ears:
    """Prices reach the desk (if any) before the world hears of them: who reacts to a print meets that price.

    A symbol that `/_ctl` has halted is not heard; its history does not know of that.
    """

    def __init__(self, desk: Desk | None, tapes: Sequence[FeedListener]) -> None:
        self._desk = desk
        self._tapes = tapes
        self._silent: set[str] = set()

    def on_session(self, phase: SessionPhase, ts: int) -> None:
        """A phase of the day began."""
        if self._desk:
            self._desk.on_session(phase, ts)

    def on_bands(self, bands: Sequence[Band]) -> None:
        """New limits of the symbols."""
        for tape in self._tapes:
            tape.on_bands(bands)

    def silence(self, symbol: str, halted: bool, ts: int, low: float, high: float) -> None:
        """The same as `on_halt`, and its prints end although the market knows of no halt."""
        (self._silent.add if halted else self._silent.discard)(symbol)
        self.on_halt(symbol, halted, ts, low, high)

    def on_halt(self, symbol: str, halted: bool, ts: int, low: float, high: float) -> None:
        """Trading in a symbol stopped or goes on."""
        if self._desk:
            self._desk.on_halt(symbol, halted, ts)
        for tape in self._tapes:
            tape.on_halt(symbol, halted, ts, low, high)

    def on_prints(self, prints: Sequence[Print]) -> None:
        """Trades happened."""
        if self._silent:
            prints = [trade for trade in prints if trade.symbol not in self._silent]
        if self._desk:
            self._desk.on_prints(prints)
        for tape in self._tapes:
            tape.on_prints(prints)

    def on_bars(self, channel: str, bars: Sequence[VenueBar]) -> None:
        """Bars ended, or changed."""
        if self._silent:
            bars = [bar for bar in bars if bar.symbol not in self._silent]
        for tape in self._tapes:
            tape.on_bars(channel, bars)
