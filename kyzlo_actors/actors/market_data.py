"""MarketDataActor: the feed's reader thread turns trades into slots, bars and wake-ups. Nothing queues up.

Ticks are conflated in the slot; bars are built from every eligible trade and kept in the ring. History (warm-up) and
the gaps of a reconnect come over REST on a thread of their own, and are put in by the reader thread.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from dataclasses import dataclass, field, replace
from typing import Final

from kyzlo_actors.actors.base import KyzloActor
from kyzlo_actors.actors.control import StartActor
from kyzlo_actors.actors.frames import Frames
from kyzlo_actors.actors.layout import BROKER, MARKET_DATA
from kyzlo_actors.actors.outbox import Outbox
from kyzlo_actors.actors.registry import Registry
from kyzlo_actors.actors.shell import LEVELS
from kyzlo_actors.domain.bars import BarBuilder
from kyzlo_actors.domain.effects import Send
from kyzlo_actors.domain.errors import KyzloError
from kyzlo_actors.domain.identity import event_id
from kyzlo_actors.domain.market import Bar, Tick
from kyzlo_actors.domain.messages import CalendarRead, RequestCalendar
from kyzlo_actors.domain.session import SessionCalendar
from kyzlo_actors.domain.stamp import Stamp
from kyzlo_actors.domain.values import NS_PER_SECOND, Severity
from kyzlo_actors.infrastructure.mailbox.board import BoardSlot
from kyzlo_actors.infrastructure.mailbox.events import EventMailbox
from kyzlo_actors.infrastructure.mailbox.latest_tick import TickSlots
from kyzlo_actors.infrastructure.mailbox.wake import WakeSender
from kyzlo_actors.ports.market_data import BarHistory

BAR_CAPACITY: Final = 256
HISTORY_BARS: Final = 200
HISTORY_TIMEOUT_NS: Final = 15 * NS_PER_SECOND
CALENDAR_RETRY_NS: Final = 2 * NS_PER_SECOND
_STOP_SECONDS: Final = 0.5


class MarketDataActor(KyzloActor):
    """Has the feed's reader thread; forks nobody."""

    def on_start(self, message: StartActor) -> None:
        self._publisher = Publisher(self.registry, self.row)
        self._feed = self.registry.open_feed(self._publisher.expects_data)
        self._feed.start(self.registry.layout.symbols, self._publisher)

    def on_exit(self) -> None:
        self._feed.stop(_STOP_SECONDS)


@dataclass(slots=True)
class SymbolFeed:
    """What the reader thread holds of one symbol. `held` are live bars that wait for the history before them."""

    index: int
    builder: BarBuilder
    wake: WakeSender
    next_start_ns: int = 0
    connected_ns: int = 0
    waiting_until_ns: int = 0
    held: deque[Bar] = field(default_factory=lambda: deque(maxlen=BAR_CAPACITY))


class Publisher:
    """The feed's listener. Every method runs on the reader thread, which alone writes the slots."""

    def __init__(self, registry: Registry, row: BoardSlot) -> None:
        layout = registry.layout
        self._clock = registry.clock
        self._row = row
        self._log = logging.getLogger("kyzlo")
        self._frames = Frames(self._log)
        self._slots = TickSlots.create(layout.slots, layout.symbols, bar_capacity=BAR_CAPACITY)
        self._feeds = {
            symbol: SymbolFeed(
                index=index,
                builder=BarBuilder(symbol, registry.symbols[symbol].bar_interval_ns),
                wake=WakeSender(layout.wake(symbol)),
            )
            for index, symbol in enumerate(layout.symbols)
        }
        for feed in self._feeds.values():
            self._resume(feed)
        self._history = History(registry)
        self._mailbox = EventMailbox(layout.mailbox(MARKET_DATA))
        self._outbox = Outbox(MARKET_DATA, layout, registry.clock)
        self._calendar: SessionCalendar | None = None
        self._next_question_ns = 0
        self._ticks = 0

    def expects_data(self, now_ns: int) -> bool:
        """Whether silence is a fault now: only in the regular session, and only once the calendar is known."""
        return self._calendar is not None and self._calendar.is_open(now_ns)

    # --- the feed's side -----------------------------------------------------------------------------------------

    def on_tick(self, tick: Tick) -> None:
        """A trade that may move the last price."""
        feed = self._feeds[tick.symbol]
        closed = feed.builder.on_trade(tick, updates_price=True, now_ns=tick.ts_init)
        for bar in closed:
            self._publish(feed, bar)
        self._slots.write(feed.index, tick, feed.builder.running)
        feed.wake.wake()
        self._ticks += 1

    def on_volume(self, tick: Tick) -> None:
        """A trade that counts for volume only."""
        feed = self._feeds[tick.symbol]
        for bar in feed.builder.on_trade(tick, updates_price=False, now_ns=tick.ts_init):
            self._publish(feed, bar)
            feed.wake.wake()

    def on_idle(self, now_ns: int) -> None:
        """Close bars by time, take in history, and beat: this thread is the one whose silence matters."""
        self._row.beat(self._clock.monotonic_ns())
        self._row.publish(sequence=self._ticks)
        self._read_mailbox(now_ns)
        for symbol, bars in self._history.take():
            self._put_history(self._feeds[symbol], bars)
        for feed in self._feeds.values():
            closed = feed.builder.on_time(now_ns)
            for bar in closed:
                self._publish(feed, bar)
            if feed.held and now_ns > feed.waiting_until_ns:
                self._put_history(feed, [])
                closed = [*closed, *feed.held]
            if closed:
                feed.wake.wake()

    def on_connected(self, now_ns: int, gap_start_ns: int | None) -> None:
        """Live again: fetch what was missed (at the first time: the history for warm-up)."""
        self._log.info("market data connected")
        self._row.publish(ready=1)
        for symbol, feed in self._feeds.items():
            interval_ns = feed.builder.interval_ns
            end_ns = now_ns - now_ns % interval_ns
            missed_ns = end_ns - feed.next_start_ns
            # Nothing known, or too long ago: what the ring can hold, from as far back as the market was open.
            start_ns = None if missed_ns > HISTORY_BARS * interval_ns else feed.next_start_ns
            feed.connected_ns = now_ns
            feed.waiting_until_ns = now_ns + HISTORY_TIMEOUT_NS
            # One interval more: the bar in which we connected is only partly ours.
            self._history.fetch(symbol, interval_ns, start_ns, end_ns)

    def on_disconnected(self, now_ns: int, detail: str) -> None:
        """The stale-price rule refuses entries until the feed is back."""
        self._log.warning("market data disconnected: %s", detail)
        self._row.publish(ready=0)

    def on_notice(self, severity: Severity, code: str, text: str) -> None:
        """Something a person should know."""
        self._log.log(LEVELS[severity], "%s: %s", code, text)

    def _read_mailbox(self, now_ns: int) -> None:
        """Only the calendar comes this way."""
        for payload in self._mailbox.poll(0.0):
            envelope = self._frames.decode(payload)
            if envelope is not None and isinstance(envelope.message, CalendarRead):
                self._calendar = envelope.message.calendar
        if self._calendar is None and now_ns >= self._next_question_ns:
            self._next_question_ns = now_ns + CALENDAR_RETRY_NS
            question_id = event_id("request_calendar", MARKET_DATA, now_ns)
            stamp = Stamp.first(question_id, now_ns)
            self._outbox.send(Send(to=BROKER, message=RequestCalendar(stamp=stamp, reply_to=MARKET_DATA)))

    # --- bars ----------------------------------------------------------------------------------------------------

    def _publish(self, feed: SymbolFeed, bar: Bar) -> None:
        """Into the ring, after the history that belongs before it."""
        if bar.start_ns < feed.connected_ns:
            # Built from part of its trades: good enough to learn from, not to act on.
            bar = replace(bar, repaired=True)
        if bar.ts_init < feed.waiting_until_ns:
            feed.held.append(bar)
            return
        self._append(feed, bar)

    def _append(self, feed: SymbolFeed, bar: Bar) -> None:
        if bar.revision == 0 and bar.start_ns < feed.next_start_ns:
            return  # the history brought it already
        self._slots.append_bar(feed.index, bar)
        feed.next_start_ns = max(feed.next_start_ns, bar.end_ns)

    def _put_history(self, feed: SymbolFeed, bars: list[Bar]) -> None:
        for bar in bars:
            self._append(feed, replace(bar, repaired=True))
        feed.waiting_until_ns = 0
        while feed.held:
            self._append(feed, feed.held.popleft())
        feed.wake.wake()

    def _resume(self, feed: SymbolFeed) -> None:
        """After a restart the ring still holds what an earlier life put in: go on behind it."""
        count = self._slots.bar_count(feed.index)
        for bar in self._slots.bars_from(feed.index, max(0, count - 8)).bars:
            feed.next_start_ns = max(feed.next_start_ns, bar.end_ns)


class History:
    """Fetches bars on one daemon thread. Bound: one open request a symbol; a newer one replaces it."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._log = logging.getLogger("kyzlo")
        self._lock = threading.Condition()
        self._wanted: dict[str, tuple[int, int | None, int]] = {}
        self._done: deque[tuple[str, list[Bar]]] = deque()
        self._thread = threading.Thread(target=self._run, name="bar-history", daemon=True)
        self._thread.start()

    def fetch(self, symbol: str, interval_ns: int, start_ns: int | None, end_ns: int) -> None:
        """Ask for the closed bars of `[start_ns, end_ns)`, or the newest before `end_ns`; see `take`."""
        with self._lock:
            self._wanted[symbol] = (interval_ns, start_ns, end_ns)
            self._lock.notify()

    def take(self) -> list[tuple[str, list[Bar]]]:
        """Answers so far; an empty list of bars when the fetch failed (the gap stays, and was told)."""
        return [self._done.popleft() for _ in range(len(self._done))]

    def _run(self) -> None:
        source = self._registry.open_history()
        while True:
            with self._lock:
                self._lock.wait_for(lambda: bool(self._wanted))
                symbol, (interval_ns, start_ns, end_ns) = self._wanted.popitem()
            try:
                bars = _fetched(source, symbol, interval_ns, start_ns, end_ns)
            except KyzloError as error:
                self._log.warning("no history for %s, the gap stays: %s", symbol, error)
                bars = []
            self._done.append((symbol, bars))


def _fetched(
    source: BarHistory, symbol: str, interval_ns: int, start_ns: int | None, end_ns: int
) -> list[Bar]:
    if start_ns is None:
        return source.newest_bars(symbol, interval_ns=interval_ns, count=HISTORY_BARS, end_ns=end_ns)
    return source.bars(symbol, interval_ns=interval_ns, start_ns=start_ns, end_ns=end_ns)
