"""An order as a venue holds it, and the statuses it can take there (Alpaca's words)."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Final

from kyzlo_actors.domain.order import ZERO, OrderTicket


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
MATCHABLE: Final = frozenset({_S.NEW, _S.PARTIALLY_FILLED, _S.PENDING_CANCEL, _S.PENDING_REPLACE})


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueOrder:
    """A ticket and what has become of it. `sequence` counts submissions from 1; times are ns UTC (0 = never).

    `filled_notional` is the exact sum of price x quantity; the average price follows from it.
    `reserve_price` is what one share not yet filled holds back of the buying power (0 for what closes a position).
    `hwm` is the best price a trailing stop has seen; `triggered` says that a stop has become a market or limit order.
    `parent_id` and `legs` tie the orders of a bracket, oco or oto together; `replaces` and `replaced_by` a chain.
    """

    venue_order_id: str
    sequence: int
    ticket: OrderTicket
    status: VenueStatus
    reserve_price: Decimal
    submitted_ns: int
    updated_ns: int
    filled_qty: Decimal = ZERO
    filled_notional: Decimal = ZERO
    # Whether it ever reached the market: a cancel may be asked for while it is still on its way.
    activated: bool = False
    triggered: bool = False
    hwm: Decimal | None = None
    parent_id: str | None = None
    legs: tuple[str, ...] = ()
    replaces: str | None = None
    replaced_by: str | None = None
    filled_ns: int = 0
    canceled_ns: int = 0
    expired_ns: int = 0
    failed_ns: int = 0
    replaced_ns: int = 0
    # When a good-till-canceled order ages out; 0 = its time in force says it all.
    expires_ns: int = 0

    @property
    def leaves_qty(self) -> Decimal:
        """Shares that may still trade."""
        return ZERO if self.status.is_terminal else self.ticket.qty - self.filled_qty

    @property
    def filled_avg_price(self) -> Decimal | None:
        """Average price of what was filled, or None before the first fill."""
        return self.filled_notional / self.filled_qty if self.filled_qty else None

    @property
    def reserved(self) -> Decimal:
        """Buying power it holds back."""
        return self.reserve_price * self.leaves_qty
