"""A clock that can be set wrong: what the broker says about the time, while the market goes on as ever."""

from __future__ import annotations

from typing import Final

from kyzlo_actors.domain.values import NS_PER_MILLISECOND
from kyzlo_actors.venue.clock import NowNs

MAX_SKEW_MS: Final = 7 * 86_400_000


class SkewedClock:
    """`base` and `skew_ms` (negative: behind)."""

    def __init__(self, base: NowNs) -> None:
        self.skew_ms = 0
        self._base = base

    def __call__(self) -> int:
        """Nanoseconds UTC."""
        return self._base() + self.skew_ms * NS_PER_MILLISECOND
