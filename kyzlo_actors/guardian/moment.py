"""One instant on both clocks: the wall's for people and certificates, the monotonic one for deadlines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from kyzlo_actors.domain.values import NS_PER_SECOND
from kyzlo_actors.ports.clock import Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """`wall_ns` since 1970 UTC (it may jump), `monotonic_ns` since boot (it may not)."""

    wall_ns: int
    monotonic_ns: int

    @classmethod
    def of(cls, clock: Clock) -> Self:
        """Now."""
        return cls(wall_ns=clock.now_ns(), monotonic_ns=clock.monotonic_ns())

    def seconds_since(self, earlier: Moment) -> float:
        """Time that passed, in seconds."""
        return (self.monotonic_ns - earlier.monotonic_ns) / NS_PER_SECOND
