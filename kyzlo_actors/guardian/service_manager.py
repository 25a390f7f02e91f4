"""The service manager's side: sd_notify and its watchdog, in the few lines that they need."""

from __future__ import annotations

import os
import socket
from collections.abc import MutableMapping
from contextlib import suppress
from typing import Final, Self

from kyzlo_actors.domain.values import NS_PER_SECOND

_VARIABLES: Final = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")
# How much longer a slow start asks for, each time.
_EXTEND_SECONDS: Final = 15
_NOTIFY_PERIOD_NS: Final = NS_PER_SECOND


class ServiceManager:
    """Talks to `$NOTIFY_SOCKET`; without one it says nothing. No call blocks or raises: systemd is not our judge.

    `popped` are the variables that were taken out of the environment: children must not speak for us.
    """

    def __init__(self, environ: MutableMapping[str, str]) -> None:
        self.popped = {name: environ.pop(name) for name in _VARIABLES if name in environ}
        self._socket: socket.socket | None = None
        self._period_ns = 0
        self._last_ns = 0
        self._ready = False
        self._status = ""
        address = self.popped.get("NOTIFY_SOCKET", "")
        if address[:1] in ("/", "@"):
            self._connect("\0" + address[1:] if address[0] == "@" else address)
        if self.popped.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid()):
            with suppress(ValueError):
                self._period_ns = int(self.popped.get("WATCHDOG_USEC", "0")) * 1_000 // 3

    @classmethod
    def of_process(cls) -> Self:
        """The manager of this process."""
        return cls(os.environ)

    def turn(self, now_ns: int, *, ready: bool, alive: bool, status: str) -> None:
        """Once a turn of the loop: READY once, STATUS when it changed, WATCHDOG=1 while `alive`.

        `alive` must mean that somebody in the tree answered recently, not only that this loop turns. A start that
        is not ready yet but alive asks for more time. Times are monotonic ns.
        """
        lines = []
        if ready and not self._ready:
            self._ready = True
            lines.append("READY=1")
        if status != self._status:
            self._status = status
            lines.append(f"STATUS={status}")
        period_ns = min(self._period_ns or _NOTIFY_PERIOD_NS, _NOTIFY_PERIOD_NS)
        if alive and now_ns - self._last_ns >= period_ns:
            self._last_ns = now_ns
            if self._period_ns:
                lines.append("WATCHDOG=1")
            if not self._ready:
                lines.append(f"EXTEND_TIMEOUT_USEC={_EXTEND_SECONDS * 1_000_000}")
        if lines:
            self._say(*lines)

    def stopping(self, status: str) -> None:
        """STOPPING=1, when the end has begun."""
        self._status = status
        self._say("STOPPING=1", f"STATUS={status}")

    def close(self) -> None:
        """Close the socket."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _connect(self, address: str) -> None:
        fresh = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        try:
            fresh.connect(address)
        except OSError:
            fresh.close()
            return
        self._socket = fresh

    def _say(self, *lines: str) -> None:
        if self._socket is not None:
            with suppress(OSError):
                self._socket.send("\n".join(lines).encode())
