"""The machine's clock: the one place of the runtime that reads it."""

from __future__ import annotations

import time


class SystemClock:
    """The `Clock` of live processes."""

    __slots__ = ()

    def now_ns(self) -> int:
        """Wall time, int nanoseconds since 1970 UTC."""
        return time.time_ns()

    def monotonic_ns(self) -> int:
        """CLOCK_MONOTONIC, int nanoseconds: comparable between the processes of one machine."""
        return time.monotonic_ns()
