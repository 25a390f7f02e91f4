"""Market data as light slotted records: there are millions, so they carry no ids.

Their identity is the natural key. Prices and sizes are floats, times are int nanoseconds UTC.
They are values by convention: nobody changes one after it was made (freezing costs 2.5x in backtests).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Tick:
    """One eligible trade print of one symbol.

    `ts_event` is the SIP time, `ts_init` the instant the feed's reader took it off the wire.
    `exchange`, `trf` (trade reporting facility, 0 = none) and `trade_id` name the print for that day.
    """

    symbol: str
    price: float
    size: float
    ts_event: int
    ts_init: int
    exchange: int
    trf: int
    trade_id: str

    @property
    def natural_key(self) -> str:
        """`T:exchange:trf:trade_id`: two trades in one millisecond are two triggers."""
        return f"T:{self.exchange}:{self.trf}:{self.trade_id}"


@dataclass(slots=True)
class Bar:
    """Open, high, low, close over `[start_ns, start_ns + interval_ns)`.

    `revision` is 0 for the first print and grows when a late trade changes a closed bar.
    `repaired` marks bars that were (partly) fetched over REST because the feed was away.
    `ts_init` is the instant it was known to us.
    """

    symbol: str
    interval_ns: int
    start_ns: int
    open: float
    high: float
    low: float
    close: float
    volume: float
    trade_count: int
    revision: int
    repaired: bool
    ts_init: int

    @property
    def end_ns(self) -> int:
        """First nanosecond after the bar."""
        return self.start_ns + self.interval_ns

    @property
    def natural_key(self) -> str:
        """`B:interval:start`, never the revision: a revised bar cannot fire the same signal again."""
        return f"B:{self.interval_ns}:{self.start_ns}"


@dataclass(slots=True, frozen=True)
class Mark:
    """Newest price of one symbol as the risk gate knows it."""

    symbol: str
    price: float
    ts_event: int
    ts_init: int
