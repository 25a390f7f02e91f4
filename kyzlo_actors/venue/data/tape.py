"""What the market says, as events of Alpaca's data stream: for one group of readers, real-time or delayed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from kyzlo_actors.domain.values import NS_PER_MILLISECOND
from kyzlo_actors.replay.matching_messages import SessionPhase
from kyzlo_actors.venue.data.json_shapes import (
    bar_event,
    cancel_event,
    correction_event,
    luld_event,
    quote_event,
    status_event,
    trade_event,
)
from kyzlo_actors.venue.market.day_bars import DayBars
from kyzlo_actors.venue.market.prints import Band, Print, VenueBar
from kyzlo_actors.venue.market.quotes import quote_print
from kyzlo_actors.venue.market.source import MarketSource
from kyzlo_actors.venue.readers import Addressed, Readers
from kyzlo_actors.venue.scenario import Scenario

# Minutes of each symbol whose bars are known to have been sent: one that comes again is an update.
_REMEMBERED_MINUTES: Final = 240
_FIRST_TAPE: Final = 1


class DataTape:
    """A listener of the feed."""

    def __init__(self, *, source: MarketSource, scenario: Scenario, readers: Readers) -> None:
        self._source = source
        self._terms = scenario.market
        self._tapes = {part.symbol: part.tape for part in scenario.symbols}
        self._readers = readers
        self._last: dict[str, Print] = {}
        self._days = DayBars(source.sketch)
        self._sent_minutes: dict[tuple[str, int], None] = {}

    def last_trade(self, symbol: str) -> Print | None:
        """The newest trade of the symbol since the start."""
        return self._last.get(symbol)

    def on_session(self, phase: SessionPhase, ts: int) -> None:
        """Nothing is said about it."""

    def on_prints(self, prints: Sequence[Print]) -> None:
        """Trades, each after the quote that stood."""
        quotes, trades = self._readers.wants("quotes"), self._readers.wants("trades")
        events: list[Addressed] = []
        for trade in prints:
            self._last[trade.symbol] = trade
            if quotes and not trade.trf:
                quote = quote_print(trade, self._source.quote(trade.symbol, trade.ts_ms), self._terms)
                events.append(("quotes", trade.symbol, quote_event(quote)))
            if trades:
                events.append(("trades", trade.symbol, trade_event(trade)))
        self._readers.publish(events)

    def on_bars(self, channel: str, bars: Sequence[VenueBar]) -> None:
        """Minute bars (`AM`) ended, or changed; bars of seconds are not for this stream."""
        if channel != "AM":
            return
        events: list[Addressed] = []
        for bar in bars:
            key = (bar.symbol, bar.start_ms)
            if key in self._sent_minutes:
                events.append(("updatedBars", bar.symbol, bar_event("u", bar)))
                continue
            self._sent_minutes[key] = None
            events.append(("bars", bar.symbol, bar_event("b", bar)))
            events.append(("dailyBars", bar.symbol, bar_event("d", self._days.added(bar))))
        most = _REMEMBERED_MINUTES * max(1, len(self._tapes))
        for old in list(self._sent_minutes)[:-most]:
            del self._sent_minutes[old]
        self._readers.publish(events)

    def on_halt(self, symbol: str, halted: bool, ts: int, low: float, high: float) -> None:
        """Trading in a symbol halts or resumes; `low` and `high` are the band that holds now (0: none)."""
        tape = self._tape(symbol)
        events: list[Addressed] = [("statuses", symbol, status_event(symbol, tape, halted, ts))]
        if low > 0 and high > 0:
            events.append(("lulds", symbol, luld_event(symbol, tape, low, high, ts)))
        self._readers.publish(events)

    def on_bands(self, bands: Sequence[Band]) -> None:
        """New limits of the symbols."""
        self._readers.publish(
            [
                (
                    "lulds",
                    band.symbol,
                    luld_event(band.symbol, band.tape, band.low, band.high, band.ts_ms * NS_PER_MILLISECOND),
                )
                for band in bands
            ]
        )

    def break_trade(self, trade: Print, price: float | None, ts: int) -> None:
        """The exchange takes a trade back, or corrects its price."""
        if price is None:
            self._readers.publish([("cancelErrors", trade.symbol, cancel_event(trade, ts))])
        else:
            self._readers.publish([("corrections", trade.symbol, correction_event(trade, price, ts))])

    def _tape(self, symbol: str) -> int:
        # A symbol that only a file of trades knows has no tape of its own.
        return self._tapes.get(symbol, _FIRST_TAPE)
