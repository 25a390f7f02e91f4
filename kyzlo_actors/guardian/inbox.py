"""How the guardian's threads hand events to its loop: a queue and a descriptor that wakes it."""

from __future__ import annotations

import os
from collections import deque
from threading import Lock

from kyzlo_actors.guardian.halt_events import GuardianEvent


class Inbox:
    """Any thread posts, the loop drains. Bounded by its writers: each waits for its own work before the next event
    (the tree's watch posts at most ten a second)."""

    def __init__(self) -> None:
        self._events: deque[GuardianEvent] = deque()
        self._descriptor = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        # A descriptor that is closed may belong to somebody else the next moment: nobody writes meanwhile.
        self._open = Lock()
        self._closed = False

    def fileno(self) -> int:
        """Readable when there is something."""
        return self._descriptor

    def post(self, event: GuardianEvent) -> None:
        """Put an event in; never blocks."""
        with self._open:
            if not self._closed:
                self._events.append(event)
                os.eventfd_write(self._descriptor, 1)

    def drain(self) -> list[GuardianEvent]:
        """Take out everything that is there now."""
        try:
            os.eventfd_read(self._descriptor)
        except BlockingIOError:
            pass
        return [self._events.popleft() for _ in range(len(self._events))]

    def close(self) -> None:
        """Close the descriptor; posts from threads that still run go nowhere."""
        with self._open:
            if not self._closed:
                self._closed = True
                os.close(self._descriptor)
