"""The order stream (`trade_updates`): one thread that reads it and reconnects by itself."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Final

from kyzlo_actors.adapters.broker.parse import ParseCounters
from kyzlo_actors.adapters.broker.stream_frames import (
    TRADE_UPDATES,
    Authorization,
    Listening,
    Unusable,
    authenticate_frame,
    listen_frame,
    parse_stream_frame,
)
from kyzlo_actors.domain.broker_events import StreamConnected, StreamDisconnected, TradeUpdated
from kyzlo_actors.domain.values import NS_PER_SECOND, Severity
from kyzlo_actors.infrastructure.resilience import Backoff
from kyzlo_actors.infrastructure.websocket_link import LinkLost, LinkRefused, WebSocketLink, open_link
from kyzlo_actors.ports.broker import Deliver
from kyzlo_actors.ports.clock import Clock

OnNotice = Callable[[Severity, str, str], None]

# A stream that cannot be reached is told at its first failure and at every tenth.
_TELL_EVERY: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamOptions:
    """The stream's bounds.

    handshake_seconds: from the open socket to the `listening` answer.
    stable_seconds: only a stream that lived so long starts the backoff anew.
    refused_seconds: pause after a refused key; keys are refused for minutes after a paper account's reset.
    """

    ping_seconds: float = 10.0
    handshake_seconds: float = 5.0
    stable_seconds: float = 10.0
    refused_seconds: float = 60.0
    backoff_first_seconds: float = 1.0
    backoff_max_seconds: float = 30.0


class _Unauthorized(LinkLost):
    """The keys were refused."""


class TradeStream:
    """Delivers StreamConnected after the `listening` answer, TradeUpdated, and StreamDisconnected on a loss.

    Nothing is replayed after a reconnect: whoever listens must reconcile at each StreamConnected. A frame that
    may have held an order's fate and cannot be read is dropped with a CRITICAL notice.
    """

    def __init__(
        self,
        url: str,
        key: str,
        secret: str,
        deliver: Deliver,
        clock: Clock,
        random: Random,
        *,
        options: StreamOptions | None = None,
        on_notice: OnNotice | None = None,
        counters: ParseCounters | None = None,
    ) -> None:
        self.counters = counters or ParseCounters()
        self._url = url
        self._key = key
        self._secret = secret
        self._deliver = deliver
        self._clock = clock
        self._options = options or StreamOptions()
        self._on_notice = on_notice
        self._backoff = Backoff(
            first_seconds=self._options.backoff_first_seconds,
            factor=2.0,
            max_seconds=self._options.backoff_max_seconds,
            jitter=0.5,
            random=random,
        )
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="trade-stream", daemon=True)
        self._listening = False
        self._failures = 0

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self, deadline_ns: int) -> None:
        """End the thread, waiting until `deadline_ns` (monotonic)."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(max(0.0, (deadline_ns - self._clock.monotonic_ns()) / NS_PER_SECOND))

    def _run(self) -> None:
        while not self._stopping.is_set():
            delay_seconds = 0.0
            link: WebSocketLink | None = None
            detail = "stopped"
            try:
                link = open_link(self._url, self._clock, self._options.ping_seconds)
                self._read(link)
            except (LinkRefused, LinkLost) as error:
                detail = str(error)
                delay_seconds = self._backoff.next_delay()
                if isinstance(error, _Unauthorized):
                    delay_seconds += self._options.refused_seconds
            finally:
                if link is not None:
                    link.close()
            self._tell_lost(detail)
            self._stopping.wait(delay_seconds)

    def _read(self, link: WebSocketLink) -> None:
        """Authenticate, listen, deliver, until stopped. Raises: LinkLost."""
        link.send(authenticate_frame(self._key, self._secret))
        handshake_ns = self._after(self._options.handshake_seconds)
        stable_ns = self._after(self._options.stable_seconds)
        while not self._stopping.is_set():
            payload = link.receive()
            now_ns = self._clock.monotonic_ns()
            if payload is not None:
                self._on_frame(link, payload)
            if not self._listening and now_ns > handshake_ns:
                raise LinkLost("no answer to the authentication or the subscription")
            if self._listening and now_ns > stable_ns:
                self._backoff.reset()
                self._failures = 0

    def _on_frame(self, link: WebSocketLink, payload: bytes | str) -> None:
        frame = parse_stream_frame(payload, self._clock.now_ns(), self.counters)
        match frame:
            case TradeUpdated():
                self._deliver(frame)
            case Authorization(authorized=True):
                link.send(listen_frame())
            case Authorization():
                self._notice(Severity.CRITICAL, "STREAM_UNAUTHORIZED", "the order stream refused the keys")
                raise _Unauthorized("the order stream refused the keys")
            case Listening(streams=streams):
                if TRADE_UPDATES not in streams:
                    raise LinkLost("the order stream does not offer trade_updates")
                if not self._listening:
                    self._listening = True
                    self._deliver(StreamConnected(now_ns=self._clock.now_ns()))
            case Unusable(detail=detail, is_order_news=True):
                self._notice(Severity.CRITICAL, "STREAM_FRAME_DROPPED", detail)
            case Unusable():
                pass  # counted by the parser; nothing about orders was in it

    def _tell_lost(self, detail: str) -> None:
        if self._listening:
            self._listening = False
            self._deliver(StreamDisconnected(detail=detail, now_ns=self._clock.now_ns()))
        elif not self._stopping.is_set():
            if self._failures % _TELL_EVERY == 0:
                text = f"no connection to the order stream: {detail}"
                self._notice(Severity.WARNING, "STREAM_UNREACHABLE", text)
            self._failures += 1

    def _notice(self, severity: Severity, code: str, text: str) -> None:
        if self._on_notice is not None:
            self._on_notice(severity, code, text)

    def _after(self, seconds: float) -> int:
        return self._clock.monotonic_ns() + int(seconds * NS_PER_SECOND)
