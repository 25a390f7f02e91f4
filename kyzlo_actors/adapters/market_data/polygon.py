"""The live feed: a thin thread that reads the Polygon (Massive) websocket and reconnects by itself."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from random import Random
from typing import Final

from kyzlo_actors.adapters.market_data.connection import ConnectionHooks, FeedConnection, PolygonOptions
from kyzlo_actors.adapters.market_data.intake import TradeIntake
from kyzlo_actors.adapters.market_data.parse import ParseCounters
from kyzlo_actors.adapters.market_data.protocol import Ending, Notice, Session
from kyzlo_actors.domain.values import NS_PER_MILLISECOND, NS_PER_SECOND, Severity
from kyzlo_actors.infrastructure.resilience import Backoff
from kyzlo_actors.infrastructure.websocket_link import LinkLost, LinkRefused, Opening, WebSocketLink
from kyzlo_actors.ports.clock import Clock
from kyzlo_actors.ports.market_data import FeedListener

_IDLE_NS: Final = 100 * NS_PER_MILLISECOND
_WAIT_SECONDS: Final = 0.1
_LAG_WINDOW_NS: Final = NS_PER_SECOND
_REPORT_NS: Final = 60 * NS_PER_SECOND
# A feed that cannot be reached is told at its first failure and at every tenth.
_TELL_EVERY: Final = 10


def _always(now_ns: int) -> bool:
    return True


class PolygonFeed:
    """`MarketDataFeed` over one websocket, trades only.

    The listener is called from the reader's thread; an exception of it ends that thread, `on_idle` with it, so
    the actor's heartbeat stops and its supervisor starts a new one. `expect_data` says whether silence at a
    given time (ns UTC) is a fault; outside the session it is not. After a fatal refusal (key, entitlement) the
    thread connects no more but goes on calling `on_idle` until `stop`.
    """

    def __init__(
        self,
        url: str,
        api_key: str,
        clock: Clock,
        random: Random,
        *,
        options: PolygonOptions | None = None,
        expect_data: Callable[[int], bool] = _always,
    ) -> None:
        self.counters = ParseCounters()
        self.lag_p99_ns: int | None = None
        self.intake: TradeIntake | None = None
        self._url = url
        self._api_key = api_key
        self._clock = clock
        self._options = options or PolygonOptions()
        self._expect_data = expect_data
        self._backoff = Backoff(
            first_seconds=self._options.backoff_first_seconds,
            factor=2.0,
            max_seconds=self._options.backoff_max_seconds,
            jitter=0.5,
            random=random,
        )
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._symbols: tuple[str, ...] = ()
        self._listener: FeedListener
        self._last_data_ns: int | None = None
        self._ready = False
        self._failures = 0
        self._next_idle_ns = self._next_lag_ns = self._next_report_ns = 0
        self._lag_severity = Severity.INFO
        self._reported_faults = 0

    def start(self, symbols: Sequence[str], listener: FeedListener) -> None:
        """Start the reader's thread. Once only."""
        if self._thread is not None:
            raise RuntimeError("the feed was started before")
        self._symbols = tuple(dict.fromkeys(symbols))
        self._listener = listener
        self.intake = TradeIntake(self._symbols, listener)
        self._thread = threading.Thread(target=self._run, name="polygon-reader", daemon=True)
        self._thread.start()

    def stop(self, timeout_seconds: float) -> None:
        """End the thread; after `timeout_seconds` it is left to end by itself."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(timeout_seconds)

    def _run(self) -> None:
        while not self._stopping.is_set():
            ending = self._connect_and_read()
            if ending is Ending.FATAL:
                break
            delay_seconds = self._backoff.next_delay()
            if ending is Ending.EVICTED:
                delay_seconds += self._options.cool_down_seconds
            self._idle_for(delay_seconds)
        while not self._stopping.wait(_WAIT_SECONDS):
            self._idle()

    def _connect_and_read(self) -> Ending:
        """One connection's whole life."""
        connection: FeedConnection | None = None
        link: WebSocketLink | None = None
        detail = "closed"
        try:
            link = self._open()
            if link is None:
                return Ending.LOST
            connection = self._connection(link)
            ending = connection.run(self._stopping)
            detail = f"ended: {ending.name.lower()}"
            return ending
        except (LinkRefused, LinkLost) as error:
            detail = str(error)
            return Ending.LOST
        finally:
            if link is not None:
                link.close()
            if connection is not None and connection.last_data_ns is not None:
                self._last_data_ns = connection.last_data_ns
            self._tell_disconnected(detail)

    def _open(self) -> WebSocketLink | None:
        """Open the socket without standing still; None when asked to stop meanwhile. Raises: LinkRefused."""
        opening = Opening(self._url, self._clock, ping_seconds=self._options.ping_seconds)
        while not self._stopping.is_set():
            link = opening.wait(_WAIT_SECONDS)
            if link is not None:
                return link
            self._idle()
        opening.abandon()
        return None

    def _connection(self, link: WebSocketLink) -> FeedConnection:
        assert self.intake is not None
        return FeedConnection(
            link,
            Session(api_key=self._api_key, symbols=self._symbols),
            self.intake,
            self.counters,
            self._clock,
            self._options,
            ConnectionHooks(
                idle=self._idle, ready=self._on_ready, stable=self._backoff.reset, notice=self._notice
            ),
            self._expect_data,
        )

    def _on_ready(self) -> None:
        self._ready = True
        self._failures = 0
        self._listener.on_connected(self._clock.now_ns(), self._last_data_ns)

    def _tell_disconnected(self, detail: str) -> None:
        if self._ready:
            self._ready = False
            self._listener.on_disconnected(self._clock.now_ns(), detail)
        elif not self._stopping.is_set():
            if self._failures % _TELL_EVERY == 0:
                text = f"no connection to the feed: {detail}"
                self._listener.on_notice(Severity.WARNING, "FEED_UNREACHABLE", text)
            self._failures += 1

    def _notice(self, notice: Notice) -> None:
        self._listener.on_notice(notice.severity, notice.code, notice.text)

    def _idle_for(self, seconds: float) -> None:
        until_ns = self._clock.monotonic_ns() + int(seconds * NS_PER_SECOND)
        while self._clock.monotonic_ns() < until_ns and not self._stopping.wait(_WAIT_SECONDS):
            self._idle()

    def _idle(self) -> None:
        """Called after every frame and every wait; does its work ten times a second."""
        mono_ns = self._clock.monotonic_ns()
        if mono_ns < self._next_idle_ns:
            return
        self._next_idle_ns = mono_ns + _IDLE_NS
        self._listener.on_idle(self._clock.now_ns())
        if mono_ns >= self._next_lag_ns:
            self._next_lag_ns = mono_ns + _LAG_WINDOW_NS
            self._check_lag()
        if mono_ns >= self._next_report_ns:
            self._next_report_ns = mono_ns + _REPORT_NS
            self._report_faults()

    def _check_lag(self) -> None:
        p99_ns = self.intake.lag.take_p99_ns() if self.intake is not None else None
        if p99_ns is None:
            return
        options = self._options
        self.lag_p99_ns = p99_ns - int(options.expected_delay_seconds * NS_PER_SECOND)
        lag_seconds = self.lag_p99_ns / NS_PER_SECOND
        severity = Severity.INFO
        if lag_seconds > options.lag_critical_seconds:
            severity = Severity.CRITICAL
        elif lag_seconds > options.lag_alarm_seconds:
            severity = Severity.WARNING
        if severity is not self._lag_severity:
            self._lag_severity = severity
            text = f"trades arrive {lag_seconds:.1f} s after their time (p99 of one second)"
            self._listener.on_notice(severity, "FEED_LAG", text)

    def _report_faults(self) -> None:
        """At most once a minute: what could not be used since the last report."""
        assert self.intake is not None
        unknown = self.intake.conditions.unknown
        counters = self.counters
        faults = counters.bad_frames + counters.bad_events + unknown
        if faults > self._reported_faults:
            self._reported_faults = faults
            text = (
                f"so far {counters.bad_frames} frames and {counters.bad_events} events could not be read, "
                f"{unknown} trades had unknown conditions"
            )
            self._listener.on_notice(Severity.WARNING, "FEED_UNREADABLE", text)
