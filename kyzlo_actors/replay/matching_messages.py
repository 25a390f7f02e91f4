"""What goes into the matching engine (`MatchInput`) and what comes out of it (`MatchEvent`)."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from kyzlo_actors.domain.order import OrderTicket
from kyzlo_actors.domain.values import Side, TimeInForce
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
    """Take an order in: `pending_new` (after it, its legs: `held`), or a refusal. The first event is the answer."""

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


class SessionPhase(StrEnum):
    """What part of the trading day it is. Regular auctions happen on entering and leaving REGULAR."""

    CLOSED = "closed"
    PRE = "pre"
    REGULAR = "regular"
    POST = "post"
    OVERNIGHT = "overnight"


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestReplace:
    """Ask for a replace: a new order in `pending_new`, the old one `pending_replace`; a fill may still win.

    The first event is the answer: the new order, or `ReplaceRefused`. When the replace loses later, the new order is
    `rejected` and the old one, if it lives, is again what it was (both by `order_replace_rejected`).
    None leaves a field as it is. `qty` is the chain's total, what is filled already included. `trail` is dollars or
    percent, as the old order has it.
    """

    venue_order_id: str
    client_order_id: str
    ts: int
    qty: Decimal | None = None
    time_in_force: TimeInForce | None = None
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    trail: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfirmReplace:
    """The replace has reached the market: `venue_order_id` is the new order's."""

    venue_order_id: str
    ts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EnterSession:
    """The trading day enters `phase`.

    On entering REGULAR, opg orders meet the opening auction and what was queued becomes `new`; on leaving it, cls
    orders meet the closing auction and day orders end (extended-hours ones when the day itself ends).
    """

    phase: SessionPhase
    ts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class HaltSymbol:
    """Trading in one symbol halts or resumes: orders stay as they are, no fill and no event until it resumes."""

    symbol: str
    halted: bool
    ts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldFills:
    """Stop (`held`) or resume filling for everything, as a dead matching engine would."""

    held: bool
    ts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ForceFill:
    """Fill an order now, whatever its price: `qty` (None: all that is left) at `price` (None: the touch)."""

    venue_order_id: str
    ts: int
    qty: Decimal | None = None
    price: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EndOrder:
    """The market ends an order by itself: `rejected`, `expired`, `canceled` or `done_for_day` (which is no end)."""

    venue_order_id: str
    status: VenueStatus
    ts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RefuseCancel:
    """A cancel or replace that was asked for loses its race: the order is again what it was."""

    venue_order_id: str
    ts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BookCash:
    """Cash moves without a fill: `kind` is an activity type (FEE, DIV, CSD, CSW, INT, …), `amount` is signed USD."""

    kind: str
    amount: Decimal
    ts: int
    symbol: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BustFill:
    """The exchange breaks a trade (`price` None) or corrects its price."""

    execution_id: str
    ts: int
    price: Decimal | None = None


MatchInput = (
    Quote
    | SubmitOrder
    | ActivateOrder
    | RequestCancel
    | ConfirmCancel
    | RequestReplace
    | ConfirmReplace
    | RefuseCancel
    | EnterSession
    | HaltSymbol
    | HoldFills
    | ForceFill
    | EndOrder
    | BookCash
    | BustFill
)


class RefusalReason(StrEnum):
    """Why an order was not taken, in the order in which it is checked."""

    BAD_TICKET = "bad_ticket"
    DUPLICATE_CLIENT_ORDER_ID = "duplicate_client_order_id"
    TOO_MANY_OPEN_ORDERS = "too_many_open_orders"
    NO_PRICE = "no_price"
    STOP_ON_WRONG_SIDE = "stop_on_wrong_side"
    AUCTION_WINDOW = "auction_window"
    NOT_SHORTABLE = "not_shortable"
    FRACTIONAL_SHORT = "fractional_short"
    INTENT_MISMATCH = "intent_mismatch"
    INSUFFICIENT_BUYING_POWER = "insufficient_buying_power"
    INSUFFICIENT_QTY = "insufficient_qty"
    WASH_TRADE = "wash_trade"
    # An order that would open one side while an order that opens the other side works.
    OPPOSITE_OPEN = "opposite_open"


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRefused:
    """The order was not taken; nothing changed. `numbers` are the amounts that decided, by name."""

    client_order_id: str
    reason: RefusalReason
    detail: str = ""
    numbers: dict[str, Decimal] = field(default_factory=dict)
    related_order_ids: tuple[str, ...] = ()


class OrderEvent(StrEnum):
    """What happened to an order, as the broker's stream calls it; `fill` and `partial_fill` are `OrderExecuted`."""

    PENDING_NEW = "pending_new"
    ACCEPTED = "accepted"
    NEW = "new"
    HELD = "held"
    CANCELED = "canceled"
    EXPIRED = "expired"
    DONE_FOR_DAY = "done_for_day"
    REPLACED = "replaced"
    REJECTED = "rejected"
    STOPPED = "stopped"
    SUSPENDED = "suspended"
    PENDING_CANCEL = "pending_cancel"
    PENDING_REPLACE = "pending_replace"
    ORDER_CANCEL_REJECTED = "order_cancel_rejected"
    ORDER_REPLACE_REJECTED = "order_replace_rejected"


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderMoved:
    """Something happened to an order that changes no quantity; `order` is the order after it."""

    order: VenueOrder
    event: OrderEvent
    ts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Fill:
    """One execution. `cum_qty` and `leaves_qty` are the order's after it; `position_qty` the position's.

    `leaves_qty` of a notional order is what its dollars would still buy or sell at this price.
    """

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


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplaceRefused:
    """The replace was not taken; nothing changed. `status` None: no such order.

    `unchanged`: it asks for nothing new. `detail`: what is wrong with what it asks for. `refusal`: as an order it
    would not have been taken. None of them: the order's status (or a leg that waits) does not let it.
    """

    venue_order_id: str
    status: VenueStatus | None
    unchanged: bool = False
    detail: str = ""
    refusal: OrderRefused | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CashBooked:
    """Cash moved without a fill; `sequence` counts such entries from 1."""

    sequence: int
    kind: str
    amount: Decimal
    cash: Decimal
    symbol: str | None
    ts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FillBusted:
    """A trade was broken (`price` None) or its price corrected; `position_qty` is the position's after it."""

    fill: Fill
    price: Decimal | None
    position_qty: Decimal
    ts: int


MatchEvent = (
    OrderRefused | OrderMoved | OrderExecuted | CancelRefused | ReplaceRefused | CashBooked | FillBusted
)
