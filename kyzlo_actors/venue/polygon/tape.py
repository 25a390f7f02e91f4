"""What the market says, as events of Polygon's websocket: for one group of readers, real-time or delayed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from kyzlo_actors.domain.values import NS_PER_MILLISECOND
from kyzlo_actors.replay.matching_messages import SessionPhase
from kyzlo_actors.venue.control.behaviour import Switches
from kyzlo_actors.venue.market.calendar import VenueCalendar
from kyzlo_actors.venue.market.prints import Band, Print, VenueBar
from kyzlo_actors.venue.market.quotes import quote_print
from kyzlo_actors.venue.market.source import MarketSource
from kyzlo_actors.venue.polygon.json_shapes import band_json, bar_event_json, quote_json, trade_json
from kyzlo_actors.venue.readers import Addressed, Readers
from kyzlo_actors.venue.scenario import MarketPart
from kyzlo_actors.venue.timestamps import new_york_date, new_york_ns

_ROUND_LOT: Final = 100
# The opening auction is over then.
_OPENED_MS: Final = 1_000


@dataclass(slots=True)
class _Day:
    """A symbol's day so far; `newest_ms` is the start of the newest second that counts."""

    date: date
    opened: float
    volume: float
    notional: float
    newest_ms: int


class PolygonTape:
    """A listener of the feed."""

    def __init__(
        self,
        *,
        source: MarketSource,
        calendar: VenueCalendar,
        terms: MarketPart,
        switches: Switches,
        readers: Readers,
    ) -> None:
        self._source = source
        self._calendar = calendar
        self._terms = terms
        self._switches = switches
        self._readers = readers
        self._days: dict[str, _Day] = {}
        self._bands = 0

    @property
    def round_lot(self) -> int:
        """Shares in one unit of a quote's size."""
        return _ROUND_LOT if self._switches.now.quote_size_unit == "round_lots" else 1

    def on_session(self, phase: SessionPhase, ts: int) -> None:
        """Nothing is said about it."""

    def on_halt(self, symbol: str, halted: bool, ts: int, low: float, high: float) -> None:
        """A halt is no event of this stream: prints end, and the band stands."""
        if low and high:
            band = self._source.band(symbol, ts // NS_PER_MILLISECOND)
            tape = band.tape if band else 1
            self.on_bands([Band(symbol, low, high, tape, ts // NS_PER_MILLISECOND)])

    def on_bands(self, bands: Sequence[Band]) -> None:
        """New limits of the symbols."""
        self._say("LULD", lambda: [(band.symbol, band_json(band, self._next_band())) for band in bands])

    def on_prints(self, prints: Sequence[Print]) -> None:
        """Trades, each after the quote that stood."""
        quotes, trades = self._readers.wants("Q"), self._readers.wants("T")
        if not quotes and not trades:
            return
        lot = self.round_lot
        events: list[Addressed] = []
        for trade in prints:
            if quotes and not trade.trf:
                quote = quote_print(trade, self._source.quote(trade.symbol, trade.ts_ms), self._terms)
                events.append(("Q", trade.symbol, quote_json(quote, round_lot=lot)))
            if trades:
                events.append(("T", trade.symbol, trade_json(trade)))
        self._readers.publish(events)

    def on_bars(self, channel: str, bars: Sequence[VenueBar]) -> None:
        """Bars with the figures of their day so far."""
        if channel == "A":
            for bar in bars:
                self._count(bar)
        self._say(channel, lambda: [(bar.symbol, self._bar_json(channel, bar)) for bar in bars])

    # ---------------------------------------------------------------- inside

    def _say(self, channel: str, events: Callable[[], list[tuple[str, dict[str, Any]]]]) -> None:
        if self._readers.wants(channel):
            self._readers.publish([(channel, symbol, event) for symbol, event in events()])

    def _bar_json(self, channel: str, bar: VenueBar) -> dict[str, Any]:
        day = self._day(bar)
        return bar_event_json(
            channel, bar, day_volume=day.volume, day_notional=day.notional, opened=day.opened
        )

    def _count(self, bar: VenueBar) -> None:
        """A bar that comes again is not counted again."""
        day = self._day(bar)
        if bar.start_ms > day.newest_ms:
            day.volume += bar.volume
            day.notional += bar.notional
            day.newest_ms = bar.start_ms
        session = self._calendar.day(day.date)
        opened_ms = session.open_ns // NS_PER_MILLISECOND + _OPENED_MS if session else bar.end_ms + 1
        if not day.opened and bar.end_ms >= opened_ms:
            day.opened = self._source.quote(bar.symbol, opened_ms - _OPENED_MS).last

    def _day(self, bar: VenueBar) -> _Day:
        """The running day; begun in the middle of it, what was before is estimated."""
        today = new_york_date(bar.start_ms * NS_PER_MILLISECOND)
        day = self._days.get(bar.symbol)
        if day is None or day.date < today:
            session = self._calendar.day(today)
            start_ms = (session.open_ns if session else new_york_ns(today, "00:00")) // NS_PER_MILLISECOND
            before = self._source.sketch(bar.symbol, start_ms, bar.start_ms)
            volume, notional = (before.volume, before.notional) if before else (0.0, 0.0)
            day = self._days[bar.symbol] = _Day(today, 0.0, volume, notional, bar.start_ms - 1)
        return day

    def _next_band(self) -> int:
        self._bands += 1
        return self._bands
