"""What a broker tells us, in our own words: the parsed forms every broker adapter must produce."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from kyzlo_actors.domain.order import OrderStatus
from kyzlo_actors.domain.values import OrderType, Side, TimeInForce


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerOrder:
    """An order as the broker last described it. Quantities and average price are cumulative.

    `status` is None when the broker used a word we do not know: not terminal, read again.
    `raw_status` keeps that word. `qty` is None for notional orders.
    """

    venue_order_id: str
    client_order_id: str
    symbol: str
    side: Side
    qty: Decimal | None
    order_type: OrderType | None
    time_in_force: TimeInForce | None
    limit_price: Decimal | None
    status: OrderStatus | None
    raw_status: str
    filled_qty: Decimal
    filled_avg_price: Decimal | None
    submitted_ns: int
    updated_ns: int
    replaced_by: str | None = None
    replaces: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerPosition:
    """A position as the broker states it; `qty` is signed (negative = short). `current_price` None: not told."""

    symbol: str
    qty: Decimal
    avg_entry_price: Decimal
    current_price: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerAccount:
    """The account as the broker states it. Money is in `currency` (USD)."""

    account_number: str
    status: str
    currency: str
    cash: Decimal
    equity: Decimal
    last_equity: Decimal
    buying_power: Decimal
    trading_blocked: bool
    account_blocked: bool
    trade_suspended_by_user: bool
    shorting_enabled: bool

    @property
    def may_trade(self) -> bool:
        """ACTIVE and not blocked in any of the three ways Alpaca can block."""
        blocked = self.trading_blocked or self.account_blocked or self.trade_suspended_by_user
        return self.status == "ACTIVE" and not blocked


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerExecution:
    """One fill from the activities ledger; `cum_qty` is the order's total after it."""

    execution_id: str
    venue_order_id: str
    symbol: str
    side: Side
    qty: Decimal
    price: Decimal
    cum_qty: Decimal
    ts_event: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerAsset:
    """What may be traded, and how."""

    symbol: str
    tradable: bool
    shortable: bool
    fractionable: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerClock:
    """The broker's own time and whether the regular session is open."""

    timestamp_ns: int
    is_open: bool
    next_open_ns: int
    next_close_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerState:
    """One read of everything that reconciliation compares; `read_started_ns` is our clock before the first byte.

    `orders` holds every order that may be live plus all submitted since the window's start.
    """

    read_started_ns: int
    account: BrokerAccount
    orders: tuple[BrokerOrder, ...]
    positions: tuple[BrokerPosition, ...]
