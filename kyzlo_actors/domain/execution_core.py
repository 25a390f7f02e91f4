"""The execution core: the order book of record. Every order's fate here is what the broker has proven, or UNKNOWN.

It numbers and books each fill once, by the delta of the order's cumulative quantity, whoever tells it first:
the order stream, a reply, a lookup or a reconciliation.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Final, assert_never

from kyzlo_actors.domain.broker import BrokerOrder, BrokerState
from kyzlo_actors.domain.broker_events import (
    CancelAnswered,
    CancelFailed,
    LookUpFailed,
    OrderLookedUp,
    StateRead,
    StateReadFailed,
    StreamConnected,
    StreamDisconnected,
    SubmitAnswered,
    SubmitRefused,
    SubmitRejected,
    SubmitStarted,
    SubmitUncertain,
    TradeUpdated,
)
from kyzlo_actors.domain.effects import (
    Alert,
    CancelAtBroker,
    Effect,
    LookUpOrder,
    PublishSequence,
    ReadState,
    Schedule,
    Send,
    SubmitOrder,
)
from kyzlo_actors.domain.identity import event_id, is_ours
from kyzlo_actors.domain.layered import Layered
from kyzlo_actors.domain.messages import (
    ApprovedOrder,
    BookSnapshot,
    CalendarRead,
    CancelAllOrders,
    CancelOrder,
    CancelSymbolOrders,
    EntriesAllowed,
    EntriesBlocked,
    HaltAcknowledged,
    HaltProgressed,
    Message,
    OrderDenied,
    OrderFilled,
    OrderStatusChanged,
    PositionSnapshot,
    PositionView,
    Received,
    RequestBookSnapshot,
    RequestCalendar,
    RequestSnapshot,
    SendRefused,
    Started,
    TimerDue,
)
from kyzlo_actors.domain.order import Order, OrderStatus, OrderTicket, is_legal
from kyzlo_actors.domain.position import Position
from kyzlo_actors.domain.session import SessionCalendar
from kyzlo_actors.domain.stamp import Stamp
from kyzlo_actors.domain.values import NS_PER_MILLISECOND, NS_PER_SECOND, OrderType, Severity, TimeInForce

ExecutionEvent = (
    Started
    | Received
    | TimerDue
    | SendRefused
    | SubmitStarted
    | SubmitRefused
    | SubmitAnswered
    | SubmitRejected
    | SubmitUncertain
    | CancelAnswered
    | CancelFailed
    | OrderLookedUp
    | LookUpFailed
    | TradeUpdated
    | StateRead
    | StateReadFailed
    | StreamConnected
    | StreamDisconnected
)

ZERO: Final = Decimal(0)
# R1 of the wire spec: an order whose POST had no clear answer is looked up after these waits, then each 30 s.
LOOK_UP_WAITS_NS: Final = tuple(int(s * NS_PER_SECOND) for s in (0.2, 0.5, 1, 2, 5))
LOOK_UP_LATER_NS: Final = 30 * NS_PER_SECOND
# A repost of the same id is allowed only after the broker had this long to learn of the first one.
REPOST_AFTER_NS: Final = 5 * NS_PER_SECOND
SILENCE_NS: Final = 5 * NS_PER_SECOND
HALT_RECHECK_NS: Final = 500 * NS_PER_MILLISECOND
STATE_RETRY_NS: Final = NS_PER_SECOND
OVERLAP_NS: Final = 300 * NS_PER_SECOND
# A refused cancel is repeated through a lookup: at once it would be a storm of requests.
CANCEL_RETRY_NS: Final = NS_PER_SECOND
# The broker's account, positions and orders may lag each other by seconds (wire spec 12, no. 9).
BROKER_LAG_NS: Final = 10 * NS_PER_SECOND
# Terminal orders older than this leave the book: no report of them can matter any more. At 200 orders a minute it
# holds fewer than 100,000 orders of a session.
KEEP_NS: Final = 24 * 3600 * NS_PER_SECOND
_PRUNE_EVERY_NS: Final = 3600 * NS_PER_SECOND
_CLOCK_SLACK_NS: Final = 60 * NS_PER_SECOND
_RECONCILE_TIMER: Final = "reconcile"
_HALT_TIMER: Final = "halt"
_SILENCE_TIMER: Final = "silence:"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionSettings:
    """Times in nanoseconds. `symbols` are those of the settings: they get the calendar and their fills."""

    symbols: tuple[str, ...]
    reconcile_ns: int = 30 * NS_PER_SECOND
    drift_ns: int = 10 * NS_PER_SECOND


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionState:
    """The book of record. Mappings are replaced, never changed.

    `read_in_this_life`: a complete read was applied since the start. `last_fill_ns`: when the newest fill was
    booked. Orders submitted before `forgotten_ns` are either in the book or over. `halt_canceled`: orders that
    ended as canceled since the halt began.
    """

    incarnation: int = 0
    orders: Mapping[str, Order] = field(default_factory=dict)
    live: frozenset[str] = frozenset()
    positions: Mapping[str, Position] = field(default_factory=dict)
    sequences: Mapping[str, int] = field(default_factory=dict)
    canceling: frozenset[str] = frozenset()
    look_ups: Mapping[str, int] = field(default_factory=dict)
    cash: Decimal = ZERO
    last_equity: Decimal = ZERO
    buying_power: Decimal = ZERO
    calendar: SessionCalendar = field(default_factory=SessionCalendar)
    reconciled_ns: int = 0
    reconciled: bool = False
    stream_up: bool = False
    allowed: bool = False
    drift: Mapping[str, int] = field(default_factory=dict)
    foreign: frozenset[str] = frozenset()
    halt: CancelAllOrders | None = None
    halt_canceled: frozenset[str] = frozenset()
    read_in_this_life: bool = False
    stream_since_ns: int = 0
    last_fill_ns: int = 0
    forgotten_ns: int = 0


class ExecutionCore:
    """Pure: time comes in the event, nothing leaves but effects. State is assigned last."""

    def __init__(self, settings: ExecutionSettings, state: ExecutionState | None = None) -> None:
        self.settings = settings
        self.state = state or ExecutionState()

    def handle(self, event: ExecutionEvent) -> list[Effect]:
        """Take one event; what must be done about it, in order."""
        step = _Step(self.settings, self.state, event.now_ns)
        step.take(event)
        effects = step.finish()
        self.state = step.state
        return effects


class _Step:
    """One event's work: a draft of the next state and the effects so far. It is thrown away if anything raises."""

    def __init__(self, settings: ExecutionSettings, state: ExecutionState, now_ns: int) -> None:
        self.settings = settings
        self.state = state
        self.now_ns = now_ns
        self.effects: list[Effect] = []
        self._halt_open_before = _halt_open(state)

    def take(self, event: ExecutionEvent) -> None:
        match event:
            case Received():
                self._on_message(event.message)
            case TradeUpdated():
                self._on_trade_update(event)
            case SubmitStarted():
                self._on_submit_started(event)
            case SubmitAnswered():
                self._apply(event.client_order_id, event.order)
            case SubmitRefused():
                self._on_submit_refused(event)
            case SubmitRejected():
                self._on_submit_rejected(event)
            case SubmitUncertain():
                self._on_uncertain(event.client_order_id, event.detail)
            case CancelAnswered():
                if event.client_order_id in self.state.live:
                    self._move(event.client_order_id, OrderStatus.PENDING_CANCEL, "cancel requested")
            case CancelFailed():
                # A refused cancel is evidence (already filled, already gone): read the order.
                if event.client_order_id in self.state.live:
                    self._look_up(event.client_order_id, self.now_ns + CANCEL_RETRY_NS)
            case OrderLookedUp():
                self._on_looked_up(event)
            case LookUpFailed():
                self._look_up_again(event.client_order_id)
            case StateRead():
                self._on_state(event.state)
            case StateReadFailed():
                self._block("RECONCILIATION", event.detail)
                self.effects.append(Schedule(name=_RECONCILE_TIMER, due_ns=self.now_ns + STATE_RETRY_NS))
            case StreamConnected():
                self.state = replace(self.state, stream_up=True, stream_since_ns=self.now_ns)
                self._read_state("stream connected")
            case StreamDisconnected():
                self.state = replace(self.state, stream_up=False, reconciled=False)
                self._block("STREAM_DOWN", event.detail)
            case TimerDue():
                self._on_timer(event)
            case SendRefused():
                pass  # whoever missed a message sees it by the published sequence and asks for a snapshot
            case Started():
                self._on_started(event)
            case _:
                assert_never(event)

    def finish(self) -> list[Effect]:
        """Tell the kill switch what changed for it, if a halt is on."""
        halt = self.state.halt
        if halt is not None and _halt_open(self.state) != self._halt_open_before:
            self._report_halt(halt)
        return self.effects

    # --- life of the actor ----------------------------------------------------------------------------------

    def _on_started(self, event: Started) -> None:
        self.state = replace(
            self.state,
            incarnation=event.incarnation,
            stream_up=False,
            reconciled=False,
            allowed=False,
            look_ups={},
            halt=None,
            halt_canceled=frozenset(),
            read_in_this_life=False,
        )
        for order_id in sorted(self.state.live):
            order = self.state.orders[order_id]
            if order.status is OrderStatus.PENDING:
                # SubmitStarted is recorded before the first byte: without it, the broker never saw the order.
                self._deny(order, "NEVER_SENT", "the broker actor ended before the first byte left")
            elif order.status in (OrderStatus.SUBMITTED, OrderStatus.UNKNOWN):
                self._on_uncertain(order_id, "the broker actor ended before the answer came")
        self._block("STARTING", "not reconciled yet")
        self._read_state("start")

    def _on_timer(self, event: TimerDue) -> None:
        if event.name == _RECONCILE_TIMER:
            self._read_state("periodic")
        elif event.name == _HALT_TIMER and self.state.halt is not None:
            self._halt_again()
        elif event.name.startswith(_SILENCE_TIMER):
            order = self.state.orders.get(event.name.removeprefix(_SILENCE_TIMER))
            if order is not None and order.status in (OrderStatus.SUBMITTED, OrderStatus.ACCEPTED):
                self._look_up(order.ticket.client_order_id, self.now_ns)

    # --- commands -------------------------------------------------------------------------------------------

    def _on_message(self, message: Message) -> None:
        match message:
            case ApprovedOrder():
                self._on_approved(message)
            case CancelOrder():
                self._cancel(message.client_order_id)
            case CancelSymbolOrders():
                for order in self._live_orders(message.symbol):
                    self._cancel(order.ticket.client_order_id)
            case CancelAllOrders():
                self._on_cancel_all(message)
            case RequestSnapshot():
                self._answer_symbol(message)
            case RequestBookSnapshot():
                self._answer_risk(message)
            case RequestCalendar():
                self._send(message.reply_to, self._calendar(message.stamp))
            case CalendarRead():
                self.state = replace(self.state, calendar=message.calendar)
                for name in ("risk", "market_data", *(f"symbol-{s}" for s in self.settings.symbols)):
                    self._send(name, message)
            case _:
                pass

    def _on_approved(self, approved: ApprovedOrder) -> None:
        ticket = approved.ticket
        order_id = ticket.client_order_id
        if order_id in self.state.orders:
            self._alert(Severity.WARNING, "DUPLICATE_APPROVAL", f"{order_id} was approved twice; sent once")
            return
        order = Order(
            ticket=ticket,
            correlation_id=approved.stamp.correlation_id,
            causation_id=approved.stamp.event_id,
            deadline_ns=approved.deadline_ns,
        )
        refusal = self._refusal(ticket, approved.deadline_ns)
        self._put(order)
        if refusal is not None:
            self._deny(order, *refusal)
            return
        self.effects.append(
            SubmitOrder(ticket=ticket, deadline_ns=approved.deadline_ns, reserved=self._closes(ticket))
        )

    def _refusal(self, ticket: OrderTicket, deadline_ns: int) -> tuple[str, str] | None:
        if self.state.halt is not None:
            return "HALTED", "all orders are being canceled"
        if self.now_ns >= deadline_ns:
            return "DEADLINE", "the approval came after its deadline"
        if not self.state.allowed and not self._closes(ticket):
            return "NOT_RECONCILED", "the book is not proven equal to the broker's"
        for order in self._live_orders(ticket.symbol):
            if order.status is OrderStatus.UNKNOWN:
                return "UNKNOWN_ORDER", f"the fate of {order.ticket.client_order_id} is unknown"
        return None

    def _closes(self, ticket: OrderTicket) -> bool:
        """Whether it can only shrink a position that this life has seen at the broker, whatever else works."""
        held = self.state.positions.get(ticket.symbol, Position()).qty
        working = sum(
            (
                order.leaves_qty
                for order in self._live_orders(ticket.symbol)
                if order.ticket.side is ticket.side and order.ticket.client_order_id != ticket.client_order_id
            ),
            ZERO,
        )
        opposite = held * ticket.side.sign < 0
        return self.state.read_in_this_life and opposite and ticket.qty + working <= abs(held)

    def _cancel(self, order_id: str) -> None:
        order = self.state.orders.get(order_id)
        if order is None or order.status.is_terminal:
            return
        self.state = replace(self.state, canceling=self.state.canceling | {order_id})
        if order.status is OrderStatus.PENDING:
            return  # on its way out: the first report about it brings the cancel
        if order.status is OrderStatus.UNKNOWN:
            self._look_up(order_id, self.now_ns)  # what is found live will be canceled then
            return
        self.effects.append(CancelAtBroker(client_order_id=order_id, venue_order_id=order.venue_order_id))

    # --- the order path -------------------------------------------------------------------------------------

    def _on_submit_started(self, event: SubmitStarted) -> None:
        order = self.state.orders.get(event.client_order_id)
        if order is None or order.status.is_terminal:
            return  # a repost of an order whose end was told meanwhile: the broker refuses its id
        self._put(replace(order, submitted_ns=event.now_ns))
        self._move(event.client_order_id, OrderStatus.SUBMITTED, "first byte leaves")
        self.effects.append(
            Schedule(name=_SILENCE_TIMER + event.client_order_id, due_ns=event.now_ns + SILENCE_NS)
        )

    def _on_submit_refused(self, event: SubmitRefused) -> None:
        order = self.state.orders.get(event.client_order_id)
        if order is None or order.status not in _UNANSWERED:
            return
        is_repost = order.status is OrderStatus.UNKNOWN or event.client_order_id in self.state.look_ups
        if not is_repost:
            self._deny(order, event.code, event.detail)
            return
        # A repost that did not leave proves nothing about the first.
        self._move(event.client_order_id, OrderStatus.UNKNOWN, f"{event.code}: {event.detail}")
        self._look_up_again(event.client_order_id)

    def _on_submit_rejected(self, event: SubmitRejected) -> None:
        order = self.state.orders.get(event.client_order_id)
        if order is None or order.status.is_terminal:
            return
        if event.duplicate:
            # "must be unique" proves that an earlier POST of this id arrived: adopt what the broker has.
            self._on_uncertain(event.client_order_id, "the broker already has this id")
        elif order.status is OrderStatus.SUBMITTED:
            reason = f"HTTP {event.http_status} {event.code}: {event.message}"
            self._move(event.client_order_id, OrderStatus.REJECTED, reason)
        else:
            self._look_up(event.client_order_id, self.now_ns)

    def _on_uncertain(self, order_id: str, detail: str) -> None:
        order = self.state.orders.get(order_id)
        if order is not None and order.status in (OrderStatus.SUBMITTED, OrderStatus.UNKNOWN):
            self._move(order_id, OrderStatus.UNKNOWN, detail)
            self.state = replace(self.state, look_ups={**self.state.look_ups, order_id: 0})
            self._look_up(order_id, self.now_ns + LOOK_UP_WAITS_NS[0])

    def _on_looked_up(self, event: OrderLookedUp) -> None:
        order = self.state.orders.get(event.client_order_id)
        if event.order is not None:
            self._apply(event.client_order_id, event.order)
            return
        if order is None or order.status.is_terminal or order.status is OrderStatus.PENDING:
            return
        if order.status is not OrderStatus.UNKNOWN:
            self._move(event.client_order_id, OrderStatus.UNKNOWN, "the broker does not find an order it had")
        if self._may_be_reposted(order):
            # As if sent now: however many lookups are answered, the next repost is a whole wait away.
            self._put(replace(self.state.orders[event.client_order_id], submitted_ns=self.now_ns))
            self.effects.append(SubmitOrder(ticket=order.ticket, deadline_ns=order.deadline_ns))
            return
        self._look_up_again(event.client_order_id)

    def _may_be_reposted(self, order: Order) -> bool:
        """R1, and never an order that the broker once had or that somebody wants canceled."""
        is_wanted = order.ticket.client_order_id not in self.state.canceling and self.state.halt is None
        waited_ns = self.now_ns - order.submitted_ns
        return (
            is_wanted
            and order.venue_order_id is None
            and waited_ns >= REPOST_AFTER_NS
            and self.now_ns < order.deadline_ns
        )

    def _look_up_again(self, order_id: str) -> None:
        order = self.state.orders.get(order_id)
        if order is None or order.status.is_terminal:
            return
        attempt = self.state.look_ups.get(order_id, 0) + 1
        self.state = replace(self.state, look_ups={**self.state.look_ups, order_id: attempt})
        if attempt == len(LOOK_UP_WAITS_NS):
            text = f"{order_id}: the broker does not tell its fate; its symbol is blocked until it does"
            self._alert(Severity.CRITICAL, "ORDER_UNKNOWN", text)
        wait_ns = LOOK_UP_WAITS_NS[attempt] if attempt < len(LOOK_UP_WAITS_NS) else LOOK_UP_LATER_NS
        self._look_up(order_id, self.now_ns + wait_ns)

    def _is_being_looked_up(self, order: Order) -> bool:
        """Whether R1's lookups of it go on by themselves: asking in between would only cost requests."""
        return order.status is OrderStatus.UNKNOWN and order.ticket.client_order_id in self.state.look_ups

    def _look_up(self, order_id: str, due_ns: int) -> None:
        self.effects.append(LookUpOrder(client_order_id=order_id, due_ns=due_ns))

    # --- what the broker tells ------------------------------------------------------------------------------

    def _on_trade_update(self, event: TradeUpdated) -> None:
        self._on_report(event.order, execution=event)

    def _on_report(self, report: BrokerOrder, *, execution: TradeUpdated | None = None) -> None:
        """A report that may be about any order of the account."""
        if report.client_order_id not in self.state.orders:
            if not is_ours(report.client_order_id):
                if report.status is None or not report.status.is_terminal:
                    self._foreign(report)
                return
            if 0 < report.submitted_ns < self.state.forgotten_ns:
                return  # over, and its fills were booked, long ago
            self._adopt(report)
        self._apply(report.client_order_id, report, execution=execution)

    def _apply(self, order_id: str, report: BrokerOrder, *, execution: TradeUpdated | None = None) -> None:
        """Book what the report advances: first the fill (delta of the cumulative quantity), then the status."""
        order = self.state.orders.get(order_id)
        if order is None:
            return
        if _was_never_there(order):
            # It should be impossible: we called an order refused and the broker has it. Believe the broker.
            text = f"{order_id} was {order.status} here but is at the broker"
            self._alert(Severity.CRITICAL, "DENIED_ORDER_LIVES", text)
            order = replace(order, status=OrderStatus.SUBMITTED)
        elif order.status is OrderStatus.PENDING:
            order = replace(order, status=OrderStatus.SUBMITTED)
        order = replace(order, venue_order_id=report.venue_order_id)
        self._put(order)
        delta = report.filled_qty - order.filled_qty
        status = self._next_status(order, report)
        if delta > 0:
            self._book(order, report, delta, status, execution)
        if status is None:
            # A word we do not know: not terminal. Read again, ever more slowly.
            self._look_up_again(order_id)
            self._cancel_if_wanted(order_id)
            return
        if status is not order.status or delta > 0:
            self._move(order_id, status, report.raw_status)
        self._after_report(order_id)

    def _next_status(self, order: Order, report: BrokerOrder) -> OrderStatus | None:
        """The status to move to; the present one when the report is older than what we know; None = ask again."""
        status = report.status
        if status is None:
            return None
        if report.filled_qty < order.filled_qty and not status.is_terminal:
            return order.status
        if status is order.status or is_legal(order.status, status):
            return status
        return order.status

    def _after_report(self, order_id: str) -> None:
        remaining = {key: value for key, value in self.state.look_ups.items() if key != order_id}
        self.state = replace(self.state, look_ups=remaining)
        self._cancel_if_wanted(order_id)

    def _cancel_if_wanted(self, order_id: str) -> None:
        order = self.state.orders[order_id]
        wanted = order_id in self.state.canceling or self.state.halt is not None
        if wanted and order.status.may_be_at_broker and order.status not in _BEING_CANCELED:
            self.effects.append(CancelAtBroker(client_order_id=order_id, venue_order_id=order.venue_order_id))

    def _book(
        self,
        order: Order,
        report: BrokerOrder,
        delta: Decimal,
        status: OrderStatus | None,
        execution: TradeUpdated | None,
    ) -> None:
        """Book a fill of `delta` shares exactly once: the cumulative quantity moves with it."""
        price, synthetic = _fill_price(order, report, delta, execution)
        symbol, order_id = order.ticket.symbol, order.ticket.client_order_id
        sequence = self.state.sequences.get(symbol, 0) + 1
        before = self.state.positions.get(symbol, Position())
        after = before.filled(order.ticket.side, delta, price)
        average = report.filled_avg_price or _average(order, delta, price)
        fill_id = event_id("fill", report.venue_order_id, report.filled_qty)
        filled = replace(order, filled_qty=report.filled_qty, filled_avg_price=average, causation_id=fill_id)
        ts_event = report.updated_ns if execution is None else execution.ts_event
        fill = OrderFilled(
            stamp=order.caused(fill_id, ts_event=ts_event, ts_init=self.now_ns),
            symbol=symbol,
            client_order_id=order_id,
            venue_order_id=report.venue_order_id,
            execution_id=(execution.execution_id if execution is not None else None) or fill_id,
            side=order.ticket.side,
            qty=delta,
            price=price,
            cum_qty=report.filled_qty,
            leaves_qty=replace(filled, status=status or order.status).leaves_qty,
            status=status or OrderStatus.PARTIALLY_FILLED,
            fee=ZERO,
            synthetic=synthetic,
            sequence=sequence,
        )
        self._put(filled)
        self.state = replace(
            self.state,
            positions={**self.state.positions, symbol: after},
            sequences={**self.state.sequences, symbol: sequence},
            cash=self.state.cash - delta * price * order.ticket.side.sign,
            last_fill_ns=self.now_ns,
        )
        self._send(f"symbol-{symbol}", fill)
        self._send("risk", fill)
        self.effects.append(PublishSequence(symbol=symbol, sequence=sequence))

    def _move(self, order_id: str, status: OrderStatus, reason: str) -> None:
        """Move an order along the table and tell its symbol and the gate; a move to where it is tells nobody."""
        order = self.state.orders[order_id]
        if order.status is status or not is_legal(order.status, status):
            return
        change_id = event_id("status", order_id, status, order.causation_id, self.now_ns)
        moved = order.moved(status, reason=reason, causation_id=change_id)
        self._put(moved)
        if status is OrderStatus.CANCELED and self.state.halt is not None:
            self.state = replace(self.state, halt_canceled=self.state.halt_canceled | {order_id})
        change = OrderStatusChanged(
            stamp=order.caused(change_id, ts_event=self.now_ns),
            symbol=order.ticket.symbol,
            client_order_id=order_id,
            venue_order_id=moved.venue_order_id,
            status=status,
            filled_qty=moved.filled_qty,
            reason=reason,
            sequence=self.state.sequences.get(order.ticket.symbol, 0),
        )
        self._send(f"symbol-{order.ticket.symbol}", change)
        self._send("risk", change)

    def _deny(self, order: Order, code: str, detail: str) -> None:
        """Our own refusal: the broker never saw the order."""
        order_id = order.ticket.client_order_id
        denied_id = event_id("denied", order_id, code)
        self._put(order.moved(OrderStatus.DENIED, reason=f"{code}: {detail}", causation_id=denied_id))
        denied = OrderDenied(
            stamp=order.caused(denied_id, ts_event=self.now_ns),
            symbol=order.ticket.symbol,
            client_order_id=order_id,
            code=code,
            detail=detail,
        )
        self._send(f"symbol-{order.ticket.symbol}", denied)
        self._send("risk", denied)

    # --- reconciliation -------------------------------------------------------------------------------------

    def _read_state(self, reason: str) -> None:
        window_ns = max(0, (self.state.reconciled_ns or self.now_ns) - OVERLAP_NS)
        self.effects.append(
            ReadState(
                reason=reason,
                window_start_ns=window_ns,
                client_order_ids=tuple(sorted(self.state.live)),
            )
        )

    def _on_state(self, read: BrokerState) -> None:
        """Apply a complete read: orders first (their fills move positions), then compare positions, then cash."""
        listed = {report.client_order_id: report for report in read.orders}
        for report in listed.values():
            self._on_report(report)
        for order_id in sorted(self.state.live - set(listed)):
            order = self.state.orders[order_id]
            is_old = order.status.may_be_at_broker and order.submitted_ns < read.read_started_ns
            if is_old and not self._is_being_looked_up(order):
                self._look_up(order_id, self.now_ns)
        first = not self.state.reconciled_ns
        self._compare_positions(read, first=first)
        if first or self._is_quiet(read):
            self.state = replace(self.state, cash=read.account.cash)
        self.state = replace(
            self.state,
            last_equity=read.account.last_equity,
            buying_power=read.account.buying_power,
            # A read that began before the stream was up cannot know what happened in between.
            reconciled=self.state.stream_up and read.read_started_ns >= self.state.stream_since_ns,
            reconciled_ns=max(read.read_started_ns, self.state.reconciled_ns),
            read_in_this_life=True,
        )
        self._prune(read.read_started_ns)
        self.effects.append(Schedule(name=_RECONCILE_TIMER, due_ns=self.now_ns + self.settings.reconcile_ns))
        if not read.account.may_trade:
            self._block("ACCOUNT_BLOCKED", f"the broker says status {read.account.status}")
        elif self.state.drift:
            self._check_drift()
        else:
            self._allow()

    def _is_quiet(self, read: BrokerState) -> bool:
        """Whether the broker's cash and our book speak of the same fills: else one fill's worth would be lost
        or counted twice, which looks like a day's loss."""
        settled_ns = self.state.last_fill_ns + BROKER_LAG_NS
        return not self._live_orders() and not self.state.drift and settled_ns <= read.read_started_ns

    def _prune(self, read_started_ns: int) -> None:
        """Drop terminal orders of earlier days."""
        horizon_ns = read_started_ns - KEEP_NS
        if horizon_ns < self.state.forgotten_ns + _PRUNE_EVERY_NS:
            return
        kept = {
            order_id: order
            for order_id, order in self.state.orders.items()
            if order_id in self.state.live or max(order.submitted_ns, order.deadline_ns) >= horizon_ns
        }
        # Their clock is not ours: what we sent just before the horizon may be just after it for them.
        forgotten_ns = horizon_ns + _CLOCK_SLACK_NS
        self.state = replace(self.state, orders=Layered(kept), forgotten_ns=forgotten_ns)

    def _compare_positions(self, read: BrokerState, *, first: bool) -> None:
        theirs = {position.symbol: position for position in read.positions}
        symbols = sorted(set(theirs) | {s for s, p in self.state.positions.items() if p.qty})
        drift: dict[str, int] = {}
        for symbol in symbols:
            held = self.state.positions.get(symbol, Position())
            position = theirs.get(symbol)
            qty = position.qty if position is not None else ZERO
            if qty == held.qty:
                continue
            if first:
                cost = position.avg_entry_price if position is not None else ZERO
                self._rebase(symbol, replace(held, qty=qty, avg_cost=cost))
                text = f"{symbol}: took over the broker's position {qty} (ours was {held.qty})"
                self._alert(Severity.WARNING, "POSITION_ADOPTED", text)
            elif not any(o.status.may_be_at_broker for o in self._live_orders(symbol)):
                drift[symbol] = self.state.drift.get(symbol, self.now_ns)
        self.state = replace(self.state, drift=drift)

    def _check_drift(self) -> None:
        """Orders and positions of the broker may disagree for seconds: only drift that lasts blocks entries."""
        lasting = sorted(
            symbol
            for symbol, since in self.state.drift.items()
            if self.now_ns - since >= self.settings.drift_ns
        )
        if lasting:
            text = f"positions differ from the broker's: {', '.join(lasting)}"
            self._alert(Severity.CRITICAL, "DRIFT", text)
            self._block("DRIFT", text)
        else:
            self.effects.append(Schedule(name=_RECONCILE_TIMER, due_ns=self.now_ns + self.settings.drift_ns))
            self._allow()

    def _rebase(self, symbol: str, position: Position) -> None:
        sequence = self.state.sequences.get(symbol, 0) + 1
        self.state = replace(
            self.state,
            positions={**self.state.positions, symbol: position},
            sequences={**self.state.sequences, symbol: sequence},
        )
        # Whoever follows this symbol sees the jump in the sequence and asks for a snapshot.
        self.effects.append(PublishSequence(symbol=symbol, sequence=sequence))

    def _adopt(self, report: BrokerOrder) -> None:
        """An order of ours whose record was lost (a power cut): it is at the broker, so it is in the book."""
        order_id = report.client_order_id
        ticket = OrderTicket(
            client_order_id=order_id,
            symbol=report.symbol,
            side=report.side,
            qty=report.qty if report.qty is not None else report.filled_qty,
            order_type=report.order_type or OrderType.MARKET,
            time_in_force=report.time_in_force or TimeInForce.DAY,
            limit_price=report.limit_price,
        )
        adopted_id = event_id("adopted", order_id)
        self._put(
            Order(
                ticket=ticket,
                status=OrderStatus.SUBMITTED,
                submitted_ns=report.submitted_ns,
                correlation_id=adopted_id,
                causation_id=adopted_id,
            )
        )
        self._alert(Severity.WARNING, "ORDER_ADOPTED", f"{order_id} is ours but its intent was lost; adopted")

    def _foreign(self, report: BrokerOrder) -> None:
        if report.venue_order_id not in self.state.foreign:
            self.state = replace(self.state, foreign=self.state.foreign | {report.venue_order_id})
            text = f"an order of somebody else: {report.side} {report.qty} {report.symbol}"
            self._alert(Severity.WARNING, "FOREIGN_ORDER", text)

    def _allow(self) -> None:
        if (
            self.state.stream_up
            and self.state.reconciled
            and not self.state.allowed
            and self.state.halt is None
        ):
            self.state = replace(self.state, allowed=True)
            self._send("risk", EntriesAllowed(stamp=self._own_stamp("allowed")))

    def _block(self, code: str, detail: str) -> None:
        self.state = replace(self.state, allowed=False)
        self._send("risk", EntriesBlocked(stamp=self._own_stamp(f"blocked-{code}"), code=code, detail=detail))

    # --- answers --------------------------------------------------------------------------------------------

    def _tell_entries(self) -> None:
        """Whether orders are taken, once more: the first word may have been lost, or risk is in a new life."""
        if self.state.allowed:
            self._send("risk", EntriesAllowed(stamp=self._own_stamp("allowed")))
        else:
            self._block("NOT_RECONCILED", "the book is not proven equal to the broker's")

    def _answer_symbol(self, request: RequestSnapshot) -> None:
        name = f"symbol-{request.symbol}"
        if self.state.calendar.days:
            self._send(name, self._calendar(request.stamp))
        if not self.state.read_in_this_life:
            return  # nothing is proven yet; the symbol asks again each second
        stamp = request.stamp.caused(event_id("snapshot", request.stamp.event_id), ts_event=self.now_ns)
        snapshot = PositionSnapshot(
            stamp=stamp,
            symbol=request.symbol,
            incarnation=request.incarnation,
            position=self._view(request.symbol),
            orders=tuple(self._live_orders(request.symbol)),
        )
        self._send(name, snapshot)

    def _answer_risk(self, request: RequestBookSnapshot) -> None:
        if self.state.calendar.days:
            self._send("risk", self._calendar(request.stamp))
        if not self.state.read_in_this_life:
            self._tell_entries()
            return
        stamp = request.stamp.caused(event_id("book", request.stamp.event_id), ts_event=self.now_ns)
        symbols = sorted(set(self.state.positions) | set(self.state.sequences))
        snapshot = BookSnapshot(
            stamp=stamp,
            incarnation=self.state.incarnation,
            cash=self.state.cash,
            last_equity=self.state.last_equity,
            buying_power=self.state.buying_power,
            positions=tuple(self._view(symbol) for symbol in symbols),
            orders=tuple(self._live_orders()),
        )
        self._send("risk", snapshot)
        self._tell_entries()

    def _calendar(self, cause: Stamp) -> CalendarRead:
        stamp = cause.caused(event_id("calendar", cause.event_id), ts_event=self.now_ns)
        return CalendarRead(stamp=stamp, calendar=self.state.calendar)

    def _view(self, symbol: str) -> PositionView:
        position = self.state.positions.get(symbol, Position())
        return PositionView(
            symbol=symbol,
            qty=position.qty,
            avg_cost=position.avg_cost,
            realized_pnl=position.realized_pnl,
            fees=position.fees,
            sequence=self.state.sequences.get(symbol, 0),
        )

    # --- halt -----------------------------------------------------------------------------------------------

    def _on_cancel_all(self, command: CancelAllOrders) -> None:
        in_flight = tuple(
            order.ticket.client_order_id
            for order in self._live_orders()
            if order.status in (OrderStatus.SUBMITTED, OrderStatus.UNKNOWN)
        )
        is_new = self.state.halt is None or self.state.halt.halt_id != command.halt_id
        canceled = frozenset() if is_new else self.state.halt_canceled
        self.state = replace(self.state, halt=command, allowed=False, halt_canceled=canceled)
        acknowledged = HaltAcknowledged(
            stamp=command.stamp.caused(event_id("sealed", command.halt_id), ts_event=self.now_ns),
            halt_id=command.halt_id,
            in_flight=in_flight,
            open_orders=_halt_open(self.state),
        )
        self._send("kill_switch", acknowledged)
        for order in self._live_orders():
            self._cancel(order.ticket.client_order_id)
        self._read_state("halt")
        self._report_halt(command)
        self.effects.append(Schedule(name=_HALT_TIMER, due_ns=self.now_ns + HALT_RECHECK_NS))

    def _halt_again(self) -> None:
        halt = self.state.halt
        if halt is None:
            return
        for order in self._live_orders():
            if order.status not in _BEING_CANCELED and not self._is_being_looked_up(order):
                self._cancel(order.ticket.client_order_id)
        if self.state.live:
            self._read_state("halt")
        # Once more even without news: the last word may have been lost. It ends with the tree.
        self._report_halt(halt)
        self.effects.append(Schedule(name=_HALT_TIMER, due_ns=self.now_ns + HALT_RECHECK_NS))

    def _report_halt(self, halt: CancelAllOrders) -> None:
        open_orders = _halt_open(self.state)
        progressed = HaltProgressed(
            stamp=halt.stamp.caused(
                event_id("halt", halt.halt_id, *open_orders, self.now_ns), ts_event=self.now_ns
            ),
            halt_id=halt.halt_id,
            canceled=tuple(sorted(self.state.halt_canceled)),
            open_orders=open_orders,
        )
        self._send("kill_switch", progressed)

    # --- the draft ------------------------------------------------------------------------------------------

    def _put(self, order: Order) -> None:
        order_id = order.ticket.client_order_id
        orders = Layered.of(self.state.orders).with_item(order_id, order)
        if order.status.is_terminal:
            live, canceling = self.state.live - {order_id}, self.state.canceling - {order_id}
        else:
            live, canceling = self.state.live | {order_id}, self.state.canceling
        self.state = replace(self.state, orders=orders, live=live, canceling=canceling)

    def _live_orders(self, symbol: str | None = None) -> list[Order]:
        return [order for order in _live(self.state) if symbol is None or order.ticket.symbol == symbol]

    def _send(self, to: str, message: Message) -> None:
        self.effects.append(Send(to=to, message=message))

    def _alert(self, severity: Severity, code: str, text: str) -> None:
        self.effects.append(Alert(severity=severity, code=code, text=text))

    def _own_stamp(self, kind: str) -> Stamp:
        own_id = event_id(kind, self.state.incarnation, self.now_ns)
        return Stamp.first(own_id, self.now_ns)


_BEING_CANCELED: Final = frozenset({OrderStatus.PENDING_CANCEL})
_UNANSWERED: Final = frozenset({OrderStatus.PENDING, OrderStatus.SUBMITTED, OrderStatus.UNKNOWN})


def _was_never_there(order: Order) -> bool:
    """Refused before the broker gave it an id: a report about it cannot merely be old, it contradicts us."""
    refused = order.status in (OrderStatus.DENIED, OrderStatus.REJECTED)
    return refused and order.venue_order_id is None


def _live(state: ExecutionState) -> Iterable[Order]:
    return (state.orders[order_id] for order_id in sorted(state.live))


def _halt_open(state: ExecutionState) -> tuple[str, ...]:
    """Orders that a halt still has to prove terminal."""
    return tuple(order.ticket.client_order_id for order in _live(state))


def _fill_price(
    order: Order, report: BrokerOrder, delta: Decimal, execution: TradeUpdated | None
) -> tuple[Decimal, bool]:
    """The price of `delta` shares; synthetic (from cumulative averages) unless this very execution was seen."""
    if execution is not None and execution.qty == delta and execution.price is not None:
        return execution.price, False
    if report.filled_avg_price is None:
        fallback = execution.price if execution is not None else None
        return fallback or order.ticket.limit_price or order.filled_avg_price, True
    total = report.filled_avg_price * report.filled_qty
    return (total - order.filled_avg_price * order.filled_qty) / delta, True


def _average(order: Order, delta: Decimal, price: Decimal) -> Decimal:
    quantity = order.filled_qty + delta
    return (order.filled_avg_price * order.filled_qty + price * delta) / quantity
