"""Circuit breaker, backoff and rate budget: pure, time (int ns) is passed in."""

from __future__ import annotations

import random
from collections import deque
from enum import StrEnum
from typing import Final

from kyzlo_actors.domain.values import NS_PER_SECOND

_WINDOW_NS: Final = 60 * NS_PER_SECOND


class BreakerState(StrEnum):
    """CLOSED lets everything through, OPEN nothing, HALF_OPEN one probe."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class CircuitBreaker:
    """Opens after `failures` in a row, stays open for `open_seconds`, then lets one probe through.

    Bounds: a probe that never reports stops counting after another `open_seconds`, and a new one may go.
    Reports of calls that began before it opened change nothing while it is open.
    """

    def __init__(self, failures: int = 5, open_seconds: float = 60) -> None:
        if failures < 1 or open_seconds <= 0:
            raise ValueError(f"failures {failures} and open_seconds {open_seconds} must be positive")
        self._limit = failures
        self._open_ns = round(open_seconds * NS_PER_SECOND)
        self._failures = 0
        self._state = BreakerState.CLOSED
        # When it opened, or when the probe went.
        self._since_ns = 0

    @property
    def state(self) -> BreakerState:
        """The state as of the last call; OPEN becomes HALF_OPEN only when `allows` lets the probe go."""
        return self._state

    def allows(self, now_ns: int) -> bool:
        """Whether a call may go now. A True while not CLOSED *is* the probe: make the call and report it."""
        if self._state is BreakerState.CLOSED:
            return True
        if now_ns - self._since_ns < self._open_ns:
            return False
        self._state, self._since_ns = BreakerState.HALF_OPEN, now_ns
        return True

    def succeeded(self, now_ns: int) -> None:
        """A call was answered."""
        if self._state is not BreakerState.OPEN:
            self._state, self._failures = BreakerState.CLOSED, 0

    def failed(self, now_ns: int) -> None:
        """A call failed in a way that speaks against the other side (timeout, 5xx, connection)."""
        if self._state is BreakerState.OPEN:
            return
        self._failures += 1
        if self._state is BreakerState.HALF_OPEN or self._failures >= self._limit:
            self._state, self._since_ns, self._failures = BreakerState.OPEN, now_ns, 0


class Backoff:
    """Growing delays with jitter: `first_seconds`, times `factor` each time, at most `max_seconds`.

    `jitter` (0 to 1) is the share of a delay that chance may take away, so that many clients do not come
    back at once. How often to try is the caller's bound.
    """

    def __init__(
        self,
        first_seconds: float,
        factor: float,
        max_seconds: float,
        jitter: float,
        random: random.Random,
    ) -> None:
        if not (0 < first_seconds <= max_seconds and factor >= 1 and 0 <= jitter <= 1):
            raise ValueError(
                "a backoff needs 0 < first_seconds <= max_seconds, factor >= 1, 0 <= jitter <= 1"
            )
        self._first_seconds = first_seconds
        self._factor = factor
        self._max_seconds = max_seconds
        self._jitter = jitter
        self._random = random
        self._seconds = first_seconds

    def next_delay(self) -> float:
        """Seconds to wait before the next attempt."""
        seconds = self._seconds
        self._seconds = min(self._max_seconds, seconds * self._factor)
        return seconds * (1 - self._jitter * self._random.random())

    def reset(self) -> None:
        """An attempt succeeded: begin with `first_seconds` again."""
        self._seconds = self._first_seconds


class RateBudget:
    """At most `per_minute` spends in any 60 s; `reserved_share` of them is kept for cancels and closes.

    Bounds: remembers `per_minute` times. What the broker says (`note_server`) can only narrow it, and for
    at most 60 s, so that a wrong header cannot shut out cancels for good.
    """

    def __init__(self, per_minute: int = 200, reserved_share: float = 0.30) -> None:
        if per_minute < 1 or not 0 <= reserved_share < 1:
            raise ValueError("a rate budget needs per_minute >= 1 and 0 <= reserved_share < 1")
        self._per_minute = per_minute
        # Rounded first: 200 * 0.7 must not become 139 for want of binary digits.
        self._normal_limit = int(round(per_minute * (1 - reserved_share), 6))
        # (when, whether reserved), oldest first.
        self._spent: deque[tuple[int, bool]] = deque()
        self._reserved_spent = 0
        self._server_remaining: int | None = None
        self._server_reset_ns = 0

    def try_spend(self, now_ns: int, *, reserved: bool) -> bool:
        """Take one request out of the budget; False (nothing taken) when there is none left for this kind.

        `now_ns` is the same clock as `reset_ns` of `note_server` (wall time).
        """
        self._forget(now_ns)
        if self._room(reserved=reserved) <= 0:
            return False
        self._spent.append((now_ns, reserved))
        self._reserved_spent += reserved
        if self._server_remaining is not None:
            self._server_remaining -= 1
        return True

    def remaining(self, now_ns: int, *, reserved: bool) -> int:
        """How many spends of this kind would be granted now."""
        self._forget(now_ns)
        return max(0, self._room(reserved=reserved))

    def note_server(self, remaining: int, reset_ns: int) -> None:
        """The broker's own count: `remaining` requests until `reset_ns` (from its response headers).

        Replies overtake each other: within one window only a lower count is news.
        """
        if self._server_remaining is not None and reset_ns == self._server_reset_ns:
            remaining = min(remaining, self._server_remaining)
        self._server_remaining = max(0, remaining)
        self._server_reset_ns = reset_ns

    def _room(self, *, reserved: bool) -> int:
        total = self._per_minute - len(self._spent)
        if self._server_remaining is not None:
            total = min(total, self._server_remaining)
        if reserved:
            return total
        # What is kept for reserved spends and not used by them yet stays untouched, also in the broker's
        # count.
        kept = max(0, self._per_minute - self._normal_limit - self._reserved_spent)
        normal_spent = len(self._spent) - self._reserved_spent
        return min(total - kept, self._normal_limit - normal_spent)

    def _forget(self, now_ns: int) -> None:
        if self._spent and self._spent[-1][0] > now_ns:
            # The wall clock was set back: count these as of now, or they would stay for as long as the jump.
            self._spent = deque((min(when, now_ns), reserved) for when, reserved in self._spent)
        while self._spent and now_ns - self._spent[0][0] >= _WINDOW_NS:
            _, reserved = self._spent.popleft()
            self._reserved_spent -= reserved
        if self._server_remaining is not None:
            self._server_reset_ns = min(self._server_reset_ns, now_ns + _WINDOW_NS)
            if now_ns >= self._server_reset_ns:
                self._server_remaining = None
