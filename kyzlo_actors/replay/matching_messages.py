"""What goes into the matching engine (`MatchInput`) and what comes out of it (`MatchEvent`)."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from kyzlo_actors.domain.order import OrderTicket
from kyzlo_actors.domain.values import Side
from kyzlo_actors.replay.venue_order import VenueOrder, VenueStatus


@dataclass(slots=True)
class Quote:
    """Newest prices of one symbol: a market-data record, so floats, and there are millions."""

    symbol: str
    bid: float
    ask: float
    last: float
    ts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitOrder:
    """Take an order in: `pending_new`, or a refusal."""

    ticket: OrderTicket
    ts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivateOrder:
    """The order has reached the market (how long that takes is the caller's business)."""

    venue_order_id: str
    ts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestCancel:
    """Ask for a cancel: `pending_cancel`; fills may still win until `ConfirmCancel`."""

    venue_order_id: str
    ts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfirmCancel:
    """The cancel has reached the market."""

    venue_order_id: str
    ts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenSession:
    """Orders may trade from now on; those queued (`accepted`) become `new`."""

    ts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseSession:
    """Nothing trades until the next `OpenSession`; day orders expire."""

    ts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldFills:
    """Stop (`held`) or resume filling, as in a trading halt: orders stay `new` and no event comes."""

    held: bool
    ts: int


MatchInput = (
    Quote
    | SubmitOrder
    | ActivateOrder
    | RequestCancel
    | ConfirmCancel
    | OpenSession
    | CloseSession
    | HoldFills
)


class RefusalReason(StrEnum):
    """Why an order was not taken, in the order in which it is checked."""

    BAD_TICKET = "bad_ticket"
    UNSUPPORTED = "unsupported"
    DUPLICATE_CLIENT_ORDER_ID = "duplicate_client_order_id"
    TOO_MANY_OPEN_ORDERS = "too_many_open_orders"
    NO_PRICE = "no_price"
    INSUFFICIENT_BUYING_POWER = "insufficient_buying_power"
    INSUFFICIENT_QTY = "insufficient_qty"
    WASH_TRADE = "wash_trade"


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRefused:
    """The order was not taken; nothing changed. `numbers` are the amounts that decided, by name."""

    client_order_id: str
    reason: RefusalReason
    detail: str = ""
    numbers: dict[str, Decimal] = field(default_factory=dict)
    related_order_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderMoved:
    """The order took a status that changes no quantity; `order` is the order after it."""

    order: VenueOrder
    ts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Fill:
    """One execution. `cum_qty` and `leaves_qty` are the order's after it; `position_qty` the position's."""

    execution_id: str
    venue_order_id: str
    client_order_id: str
    symbol: str
    side: Side
    qty: Decimal
    price: Decimal
    cum_qty: Decimal
    leaves_qty: Decimal
    position_qty: Decimal
    ts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderExecuted:
    """The order was filled, wholly or in part; `order` is the order after it."""

    order: VenueOrder
    fill: Fill


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelRefused:
    """There is nothing to cancel: `status` says why (None: no such order)."""

    venue_order_id: str
    status: VenueStatus | None


MatchEvent = OrderRefused | OrderMoved | OrderExecuted | CancelRefused
