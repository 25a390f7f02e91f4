"""An order as a venue holds it, and the few statuses it can take there (Alpaca's words)."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Final

from kyzlo_actors.domain.order import ZERO, OrderTicket


class VenueStatus(StrEnum):
    """Where an order is in its life at the venue.

    pending_new (taken) -> new (live; `accepted` while the session is shut) -> partially_filled -> filled;
    pending_cancel -> canceled, or filled when the fill wins the race; day orders left at the close: expired.
    """

    PENDING_NEW = "pending_new"
    ACCEPTED = "accepted"
    NEW = "new"
    PARTIALLY_FILLED = "partially_filled"
    PENDING_CANCEL = "pending_cancel"
    FILLED = "filled"
    CANCELED = "canceled"
    EXPIRED = "expired"

    @property
    def is_terminal(self) -> bool:
        """Nothing can change the order any more."""
        return self in TERMINAL


TERMINAL: Final = frozenset({VenueStatus.FILLED, VenueStatus.CANCELED, VenueStatus.EXPIRED})
MATCHABLE: Final = frozenset({VenueStatus.NEW, VenueStatus.PARTIALLY_FILLED, VenueStatus.PENDING_CANCEL})


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueOrder:
    """A ticket and what has become of it. `sequence` counts submissions from 1; times are ns UTC (0 = never).

    `filled_notional` is the exact sum of price x quantity; the average price follows from it.
    `reserve_price` is what one share not yet filled holds back of the buying power (0 for sells).
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
    filled_ns: int = 0
    canceled_ns: int = 0
    expired_ns: int = 0

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
