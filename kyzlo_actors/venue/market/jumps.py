"""Jumps that a person puts on top of a market: from an instant on, prices are scaled."""

from __future__ import annotations

from bisect import bisect_right
from typing import Final

from kyzlo_actors.domain.errors import Recoverable

MAX_JUMPS: Final = 1_000


class Jumps:
    """By symbol; times in ms."""

    def __init__(self) -> None:
        self._jumps: dict[str, list[tuple[int, float]]] = {}

    def factor(self, symbol: str, ts_ms: int) -> float:
        """What the plain price is multiplied by at `ts_ms`."""
        jumps = self._jumps.get(symbol)
        if not jumps:
            return 1.0
        index = bisect_right(jumps, ts_ms, key=lambda jump: jump[0])
        return jumps[index - 1][1] if index else 1.0

    def add(self, symbol: str, factor: float, ts_ms: int) -> None:
        """From `ts_ms` on, `factor` holds.

        Raises: Recoverable: too many jumps were asked for already.
        """
        jumps = self._jumps.setdefault(symbol, [])
        if len(jumps) >= MAX_JUMPS:
            raise Recoverable(f"{symbol}: {MAX_JUMPS} jumps are the most one run may have")
        jumps.append((ts_ms, factor))
