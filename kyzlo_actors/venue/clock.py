"""The venue's own clock: it plays another machine, so it shares none with the runtime."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

NowNs = Callable[[], int]
MAX_SPEED: Final = 100_000.0


def wall_clock_ns() -> int:
    """Nanoseconds UTC."""
    return time.time_ns()


class VenueClock:
    """Venue time: the machine's (`base`), or from `starts_ns` on, `speed` venue seconds a second.

    A clock that is not the machine's never runs past its `limit_ns`: whoever publishes the market moves the limit,
    so that a machine too slow for the speed plays slower instead of leaving something out.
    """

    def __init__(
        self, base: NowNs = wall_clock_ns, *, starts_ns: int | None = None, speed: float = 1.0
    ) -> None:
        self.speed = speed
        self.is_virtual = starts_ns is not None or speed != 1.0
        self.limit_ns: int | None = None
        self._base = base
        self._base_ns = base()
        self._venue_ns = self._base_ns if starts_ns is None else starts_ns

    def __call__(self) -> int:
        """Nanoseconds UTC."""
        if not self.is_virtual:
            return self._base()
        base_ns = self._base()
        now_ns = self._venue_ns + int((base_ns - self._base_ns) * self.speed)
        if self.limit_ns is not None and now_ns > self.limit_ns:
            now_ns = max(self.limit_ns, self._venue_ns)
            self._venue_ns, self._base_ns = now_ns, base_ns
        return now_ns

    def jump_to(self, ts: int) -> None:
        """Go on from `ts`, which must not lie in the past; only a virtual clock can."""
        if self.is_virtual and ts > self():
            self._venue_ns, self._base_ns = ts, self._base()
