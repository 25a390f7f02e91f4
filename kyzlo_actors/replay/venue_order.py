"""An order as a venue holds it, and the statuses it can take there (Alpaca's words)."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Final

from kyzlo_actors.domain.order import ZERO, OrderTicket
from kyzlo_actors.domain.values import OrderClass, OrderType, PositionIntent, Side


class VenueStatus(StrEnum):
    """Where an order is in its life at the venue.

    pending_new (taken) -> new (live; `accepted` while its session is shut) -> partially_filled -> filled;
    pending_cancel -> canceled, or filled when the fill wins the race; pending_replace -> replaced, by a new order;
    `held`: a leg that waits for its parent, or the stop beside a working take-profit.
    """

    PENDING_NEW = "pending_new"
    ACCEPTED = "accepted"
    HELD = "held"
    NEW = "new"
    PARTIALLY_FILLED = "partially_filled"
    DONE_FOR_DAY = "done_for_day"
    STOPPED = "stopped"
    SUSPENDED = "suspended"
    PENDING_CANCEL = "pending_cancel"
    PENDING_REPLACE = "pending_replace"
    FILLED = "filled"
    CANCELED = "canceled"
    EXPIRED = "expired"
    REJECTED = "rejected"
    REPLACED = "replaced"

    @property
    def is_terminal(self) -> bool:
        """Nothing can change the order any more."""
        return self in TERMINAL


_S = VenueStatus
TERMINAL: Final = frozenset({_S.FILLED, _S.CANCELED, _S.EXPIRED, _S.REJECTED, _S.REPLACED})
# Statuses in which an order that has reached the market may trade (an armed stop-loss leg is `held`).
MATCHABLE: Final = frozenset({_S.NEW, _S.PARTIALLY_FILLED, _S.HELD, _S.PENDING_CANCEL, _S.PENDING_REPLACE})
STOPS: Final = frozenset({OrderType.STOP, OrderType.STOP_LIMIT, OrderType.TRAILING_STOP})
CLOSING: Final = frozenset({PositionIntent.BUY_TO_CLOSE, PositionIntent.SELL_TO_CLOSE})
_HUNDRED: Final = Decimal(100)


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueOrder:
    """A ticket and what has become of it. `sequence` counts orders from 1; times are ns UTC (0 = never).

    `filled_notional` is the exact sum of price x quantity; the average price follows from it.
    `reserve_price` is what one share (for a notional order: one dollar) not yet filled holds back of the buying power,
    0 for what closes a position; `covered` is what the order that it shall replace holds back for it.
    `hwm` is the best price a trailing stop has seen; `triggered` says that a stop has become a market or limit order.
    `parent_id` and `legs` tie the orders of a bracket, oco or oto together; `replaces` and `replaced_by` a chain, of
    which `chain_qty` shares were filled before this order (`carries`: they are part of its `filled_qty`).
    """

    venue_order_id: str
    sequence: int
    ticket: OrderTicket
    status: VenueStatus
    reserve_price: Decimal
    submitted_ns: int
    updated_ns: int
    intent: PositionIntent = PositionIntent.BUY_TO_OPEN
    # What it was before a cancel or replace was asked for, and is again if that is refused.
    status_before: VenueStatus | None = None
    filled_qty: Decimal = ZERO
    filled_notional: Decimal = ZERO
    # Whether it ever reached the market (a leg: whether it is armed). A cancel may be asked for before.
    activated: bool = False
    triggered: bool = False
    hwm: Decimal | None = None
    # Shares that a notional order may close at most; 0 for one that opens.
    claimed_qty: Decimal = ZERO
    covered: Decimal = ZERO
    parent_id: str | None = None
    legs: tuple[str, ...] = ()
    replaces: str | None = None
    replaced_by: str | None = None
    chain_qty: Decimal = ZERO
    carries: bool = False
    filled_ns: int = 0
    canceled_ns: int = 0
    expired_ns: int = 0
    failed_ns: int = 0
    replaced_ns: int = 0
    # When a good-till-canceled order ages out; 0 = its time in force says it all.
    expires_ns: int = 0

    @property
    def leaves_qty(self) -> Decimal:
        """Shares that may still trade; of a notional order those it claims (0 when it opens: the price decides)."""
        if self.status.is_terminal:
            return ZERO
        wanted = self.ticket.qty if self.ticket.notional is None else self.claimed_qty
        return max(ZERO, wanted - self.filled_qty)

    @property
    def leaves_notional(self) -> Decimal:
        """Dollars that a notional order may still spend or raise; 0 for any other."""
        if self.status.is_terminal or self.ticket.notional is None:
            return ZERO
        return self.ticket.notional - self.filled_notional

    @property
    def filled_avg_price(self) -> Decimal | None:
        """Average price of what was filled, or None before the first fill."""
        return self.filled_notional / self.filled_qty if self.filled_qty else None

    @property
    def own_filled_qty(self) -> Decimal:
        """Shares that this very order has filled, without those of the orders it replaced."""
        return self.filled_qty - self.chain_qty if self.carries else self.filled_qty

    @property
    def chain_total_qty(self) -> Decimal:
        """Shares of the whole chain of replaces: what was filled before, and what this order goes for."""
        return self.ticket.qty if self.carries else self.chain_qty + self.ticket.qty

    @property
    def reserved(self) -> Decimal:
        """Buying power it holds back."""
        leaves = self.leaves_qty if self.ticket.notional is None else self.leaves_notional
        return max(ZERO, self.reserve_price * leaves - self.covered)

    @property
    def stop_price(self) -> Decimal | None:
        """Where the stop triggers; for a trailing stop that follows the best price, None before it saw one."""
        ticket = self.ticket
        if ticket.order_type is not OrderType.TRAILING_STOP:
            return ticket.stop_price
        if self.hwm is None:
            return None
        distance = ticket.trail_price
        if distance is None:
            distance = self.hwm * (ticket.trail_percent or ZERO) / _HUNDRED
        return self.hwm - distance if ticket.side is Side.SELL else self.hwm + distance

    @property
    def closes(self) -> bool:
        """Whether it was taken to close a position."""
        return self.intent in CLOSING

    @property
    def awaits_replace(self) -> bool:
        """Whether it is the new order of a replace that has not reached the market."""
        return self.replaces is not None and not self.activated and not self.status.is_terminal

    @property
    def is_exit(self) -> bool:
        """Whether it is one of two orders that close the same shares: a leg, or an oco itself."""
        return self.parent_id is not None or self.ticket.order_class is OrderClass.OCO
