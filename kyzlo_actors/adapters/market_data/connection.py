"""One connection to the Polygon (Massive) websocket, from the greeting to its end."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from kyzlo_actors.adapters.market_data.intake import TradeIntake
from kyzlo_actors.adapters.market_data.parse import ParseCounters, Status, TradePrint, parse_frame
from kyzlo_actors.adapters.market_data.protocol import Ending, Notice, Session
from kyzlo_actors.domain.values import NS_PER_SECOND, Severity
from kyzlo_actors.infrastructure.websocket_link import LinkLost, WebSocketLink
from kyzlo_actors.ports.clock import Clock

_NAMED_MISSING: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class PolygonOptions:
    """The feed's bounds.

    staleness_seconds: without any data or status frame for so long (while `expect_data`) the socket is mute.
    handshake_seconds: for authentication, and again for the answers to the subscriptions (asked for twice).
    cool_down_seconds: pause after an eviction, so that two processes do not evict each other for ever.
    stable_seconds: only after so much data does the backoff start anew.
    lag_alarm_seconds / lag_critical_seconds: p99 of reception minus trade time, less `expected_delay_seconds`
    (about 903 on the vendor's delayed host).
    """

    staleness_seconds: float = 15.0
    ping_seconds: float = 15.0
    handshake_seconds: float = 5.0
    cool_down_seconds: float = 60.0
    stable_seconds: float = 10.0
    backoff_first_seconds: float = 1.0
    backoff_max_seconds: float = 30.0
    lag_alarm_seconds: float = 2.0
    lag_critical_seconds: float = 5.0
    expected_delay_seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionHooks:
    """What a connection tells the feed that owns it; all calls come from the reader's thread."""

    idle: Callable[[], None]
    ready: Callable[[], None]
    stable: Callable[[], None]
    notice: Callable[[Notice], None]


class FeedConnection:
    """Reads one open link until it ends. Raises nothing but LinkLost."""

    def __init__(
        self,
        link: WebSocketLink,
        session: Session,
        intake: TradeIntake,
        counters: ParseCounters,
        clock: Clock,
        options: PolygonOptions,
        hooks: ConnectionHooks,
        expect_data: Callable[[int], bool],
    ) -> None:
        self.last_data_ns: int | None = None
        self._link = link
        self._session = session
        self._intake = intake
        self._counters = counters
        self._clock = clock
        self._options = options
        self._hooks = hooks
        self._expect_data = expect_data
        self._ready = False
        self._refused = False
        self._retried = False
        self._stable_at_ns: int | None = None
        self._last_frame_ns = clock.monotonic_ns()
        self._deadline_ns = self._after(options.handshake_seconds)

    def run(self, stopping: threading.Event) -> Ending:
        """Read until the server or `stopping` ends it. Raises: LinkLost."""
        while not stopping.is_set():
            payload = self._link.receive()
            if payload is not None:
                ending = self._on_frame(payload)
                if ending is not None:
                    return ending
            self._hooks.idle()
            ending = self._check_handshake()
            if ending is not None:
                return ending
            self._check_staleness()
        return Ending.LOST

    def _on_frame(self, payload: bytes | str) -> Ending | None:
        recv_ns = self._clock.now_ns()
        self._last_frame_ns = self._clock.monotonic_ns()
        ending: Ending | None = None
        for event in parse_frame(payload, recv_ns, self._counters):
            if isinstance(event, TradePrint):
                self._on_data(recv_ns)
                self._intake.take(event)
            elif isinstance(event, Status):
                # The rest of the frame still counts: trades may stand beside the goodbye.
                ending = self._on_status(event) or ending
        return ending

    def _on_data(self, recv_ns: int) -> None:
        if not self._ready:
            self._announce()
        self.last_data_ns = recv_ns
        if self._stable_at_ns is None:
            self._stable_at_ns = self._after(self._options.stable_seconds)
        elif self._last_frame_ns >= self._stable_at_ns:
            self._hooks.stable()

    def _on_status(self, status: Status) -> Ending | None:
        was_authenticated = self._session.authenticated
        reaction = self._session.react(status)
        if self._session.authenticated and not was_authenticated:
            self._deadline_ns = self._after(self._options.handshake_seconds)
        if reaction.notice is not None:
            self._refused = self._refused or reaction.notice.code == "FEED_NOT_AUTHORIZED"
            self._hooks.notice(reaction.notice)
        for frame in reaction.send:
            self._link.send(frame)
        if self._session.subscribed and not self._ready:
            self._announce()
        return reaction.ending

    def _announce(self) -> None:
        self._ready = True
        self._hooks.ready()

    def _check_handshake(self) -> Ending | None:
        """Answers that stay out: ask once more, then go on with what there is, or give up."""
        session = self._session
        if session.subscribed or self._clock.monotonic_ns() < self._deadline_ns:
            return None
        if not session.authenticated:
            raise LinkLost("no answer to the authentication")
        if self._refused and not session.confirmed_any:
            return Ending.FATAL
        if not self._retried:
            self._retried = True
            self._deadline_ns = self._after(self._options.handshake_seconds)
            for frame in session.subscriptions():
                self._link.send(frame)
            return None
        if not session.confirmed_any and not self._ready:
            raise LinkLost("no answer to the subscriptions")
        self._give_up_on_missing()
        return None

    def _give_up_on_missing(self) -> None:
        missing = sorted(self._session.missing)
        named = ", ".join(missing[:_NAMED_MISSING]) + (" …" if len(missing) > _NAMED_MISSING else "")
        text = f"{len(missing)} subscriptions were never confirmed: {named}"
        self._hooks.notice(Notice(severity=Severity.WARNING, code="FEED_NOT_SUBSCRIBED", text=text))
        self._session.missing.clear()
        if not self._ready:
            self._announce()

    def _check_staleness(self) -> None:
        silent_ns = self._clock.monotonic_ns() - self._last_frame_ns
        if silent_ns < self._options.staleness_seconds * NS_PER_SECOND:
            return
        if self._expect_data(self._clock.now_ns()):
            raise LinkLost(f"no frame for {self._options.staleness_seconds:g} s")

    def _after(self, seconds: float) -> int:
        return self._clock.monotonic_ns() + int(seconds * NS_PER_SECOND)
