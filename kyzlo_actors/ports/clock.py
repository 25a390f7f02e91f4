"""Port to the clock: the only way time enters a shell. Cores get it in their events."""

from __future__ import annotations

from typing import Protocol


class Clock(Protocol):
    """Two readings of time, both int nanoseconds."""

    def now_ns(self) -> int:
        """Wall time since 1970 UTC. It may jump when the machine's clock is set."""

    def monotonic_ns(self) -> int:
        """Time that never goes back, for ages and deadlines within one boot of one machine."""
