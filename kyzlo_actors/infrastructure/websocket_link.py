"""One websocket connection for one reader thread: opening, reading with a bound, pings, and what went wrong.

It lives here because two adapters that must not know each other (market data and order stream) need it.
"""

from __future__ import annotations

import queue
import socket
import ssl
import threading
from collections.abc import Sequence
from typing import Any, Final

import websocket
from websocket._abnf import frame_buffer

from kyzlo_actors.domain.errors import Recoverable
from kyzlo_actors.domain.values import NS_PER_SECOND
from kyzlo_actors.ports.clock import Clock

CONNECT_TIMEOUT_SECONDS: Final = 5.0
READ_TIMEOUT_SECONDS: Final = 0.1
# A server that does not take one small frame in this time is gone.
SEND_TIMEOUT_SECONDS: Final = 2.0
MISSED_PONGS: Final = 2
# A message of one frame or of many; whatever claims to be larger ends the connection.
MAX_MESSAGE_BYTES: Final = 32 << 20
_CLOSE_CODE_BYTES: Final = 2
_TROUBLE: Final = (websocket.WebSocketException, OSError, ssl.SSLError, ValueError, UnicodeError)


class LinkRefused(Recoverable):
    """The connection did not come about; `http_status` when the upgrade was answered (429: too many)."""

    def __init__(self, detail: str, http_status: int | None = None) -> None:
        super().__init__(detail)
        self.http_status = http_status


class LinkLost(Recoverable):
    """The connection ended: closed by the server, cut, or two pings without a sign of life."""


class WebSocketLink:
    """An open connection, for one thread."""

    def __init__(self, connection: websocket.WebSocket, clock: Clock, *, ping_seconds: float) -> None:
        self._connection = connection
        self._clock = clock
        self._ping_ns = int(ping_seconds * NS_PER_SECOND)
        self._next_ping_ns = clock.monotonic_ns() + self._ping_ns
        self._unanswered = 0

    def receive(self) -> bytes | str | None:
        """The next data frame, or None after `READ_TIMEOUT_SECONDS` or a control frame.

        Raises: LinkLost.
        """
        self._keep_alive()
        try:
            opcode, frame = self._connection.recv_data_frame(control_frame=True)
        except (websocket.WebSocketTimeoutException, TimeoutError, BlockingIOError):
            return None
        except _TROUBLE as error:
            raise LinkLost(_described(error)) from None
        self._unanswered = 0
        if opcode == websocket.ABNF.OPCODE_CLOSE:
            raise LinkLost(_close_reason(frame.data))
        if opcode not in (websocket.ABNF.OPCODE_TEXT, websocket.ABNF.OPCODE_BINARY):
            return None
        data: bytes | str = frame.data
        return data

    def send(self, text: bytes) -> None:
        """Send one text frame. Raises: LinkLost."""
        self._write(text, websocket.ABNF.OPCODE_TEXT)

    def close(self) -> None:
        """Say goodbye and end the connection at once; a server that hears it frees our place."""
        try:
            self._connection.close(timeout=0)
        except _TROUBLE:
            # It is being thrown away: whatever state it is in, there is nothing left to save.
            return

    def _keep_alive(self) -> None:
        now_ns = self._clock.monotonic_ns()
        if now_ns < self._next_ping_ns:
            return
        if self._unanswered >= MISSED_PONGS:
            raise LinkLost(f"{MISSED_PONGS} pings without a sign of life")
        self._write(b"", websocket.ABNF.OPCODE_PING)
        self._unanswered += 1
        self._next_ping_ns = now_ns + self._ping_ns

    def _write(self, payload: bytes, opcode: int) -> None:
        try:
            # The socket's timeout serves reads; a full kernel buffer must not fail a send within 0.1 s.
            self._connection.settimeout(SEND_TIMEOUT_SECONDS)
            self._connection.send(payload, opcode=opcode)
            self._connection.settimeout(READ_TIMEOUT_SECONDS)
        except _TROUBLE as error:
            raise LinkLost(_described(error)) from None


class Opening:
    """A connection that is being opened on a thread of its own: the caller's thread need not stand still.

    Opening ends by itself (`CONNECT_TIMEOUT_SECONDS` a step); an abandoned one closes what it opened.
    """

    def __init__(self, url: str, clock: Clock, *, ping_seconds: float, headers: Sequence[str] = ()) -> None:
        self._outcome: queue.Queue[WebSocketLink | LinkRefused] = queue.Queue(maxsize=1)
        self._lock = threading.Lock()
        self._abandoned = False
        self._arguments = (url, clock, ping_seconds, list(headers))
        threading.Thread(target=self._run, name="websocket-open", daemon=True).start()

    def wait(self, timeout_seconds: float) -> WebSocketLink | None:
        """The open connection, or None while it is not there yet. Raises: LinkRefused."""
        try:
            outcome = self._outcome.get(timeout=timeout_seconds)
        except queue.Empty:
            return None
        if isinstance(outcome, LinkRefused):
            raise outcome
        return outcome

    def abandon(self) -> None:
        """Nobody waits any more: close what comes of it."""
        with self._lock:
            self._abandoned = True
            try:
                outcome = self._outcome.get_nowait()
            except queue.Empty:
                return
        if isinstance(outcome, WebSocketLink):
            outcome.close()

    def _run(self) -> None:
        outcome: WebSocketLink | LinkRefused
        try:
            outcome = open_link(*self._arguments)
        except LinkRefused as error:
            outcome = error
        with self._lock:
            if not self._abandoned:
                self._outcome.put_nowait(outcome)
                return
        if isinstance(outcome, WebSocketLink):
            outcome.close()


def open_link(url: str, clock: Clock, ping_seconds: float, headers: Sequence[str] = ()) -> WebSocketLink:
    """Connect and upgrade, waiting for it. Raises: LinkRefused."""
    try:
        connection = websocket.create_connection(
            url,
            timeout=CONNECT_TIMEOUT_SECONDS,
            class_=_BoundedWebSocket,
            header=list(headers),
            enable_multithread=True,
            # Validating every frame in Python costs 12x; the JSON parser checks the encoding anyway.
            skip_utf8_validation=True,
            sockopt=[(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)],
            suppress_origin=True,
            redirect_limit=0,
        )
        connection.settimeout(READ_TIMEOUT_SECONDS)
    except websocket.WebSocketBadStatusException as error:
        raise LinkRefused(f"upgrade refused with HTTP {error.status_code}", error.status_code) from None
    except _TROUBLE as error:
        raise LinkRefused(_described(error)) from None
    return WebSocketLink(connection, clock, ping_seconds=ping_seconds)


class _BoundedFrames(frame_buffer):
    """Refuses a frame by its announced length, before any of it is read into memory."""

    def recv_length(self) -> None:
        super().recv_length()
        if self.length is not None and self.length > MAX_MESSAGE_BYTES:
            raise websocket.WebSocketPayloadException("too large")


class _BoundedWebSocket(websocket.WebSocket):
    """The library's connection, with a bound on the size of a message: it has none of its own."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.frame_buffer = _BoundedFrames(self._recv, True)
        self._message_bytes = 0

    def recv_frame(self) -> websocket.ABNF:
        frame: websocket.ABNF = self.frame_buffer.recv_frame()
        if frame.opcode in (websocket.ABNF.OPCODE_TEXT, websocket.ABNF.OPCODE_BINARY):
            self._message_bytes = len(frame.data)
        elif frame.opcode == websocket.ABNF.OPCODE_CONT:
            self._message_bytes += len(frame.data)
        if self._message_bytes > MAX_MESSAGE_BYTES:
            raise websocket.WebSocketPayloadException("too large")
        return frame


def _described(error: Exception) -> str:
    """The kind of trouble only: texts of libraries can hold URLs and headers, and those hold secrets."""
    number = f" (errno {error.errno})" if isinstance(error, OSError) and error.errno else ""
    return f"{type(error).__name__}{number}"


def _close_reason(data: bytes) -> str:
    if len(data) < _CLOSE_CODE_BYTES:
        return "closed by the server"
    code = int.from_bytes(data[:_CLOSE_CODE_BYTES], "big")
    return f"closed by the server: {code} {data[_CLOSE_CODE_BYTES:].decode(errors='replace')}".rstrip()
