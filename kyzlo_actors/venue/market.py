"""The seeded market: prints, quotes and bars of every symbol as pure functions of time.

Same scenario, seed and speed: same prints at the same instants, before the venue started and after.
The only state are the jumps that `jump` puts on top.
"""

from __future__ import annotations

import math
import random
from bisect import bisect_right
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Final

from kyzlo_actors.domain.errors import Recoverable
from kyzlo_actors.domain.values import NS_PER_MILLISECOND
from kyzlo_actors.replay.matching_messages import Quote
from kyzlo_actors.venue.conditions import ODD_LOT
from kyzlo_actors.venue.price_path import PricePath
from kyzlo_actors.venue.prints import Print, VenueBar, bar_of, merged
from kyzlo_actors.venue.scenario import Scenario, SymbolPart

MS_PER_SECOND: Final = 1_000
_SECONDS_PER_DAY: Final = 86_400
_MAX_PRINTS_PER_SECOND: Final = 999
_MAX_JUMPS: Final = 1_000
_EXCHANGES: Final = (4, 8, 10, 11, 12, 15, 19, 21)
_TRF_EXCHANGE: Final = 4
_TRFS: Final = (201, 202, 203)
_SWEEP, _EXEMPT = 14, 41


class Market:
    """What trades when. `is_open(ns)` says whether anything does."""

    def __init__(
        self, scenario: Scenario, *, seed: int, speed: float, is_open: Callable[[int], bool]
    ) -> None:
        self.symbols = tuple(part.symbol for part in scenario.symbols)
        self._scenario = scenario
        self._parts = {part.symbol: part for part in scenario.symbols}
        self._paths = {part.symbol: PricePath(part, seed=seed, speed=speed) for part in scenario.symbols}
        self._seed = seed
        self._speed = speed
        self._is_open = is_open
        self._jumps: dict[str, list[tuple[int, float]]] = {}
        # Grows with every jump: prints that were computed ahead are stale then.
        self.version = 0
        # Bounded by entries: two minutes of live bars, plus what history pages are being read.
        self._bars = lru_cache(maxsize=max(4_096, 120 * len(self.symbols)))(self._second_bar)

    def mid(self, symbol: str, ts_ms: int) -> float:
        """Unrounded price of `symbol` at `ts_ms`."""
        return self._paths[symbol].price(ts_ms / MS_PER_SECOND) * self._factor(symbol, ts_ms)

    def quote(self, symbol: str, ts_ms: int) -> Quote:
        """Bid, ask and middle at `ts_ms`, in whole cents and never locked."""
        mid = self.mid(symbol, ts_ms)
        half = max(0.005, mid * self._scenario.market.spread_bps / 20_000)
        bid = max(0.01, math.floor((mid - half) * 100 + 0.5) / 100)
        ask = max(bid + 0.01, math.floor((mid + half) * 100 + 0.5) / 100)
        return Quote(symbol, round(bid, 2), round(ask, 2), round(mid, 2), ts_ms * NS_PER_MILLISECOND)

    def jump(self, symbol: str, price: float, ts_ms: int) -> None:
        """From `ts_ms` on the whole path is scaled so that it stands at `price` then.

        Raises: Recoverable: too many jumps were asked for already.
        """
        jumps = self._jumps.setdefault(symbol, [])
        if len(jumps) >= _MAX_JUMPS:
            raise Recoverable(f"{symbol}: {_MAX_JUMPS} jumps are the most one run may have")
        jumps.append((ts_ms, price / self._paths[symbol].price(ts_ms / MS_PER_SECOND)))
        self.version += 1

    def prints(self, symbol: str, second: int) -> list[Print]:
        """All trades of `symbol` in that epoch second, in order of time."""
        if not self._is_open(second * MS_PER_SECOND * NS_PER_MILLISECOND):
            return []
        part = self._parts[symbol]
        rng = random.Random(f"{self._seed}:{symbol}:{second}")
        rate = min(part.ticks_per_second * self._speed, _MAX_PRINTS_PER_SECOND)
        count = int(rate) + (rng.random() < rate % 1)
        moments = sorted(rng.randrange(MS_PER_SECOND) for _ in range(count))
        base = second * MS_PER_SECOND
        return [self._print(part, rng, base + moment, index) for index, moment in enumerate(moments)]

    def second_bar(self, symbol: str, second: int) -> VenueBar | None:
        """The bar of that second, which must be over."""
        return self._bars(symbol, second)

    def bar(self, symbol: str, start_ms: int, end_ms: int) -> VenueBar | None:
        """The bar over whole seconds that are over."""
        seconds = range(start_ms // MS_PER_SECOND, end_ms // MS_PER_SECOND)
        parts = [bar for second in seconds if (bar := self._bars(symbol, second))]
        return merged(symbol, start_ms, end_ms, parts)

    def bars(self, symbol: str, start_ms: int, end_ms: int, step_ms: int) -> Iterator[VenueBar]:
        """Bars of `step_ms` whose start lies in `[start_ms, end_ms)`; empty ones are left out."""
        for start in range(start_ms, end_ms, step_ms):
            bar = self.bar(symbol, start, start + step_ms)
            if bar:
                yield bar

    def _second_bar(self, symbol: str, second: int) -> VenueBar | None:
        start = second * MS_PER_SECOND
        return bar_of(symbol, start, start + MS_PER_SECOND, self.prints(symbol, second))

    def _factor(self, symbol: str, ts_ms: int) -> float:
        jumps = self._jumps.get(symbol)
        if not jumps:
            return 1.0
        index = bisect_right(jumps, ts_ms, key=lambda jump: jump[0])
        return jumps[index - 1][1] if index else 1.0

    def _print(self, part: SymbolPart, rng: random.Random, ts_ms: int, index: int) -> Print:
        quote = self.quote(part.symbol, ts_ms)
        odd = rng.random() < self._scenario.market.odd_lot_share
        off_exchange = rng.random() < self._scenario.market.trf_share
        flags = (_SWEEP, _EXEMPT) if rng.random() < 0.5 else ()
        sequence = ts_ms // MS_PER_SECOND % _SECONDS_PER_DAY * (_MAX_PRINTS_PER_SECOND + 1) + index
        return Print(
            symbol=part.symbol,
            trade_id=str(sequence + 1),
            exchange=_TRF_EXCHANGE if off_exchange else rng.choice(_EXCHANGES),
            tape=part.tape,
            price=quote.bid if rng.random() < 0.5 else quote.ask,
            size=_odd_size(rng) if odd else float(rng.randrange(1, 9) * 100),
            conditions=(*flags, ODD_LOT) if odd else flags,
            ts_ms=ts_ms,
            participant_ms=ts_ms - rng.randrange(8),
            sequence=sequence + 1,
            trf=rng.choice(_TRFS) if off_exchange else 0,
            trf_ms=ts_ms - rng.randrange(3) if off_exchange else 0,
        )


def _odd_size(rng: random.Random) -> float:
    """1-99 shares; one in ten is a fraction of a share, which the tape shows as zero whole shares."""
    return rng.randrange(1, 10) / 10 if rng.random() < 0.1 else float(rng.randrange(1, 100))
