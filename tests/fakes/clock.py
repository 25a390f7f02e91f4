"""A clock that moves only when it is told to."""

from __future__ import annotations


class FakeClock:
    """A `Clock` under the test's hand; `advance` moves both readings."""

    def __init__(self, now_ns: int = 1_700_000_000_000_000_000, monotonic_ns: int = 1_000_000_000) -> None:
        self._now_ns = now_ns
        self._monotonic_ns = monotonic_ns

    def now_ns(self) -> int:
        return self._now_ns

    def monotonic_ns(self) -> int:
        return self._monotonic_ns

    def advance(self, ns: int) -> None:
        """Let `ns` nanoseconds pass."""
        self._now_ns += ns
        self._monotonic_ns += ns

    def set_wall(self, now_ns: int) -> None:
        """Set the wall clock, as an operator or NTP may do: also backwards."""
        self._now_ns = now_ns
