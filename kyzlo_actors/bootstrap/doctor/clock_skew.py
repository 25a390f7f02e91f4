"""Our clock beside the broker's, and beside the date that its server writes on replies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from kyzlo_actors.bootstrap.doctor.finding import Finding, fail, ok, warn
from kyzlo_actors.domain.values import NS_PER_MILLISECOND, NS_PER_SECOND

CLOCK: Final = "clock"
WARN_NS: Final = 500 * NS_PER_MILLISECOND
FAIL_NS: Final = 2 * NS_PER_SECOND
_CURE: Final = "let chrony, ntpd or systemd-timesyncd keep the time"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockReading:
    """Their time (ns UTC), asked between `before_ns` and `after_ns` of ours; exact to `resolution_ns`."""

    name: str
    before_ns: int
    after_ns: int
    theirs_ns: int
    resolution_ns: int = 0

    @property
    def least_skew_ns(self) -> int:
        """How far ours is ahead (below 0: behind) at the very least: a slow reply proves nothing against a clock."""
        ahead = self.before_ns - (self.theirs_ns + self.resolution_ns)
        behind = self.after_ns - self.theirs_ns
        return ahead if ahead > 0 else min(behind, 0)


def clock_finding(readings: list[ClockReading]) -> Finding:
    """The worst of the readings decides."""
    worst = max(readings, key=lambda reading: abs(reading.least_skew_ns))
    skew_ns = worst.least_skew_ns
    if abs(skew_ns) <= WARN_NS:
        slowest_ms = max(r.after_ns - r.before_ns for r in readings) // NS_PER_MILLISECOND
        names = " and ".join(reading.name for reading in readings)
        return ok(CLOCK, f"within {WARN_NS // NS_PER_MILLISECOND} ms of {names} (read in {slowest_ms} ms)")
    direction = "ahead of" if skew_ns > 0 else "behind"
    text = f"at least {abs(skew_ns) / NS_PER_SECOND:.1f} s {direction} {worst.name}"
    return (fail if abs(skew_ns) > FAIL_NS else warn)(CLOCK, text, _CURE)
