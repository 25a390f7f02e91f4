"""The admin socket: one JSON line in, one JSON line out, never a wait inside the guardian's loop.

Bounds: 16 connections at once (more wait in the backlog of 16, then are refused), a request of at most 4 KiB, 2 s
for a request to come and an answer to leave; an answer that is decided later (`Held`) has `held_seconds`.
"""

from __future__ import annotations

import json
import os
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import orjson

from kyzlo_actors.domain.errors import Fatal
from kyzlo_actors.domain.values import NS_PER_SECOND
from kyzlo_actors.infrastructure.mailbox.unix_path import checked_unix_path
from kyzlo_actors.ports.clock import Clock

MAX_CONNECTIONS: Final = 16
REQUEST_BYTES: Final = 4_096
TIMEOUT_SECONDS: Final = 2.0
_MODE: Final = 0o660
_CREDENTIALS: Final = struct.Struct("3i")

Answer = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """Who connected, as the kernel knows it."""

    pid: int
    uid: int
    gid: int

    def __str__(self) -> str:
        return f"uid {self.uid} (pid {self.pid})"


@dataclass(frozen=True, slots=True)
class Held:
    """Instead of an answer: it comes later, by `AdminSocket.answer_held` with the same key."""

    key: str


@dataclass(slots=True, kw_only=True)
class Connection:
    """One client. `held`: the key under which its answer comes later; "" when none does."""

    socket: socket.socket
    peer: Peer
    due_ns: int
    received: bytearray = field(default_factory=bytearray)
    to_send: bytes = b""
    held: str = ""


# The request and who sent it.
Handler = Callable[[Answer, Peer], Answer | Held]
Register = Callable[[int, Callable[[], None]], None]


class AdminSocket:
    """Listens at `path` (0660), reads by the callbacks of the loop's epoll. Raises: BadInput, Fatal."""

    def __init__(
        self,
        path: Path,
        clock: Clock,
        handler: Handler,
        *,
        register: Register,
        unregister: Callable[[int], None],
        held_seconds: float,
    ) -> None:
        self._path = path
        self._clock = clock
        self._handler = handler
        self._register = register
        self._unregister = unregister
        self._held_ns = round(held_seconds * NS_PER_SECOND)
        self._connections: dict[int, Connection] = {}
        self._listener = _listen(path)
        self._accepting = True
        register(self._listener.fileno(), self._accept)

    def turn(self) -> None:
        """Once a turn of the loop: send what is left of answers, close what is past its time."""
        now_ns = self._clock.monotonic_ns()
        for connection in list(self._connections.values()):
            if connection.to_send:
                self._send(connection)
            if connection.socket.fileno() >= 0 and now_ns > connection.due_ns:
                self._forget(connection)

    def answer_held(self, key: str, answer: Answer) -> None:
        """Answer the clients whose answers were held back under this key; nobody may be waiting any more."""
        for connection in [each for each in self._connections.values() if each.held == key]:
            self._answer(connection, answer)

    def close(self) -> None:
        """Close everything and remove the name."""
        for connection in list(self._connections.values()):
            self._forget(connection)
        if self._accepting:
            self._unregister(self._listener.fileno())
        self._listener.close()
        with suppress(OSError):
            self._path.unlink()

    def _accept(self) -> None:
        if len(self._connections) >= MAX_CONNECTIONS:
            # Out of the epoll, or it would spin; a place that becomes free brings it back.
            self._unregister(self._listener.fileno())
            self._accepting = False
            return
        try:
            accepted, _ = self._listener.accept()
        except OSError:
            return  # the client gave up; without descriptors left, the next turn tries again
        accepted.setblocking(False)
        packed = accepted.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        pid, uid, gid = _CREDENTIALS.unpack(packed)
        connection = Connection(
            socket=accepted,
            peer=Peer(pid=pid, uid=uid, gid=gid),
            due_ns=self._in(round(TIMEOUT_SECONDS * 1e9)),
        )
        self._connections[accepted.fileno()] = connection
        self._register(accepted.fileno(), lambda: self._receive(connection))

    def _receive(self, connection: Connection) -> None:
        try:
            received = connection.socket.recv(REQUEST_BYTES)
        except BlockingIOError:
            return
        except OSError:
            received = b""
        if not received or connection.held or connection.to_send:
            # Gone, or talking past its one request.
            self._forget(connection)
            return
        connection.received += received
        if b"\n" in connection.received:
            self._handle(connection)
        elif len(connection.received) >= REQUEST_BYTES:
            self._answer(connection, _refusal(f"a request has at most {REQUEST_BYTES} bytes"))

    def _handle(self, connection: Connection) -> None:
        line = bytes(connection.received).split(b"\n", 1)[0]
        try:
            request = orjson.loads(line)
        except orjson.JSONDecodeError:
            request = None
        if not isinstance(request, dict):
            self._answer(connection, _refusal("a request is one JSON object on one line"))
            return
        # Held before it is handled, under the command's name: the answer may come while it is.
        connection.held = held = str(request.get("cmd"))
        connection.due_ns = self._in(self._held_ns)
        answer = self._handler(request, connection.peer)
        if connection.held != held:
            return
        if isinstance(answer, Held):
            connection.held = answer.key
        else:
            self._answer(connection, answer)

    def _answer(self, connection: Connection, answer: Answer) -> None:
        connection.held = ""
        connection.due_ns = self._in(round(TIMEOUT_SECONDS * NS_PER_SECOND))
        # Not orjson: an answer must leave whatever is in it.
        connection.to_send = json.dumps(answer, default=str).encode() + b"\n"
        self._send(connection)

    def _send(self, connection: Connection) -> None:
        try:
            sent = connection.socket.send(connection.to_send, socket.MSG_NOSIGNAL)
        except BlockingIOError:
            return
        except OSError:
            self._forget(connection)
            return
        connection.to_send = connection.to_send[sent:]
        if not connection.to_send:
            self._forget(connection)

    def _forget(self, connection: Connection) -> None:
        descriptor = connection.socket.fileno()
        if self._connections.pop(descriptor, None) is None:
            return
        self._unregister(descriptor)
        connection.socket.close()
        if not self._accepting:
            self._register(self._listener.fileno(), self._accept)
            self._accepting = True

    def _in(self, ns: int) -> int:
        return self._clock.monotonic_ns() + ns


def _listen(path: Path) -> socket.socket:
    name = checked_unix_path(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        with suppress(FileNotFoundError):
            path.unlink()
        # Before bind, so that there is no moment in which others may connect.
        os.fchmod(listener.fileno(), _MODE)
        listener.bind(name)
        os.chmod(path, _MODE)  # the umask had its say at bind; the group must be able to halt
        listener.listen(MAX_CONNECTIONS)
    except OSError as error:
        listener.close()
        raise Fatal(f"admin socket {path}: {error}") from error
    return listener


def _refusal(error: str) -> Answer:
    return {"ok": False, "error": error}
