"""Everything that moves between actors, except ticks and bars (see market.py).

Events are in the past tense, commands are imperative. Each carries a `Stamp`: who caused it, and when.
The chain of one trade: tick or bar -> SignalRaised -> ProposeOrder -> ApprovedOrder | OrderDenied
-> OrderStatusChanged -> OrderFilled; all of it shares one `correlation_id`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from kyzlo_actors.domain.market import Bar, Mark, Tick
from kyzlo_actors.domain.operator import PauseSymbol, ReleaseSymbol, SymbolRestricted
from kyzlo_actors.domain.order import Order, OrderStatus, OrderTicket
from kyzlo_actors.domain.position import Position
from kyzlo_actors.domain.session import SessionCalendar
from kyzlo_actors.domain.stamp import Stamp
from kyzlo_actors.domain.values import Side, TradingState

# --- a symbol decides ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalRaised:
    """A strategy wants the position of `symbol` to become `target_position` (signed shares)."""

    stamp: Stamp
    symbol: str
    strategy: str
    target_position: Decimal
    price: float
    reason: str
    natural_key: str
    indicators: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposeOrder:
    """Ask the risk gate for one order. `mark` is the price it was decided on; void after `deadline_ns`."""

    stamp: Stamp
    ticket: OrderTicket
    strategy: str
    mark: Mark
    deadline_ns: int
    incarnation: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposeCancel:
    """Ask for a cancel. It passes the risk gate, always granted, so that it cannot overtake its order."""

    stamp: Stamp
    symbol: str
    client_order_id: str
    incarnation: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestSnapshot:
    """Ask for the broker's book of one symbol; goes through risk so that it follows every earlier order."""

    stamp: Stamp
    symbol: str
    incarnation: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestCalendar:
    """Ask the broker actor for the calendar; the answer goes to `reply_to`."""

    stamp: Stamp
    reply_to: str


# --- risk judges --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovedOrder:
    """An order that may be sent. Approval is a type: only `domain/risk_core.py` makes one (a test guards it)."""

    stamp: Stamp
    ticket: OrderTicket
    deadline_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderDenied:
    """Our own refusal: the order never reached the broker. `numbers` are the figures behind `code`."""

    stamp: Stamp
    symbol: str
    client_order_id: str
    code: str
    detail: str
    numbers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelOrder:
    """Cancel one order at the broker."""

    stamp: Stamp
    symbol: str
    client_order_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelSymbolOrders:
    """Cancel every order of one symbol (it was quarantined)."""

    stamp: Stamp
    symbol: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestBookSnapshot:
    """RiskActor asks BrokerActor for the whole book (at start, and when a sequence gap shows)."""

    stamp: Stamp
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DailyLossMeasured:
    """The day's profit and loss against its limit, both in dollars; `breached` when the limit is reached."""

    stamp: Stamp
    pnl: Decimal
    limit: Decimal
    equity: Decimal
    breached: bool


# --- the broker's side tells --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderStatusChanged:
    """An order moved. `sequence` is the symbol's newest broker sequence (only fills increase it)."""

    stamp: Stamp
    symbol: str
    client_order_id: str
    venue_order_id: str | None
    status: OrderStatus
    filled_qty: Decimal
    reason: str
    sequence: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderFilled:
    """Shares traded: the *delta* of the order's cumulative quantity, booked exactly once.

    `sequence` numbers the fills of one symbol without gaps. `synthetic` marks a price derived from cumulative
    averages because the execution itself was never seen. `fee` is in dollars, >= 0.
    """

    stamp: Stamp
    symbol: str
    client_order_id: str
    venue_order_id: str | None
    execution_id: str
    side: Side
    qty: Decimal
    price: Decimal
    cum_qty: Decimal
    leaves_qty: Decimal
    status: OrderStatus
    fee: Decimal
    synthetic: bool
    sequence: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionView:
    """A position in the broker actor's book: signed shares, average cost, dollars realized, last fill sequence.

    `price` is the broker's own at its newest read: what a symbol is worth that we have no feed of.
    """

    symbol: str
    qty: Decimal
    avg_cost: Decimal
    realized_pnl: Decimal
    fees: Decimal
    sequence: int
    price: Decimal | None = None

    @classmethod
    def of(cls, symbol: str, position: Position, sequence: int, price: Decimal | None = None) -> PositionView:
        """A view of `position` as it was after the symbol's fill number `sequence`."""
        return cls(
            symbol=symbol,
            qty=position.qty,
            avg_cost=position.avg_cost,
            realized_pnl=position.realized_pnl,
            fees=position.fees,
            sequence=sequence,
            price=price,
        )

    @property
    def position(self) -> Position:
        """The position that is seen."""
        return Position(qty=self.qty, avg_cost=self.avg_cost, realized_pnl=self.realized_pnl, fees=self.fees)


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionSnapshot:
    """The broker actor's book of one symbol: the position, and every order that is not terminal."""

    stamp: Stamp
    symbol: str
    incarnation: int
    position: PositionView
    orders: tuple[Order, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BookSnapshot:
    """The broker actor's whole book, after a clean reconciliation. Money in dollars.

    `incarnation` is the broker actor's: an approval sent to an earlier one that is not in `orders` was never sent.
    """

    stamp: Stamp
    incarnation: int
    cash: Decimal
    last_equity: Decimal
    buying_power: Decimal
    positions: tuple[PositionView, ...]
    orders: tuple[Order, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CalendarRead:
    """The broker's calendar, read once a day and sent to risk, symbols and market data."""

    stamp: Stamp
    calendar: SessionCalendar


@dataclass(frozen=True, slots=True, kw_only=True)
class EntriesBlocked:
    """BrokerActor takes no new orders (not reconciled, stream down, drift …) until EntriesAllowed."""

    stamp: Stamp
    code: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EntriesAllowed:
    """BrokerActor is reconciled and takes orders again."""

    stamp: Stamp


# --- supervision and halt -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class SymbolQuarantined:
    """A symbol crashed too often: it is denied orders until a person releases it; the others go on."""

    stamp: Stamp
    symbol: str
    restarts: int
    period_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class QuarantineReleased:
    """A person let these symbols trade again (starting the service does so): their crashes are forgotten."""

    stamp: Stamp
    symbols: tuple[str, ...]
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TradingStateChanged:
    """The guardian opened or shut the gate."""

    stamp: Stamp
    state: TradingState
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HaltOrdered:
    """The guardian has latched: do the graceful part now."""

    stamp: Stamp
    halt_id: str
    by: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelAllOrders:
    """Cancel everything that may be at the broker, take nothing new, and report until nothing is open."""

    stamp: Stamp
    halt_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HaltAcknowledged:
    """BrokerActor: the gate is sealed. No submission passes any more; `in_flight` were past it already."""

    stamp: Stamp
    halt_id: str
    in_flight: tuple[str, ...]
    open_orders: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class HaltProgressed:
    """How the graceful part goes: ids (client order ids) canceled, and those not yet proven terminal."""

    stamp: Stamp
    halt_id: str
    canceled: tuple[str, ...]
    open_orders: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class HaltFinished:
    """The graceful part ended: `clean` when every order was proven terminal within its time."""

    stamp: Stamp
    halt_id: str
    clean: bool
    canceled: tuple[str, ...]
    open_orders: tuple[str, ...]


Message = (
    SignalRaised
    | ProposeOrder
    | ProposeCancel
    | RequestSnapshot
    | RequestCalendar
    | ApprovedOrder
    | OrderDenied
    | CancelOrder
    | CancelSymbolOrders
    | RequestBookSnapshot
    | DailyLossMeasured
    | OrderStatusChanged
    | OrderFilled
    | PositionSnapshot
    | BookSnapshot
    | CalendarRead
    | EntriesBlocked
    | EntriesAllowed
    | SymbolQuarantined
    | QuarantineReleased
    | PauseSymbol
    | ReleaseSymbol
    | SymbolRestricted
    | TradingStateChanged
    | HaltOrdered
    | CancelAllOrders
    | HaltAcknowledged
    | HaltProgressed
    | HaltFinished
)
"""Everything one actor may send to another over the data plane."""


# --- shells tell their own core -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """The actor runs: first event of every life. `incarnation` grows by one with each restart."""

    incarnation: int
    now_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopped:
    """The actor ends in order: last event of a life that is not cut off."""

    now_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """A message taken out of the mailbox at `now_ns`; `sender` is the actor's name."""

    message: Message
    sender: str
    now_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SequenceObserved:
    """The broker actor's published fill sequence of a symbol is ahead of ours: a message may be missing."""

    symbol: str
    sequence: int
    now_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TimerDue:
    """A timer that a core asked for has run out; `now_ns` is the time of delivery."""

    name: str
    due_ns: int
    now_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SendRefused:
    """A message never left: the peer's mailbox was full or nobody listened. Nothing was delivered."""

    to: str
    message_id: str
    now_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MarksObserved:
    """Newest prices of all symbols, read from the slots by RiskActor once a beat."""

    marks: tuple[Mark, ...]
    now_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BarClosed:
    """A closed bar as it left the ring. `late`: too old to act on, to learn from only (history, a gap, a restart)."""

    bar: Bar
    late: bool
    now_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TickRead:
    """The newest tick at the moment the symbol read its slot."""

    tick: Tick
    now_ns: int


# --- the owner's four names, as unions ----------------------------------------------------------------------

TickEvent = TickRead | BarClosed
SignalEvent = SignalRaised
OrderEvent = ProposeOrder | ApprovedOrder | OrderDenied | OrderStatusChanged
FillEvent = OrderFilled

MESSAGE_TYPES: tuple[type, ...] = (
    SignalRaised,
    ProposeOrder,
    ProposeCancel,
    RequestSnapshot,
    RequestCalendar,
    ApprovedOrder,
    OrderDenied,
    CancelOrder,
    CancelSymbolOrders,
    RequestBookSnapshot,
    DailyLossMeasured,
    OrderStatusChanged,
    OrderFilled,
    PositionSnapshot,
    BookSnapshot,
    CalendarRead,
    EntriesBlocked,
    EntriesAllowed,
    SymbolQuarantined,
    QuarantineReleased,
    PauseSymbol,
    ReleaseSymbol,
    SymbolRestricted,
    TradingStateChanged,
    HaltOrdered,
    CancelAllOrders,
    HaltAcknowledged,
    HaltProgressed,
    HaltFinished,
    Started,
    Stopped,
    Received,
    SequenceObserved,
    TimerDue,
    SendRefused,
    MarksObserved,
    BarClosed,
    TickRead,
)
