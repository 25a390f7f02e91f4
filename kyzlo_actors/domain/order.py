"""Orders: what is asked for (`OrderTicket`), what has become of it (`Order`), and the one table of legal moves.

Statuses are Alpaca/FIX terms plus four of our own: PENDING (journaled, no byte sent), SUBMITTED (bytes sent),
UNKNOWN (fate unproven; only the broker can resolve it) and DENIED (our own refusal, never reached a broker).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum
from typing import Final

from kyzlo_actors.domain.errors import IllegalTransition
from kyzlo_actors.domain.stamp import Stamp
from kyzlo_actors.domain.values import OrderClass, OrderType, PositionIntent, Side, TimeInForce

ZERO: Final = Decimal(0)


class OrderStatus(StrEnum):
    """Where an order is in its life."""

    PENDING = "pending"
    SUBMITTED = "submitted"
    UNKNOWN = "unknown"
    ACCEPTED = "accepted"
    NEW = "new"
    PARTIALLY_FILLED = "partially_filled"
    DONE_FOR_DAY = "done_for_day"
    PENDING_CANCEL = "pending_cancel"
    PENDING_REPLACE = "pending_replace"
    FILLED = "filled"
    CANCELED = "canceled"
    EXPIRED = "expired"
    REPLACED = "replaced"
    REJECTED = "rejected"
    DENIED = "denied"

    @property
    def is_terminal(self) -> bool:
        """No further work can come from the order (a late fill of a canceled one is still legal)."""
        return self in TERMINAL

    @property
    def may_be_at_broker(self) -> bool:
        """The broker may hold it now: it counts as exposure and a halt must prove it gone."""
        return self is not OrderStatus.PENDING and self not in TERMINAL


S = OrderStatus
TERMINAL: Final = frozenset({S.FILLED, S.CANCELED, S.EXPIRED, S.REPLACED, S.REJECTED, S.DENIED})
_WORKING: Final = frozenset({S.ACCEPTED, S.NEW, S.PARTIALLY_FILLED, S.DONE_FOR_DAY})
_ENDS: Final = frozenset({S.FILLED, S.CANCELED, S.EXPIRED, S.REJECTED, S.REPLACED})

# The one table of legal moves. A status may always "move" to itself: events repeat.
# The owner's six-state machine is a sub-graph: PENDING -> SUBMITTED -> FILLED | REJECTED, SUBMITTED -timeout->
# PENDING_CANCEL (his CANCEL_PENDING) -> CANCELED.
TRANSITIONS: Final[dict[OrderStatus, frozenset[OrderStatus]]] = {
    S.PENDING: frozenset({S.SUBMITTED, S.DENIED}),
    # A reply may be overtaken by any event on the stream.
    # SUBMITTED -> DENIED: the connection failed before the first byte left, so the broker never saw it.
    S.SUBMITTED: _WORKING | _ENDS | {S.UNKNOWN, S.PENDING_CANCEL, S.PENDING_REPLACE, S.DENIED},
    S.UNKNOWN: _WORKING | _ENDS | {S.SUBMITTED, S.PENDING_CANCEL, S.PENDING_REPLACE},
    S.ACCEPTED: _WORKING | _ENDS | {S.UNKNOWN, S.PENDING_CANCEL, S.PENDING_REPLACE},
    S.NEW: _WORKING | _ENDS | {S.UNKNOWN, S.PENDING_CANCEL, S.PENDING_REPLACE},
    S.PARTIALLY_FILLED: frozenset({S.DONE_FOR_DAY, S.UNKNOWN, S.PENDING_CANCEL, S.PENDING_REPLACE}) | _ENDS,
    S.DONE_FOR_DAY: _WORKING | _ENDS | {S.UNKNOWN, S.PENDING_CANCEL, S.PENDING_REPLACE},
    # A cancel or a replace can lose its race and be rejected: the order works on.
    S.PENDING_CANCEL: _WORKING | _ENDS | {S.UNKNOWN},
    S.PENDING_REPLACE: _WORKING | _ENDS | {S.UNKNOWN, S.PENDING_CANCEL},
    S.FILLED: frozenset(),
    # Late fills happen: the venue filled before it saw the cancel, and told us afterwards.
    S.CANCELED: frozenset({S.FILLED}),
    S.EXPIRED: frozenset({S.FILLED, S.CANCELED}),
    S.REPLACED: frozenset({S.FILLED}),
    S.REJECTED: frozenset(),
    S.DENIED: frozenset(),
}


def is_legal(current: OrderStatus, following: OrderStatus) -> bool:
    """Whether the table allows the move; staying put is always legal."""
    return following is current or following in TRANSITIONS[current]


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderTicket:
    """What is asked of the broker: exactly the fields that go over the wire.

    `qty` is in shares, > 0; it is 0 when `notional` (dollars) is given instead. A bracket has both exits, an oto one
    of them; in an oco the order itself is the take-profit (a limit order) and `stop_loss_stop_price` its sibling.
    """

    client_order_id: str
    symbol: str
    side: Side
    qty: Decimal
    order_type: OrderType = OrderType.MARKET
    time_in_force: TimeInForce = TimeInForce.DAY
    limit_price: Decimal | None = None
    extended_hours: bool = False
    stop_price: Decimal | None = None
    trail_price: Decimal | None = None
    trail_percent: Decimal | None = None
    notional: Decimal | None = None
    order_class: OrderClass = OrderClass.SIMPLE
    take_profit_limit_price: Decimal | None = None
    stop_loss_stop_price: Decimal | None = None
    stop_loss_limit_price: Decimal | None = None
    position_intent: PositionIntent | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A ticket and what is proven about it. `filled_qty` and `filled_avg_price` are cumulative."""

    ticket: OrderTicket
    status: OrderStatus = OrderStatus.PENDING
    venue_order_id: str | None = None
    filled_qty: Decimal = ZERO
    filled_avg_price: Decimal = ZERO
    reason: str = ""
    correlation_id: str = ""
    # Newest event that changed it; becomes the causation of the next.
    causation_id: str = ""
    deadline_ns: int = 0
    submitted_ns: int = 0

    @property
    def leaves_qty(self) -> Decimal:
        """Shares that may still trade: the rest while it lives, nothing once it is terminal."""
        return ZERO if self.status.is_terminal else max(self.ticket.qty - self.filled_qty, ZERO)

    @property
    def signed_leaves_qty(self) -> Decimal:
        """`leaves_qty`, negative for a sell."""
        return self.leaves_qty * self.ticket.side.sign

    def caused(self, event_id: str, *, ts_event: int, ts_init: int | None = None) -> Stamp:
        """The stamp of something that the newest event of this order caused."""
        return Stamp(
            event_id=event_id,
            causation_id=self.causation_id,
            correlation_id=self.correlation_id,
            ts_event=ts_event,
            ts_init=ts_event if ts_init is None else ts_init,
        )

    def moved(self, status: OrderStatus, *, reason: str = "", causation_id: str = "") -> Order:
        """This order in `status`.

        Raises: IllegalTransition: the table does not allow the move; this order is unchanged.
        """
        if not is_legal(self.status, status):
            raise IllegalTransition(f"{self.ticket.client_order_id}: {self.status} -> {status}")
        return replace(
            self,
            status=status,
            reason=reason or self.reason,
            causation_id=causation_id or self.causation_id,
        )
