"""The venue's own clock: it plays another machine, so it shares none with the runtime."""

from __future__ import annotations

import time
from collections.abc import Callable

NowNs = Callable[[], int]


def wall_clock_ns() -> int:
    """Nanoseconds UTC."""
    return time.time_ns()
