"""Turns the market's prints into a live stream: in order, each when its time has come, bars at their end."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final, Protocol

from kyzlo_actors.domain.values import NS_PER_MILLISECOND
from kyzlo_actors.venue.calendar import VenueCalendar
from kyzlo_actors.venue.clock import NowNs
from kyzlo_actors.venue.market import MS_PER_SECOND, Market
from kyzlo_actors.venue.prints import Print, VenueBar

_MS_PER_MINUTE: Final = 60 * MS_PER_SECOND
# A venue that was stopped for longer than this (suspended machine) goes on from now instead of catching up.
_MAX_CATCH_UP_MS: Final = 5_000
_MAX_SLEEP_MS: Final = 250


class FeedListener(Protocol):
    """What hears the live market."""

    def on_session(self, is_open: bool, ts: int) -> None:
        """The session opened or closed; called once at the start as well."""

    def on_prints(self, prints: Sequence[Print]) -> None:
        """Trades of one instant or a few, in order of time."""

    def on_bars(self, channel: str, bars: Sequence[VenueBar]) -> None:
        """Bars that ended: channel `A` (second) or `AM` (minute)."""


class Feed:
    """The live clockwork. `advance` is the whole of it; `run` only sleeps in between."""

    def __init__(
        self, market: Market, calendar: VenueCalendar, now_ns: NowNs, listener: FeedListener
    ) -> None:
        self.published_ms = now_ns() // NS_PER_MILLISECOND
        self.skipped_ms = 0
        self._market = market
        self._calendar = calendar
        self._now_ns = now_ns
        self._listener = listener
        self._is_open: bool | None = None
        self._plan: list[Print] = []
        self._plan_key = (-1, -1)

    async def run(self) -> None:
        """Publish for ever."""
        while True:
            now_ms = self._now_ns() // NS_PER_MILLISECOND
            self.advance(now_ms)
            await asyncio.sleep(self._wait_ms() / MS_PER_SECOND)

    def advance(self, now_ms: int) -> None:
        """Publish everything after `published_ms` up to and including `now_ms`."""
        if now_ms - self.published_ms > _MAX_CATCH_UP_MS:
            self.skipped_ms += now_ms - self.published_ms
            self.published_ms = now_ms
        while self.published_ms < now_ms:
            second = (self.published_ms + 1) // MS_PER_SECOND
            last_ms = (second + 1) * MS_PER_SECOND - 1
            through_ms = min(now_ms, last_ms)
            self._session(self.published_ms + 1)
            due = [trade for trade in self._prints(second) if self.published_ms < trade.ts_ms <= through_ms]
            self.published_ms = through_ms
            if due:
                self._listener.on_prints(due)
            if through_ms == last_ms:
                self._second_over(second)

    def _session(self, ts_ms: int) -> None:
        ts = ts_ms * NS_PER_MILLISECOND
        is_open = self._calendar.is_open(ts)
        if is_open is not self._is_open:
            self._is_open = is_open
            self._listener.on_session(is_open, ts)

    def _prints(self, second: int) -> list[Print]:
        key = (second, self._market.version)
        if key != self._plan_key:
            every = [
                trade for symbol in self._market.symbols for trade in self._market.prints(symbol, second)
            ]
            self._plan = sorted(every, key=lambda trade: trade.ts_ms)
            self._plan_key = key
        return self._plan

    def _second_over(self, second: int) -> None:
        end_ms = (second + 1) * MS_PER_SECOND
        seconds = [bar for name in self._market.symbols if (bar := self._market.second_bar(name, second))]
        if seconds:
            self._listener.on_bars("A", seconds)
        if end_ms % _MS_PER_MINUTE:
            return
        start_ms = end_ms - _MS_PER_MINUTE
        minutes = [bar for name in self._market.symbols if (bar := self._market.bar(name, start_ms, end_ms))]
        if minutes:
            self._listener.on_bars("AM", minutes)

    def _wait_ms(self) -> float:
        """Until the next print, the end of the second, or a quarter of a second."""
        last_ms = (self.published_ms // MS_PER_SECOND + 1) * MS_PER_SECOND
        second = (self.published_ms + 1) // MS_PER_SECOND
        coming = (trade.ts_ms for trade in self._prints(second) if trade.ts_ms > self.published_ms)
        due_ms = min(next(coming, last_ms), last_ms)
        late_ms = self._now_ns() / NS_PER_MILLISECOND
        return min(max(due_ms - late_ms, 0.0) + 0.2, _MAX_SLEEP_MS)
