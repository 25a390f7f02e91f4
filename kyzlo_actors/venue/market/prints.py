"""Trade prints, the quotes around them, and the bars they make: light records, plain floats."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from kyzlo_actors.venue.market.conditions import counts_volume, moves_price


@dataclass(slots=True)
class Print:
    """One trade. Times in ms UTC; `size` may be a fraction of a share; `trf` 0 = on an exchange.

    `correction` is the tape's later word for it: 0 good, 1 corrected, 7 error, 8 cancelled.
    """

    symbol: str
    trade_id: str
    exchange: int
    tape: int
    price: float
    size: float
    conditions: tuple[int, ...]
    ts_ms: int
    participant_ms: int
    sequence: int
    trf: int
    trf_ms: int
    correction: int = 0

    @property
    def moves_price(self) -> bool:
        """Whether it may be a last price in the regular session (odd lots only count for volume)."""
        return moves_price(self.conditions)


@dataclass(slots=True)
class QuotePrint:
    """Best bid and offer. A side without a quote has price and size 0. Sizes are shares."""

    symbol: str
    bid: float
    bid_size: int
    bid_exchange: int
    ask: float
    ask_size: int
    ask_exchange: int
    tape: int
    ts_ms: int
    participant_ms: int
    sequence: int


@dataclass(slots=True)
class Band:
    """Between these prices the symbol may trade from `ts_ms` on (limit up, limit down)."""

    symbol: str
    low: float
    high: float
    tape: int
    ts_ms: int


@dataclass(slots=True)
class VenueBar:
    """Open, high, low, close over `[start_ms, end_ms)`; `notional` is the sum of price x size."""

    symbol: str
    start_ms: int
    end_ms: int
    open: float
    high: float
    low: float
    close: float
    volume: float
    notional: float
    count: int

    @property
    def has_price(self) -> bool:
        """Whether any print of it could move the price; else only its volume means something."""
        return self.open > 0

    @property
    def vwap(self) -> float:
        """Volume-weighted average price."""
        return round(self.notional / self.volume, 4) if self.volume else self.close


def bar_of(
    symbol: str,
    start_ms: int,
    end_ms: int,
    prints: Iterable[Print],
    *,
    extended: bool = False,
    unpriced: bool = False,
) -> VenueBar | None:
    """The bar of all these prints, or None when none of them may move the price.

    `extended`: outside the regular session, where extended-hours prints may. `unpriced`: for the sake of its volume,
    a bar without any price as well, as a part of a longer one.
    """
    prices: list[float] = []
    volume = notional = 0.0
    count = 0
    for trade in prints:
        if counts_volume(trade.conditions):
            volume += trade.size
            notional += trade.price * trade.size
            count += 1
        if moves_price(trade.conditions, extended=extended):
            prices.append(trade.price)
    volume = round(volume, 6)
    if prices:
        ohlc = prices[0], max(prices), min(prices), prices[-1]
        return VenueBar(symbol, start_ms, end_ms, *ohlc, volume, notional, count)
    if unpriced and count:
        return VenueBar(symbol, start_ms, end_ms, 0.0, 0.0, 0.0, 0.0, volume, notional, count)
    return None


def merged(
    symbol: str, start_ms: int, end_ms: int, bars: Sequence[VenueBar], *, unpriced: bool = False
) -> VenueBar | None:
    """One bar over shorter ones in ascending order, or None when none of them has a price (see `bar_of`)."""
    priced = [bar for bar in bars if bar.has_price]
    if not bars or not (priced or unpriced):
        return None
    return VenueBar(
        symbol,
        start_ms,
        end_ms,
        priced[0].open if priced else 0.0,
        max((bar.high for bar in priced), default=0.0),
        min((bar.low for bar in priced), default=0.0),
        priced[-1].close if priced else 0.0,
        round(sum(bar.volume for bar in bars), 6),
        sum(bar.notional for bar in bars),
        sum(bar.count for bar in bars),
    )
