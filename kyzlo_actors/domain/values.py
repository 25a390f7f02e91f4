"""Values that every layer shares: sides, order kinds, trading states, and the unit of time."""

from __future__ import annotations

from enum import StrEnum

NS_PER_SECOND = 1_000_000_000
NS_PER_MILLISECOND = 1_000_000


class Side(StrEnum):
    """Side of an order or a fill, in Alpaca's words."""

    BUY = "buy"
    SELL = "sell"

    @property
    def sign(self) -> int:
        """+1 for a buy, -1 for a sell."""
        return 1 if self is Side.BUY else -1


class OrderType(StrEnum):
    """How an order is priced, in Alpaca's words."""

    MARKET = "market"
    LIMIT = "limit"
    STOP = "stop"
    STOP_LIMIT = "stop_limit"
    TRAILING_STOP = "trailing_stop"


class TimeInForce(StrEnum):
    """How long an order may work, in Alpaca's words."""

    DAY = "day"
    GTC = "gtc"
    OPG = "opg"
    CLS = "cls"
    IOC = "ioc"
    FOK = "fok"


class OrderClass(StrEnum):
    """Whether an order brings others with it, in Alpaca's words."""

    SIMPLE = "simple"
    BRACKET = "bracket"
    OCO = "oco"
    OTO = "oto"


class PositionIntent(StrEnum):
    """What an order means to do to the position, in Alpaca's words."""

    BUY_TO_OPEN = "buy_to_open"
    BUY_TO_CLOSE = "buy_to_close"
    SELL_TO_OPEN = "sell_to_open"
    SELL_TO_CLOSE = "sell_to_close"


class TradingState(StrEnum):
    """What the whole tree may do. REDUCING allows only orders that shrink a position."""

    ACTIVE = "active"
    REDUCING = "reducing"
    HALTED = "halted"


class Severity(StrEnum):
    """How loudly an alert is told to a person."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"
