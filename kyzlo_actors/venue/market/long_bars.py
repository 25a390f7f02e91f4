"""Bars of an hour and longer. Today's are exact; those of days before the venue's start are sketches of the path.

A day is a New York session: its prices are of the regular session and its auctions, its volume of all hours.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import Final

from kyzlo_actors.domain.session import SessionDay
from kyzlo_actors.domain.values import NS_PER_MILLISECOND
from kyzlo_actors.replay.matching_messages import SessionPhase
from kyzlo_actors.venue.market.bars import MS_PER_MINUTE, MS_PER_SECOND, Bars
from kyzlo_actors.venue.market.calendar import VenueCalendar
from kyzlo_actors.venue.market.prints import VenueBar, merged
from kyzlo_actors.venue.market.source import MarketSource
from kyzlo_actors.venue.timestamps import new_york_date, new_york_ns

_DAY: Final = timedelta(days=1)
_CACHED_DAYS: Final = 20_000
# Minutes that are computed in one go, so that the live stream keeps its time.
_SLICE_MINUTES: Final = 4


class LongBars:
    """`started_ms` is when the venue started."""

    def __init__(self, source: MarketSource, bars: Bars, calendar: VenueCalendar, *, started_ms: int) -> None:
        self._source = source
        self._bars = bars
        self._calendar = calendar
        today = new_york_date(started_ms * NS_PER_MILLISECOND)
        self._exact_ms = new_york_ns(today, "00:00") // NS_PER_MILLISECOND
        self._days: dict[tuple[str, date], VenueBar | None] = {}

    async def hour(self, symbol: str, start_ms: int, end_ms: int, now_ms: int) -> VenueBar | None:
        """A bar over whole hours; the running one up to `now_ms`."""
        sketched = self._sketched(symbol, start_ms, end_ms) if end_ms <= self._exact_ms else None
        bar = sketched or await self._exact(symbol, start_ms, min(end_ms, now_ms))
        return replace(bar, start_ms=start_ms, end_ms=end_ms) if bar else None

    async def days(self, symbol: str, first: date, end: date, now_ms: int) -> VenueBar | None:
        """One bar over the days of `[first, end)`."""
        parts = []
        for offset in range((end - first).days):
            bar = await self.day(symbol, first + timedelta(days=offset), now_ms)
            if bar:
                parts.append(bar)
        return merged(symbol, _midnight_ms(first), _midnight_ms(end), parts)

    async def day(self, symbol: str, day: date, now_ms: int) -> VenueBar | None:
        """The day's bar; the running day's up to `now_ms`."""
        session = self._calendar.day(day)
        midnight_ms = _midnight_ms(day)
        if session is None or midnight_ms > now_ms:
            return None
        end_ms = _midnight_ms(day + _DAY)
        if end_ms > now_ms:
            return await self._day(symbol, session, midnight_ms, now_ms)
        key = symbol, day
        if key not in self._days:
            if len(self._days) >= _CACHED_DAYS:
                self._days.clear()
            self._days[key] = await self._day(symbol, session, midnight_ms, end_ms)
        return self._days[key]

    # ---------------------------------------------------------------- inside

    async def _day(self, symbol: str, session: SessionDay, midnight_ms: int, now_ms: int) -> VenueBar | None:
        open_ms, close_ms = session.open_ns // NS_PER_MILLISECOND, session.close_ns // NS_PER_MILLISECOND
        end_ms = midnight_ms + 24 * 60 * MS_PER_MINUTE
        if end_ms <= self._exact_ms and (bar := self._source.sketch(symbol, open_ms, close_ms)):
            around = [self._sketched(symbol, midnight_ms, open_ms), self._sketched(symbol, close_ms, end_ms)]
        else:
            regular = await self._exact(symbol, open_ms, min(close_ms, now_ms))
            if regular is None:
                return None
            bar = self._closed(symbol, regular, close_ms) if now_ms > close_ms else regular
            around = [
                await self._exact(symbol, midnight_ms, open_ms),
                await self._exact(symbol, close_ms, min(end_ms, now_ms)),
            ]
        every = [bar, *(part for part in around if part)]
        return replace(
            bar,
            start_ms=midnight_ms,
            end_ms=end_ms,
            volume=round(sum(part.volume for part in every), 6),
            notional=sum(part.notional for part in every),
            count=sum(part.count for part in every),
        )

    def _closed(self, symbol: str, bar: VenueBar, close_ms: int) -> VenueBar:
        """The closing auction is printed a moment after the close, and is the day's last price."""
        auction = [
            trade.price
            for trade in self._source.on_time(symbol, close_ms // MS_PER_SECOND)
            if trade.moves_price
        ]
        if not auction:
            return bar
        return replace(bar, high=max(bar.high, *auction), low=min(bar.low, *auction), close=auction[-1])

    async def _exact(self, symbol: str, start_ms: int, end_ms: int) -> VenueBar | None:
        parts: list[VenueBar] = []
        step_ms = _SLICE_MINUTES * MS_PER_MINUTE
        end_ms = end_ms // MS_PER_MINUTE * MS_PER_MINUTE
        start = start_ms
        while start < end_ms:
            shut_ms = self._bars.shut_until_ms(start)
            if shut_ms > start + step_ms:
                start = shut_ms // MS_PER_MINUTE * MS_PER_MINUTE
                continue
            end = min(end_ms, start + step_ms)
            parts += self._bars.bars(symbol, start, end, MS_PER_MINUTE, end_ms)
            start = end
            await asyncio.sleep(0)
        return merged(symbol, start_ms, end_ms, parts)

    def _sketched(self, symbol: str, start_ms: int, end_ms: int) -> VenueBar | None:
        """The sketch of each phase in which anything prints."""
        parts: list[VenueBar] = []
        start = start_ms
        while start < end_ms:
            span = self._calendar.span(start * NS_PER_MILLISECOND)
            end = min(end_ms, span.end_ns // NS_PER_MILLISECOND)
            if span.phase not in (SessionPhase.CLOSED, SessionPhase.OVERNIGHT):
                part = self._source.sketch(symbol, start, end)
                parts += [part] if part else []
            start = end
        return merged(symbol, start_ms, end_ms, _ordered(parts))


def _ordered(parts: Sequence[VenueBar]) -> list[VenueBar]:
    return sorted(parts, key=lambda bar: bar.start_ms)


def _midnight_ms(day: date) -> int:
    return new_york_ns(day, "00:00") // NS_PER_MILLISECOND
