"""The day so far of each symbol, gathered from its minute bars."""

from __future__ import annotations

from collections.abc import Callable

from kyzlo_actors.domain.values import NS_PER_MILLISECOND
from kyzlo_actors.venue.market.prints import VenueBar, merged
from kyzlo_actors.venue.timestamps import new_york_date, new_york_ns

# Symbol, from and to in ms UTC: about how that stretch went, or None.
Sketch = Callable[[str, int, int], VenueBar | None]


class DayBars:
    """One bar a symbol; it starts anew with each New York day. What was before its first minute is sketched."""

    def __init__(self, sketch: Sketch) -> None:
        self._sketch = sketch
        self._days: dict[str, VenueBar] = {}

    def added(self, minute: VenueBar) -> VenueBar:
        """The day's bar after that minute."""
        day = new_york_date(minute.start_ms * NS_PER_MILLISECOND)
        start_ms = new_york_ns(day, "00:00") // NS_PER_MILLISECOND
        before = self._days.get(minute.symbol)
        if before is None or before.start_ms != start_ms:
            before = self._sketch(minute.symbol, start_ms, minute.start_ms)
        parts = [bar for bar in (before, minute) if bar is not None]
        bar = merged(minute.symbol, start_ms, minute.end_ms, parts)
        self._days[minute.symbol] = bar or minute
        return self._days[minute.symbol]
