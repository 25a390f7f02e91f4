"""Bars of seconds and minutes, the same for the live stream and for history: both are made of the same prints.

A trade that is reported late changes the bar in which it was made, if the report comes within the window.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Final

from kyzlo_actors.domain.values import NS_PER_MILLISECOND, NS_PER_SECOND
from kyzlo_actors.replay.matching_messages import SessionPhase
from kyzlo_actors.venue.market.calendar import VenueCalendar
from kyzlo_actors.venue.market.prints import Print, VenueBar, bar_of, merged
from kyzlo_actors.venue.market.source import MarketSource

MS_PER_SECOND: Final = 1_000
MS_PER_MINUTE: Final = 60_000
_SHUT: Final = (SessionPhase.CLOSED, SessionPhase.OVERNIGHT)
_CACHED_MINUTES: Final = 20_000
_FOREVER_MS: Final = 1 << 60


class Bars:
    """`window_ms` says how late a report may come and still change its bar."""

    def __init__(
        self,
        source: MarketSource,
        calendar: VenueCalendar,
        window_ms: Callable[[], int] = lambda: _FOREVER_MS,
    ) -> None:
        self._source = source
        self._calendar = calendar
        self._window_ms = window_ms
        # Bounded by entries: two minutes of live seconds; the minutes of a few days of a few symbols.
        self._seconds = lru_cache(maxsize=max(4_096, 120 * len(source.symbols)))(self._on_time_second)
        self._minutes = lru_cache(maxsize=_CACHED_MINUTES)(self._on_time_minute)

    def second_bar(self, symbol: str, second: int, as_of_ms: int = _FOREVER_MS) -> VenueBar | None:
        """The bar of that second, which must be over, as it is known at `as_of_ms`."""
        start_ms = second * MS_PER_SECOND
        late = self._late(symbol, start_ms, start_ms + MS_PER_SECOND, as_of_ms)
        bar = self._with_late(symbol, second, late) if late else self._seconds(symbol, second)
        return bar if bar and bar.has_price else None

    def bar(self, symbol: str, start_ms: int, end_ms: int, as_of_ms: int = _FOREVER_MS) -> VenueBar | None:
        """The bar over whole seconds that are over, as it is known at `as_of_ms`."""
        if self.shut_until_ms(start_ms) >= end_ms:
            return None
        late = self._late(symbol, start_ms, end_ms, as_of_ms)
        if not late:
            parts = self._parts(symbol, start_ms, end_ms)
        else:
            by_second: dict[int, list[Print]] = {}
            for trade in late:
                by_second.setdefault(trade.participant_ms // MS_PER_SECOND, []).append(trade)
            parts = _present(
                self._with_late(symbol, second, by_second[second])
                if second in by_second
                else self._seconds(symbol, second)
                for second in range(start_ms // MS_PER_SECOND, end_ms // MS_PER_SECOND)
            )
        return merged(symbol, start_ms, end_ms, parts)

    def bars(
        self, symbol: str, start_ms: int, end_ms: int, step_ms: int, as_of_ms: int = _FOREVER_MS
    ) -> Iterator[VenueBar]:
        """Bars of `step_ms` whose start lies in `[start_ms, end_ms)`; empty ones are left out."""
        start = start_ms
        while start < end_ms:
            shut_ms = self.shut_until_ms(start)
            if shut_ms - start >= step_ms:
                start += (shut_ms - start) // step_ms * step_ms
                continue
            bar = self.bar(symbol, start, start + step_ms, as_of_ms)
            if bar:
                yield bar
            start += step_ms

    def shut_until_ms(self, ts_ms: int) -> int:
        """`ts_ms` while anything may print, else the end of the stretch without prints (or a part of it)."""
        span = self._calendar.span(ts_ms * NS_PER_MILLISECOND)
        return span.end_ns // NS_PER_MILLISECOND if span.phase in _SHUT else ts_ms

    def shut_edge_ms(self, ts_ms: int, *, backwards: bool) -> int | None:
        """None while anything may print; else the first instant after the stretch without prints, or before it."""
        span = self._calendar.span(ts_ms * NS_PER_MILLISECOND)
        if span.phase not in _SHUT:
            return None
        return (span.start_ns - 1 if backwards else span.end_ns) // NS_PER_MILLISECOND

    # ---------------------------------------------------------------- inside

    def _parts(self, symbol: str, start_ms: int, end_ms: int) -> list[VenueBar]:
        if start_ms % MS_PER_MINUTE or end_ms % MS_PER_MINUTE:
            seconds = range(start_ms // MS_PER_SECOND, end_ms // MS_PER_SECOND)
            return _present(self._seconds(symbol, second) for second in seconds)
        return _present(self._minutes(symbol, start) for start in range(start_ms, end_ms, MS_PER_MINUTE))

    def _on_time_minute(self, symbol: str, start_ms: int) -> VenueBar | None:
        first = start_ms // MS_PER_SECOND
        parts = _present(self._seconds(symbol, second) for second in range(first, first + 60))
        return merged(symbol, start_ms, start_ms + MS_PER_MINUTE, parts, unpriced=True)

    def _on_time_second(self, symbol: str, second: int) -> VenueBar | None:
        return self._bar_of(symbol, second, self._source.on_time(symbol, second))

    def _with_late(self, symbol: str, second: int, late: Sequence[Print]) -> VenueBar | None:
        trades = [*self._source.on_time(symbol, second), *late]
        return self._bar_of(symbol, second, sorted(trades, key=_made_ms))

    def _bar_of(self, symbol: str, second: int, trades: Sequence[Print]) -> VenueBar | None:
        if not trades:
            return None
        start_ms = second * MS_PER_SECOND
        extended = self._calendar.phase(second * NS_PER_SECOND) is not SessionPhase.REGULAR
        return bar_of(symbol, start_ms, start_ms + MS_PER_SECOND, trades, extended=extended, unpriced=True)

    def _late(self, symbol: str, start_ms: int, end_ms: int, as_of_ms: int) -> list[Print]:
        late = self._source.late(symbol, start_ms, end_ms)
        if not late:
            return []
        window_ms = self._window_ms()
        return [
            trade
            for trade in late
            if trade.ts_ms <= as_of_ms and trade.ts_ms - trade.participant_ms <= window_ms
        ]


def _made_ms(trade: Print) -> int:
    return trade.participant_ms


def _present(bars: Iterable[VenueBar | None]) -> list[VenueBar]:
    return [bar for bar in bars if bar]
