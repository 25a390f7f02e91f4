"""Requests that wait for the REST thread, bounded: cancels first, then lookups, then reads."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancel:
    """DELETE an order."""

    client_order_id: str
    venue_order_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LookUp:
    """GET an order by its client order id."""

    client_order_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """Read the whole state."""

    reason: str
    window_start_ns: int
    client_order_ids: tuple[str, ...]


Request = Cancel | LookUp | Read

# In order of urgency. Each kind has room of its own, so that lookups can never keep a cancel out.
ROOM: Final[dict[type[Request], int]] = {Cancel: 1_024, LookUp: 512, Read: 8}


class RequestQueue:
    """Thread-safe; `put` refuses instead of waiting."""

    def __init__(self) -> None:
        self._waiting: dict[type[Request], deque[Request]] = {kind: deque() for kind in ROOM}
        self._changed = threading.Condition()
        self._closed = False

    def put(self, request: Request) -> bool:
        """Whether it was taken: not when its kind has no room left, or after `close`."""
        with self._changed:
            waiting = self._waiting[type(request)]
            if self._closed or len(waiting) >= ROOM[type(request)]:
                return False
            waiting.append(request)
            self._changed.notify()
            return True

    def take(self, timeout_seconds: float) -> Request | None:
        """The most urgent request, oldest first within its kind; None after `timeout_seconds`."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or any(self._waiting.values()), timeout_seconds)
            return self._first(tuple(ROOM))

    def take_urgent(self, *kinds: type[Request]) -> Request | None:
        """The most urgent request of these kinds, if any waits."""
        with self._changed:
            return self._first(kinds)

    def close(self) -> list[Request]:
        """Take nothing more; what was still waiting."""
        with self._changed:
            self._closed = True
            left = [request for waiting in self._waiting.values() for request in waiting]
            for waiting in self._waiting.values():
                waiting.clear()
            self._changed.notify_all()
            return left

    def _first(self, kinds: tuple[type[Request], ...]) -> Request | None:
        for kind in kinds:
            if self._waiting[kind]:
                return self._waiting[kind].popleft()
        return None
