"""Wake-ups over unix datagrams: "there is something in your slot". They carry nothing and may be merged.

Bounds: the kernel holds about ten datagrams for a receiver; a further one is not needed, it is awake already.
`drain` takes at most 64 at a time: what is left keeps the descriptor readable.
"""

from __future__ import annotations

import socket
from contextlib import suppress
from pathlib import Path
from typing import Final

from kyzlo_actors.infrastructure.mailbox.unix_path import bind_private, checked_unix_path

_DRAIN_LIMIT: Final = 64
_NUDGE: Final = b"\x01"


class WakeReceiver:
    """Owns the socket at `path`. Raises: BadInput, Fatal (see `bind_private`)."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        try:
            bind_private(self._socket, path)
        except BaseException:
            self._socket.close()
            raise

    def fileno(self) -> int:
        """Readable when somebody called."""
        return self._socket.fileno()

    def drain(self) -> int:
        """Forget the wake-ups of now and return how many there were. Drain first, then read the slot."""
        for count in range(_DRAIN_LIMIT):
            try:
                self._socket.recv(16)
            except BlockingIOError:
                return count
        return _DRAIN_LIMIT

    def close(self) -> None:
        """Close the socket and remove its name."""
        self._socket.close()
        with suppress(OSError):
            self._path.unlink()


class WakeSender:
    """Calls the receiver at `path`; never blocks. Raises: BadInput: path too long."""

    def __init__(self, path: Path) -> None:
        self._name = checked_unix_path(path)
        self._socket: socket.socket | None = None

    def wake(self) -> bool:
        """True: it is, or already was, awake.

        False: nobody listens there now (it restarts, and reads all then).
        """
        had_connection = self._socket is not None
        # The second attempt is for a receiver that came back under a new socket since the last call.
        return self._try_wake() or (had_connection and self._try_wake())

    def close(self) -> None:
        """Close the socket."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _try_wake(self) -> bool:
        try:
            if self._socket is None:
                self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
                self._socket.connect(self._name)
            self._socket.send(_NUDGE)
        except BlockingIOError:
            return True
        except OSError:
            self.close()
            return False
        return True
