"""The event mailbox: unix SEQPACKET, every connection of a receiver behind one epoll.

A message is delivered whole or refused; orders, fills and bars are never merged. What the kernel has accepted
is lost only if the receiver dies before it reads: recovery goes through journals and snapshots.

Bounds: a message has at most 160 KiB; a sender's unread messages fit its send buffer, more are refused and
counted; a turn gives at most 256 messages, each ready connection in its turn; a receiver holds
`max_connections`, further ones wait in the backlog (their messages wait with them), and past that are
refused.
"""

from __future__ import annotations

import errno
import select
import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from kyzlo_actors.domain.errors import Fatal
from kyzlo_actors.infrastructure.mailbox.unix_path import bind_private, checked_unix_path

# The largest is the whole book of 500 symbols: about 75 KiB, twice that with an order in each.
MESSAGE_BYTES: Final = 160 * 1024
TURN_MESSAGES: Final = 256
_BACKLOG: Final = 128
_ACCEPTS_A_TURN: Final = 64


class EventMailbox:
    """The receiver at `path`. Make it *after* forking: a child's copy would keep dead connections open.

    Raises: BadInput: path too long or its directory open to others. Fatal: the system refused.
    """

    def __init__(self, path: Path, *, max_connections: int = 600) -> None:
        self._path = path
        self._max_connections = max_connections
        self._connections: dict[int, socket.socket] = {}
        self._callbacks: dict[int, Callable[[], None]] = {}
        self._accepting = False
        # One buffer for all receiving: a fresh one of this size for each message would cost more than the message.
        self._buffer = bytearray(MESSAGE_BYTES)
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK)
        self._epoll = select.epoll()
        try:
            bind_private(self._listener, path)
            self._listener.listen(_BACKLOG)
        except BaseException:
            self._listener.close()
            self._epoll.close()
            raise
        self._accept_more()

    def fileno(self) -> int:
        """The epoll descriptor: readable when `poll(0)` has something to do."""
        return self._epoll.fileno()

    @property
    def connection_count(self) -> int:
        """Senders connected now."""
        return len(self._connections)

    def register(self, fd: int, callback: Callable[[], None]) -> None:
        """Have `poll` run `callback` whenever `fd` is readable; it must read what is there."""
        self._epoll.register(fd, select.EPOLLIN)
        self._callbacks[fd] = callback

    def unregister(self, fd: int) -> None:
        """Undo `register`; also from inside a callback, and before `fd` is closed."""
        if self._callbacks.pop(fd, None) is not None:
            with suppress(OSError):
                self._epoll.unregister(fd)

    def poll(self, timeout_seconds: float) -> list[bytes]:
        """Wait at most `timeout_seconds`, run the callbacks that are due, return the messages that are here.

        At most 256 messages; the rest keeps the descriptor readable. An exception of a callback passes
        through. Raises: Fatal: out of file descriptors.
        """
        ready = self._epoll.poll(max(0.0, timeout_seconds), TURN_MESSAGES)
        senders: list[socket.socket] = []
        for fd, _ in ready:
            if (connection := self._connections.get(fd)) is not None:
                senders.append(connection)
            elif fd == self._listener.fileno():
                self._accept()
            elif (callback := self._callbacks.get(fd)) is not None:
                callback()
        return self._receive(senders)

    def close(self) -> None:
        """Close everything and remove the name."""
        for connection in self._connections.values():
            connection.close()
        self._connections.clear()
        self._listener.close()
        self._epoll.close()
        with suppress(OSError):
            self._path.unlink()

    def _receive(self, senders: list[socket.socket]) -> list[bytes]:
        """One message of each in turn, so that a flood from one sender does not hold up the others."""
        messages: list[bytes] = []
        while senders:
            still: list[socket.socket] = []
            for connection in senders:
                if len(messages) >= TURN_MESSAGES:
                    return messages
                try:
                    message = bytes(memoryview(self._buffer)[: connection.recv_into(self._buffer)])
                except BlockingIOError:
                    continue
                except OSError:
                    message = b""
                if message:
                    messages.append(message)
                    still.append(connection)
                else:
                    self._forget(connection)
            senders = still
        return messages

    def _accept(self) -> None:
        for _ in range(_ACCEPTS_A_TURN):
            if len(self._connections) >= self._max_connections:
                # Out of the epoll, or it would spin; a place that becomes free brings it back.
                self._epoll.unregister(self._listener)
                self._accepting = False
                return
            try:
                connection, _ = self._listener.accept()
            except BlockingIOError:
                return
            except OSError as error:
                raise Fatal(f"mailbox {self._path} cannot accept: {error}") from error
            connection.setblocking(False)
            self._connections[connection.fileno()] = connection
            self._epoll.register(connection, select.EPOLLIN)

    def _accept_more(self) -> None:
        if not self._accepting:
            self._epoll.register(self._listener, select.EPOLLIN)
            self._accepting = True

    def _forget(self, connection: socket.socket) -> None:
        del self._connections[connection.fileno()]
        self._epoll.unregister(connection)
        connection.close()
        self._accept_more()


class EventSender:
    """One thread's connection to the mailbox at `path`. It never blocks; it connects when it first sends.

    `send_buffer_bytes` bounds what waits unread at the receiver (the kernel doubles it and counts its own
    overhead, and net.core.wmem_max may lower it). Raises: BadInput: path too long.
    """

    def __init__(self, path: Path, *, send_buffer_bytes: int = 256 * 1024) -> None:
        self.refused = 0
        self._name = checked_unix_path(path)
        self._send_buffer_bytes = send_buffer_bytes
        self._socket: socket.socket | None = None

    def send(self, payload: bytes) -> bool:
        """True: the kernel has taken it.

        False (counted in `refused`): the mailbox is full, missing or restarting. Raises: Fatal: empty,
        above 160 KiB, or larger than the send buffer: it could never be delivered.
        """
        if not 0 < len(payload) <= MESSAGE_BYTES:
            raise Fatal(f"an event has 1 to {MESSAGE_BYTES} bytes, this one has {len(payload)}")
        had_connection = self._socket is not None
        sent = self._try_send(payload)
        if sent is None and had_connection:
            # The peer restarted since the last message: this one never arrived, so it may go once more.
            sent = self._try_send(payload)
        if sent:
            return True
        self.refused += 1
        return False

    def close(self) -> None:
        """Close the connection. What the kernel has taken stays readable for the receiver."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _try_send(self, payload: bytes) -> bool | None:
        """True: taken; False: full; None: no connection (any more)."""
        try:
            self._connect()
            assert self._socket is not None
            self._socket.send(payload, socket.MSG_NOSIGNAL)
        except BlockingIOError:
            return False
        except OSError as error:
            self.close()
            if error.errno == errno.EMSGSIZE:
                size, room = len(payload), self._send_buffer_bytes
                raise Fatal(f"an event of {size} bytes does not fit a send buffer of {room} bytes") from error
            return None
        return True

    def _connect(self) -> None:
        if self._socket is not None:
            return
        fresh = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK)
        try:
            fresh.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, self._send_buffer_bytes)
            # EAGAIN here is a full backlog: a refusal like a full mailbox, but on a socket that is not
            # connected.
            fresh.connect(self._name)
        except BaseException:
            fresh.close()
            raise
        self._socket = fresh
