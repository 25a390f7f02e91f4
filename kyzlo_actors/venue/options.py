"""How one venue process is started."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

# Symbols that one venue plays at most.
MAX_SYMBOLS: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueOptions:
    """`port` 0 picks a free one. What is None comes from the scenario.

    `speed` is how many times faster than the scenario says prices move and print; clocks run as ever.
    `clock_speed` is how many venue seconds pass in one second. `replay` are files of trades to play instead,
    `symbols` the only ones of them that are wanted (empty: all that there is room for).
    """

    port: int = 0
    scenario: str | Path = "demo"
    seed: int = 1
    account_number: str | None = None
    alpaca_key: str | None = None
    alpaca_secret: str | None = None
    polygon_key: str | None = None
    speed: float = 1.0
    clock_speed: float | None = None
    replay: tuple[Path, ...] = ()
    symbols: tuple[str, ...] = ()
