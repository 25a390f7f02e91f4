"""The seeded market: prints and quotes of every symbol as pure functions of time.

Same scenario, seed and speed: same prints at the same instants, before the venue started and after.
The only state are the jumps that `jump` puts on top.
"""

from __future__ import annotations

import math
import random
from functools import lru_cache
from itertools import pairwise
from typing import Final

from kyzlo_actors.domain.values import NS_PER_MILLISECOND, NS_PER_SECOND
from kyzlo_actors.replay.matching_messages import Quote, SessionPhase
from kyzlo_actors.venue.market.calendar import VenueCalendar
from kyzlo_actors.venue.market.conditions import ODD_LOT
from kyzlo_actors.venue.market.intraday import (
    CLOSING,
    OFFICIAL_CLOSE,
    OFFICIAL_OPEN,
    OPENING,
    Halt,
    Intraday,
)
from kyzlo_actors.venue.market.jumps import Jumps
from kyzlo_actors.venue.market.price_path import PricePath
from kyzlo_actors.venue.market.prints import Band, Print, VenueBar
from kyzlo_actors.venue.scenario import Scenario, SymbolPart

MS_PER_SECOND: Final = 1_000
_SECONDS_PER_DAY: Final = 86_400
_MAX_PRINTS_PER_SECOND: Final = 900
# Places within a second for prints out of the row: auctions and late reports.
_AUCTION_PLACE, _LATE_PLACE = 990, 995
_AUCTION_MS, _OFFICIAL_MS = 300, 301
_AUCTION_SIZES: Final = (200, 900)
_EXCHANGES: Final = (4, 8, 10, 11, 12, 15, 19, 21)
_PRIMARY: Final = {1: 10, 2: 11, 3: 12}
_TRF_EXCHANGE: Final = 4
_TRFS: Final = (201, 202, 203)
_SWEEP, _EXEMPT, _CROSS = 14, 41, 9
_OFFICIAL: Final = {OPENING: OFFICIAL_OPEN, CLOSING: OFFICIAL_CLOSE}
_LATE_MIN_MS, _LATE_FACTOR = 3_000, 100
# The reference of a band is the price in the middle of the five minutes before.
_BAND_LAG_MS: Final = 150_000
_SKETCH_STEP_SECONDS: Final = 300
_MEAN_SIZE: Final = 180.0
_END_OF_TIME_MS: Final = 1 << 42


class Market:
    """What trades when, by the calendar."""

    def __init__(self, scenario: Scenario, *, seed: int, speed: float, calendar: VenueCalendar) -> None:
        self.symbols = tuple(part.symbol for part in scenario.symbols)
        self._terms = scenario.market
        self._parts = {part.symbol: part for part in scenario.symbols}
        self._paths = {part.symbol: PricePath(part, seed=seed, speed=speed) for part in scenario.symbols}
        self._days: dict[str, Intraday] = {}
        if scenario.market.mode == "intraday":
            self._days = {
                part.symbol: Intraday(part, scenario.market, seed=seed, calendar=calendar)
                for part in scenario.symbols
            }
        self._seed = seed
        self._speed = speed
        self._calendar = calendar
        self._jumps = Jumps()
        # Grows with every jump: prints that were computed ahead are stale then.
        self.version = 0
        # Two seconds of the live and of the delayed stream: each is asked for as prints and again as a bar.
        self._on_time = lru_cache(maxsize=4 * len(self.symbols) + 8)(self._on_time_in)
        self._late = lru_cache(maxsize=16 * len(self.symbols) + 64)(self._late_of_minute)

    # ---------------------------------------------------------------- prices

    def mid(self, symbol: str, ts_ms: int) -> float:
        """Unrounded price of `symbol` at `ts_ms`."""
        day = self._days.get(symbol)
        if day is None:
            return self._paths[symbol].price(ts_ms / MS_PER_SECOND) * self._jumps.factor(symbol, ts_ms)
        seconds = day.resting(ts_ms / MS_PER_SECOND)
        plain = self._paths[symbol].price(seconds) * math.exp(day.offset(seconds))
        return plain * self._jumps.factor(symbol, ts_ms)

    def quote(self, symbol: str, ts_ms: int) -> Quote:
        """Bid, ask and middle at `ts_ms`, in whole cents and never locked."""
        mid = self.mid(symbol, ts_ms)
        half = max(0.005, mid * self._terms.spread_bps / 20_000)
        bid = max(0.01, math.floor((mid - half) * 100 + 0.5) / 100)
        ask = max(bid + 0.01, math.floor((mid + half) * 100 + 0.5) / 100)
        return Quote(symbol, round(bid, 2), round(ask, 2), round(mid, 2), ts_ms * NS_PER_MILLISECOND)

    def jump(self, symbol: str, price: float, ts_ms: int) -> None:
        """From `ts_ms` on the whole path is scaled so that it stands at `price` then.

        Raises: Recoverable: too many jumps were asked for already.
        """
        plain = self.mid(symbol, ts_ms) / self._jumps.factor(symbol, ts_ms)
        self._jumps.add(symbol, price / plain, ts_ms)
        self.version += 1

    def halt_at(self, symbol: str, second: int) -> Halt | None:
        """The halt that holds in that second."""
        day = self._days.get(symbol)
        return day.halt_at(second) if day else None

    def band(self, symbol: str, ts_ms: int) -> Band | None:
        """Limit down and limit up at `ts_ms`; None in a market without bands."""
        if not self._days:
            return None
        width = self._terms.luld_band
        reference = self.mid(symbol, ts_ms - _BAND_LAG_MS)
        low, high = round(reference * (1 - width), 2), round(reference * (1 + width), 2)
        return Band(symbol, low, high, self._parts[symbol].tape, ts_ms)

    # ---------------------------------------------------------------- prints

    def span_ms(self) -> tuple[int, int] | None:
        """The first and the last instant at which anything may print; None when nothing ever does."""
        return None if self._terms.mode == "silent" else (0, _END_OF_TIME_MS)

    def quiet_until_ms(self, ts_ms: int) -> int:
        """`ts_ms`, or the end of the night in which it lies."""
        span = self._calendar.span(ts_ms * NS_PER_MILLISECOND)
        shut = span.phase in (SessionPhase.CLOSED, SessionPhase.OVERNIGHT)
        return span.end_ns // NS_PER_MILLISECOND if shut else ts_ms

    def prints(self, symbol: str, second: int) -> list[Print]:
        """All trades of `symbol` that are reported in that epoch second, in order of time."""
        trades = self._on_time(symbol, second, self.version)
        late = self._late_in(symbol, second)
        return sorted((*trades, *late), key=lambda trade: trade.ts_ms) if late else list(trades)

    def due(self, second: int) -> list[Print]:
        """All trades that are reported in that second, in order of time."""
        every = [trade for symbol in self.symbols for trade in self.prints(symbol, second)]
        return sorted(every, key=lambda trade: trade.ts_ms)

    def on_time(self, symbol: str, second: int) -> list[Print]:
        """Trades of that second, without those that were reported late."""
        return self._on_time(symbol, second, self.version)

    def late(self, symbol: str, start_ms: int, end_ms: int) -> list[Print]:
        """Trades that were made in `[start_ms, end_ms)`, whole minutes or less, and reported late."""
        if not self._days or self._terms.late_share == 0:
            return []
        minutes = range(start_ms // 60_000, (end_ms - 1) // 60_000 + 1)
        found = (trade for minute in minutes for trade in self._late(symbol, minute))
        return [trade for trade in found if start_ms <= trade.participant_ms < end_ms]

    def sketch(self, symbol: str, start_ms: int, end_ms: int) -> VenueBar | None:
        """About how that stretch of one phase went, from a price every five minutes: for bars of long ago."""
        part, day = self._parts[symbol], self._days.get(symbol)
        seconds = range(start_ms // MS_PER_SECOND, end_ms // MS_PER_SECOND, _SKETCH_STEP_SECONDS)
        if not seconds or self._terms.mode == "silent":
            return None
        prices = [round(self.mid(symbol, second * MS_PER_SECOND), 2) for second in seconds]
        rates = [day.rate(second) if day else 1.0 for second in seconds]
        span = (end_ms - start_ms) / MS_PER_SECOND / len(seconds)
        count = int(sum(rates) * span * min(part.ticks_per_second * self._speed, _MAX_PRINTS_PER_SECOND))
        if not count:
            return None
        volume = float(round(count * _MEAN_SIZE))
        mean = sum(prices) / len(prices)
        return VenueBar(
            symbol,
            start_ms,
            end_ms,
            prices[0],
            max(prices),
            min(prices),
            prices[-1],
            volume,
            mean * volume,
            count,
        )

    def _on_time_in(self, symbol: str, second: int, _: int) -> list[Print]:
        terms, day = self._terms, self._days.get(symbol)
        if terms.mode == "silent":
            return []
        part = self._parts[symbol]
        rate = part.ticks_per_second * self._speed
        flags: tuple[int, ...] = ()
        trades: list[Print] = []
        if day:
            rate *= day.rate(second)
            auction = day.auction(second)
            if auction:
                trades = self._auction(part, second, auction)
            elif not rate:
                return []
            flags = day.flags(second)
        elif not self._calendar.is_open(second * NS_PER_SECOND):
            return []
        rng = random.Random(f"{self._seed}:{symbol}:{second}")
        rate = min(rate, _MAX_PRINTS_PER_SECOND)
        count = int(rate) + (rng.random() < rate % 1)
        moments = sorted(rng.randrange(MS_PER_SECOND) for _ in range(count))
        base = second * MS_PER_SECOND
        trades += [
            self._print(part, rng, base + moment, index, flags) for index, moment in enumerate(moments)
        ]
        if day:
            trades.sort(key=lambda trade: trade.ts_ms)
            _disturb(trades, rng, terms.regress_share)
        return trades

    def _print(
        self, part: SymbolPart, rng: random.Random, ts_ms: int, index: int, always: tuple[int, ...]
    ) -> Print:
        quote = self.quote(part.symbol, ts_ms)
        odd = rng.random() < self._terms.odd_lot_share
        off_exchange = rng.random() < self._terms.trf_share
        flags = (_SWEEP, _EXEMPT) if rng.random() < 0.5 else ()
        sequence = _sequence(ts_ms, index)
        return Print(
            symbol=part.symbol,
            trade_id=str(sequence),
            exchange=_TRF_EXCHANGE if off_exchange else rng.choice(_EXCHANGES),
            tape=part.tape,
            price=quote.bid if rng.random() < 0.5 else quote.ask,
            size=_odd_size(rng) if odd else float(rng.randrange(1, 9) * 100),
            conditions=(*flags, *always, ODD_LOT) if odd else (*flags, *always),
            ts_ms=ts_ms,
            participant_ms=ts_ms - rng.randrange(8),
            sequence=sequence,
            trf=rng.choice(_TRFS) if off_exchange else 0,
            trf_ms=ts_ms - rng.randrange(3) if off_exchange else 0,
        )

    def _auction(self, part: SymbolPart, second: int, condition: int) -> list[Print]:
        """The auction's print, and the exchange's official one of the same price and size a moment later."""
        rng = random.Random(f"{self._seed}:{part.symbol}:auction:{second}")
        ts_ms = second * MS_PER_SECOND + _AUCTION_MS
        price = self.quote(part.symbol, ts_ms).last
        size = float(rng.randrange(*_AUCTION_SIZES) * 100)
        made: list[tuple[tuple[int, ...], int]] = [((condition, _CROSS, _EXEMPT), ts_ms)]
        if condition in _OFFICIAL:
            made.append(((_OFFICIAL[condition],), second * MS_PER_SECOND + _OFFICIAL_MS))
        trades = []
        for place, (conditions, at_ms) in enumerate(made, _AUCTION_PLACE):
            number = _sequence(at_ms, place)
            exchange = _PRIMARY[part.tape]
            trades.append(
                Print(
                    part.symbol,
                    str(number),
                    exchange,
                    part.tape,
                    price,
                    size,
                    conditions,
                    at_ms,
                    at_ms,
                    number,
                    0,
                    0,
                )
            )
        return trades

    def _late_in(self, symbol: str, second: int) -> list[Print]:
        """Late trades that are reported in that second."""
        if not self._days or self._terms.late_share == 0:
            return []
        first = (second * MS_PER_SECOND - _LATE_MIN_MS * _LATE_FACTOR) // 60_000
        found = (trade for minute in range(first, second // 60 + 1) for trade in self._late(symbol, minute))
        return [trade for trade in found if trade.ts_ms // MS_PER_SECOND == second]

    def _late_of_minute(self, symbol: str, minute: int) -> tuple[Print, ...]:
        day = self._days[symbol]
        rng = random.Random(f"{self._seed}:{symbol}:late:{minute}")
        if rng.random() >= self._terms.late_share:
            return ()
        made_ms = minute * 60_000 + rng.randrange(60_000)
        ts_ms = made_ms + int(_LATE_MIN_MS * _LATE_FACTOR ** rng.random())
        quiet = not day.rate(made_ms // MS_PER_SECOND) or not day.rate(ts_ms // MS_PER_SECOND)
        if quiet or day.flags(made_ms // MS_PER_SECOND) or day.flags(ts_ms // MS_PER_SECOND):
            return ()
        part = self._parts[symbol]
        quote, number = self.quote(symbol, made_ms), _sequence(ts_ms, _LATE_PLACE + minute % 4)
        return (
            Print(
                symbol=symbol,
                trade_id=str(number),
                exchange=_TRF_EXCHANGE,
                tape=part.tape,
                price=quote.bid if rng.random() < 0.5 else quote.ask,
                size=float(rng.randrange(1, 9) * 100),
                conditions=(),
                ts_ms=ts_ms,
                participant_ms=made_ms,
                sequence=number,
                trf=rng.choice(_TRFS),
                trf_ms=made_ms + rng.randrange(3),
            ),
        )


def _sequence(ts_ms: int, place: int) -> int:
    """Grows over the day; `place` is below 999."""
    return ts_ms // MS_PER_SECOND % _SECONDS_PER_DAY * 1_000 + place + 1


def _disturb(trades: list[Print], rng: random.Random, share: float) -> None:
    """Now and then a sequence number comes again, or steps back, as on the real tape."""
    for before, trade in pairwise(trades):
        if rng.random() < share:
            trade.sequence = max(1, before.sequence - rng.randrange(6))


def _odd_size(rng: random.Random) -> float:
    """1-99 shares; one in ten is a fraction of a share, which the tape shows as zero whole shares."""
    return rng.randrange(1, 10) / 10 if rng.random() < 0.1 else float(rng.randrange(1, 100))
