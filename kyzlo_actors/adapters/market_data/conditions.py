"""Which trades may move the price: the consolidated update rules of each trade condition.

The table holds the consolidated tape's rules; "no" of any condition wins, and a condition nobody knows lets
a trade update nothing. High/low is kept for the record: the feed port knows only "price" and "volume".
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from kyzlo_actors.infrastructure.new_york import RegularHours

FORM_T: Final = 12


@dataclass(frozen=True, slots=True)
class UpdateRules:
    """What one trade may update: high/low, last (with open and close), volume."""

    high_low: bool
    last: bool
    volume: bool


_ALL: Final = UpdateRules(True, True, True)
_VOLUME: Final = UpdateRules(False, False, True)
_HIGH_LOW: Final = UpdateRules(True, False, True)
_NOTHING: Final = UpdateRules(False, False, False)
_CORRECTED_CLOSE: Final = UpdateRules(True, True, False)

_REGULAR: Final = (1, 3, 4, 6, 8, 9, 11, 14, 17, 18, 19, 23, 25, 27, 28, 34, 35, 36, 41)
# Short-sale and financial status flags say nothing about the print.
_NEUTRAL: Final = (57, 58, 59, 60, 62, 63, 64, 65, 66, 67, 68, 69, 70, 71)
# 15 and 16 repeat the auction print's price and size a millisecond later: they must not count twice.
_MARKET_CENTER_OFFICIAL: Final = (15, 16)

UPDATE_RULES: Final[dict[int, UpdateRules]] = {
    **dict.fromkeys(_REGULAR + _NEUTRAL, _ALL),
    **dict.fromkeys((2, 7, 10, FORM_T, 13, 20, 21, 29, 37, 52, 53), _VOLUME),
    **dict.fromkeys((5, 22, 32, 33), _HIGH_LOW),
    **dict.fromkeys(_MARKET_CENTER_OFFICIAL, _NOTHING),
    38: _CORRECTED_CLOSE,
}


class ConditionFilter:
    """Applies the table to one trade after the other; `unknown` counts conditions that are not in it."""

    def __init__(self) -> None:
        self.unknown = 0
        self._hours = RegularHours()

    def rules(self, conditions: Iterable[int], ts_event: int) -> UpdateRules:
        """What a trade with these conditions at `ts_event` (ns UTC) may update; none: a regular sale."""
        high_low = last = volume = True
        for condition in conditions:
            rule = UPDATE_RULES.get(condition)
            if rule is None:
                self.unknown += 1
                return _NOTHING
            if condition == FORM_T and not self._hours.contain(ts_event):
                # Extended-hours prints make the extended-hours bars, and only those.
                continue
            high_low = high_low and rule.high_low
            last = last and rule.last
            volume = volume and rule.volume
        if high_low and last and volume:
            return _ALL
        return UpdateRules(high_low, last, volume)
