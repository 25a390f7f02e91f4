"""The price of one symbol as a pure function of time, so that history before the start needs no memory.

A wave (so that short averages cross long ones all the time) on top of slow wandering at several scales.
"""

from __future__ import annotations

import hashlib
import math
from functools import lru_cache
from typing import Final

from kyzlo_actors.venue.scenario import SymbolPart

# Length of a step of the wandering and its weight: the slow scales move most, as prices do.
_SCALES_SECONDS: Final = ((40.0, 0.10), (300.0, 0.25), (2_400.0, 0.6), (20_000.0, 1.0))


class PricePath:
    """`price(t)` for any t in epoch seconds, before the start as well as after it."""

    def __init__(self, part: SymbolPart, *, seed: int, speed: float) -> None:
        self._part = part
        self._speed = speed
        self._key = f"{seed}:{part.symbol}"
        swing = part.swing
        self._phase = self._unit_at(0.0, 0) if swing is None or swing.phase is None else swing.phase
        self._unit = lru_cache(maxsize=1_024)(self._unit_at)

    def price(self, seconds: float) -> float:
        """Mid price, unrounded."""
        swing = self._part.swing
        moved = seconds * self._speed
        wave = 0.0
        if swing:
            wave = swing.amplitude * math.sin(
                2 * math.pi * (moved / swing.period_seconds % 1.0 + self._phase)
            )
        return self._part.start_price * math.exp(wave + self._part.volatility * self._wander(moved))

    def _wander(self, moved: float) -> float:
        total = 0.0
        for scale, weight in _SCALES_SECONDS:
            step, rest = divmod(moved, scale)
            part = rest / scale
            smooth = part * part * (3 - 2 * part)
            left, right = self._unit(scale, int(step)), self._unit(scale, int(step) + 1)
            total += weight * (left + (right - left) * smooth)
        return total

    def _unit_at(self, scale: float, step: int) -> float:
        """A number in [-1, 1) that depends on nothing but its name."""
        digest = hashlib.blake2b(f"{self._key}:{scale or 'phase'}:{step}".encode(), digest_size=8).digest()
        return int.from_bytes(digest, "big") / 2**63 - 1
