"""Turns a market into a live stream: prints in order, each when its time has come, bars at their end.

A bar comes again when a late trade changed it. Sessions and halts are told before the prints they let through.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from kyzlo_actors.domain.values import NS_PER_MILLISECOND, NS_PER_SECOND
from kyzlo_actors.replay.matching_messages import SessionPhase
from kyzlo_actors.venue.clock import NowNs, VenueClock
from kyzlo_actors.venue.market.bars import MS_PER_MINUTE, MS_PER_SECOND, Bars
from kyzlo_actors.venue.market.calendar import VenueCalendar
from kyzlo_actors.venue.market.prints import Band, Print, VenueBar
from kyzlo_actors.venue.market.source import MarketSource

# A venue that was stopped for longer than this (suspended machine) goes on from now instead of catching up.
_MAX_CATCH_UP_MS: Final = 5_000
_MAX_SLEEP_MS: Final = 250
# A virtual clock may be ahead of what is published by this much machine time.
_LEAD_SECONDS: Final = 0.5
_BAND_SECONDS: Final = 30
# What other tasks get after so much market in one go.
_STEP_MS: Final = 1_000
_LATE_MS: Final = 1_000
_END_OF_TIME_MS: Final = 1 << 42
_SHUT: Final = (SessionPhase.CLOSED, SessionPhase.OVERNIGHT)


class FeedListener(Protocol):
    """What hears the live market."""

    def on_session(self, phase: SessionPhase, ts: int) -> None:
        """A phase of the day began; called once at the start as well."""

    def on_halt(self, symbol: str, halted: bool, ts: int, low: float, high: float) -> None:
        """Trading in a symbol stopped or goes on; `low` and `high` are its band then."""

    def on_bands(self, bands: Sequence[Band]) -> None:
        """New limits of the symbols."""

    def on_prints(self, prints: Sequence[Print]) -> None:
        """Trades of one instant or a few, in order of time."""

    def on_bars(self, channel: str, bars: Sequence[VenueBar]) -> None:
        """Bars that ended, or changed: channel `A` (second) or `AM` (minute)."""


class Feed:
    """The live clockwork. `advance` is the whole of it; `run` only sleeps in between."""

    def __init__(
        self,
        source: MarketSource,
        bars: Bars,
        calendar: VenueCalendar,
        now_ns: NowNs,
        listener: FeedListener,
        clock: VenueClock | None = None,
        wanted: Callable[[], bool] | None = None,
        leaps: bool = False,
    ) -> None:
        """`clock` is held back by this feed, if it is a virtual one; with `leaps` it is moved over the nights. With
        `wanted` the feed is a mere echo, which leaves the clock alone and rests while nobody wants it."""
        self.published_ms = now_ns() // NS_PER_MILLISECOND
        self.skipped_ms = 0
        self._source = source
        self._bars = bars
        self._calendar = calendar
        self._now_ns = now_ns
        self._listener = listener
        self._clock = clock if clock and clock.is_virtual and wanted is None else None
        self._speed = clock.speed if clock else 1.0
        self._wanted = wanted
        self._leaps = leaps
        self._phase: SessionPhase | None = None
        self._halted: set[str] = set()
        self._halts_second = -1
        self._plan: list[Print] = []
        self._plan_key = (-1, -1)

    async def run(self) -> None:
        """Publish for ever."""
        while True:
            self._leap()
            self._limit_clock()
            now_ms = self._now_ns() // NS_PER_MILLISECOND
            if self._wanted and not self._wanted():
                self.published_ms = now_ms
            if self._clock is None:
                self._skip(now_ms)
            while self.published_ms < now_ms:
                self._rest(now_ms)
                self.advance(min(now_ms, self.published_ms + _STEP_MS))
                await asyncio.sleep(0)
            await asyncio.sleep(self._wait_ms() / MS_PER_SECOND)

    def advance(self, now_ms: int) -> None:
        """Publish everything after `published_ms` up to and including `now_ms`."""
        if self._clock is None:
            self._skip(now_ms)
        while self.published_ms < now_ms:
            self._rest(now_ms)
            if self.published_ms >= now_ms:
                return
            second = (self.published_ms + 1) // MS_PER_SECOND
            last_ms = (second + 1) * MS_PER_SECOND - 1
            through_ms = min(now_ms, last_ms)
            self._session(self.published_ms + 1)
            self._halts(second)
            due = [trade for trade in self._prints(second) if self.published_ms < trade.ts_ms <= through_ms]
            self.published_ms = through_ms
            if due:
                self._listener.on_prints(due)
            if through_ms == last_ms:
                self._second_over(second)

    def _skip(self, now_ms: int) -> None:
        if now_ms - self.published_ms > _MAX_CATCH_UP_MS * self._speed:
            self.skipped_ms += now_ms - self.published_ms
            self.published_ms = now_ms

    def _rest(self, now_ms: int) -> None:
        """Pass over what is left of a night, phase by phase, without looking at every second of it."""
        while self.published_ms < now_ms:
            span = self._calendar.span((self.published_ms + 1) * NS_PER_MILLISECOND)
            if span.phase not in _SHUT:
                return
            quiet_ms = self._source.quiet_until_ms(self.published_ms + 1)
            end_ms = min(now_ms, quiet_ms - 1, span.end_ns // NS_PER_MILLISECOND - 1)
            if end_ms - self.published_ms <= _STEP_MS:
                return
            self._session(self.published_ms + 1)
            self.published_ms = end_ms

    def _leap(self) -> None:
        """Move the clock to just before the next print, when the exchange sleeps."""
        ts_ms = self.published_ms + 1
        if not (self._leaps and self._clock) or self._calendar.phase(ts_ms * NS_PER_MILLISECOND) not in _SHUT:
            return
        next_ms = self._source.quiet_until_ms(ts_ms)
        if next_ms < _END_OF_TIME_MS:
            self._clock.jump_to((next_ms - _STEP_MS) * NS_PER_MILLISECOND)

    def _limit_clock(self) -> None:
        if self._clock:
            lead_ms = max(_STEP_MS, int(self._clock.speed * _LEAD_SECONDS * MS_PER_SECOND))
            self._clock.limit_ns = (self.published_ms + lead_ms) * NS_PER_MILLISECOND

    def _session(self, ts_ms: int) -> None:
        ts = ts_ms * NS_PER_MILLISECOND
        phase = self._calendar.phase(ts)
        if phase is not self._phase:
            self._phase = phase
            self._listener.on_session(phase, ts)

    def _halts(self, second: int) -> None:
        """Halts begin and end on a full second."""
        if second == self._halts_second:
            return
        self._halts_second = second
        for symbol in self._source.symbols:
            halted = self._source.halt_at(symbol, second) is not None
            if halted is not (symbol in self._halted):
                (self._halted.add if halted else self._halted.discard)(symbol)
                band = self._source.band(symbol, second * MS_PER_SECOND)
                low, high = (band.low, band.high) if band else (0.0, 0.0)
                self._listener.on_halt(symbol, halted, second * NS_PER_SECOND, low, high)

    def _prints(self, second: int) -> list[Print]:
        key = (second, self._source.version)
        if key != self._plan_key:
            self._plan = self._source.due(second)
            self._plan_key = key
        return self._plan

    def _second_over(self, second: int) -> None:
        end_ms = (second + 1) * MS_PER_SECOND
        now_ms = end_ms - 1
        symbols = self._source.symbols
        seconds = [bar for name in symbols if (bar := self._bars.second_bar(name, second, now_ms))]
        self._tell("A", self._revised(second, MS_PER_SECOND) + seconds)
        minutes = self._revised(second, MS_PER_MINUTE)
        if end_ms % MS_PER_MINUTE == 0:
            span = end_ms - MS_PER_MINUTE, end_ms
            minutes += [bar for name in symbols if (bar := self._bars.bar(name, *span, now_ms))]
        self._tell("AM", minutes)
        if self._phase is SessionPhase.REGULAR and (second + 1) % _BAND_SECONDS == 0:
            bands = [band for name in symbols if (band := self._source.band(name, end_ms))]
            if bands:
                self._listener.on_bands(bands)

    def _revised(self, second: int, step_ms: int) -> list[VenueBar]:
        """Bars that were told before, and that a trade reported in that second changed."""
        now_ms = (second + 1) * MS_PER_SECOND - 1
        current = now_ms // step_ms * step_ms
        places = {
            (trade.symbol, trade.participant_ms // step_ms * step_ms): None
            for trade in self._prints(second)
            if trade.ts_ms - trade.participant_ms > _LATE_MS
        }
        changed: list[VenueBar] = []
        for symbol, start_ms in places:
            # The second that is just over, or the minute that runs, has not been told yet.
            if start_ms >= current:
                continue
            before = self._bars.bar(symbol, start_ms, start_ms + step_ms, now_ms - MS_PER_SECOND)
            after = self._bars.bar(symbol, start_ms, start_ms + step_ms, now_ms)
            if after and after != before:
                changed.append(after)
        return changed

    def _tell(self, channel: str, bars: list[VenueBar]) -> None:
        if bars:
            self._listener.on_bars(channel, bars)

    def _wait_ms(self) -> float:
        """Machine time until the next print, the end of the second, or a quarter of a second."""
        last_ms = (self.published_ms // MS_PER_SECOND + 1) * MS_PER_SECOND
        second = (self.published_ms + 1) // MS_PER_SECOND
        coming = (trade.ts_ms for trade in self._prints(second) if trade.ts_ms > self.published_ms)
        due_ms = min(next(coming, last_ms), last_ms)
        late_ms = self._now_ns() / NS_PER_MILLISECOND
        return min(max(due_ms - late_ms, 0.0) / self._speed + 0.2, _MAX_SLEEP_MS)
