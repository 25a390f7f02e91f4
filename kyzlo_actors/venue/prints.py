"""Trade prints, the quotes around them, and the bars they make: light records, plain floats."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from kyzlo_actors.venue.conditions import counts_volume, moves_price


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
    def vwap(self) -> float:
        """Volume-weighted average price."""
        return round(self.notional / self.volume, 4) if self.volume else self.close


def bar_of(
    symbol: str, start_ms: int, end_ms: int, prints: Iterable[Print], *, extended: bool = False
) -> VenueBar | None:
    """The bar of all these prints, or None when none of them may move the price.

    `extended`: outside the regular session, where extended-hours prints may.
    """
    bar: VenueBar | None = None
    volume = notional = 0.0
    count = 0
    for trade in prints:
        if counts_volume(trade.conditions):
            volume += trade.size
            notional += trade.price * trade.size
            count += 1
        if not moves_price(trade.conditions, extended=extended):
            continue
        if bar is None:
            price = trade.price
            bar = VenueBar(symbol, start_ms, end_ms, price, price, price, price, 0.0, 0.0, 0)
        else:
            bar.high = max(bar.high, trade.price)
            bar.low = min(bar.low, trade.price)
            bar.close = trade.price
    if bar is not None:
        bar.volume, bar.notional, bar.count = round(volume, 6), notional, count
    return bar


def merged(symbol: str, start_ms: int, end_ms: int, bars: Sequence[VenueBar]) -> VenueBar | None:
    """One bar over shorter ones in ascending order, or None when there are none."""
    if not bars:
        return None
    return VenueBar(
        symbol,
        start_ms,
        end_ms,
        bars[0].open,
        max(bar.high for bar in bars),
        min(bar.low for bar in bars),
        bars[-1].close,
        round(sum(bar.volume for bar in bars), 6),
        sum(bar.notional for bar in bars),
        sum(bar.count for bar in bars),
    )
