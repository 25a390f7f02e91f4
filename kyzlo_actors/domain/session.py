"""The exchange's trading days as the broker's calendar gives them, and what may be asked of them."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionDay:
    """One trading day: `date` is `YYYY-MM-DD` in New York; regular session `[open_ns, close_ns)` UTC."""

    date: str
    open_ns: int
    close_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionCalendar:
    """Trading days in ascending order. Outside its days it knows nothing and so says "closed"."""

    days: tuple[SessionDay, ...] = ()

    def day_at(self, ts: int) -> SessionDay | None:
        """The day whose regular session contains `ts`, or None."""
        index = bisect_right(self.days, ts, key=lambda day: day.open_ns) - 1
        if index < 0 or ts >= self.days[index].close_ns:
            return None
        return self.days[index]

    def is_open(self, ts: int) -> bool:
        """Whether the regular session is open at `ts`."""
        return self.day_at(ts) is not None

    def next_open_ns(self, ts: int) -> int | None:
        """Opening time of the first session that starts after `ts`, or None past the calendar."""
        index = bisect_right(self.days, ts, key=lambda day: day.open_ns)
        return self.days[index].open_ns if index < len(self.days) else None
