"""The risk core: the single portfolio gate. It alone turns a ProposeOrder into an ApprovedOrder.

Exposure counts what is held and every order that was approved and is not proven over.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from math import isfinite
from typing import Final, assert_never

from kyzlo_actors.domain.effects import Alert, Effect, Schedule, Send
from kyzlo_actors.domain.identity import event_id
from kyzlo_actors.domain.messages import (
    ApprovedOrder,
    BookSnapshot,
    CalendarRead,
    CancelOrder,
    CancelSymbolOrders,
    DailyLossMeasured,
    EntriesAllowed,
    EntriesBlocked,
    MarksObserved,
    OrderDenied,
    OrderFilled,
    OrderStatusChanged,
    PositionView,
    ProposeCancel,
    ProposeOrder,
    Received,
    RequestBookSnapshot,
    RequestSnapshot,
    SendRefused,
    SequenceObserved,
    Started,
    SymbolQuarantined,
    TimerDue,
    TradingStateChanged,
)
from kyzlo_actors.domain.order import Order, OrderStatus
from kyzlo_actors.domain.position import Position
from kyzlo_actors.domain.risk.book import ZERO, Reservation, RiskBook
from kyzlo_actors.domain.risk.limits import RiskLimits
from kyzlo_actors.domain.risk.rules import Denial, Question, intent_key, judge, order_price
from kyzlo_actors.domain.session import SessionCalendar
from kyzlo_actors.domain.stamp import Stamp
from kyzlo_actors.domain.values import NS_PER_SECOND, Severity, TradingState

RiskEvent = Started | Received | MarksObserved | SequenceObserved | TimerDue | SendRefused

BOOK_RETRY_NS: Final = NS_PER_SECOND
BOOK_REFRESH_NS: Final = 30 * NS_PER_SECOND
LOSS_REPORT_NS: Final = NS_PER_SECOND
RECENT_LIMIT: Final = 10_000
QUARANTINE_RETRY_NS: Final = 5 * NS_PER_SECOND
_BOOK_TIMER: Final = "book"
_QUARANTINE_TIMER: Final = "quarantine:"


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskState:
    """Everything the gate knows. `generation` counts the book snapshots it asked for; `recent` is bounded."""

    incarnation: int = 0
    book: RiskBook = field(default_factory=RiskBook)
    synced: bool = False
    generation: int = 0
    calendar: SessionCalendar = field(default_factory=SessionCalendar)
    trading_state: TradingState = TradingState.HALTED
    blocked: Mapping[str, str] = field(default_factory=dict)
    quarantined: frozenset[str] = frozenset()
    symbol_incarnations: Mapping[str, int] = field(default_factory=dict)
    order_times: tuple[int, ...] = ()
    recent: Mapping[str, int] = field(default_factory=dict)
    loss_reported_ns: int = 0
    loss_breached: bool = False

    @property
    def daily_pnl(self) -> Decimal:
        """Dollars since the previous close: equity now less the broker's `last_equity`."""
        return self.book.equity() - self.book.last_equity if self.synced else ZERO


class RiskCore:
    """Pure: time comes in the event, nothing leaves but effects. State is assigned last."""

    def __init__(self, limits: RiskLimits, state: RiskState | None = None) -> None:
        self.limits = limits
        self.state = state or RiskState()

    def handle(self, event: RiskEvent) -> list[Effect]:
        """Take one event; what must be done about it, in order."""
        effects: list[Effect] = []
        state = self._step(self.state, event, effects)
        self.state = state
        return effects

    def _step(self, state: RiskState, event: RiskEvent, effects: list[Effect]) -> RiskState:
        match event:
            case Received():
                return self._on_message(state, event, effects)
            case MarksObserved():
                return self._on_marks(state, event, effects)
            case SequenceObserved():
                view = state.book.positions.get(event.symbol)
                known = 0 if view is None else view.sequence
                if state.synced and event.sequence > known:
                    return _ask_for_book(state, event.now_ns, "fill sequence is behind", effects)
                return state
            case TimerDue() if event.name.startswith(_QUARANTINE_TIMER):
                symbol = event.name.removeprefix(_QUARANTINE_TIMER)
                return _cancel_quarantined(state, symbol, event.now_ns, effects)
            case TimerDue():
                if not state.synced:
                    return _ask_again(state, event.now_ns, effects)
                # The refresh corrects cash (fees, transfers) and frees what a lost message left reserved.
                return _ask_for_book(state, event.now_ns, "refresh", effects, keep=True)
            case SendRefused():
                return self._on_send_refused(state, event, effects)
            case Started():
                started = replace(state, incarnation=event.incarnation, synced=False, symbol_incarnations={})
                for symbol in sorted(state.quarantined):
                    _watch_quarantined(symbol, event.now_ns, effects)
                return _ask_for_book(started, event.now_ns, "start", effects)
        assert_never(event)

    def _on_message(self, state: RiskState, event: Received, effects: list[Effect]) -> RiskState:
        now_ns = event.now_ns
        match event.message:
            case ProposeOrder() as proposal:
                return self._on_proposal(state, proposal, now_ns, effects)
            case ProposeCancel() as cancel:
                stamp = cancel.stamp.caused(event_id("cancel", cancel.stamp.event_id), ts_event=now_ns)
                order = CancelOrder(stamp=stamp, symbol=cancel.symbol, client_order_id=cancel.client_order_id)
                effects.append(Send(to="broker", message=order))
                return state
            case RequestSnapshot() as request:
                # It passes through the gate so that it reaches the broker actor after every earlier approval.
                if request.incarnation < state.symbol_incarnations.get(request.symbol, 0):
                    return state  # left over from an earlier life of the symbol
                effects.append(Send(to="broker", message=request))
                known = {**state.symbol_incarnations, request.symbol: request.incarnation}
                return replace(state, symbol_incarnations=known)
            case OrderFilled() as fill:
                return self._on_fill(state, fill, now_ns, effects)
            case OrderStatusChanged() as change:
                return _on_status(state, change, now_ns, effects)
            case OrderDenied() as denied:
                return replace(state, book=_released(state.book, denied.client_order_id))
            case BookSnapshot() as snapshot:
                return self._on_book(state, snapshot, now_ns, effects)
            case CalendarRead() as read:
                return replace(state, calendar=read.calendar)
            case EntriesBlocked() as blocked:
                return replace(state, blocked={**state.blocked, blocked.code: blocked.detail})
            case EntriesAllowed():
                if not state.blocked:
                    return state  # it only repeats what is known
                allowed = replace(state, blocked={})
                return _ask_for_book(allowed, now_ns, "broker is reconciled", effects, keep=state.synced)
            case TradingStateChanged() as change_of_state:
                return replace(state, trading_state=change_of_state.state)
            case SymbolQuarantined() as gone:
                return _on_quarantine(state, gone, now_ns, effects)
            case _:
                return state

    # --- judging --------------------------------------------------------------------------------------------

    def _on_proposal(
        self, state: RiskState, proposal: ProposeOrder, now_ns: int, effects: list[Effect]
    ) -> RiskState:
        ticket = proposal.ticket
        known = state.symbol_incarnations.get(ticket.symbol)
        if known is None or proposal.incarnation != known:
            numbers = {"incarnation": str(proposal.incarnation), "known": str(known)}
            denial = Denial(
                code="OLD_INCARNATION", detail="from an earlier life of the symbol", numbers=numbers
            )
        else:
            question = self._question(state, proposal, now_ns)
            verdict = judge(question)
            if verdict is None:
                return _approve(state, proposal, order_price(question), now_ns, effects)
            denial = verdict
        effects.append(_denied(proposal.stamp, ticket.symbol, ticket.client_order_id, denial, now_ns))
        return state

    def _question(self, state: RiskState, proposal: ProposeOrder, now_ns: int) -> Question:
        ticket = proposal.ticket
        return Question(
            ticket=ticket,
            mark=proposal.mark,
            deadline_ns=proposal.deadline_ns,
            now_ns=now_ns,
            closing=state.book.reduces(ticket.symbol, ticket.side, ticket.qty),
            limits=self.limits,
            book=state.book,
            calendar=state.calendar,
            trading_state=state.trading_state,
            blocked=state.blocked,
            quarantined=state.quarantined,
            order_times=state.order_times,
            recent=state.recent,
            daily_pnl=state.daily_pnl,
            synced=state.synced,
        )

    # --- following the book of record -----------------------------------------------------------------------

    def _on_fill(self, state: RiskState, fill: OrderFilled, now_ns: int, effects: list[Effect]) -> RiskState:
        view = state.book.positions.get(fill.symbol) or _flat(fill.symbol)
        if not state.synced or fill.sequence <= view.sequence:
            return state
        if fill.sequence > view.sequence + 1:
            return _ask_for_book(state, now_ns, "a fill is missing", effects)
        before = Position(
            qty=view.qty, avg_cost=view.avg_cost, realized_pnl=view.realized_pnl, fees=view.fees
        )
        after = before.filled(fill.side, fill.qty, fill.price, fill.fee)
        updated = PositionView(
            symbol=fill.symbol,
            qty=after.qty,
            avg_cost=after.avg_cost,
            realized_pnl=after.realized_pnl,
            fees=after.fees,
            sequence=fill.sequence,
        )
        book = replace(
            state.book,
            positions={**state.book.positions, fill.symbol: updated},
            cash=state.book.cash - fill.qty * fill.price * fill.side.sign - fill.fee,
        )
        reservation = book.reservations.get(fill.client_order_id)
        if fill.status.is_terminal:
            book = _released(book, fill.client_order_id)
        elif reservation is not None:
            book = _reserved(book, replace(reservation, leaves_qty=fill.leaves_qty))
        return replace(state, book=book)

    def _on_book(
        self, state: RiskState, snapshot: BookSnapshot, now_ns: int, effects: list[Effect]
    ) -> RiskState:
        if snapshot.stamp.causation_id != _request_id(state):
            return state  # an answer to an older question may lack what was approved since
        listed = {order.ticket.client_order_id: _reservation_of(order, state) for order in snapshot.orders}
        kept = {
            key: value
            for key, value in state.book.reservations.items()
            if value.generation >= state.generation and key not in listed
        }
        book = replace(
            state.book,
            positions={view.symbol: view for view in snapshot.positions},
            reservations={**listed, **kept},
            cash=snapshot.cash,
            last_equity=snapshot.last_equity,
        )
        effects.append(Schedule(name=_BOOK_TIMER, due_ns=now_ns + BOOK_REFRESH_NS))
        return replace(state, book=book, synced=True)

    def _on_marks(self, state: RiskState, event: MarksObserved, effects: list[Effect]) -> RiskState:
        # One odd price must not poison equity, and with it the gate, for good.
        sound = {mark.symbol: mark for mark in event.marks if isfinite(mark.price) and mark.price > 0}
        state = replace(state, book=replace(state.book, marks={**state.book.marks, **sound}))
        if not state.synced or state.book.unpriced(self.limits.max_position):
            # A guessed loss could halt everything: it is not measured before each position has a price.
            return state
        pnl = state.daily_pnl
        breached = pnl <= -self.limits.daily_loss
        if not breached and event.now_ns - state.loss_reported_ns < LOSS_REPORT_NS:
            return state
        if breached and not state.loss_breached:
            text = f"daily loss {pnl} has reached the limit {self.limits.daily_loss}"
            effects.append(Alert(severity=Severity.CRITICAL, code="DAILY_LOSS", text=text))
        trigger = event_id("marks", state.incarnation, event.now_ns)
        stamp = Stamp.first(trigger, event.now_ns).caused(
            event_id("daily_loss", trigger), ts_event=event.now_ns
        )
        measured = DailyLossMeasured(
            stamp=stamp,
            pnl=pnl,
            limit=self.limits.daily_loss,
            equity=state.book.equity(),
            breached=breached,
        )
        effects.append(Send(to="kill_switch", message=measured))
        return replace(state, loss_reported_ns=event.now_ns, loss_breached=breached)

    def _on_send_refused(self, state: RiskState, event: SendRefused, effects: list[Effect]) -> RiskState:
        """An approval that provably never left frees its exposure and tells its symbol."""
        if event.to != "broker":
            return (
                state  # a lost cancel or question is repeated by its symbol, a lost report by the next beat
            )
        for reservation in state.book.reservations.values():
            if reservation.approval_id == event.message_id:
                break
        else:
            return state
        stamp = Stamp(
            event_id=event.message_id,  # the approval itself: it is what the denial follows from
            causation_id="",
            correlation_id=reservation.correlation_id,
            ts_event=event.now_ns,
            ts_init=event.now_ns,
        )
        denial = Denial(
            code="BROKER_UNREACHABLE", detail="the broker actor's mailbox refused it; nothing was sent"
        )
        effects.append(_denied(stamp, reservation.symbol, reservation.client_order_id, denial, event.now_ns))
        return replace(state, book=_released(state.book, reservation.client_order_id))


def _approve(
    state: RiskState, proposal: ProposeOrder, price: Decimal, now_ns: int, effects: list[Effect]
) -> RiskState:
    ticket = proposal.ticket
    stamp = proposal.stamp.caused(event_id("approved", ticket.client_order_id), ts_event=now_ns)
    approved = ApprovedOrder(stamp=stamp, ticket=ticket, deadline_ns=proposal.deadline_ns)
    effects.append(Send(to="broker", message=approved, deadline_ns=proposal.deadline_ns))
    reservation = Reservation(
        client_order_id=ticket.client_order_id,
        symbol=ticket.symbol,
        side=ticket.side,
        leaves_qty=ticket.qty,
        price=price,
        generation=state.generation,
        approval_id=stamp.event_id,
        correlation_id=stamp.correlation_id,
    )
    window = tuple(ts for ts in state.order_times if now_ns - ts < 60 * NS_PER_SECOND)
    closing = state.book.reduces(ticket.symbol, ticket.side, ticket.qty)
    recent = {**state.recent, ticket.client_order_id: now_ns, intent_key(ticket, closing=closing): now_ns}
    if len(recent) > RECENT_LIMIT:
        # The oldest half goes; the broker itself refuses an id that was ever used.
        newest = sorted(recent.items(), key=lambda item: item[1])[RECENT_LIMIT // 2 :]
        recent = dict(newest)
    return replace(
        state,
        book=_reserved(state.book, reservation),
        order_times=(*window, now_ns),
        recent=recent,
    )


def _denied(cause: Stamp, symbol: str, client_order_id: str, denial: Denial, now_ns: int) -> Send:
    denied = OrderDenied(
        stamp=cause.caused(event_id("denied", client_order_id, denial.code, now_ns), ts_event=now_ns),
        symbol=symbol,
        client_order_id=client_order_id,
        code=denial.code,
        detail=denial.detail,
        numbers=dict(denial.numbers),
    )
    return Send(to=f"symbol-{symbol}", message=denied)


def _on_status(state: RiskState, change: OrderStatusChanged, now_ns: int, effects: list[Effect]) -> RiskState:
    view = state.book.positions.get(change.symbol) or _flat(change.symbol)
    if state.synced and change.sequence > view.sequence:
        # To free its exposure before its fills are counted would let others in.
        return _ask_for_book(state, now_ns, "a fill is missing", effects)
    reservation = state.book.reservations.get(change.client_order_id)
    if reservation is None:
        if state.synced and not change.status.is_terminal:
            # The broker actor adopted an order that was lost: its exposure is not counted yet.
            return _ask_for_book(state, now_ns, "an order is missing", effects)
        return state
    if change.status.is_terminal:
        return replace(state, book=_released(state.book, change.client_order_id))
    unknown = change.status is OrderStatus.UNKNOWN
    return replace(state, book=_reserved(state.book, replace(reservation, unknown=unknown)))


def _on_quarantine(
    state: RiskState, gone: SymbolQuarantined, now_ns: int, effects: list[Effect]
) -> RiskState:
    stamp = gone.stamp.caused(event_id("cancel_symbol", gone.stamp.event_id), ts_event=now_ns)
    reason = f"quarantined after {gone.restarts} restarts"
    effects.append(
        Send(to="broker", message=CancelSymbolOrders(stamp=stamp, symbol=gone.symbol, reason=reason))
    )
    _watch_quarantined(gone.symbol, now_ns, effects)
    effects.append(Send(to="kill_switch", message=gone))
    qty = state.book.qty(gone.symbol)
    text = f"{gone.symbol} is quarantined after {gone.restarts} restarts; position {qty}"
    effects.append(Alert(severity=Severity.CRITICAL, code="QUARANTINED", text=text))
    return replace(state, quarantined=state.quarantined | {gone.symbol})


def _watch_quarantined(symbol: str, now_ns: int, effects: list[Effect]) -> None:
    due_ns = now_ns + QUARANTINE_RETRY_NS
    effects.append(Schedule(name=_QUARANTINE_TIMER + symbol, due_ns=due_ns))


def _cancel_quarantined(state: RiskState, symbol: str, now_ns: int, effects: list[Effect]) -> RiskState:
    """Nobody else watches a quarantined symbol's orders: cancel until the last is proven over."""
    if symbol not in state.quarantined or (state.synced and not state.book.open_orders(symbol)):
        return state
    own_id = event_id("cancel_symbol", state.incarnation, symbol, now_ns)
    stamp = Stamp.first(own_id, now_ns)
    cancel = CancelSymbolOrders(stamp=stamp, symbol=symbol, reason="quarantined, and still at work")
    effects.append(Send(to="broker", message=cancel))
    _watch_quarantined(symbol, now_ns, effects)
    return state


def _ask_for_book(
    state: RiskState, now_ns: int, reason: str, effects: list[Effect], *, keep: bool = False
) -> RiskState:
    """Ask for the whole book; unless `keep`, nothing is approved until the answer is here."""
    return _ask_again(replace(state, generation=state.generation + 1, synced=keep), now_ns, effects, reason)


def _ask_again(
    state: RiskState, now_ns: int, effects: list[Effect], reason: str = "no answer yet"
) -> RiskState:
    """The open question once more, under its own id, so that a slow answer to the first one still counts."""
    request_id = _request_id(state)
    stamp = Stamp.first(request_id, now_ns)
    effects.append(Send(to="broker", message=RequestBookSnapshot(stamp=stamp, reason=reason)))
    effects.append(Schedule(name=_BOOK_TIMER, due_ns=now_ns + BOOK_RETRY_NS))
    return state


def _request_id(state: RiskState) -> str:
    return event_id("book", state.incarnation, state.generation)


def _reservation_of(order: Order, state: RiskState) -> Reservation:
    ticket = order.ticket
    known = state.book.reservations.get(ticket.client_order_id)
    price = known.price if known is not None else ticket.limit_price or state.book.price(ticket.symbol)
    return Reservation(
        client_order_id=ticket.client_order_id,
        symbol=ticket.symbol,
        side=ticket.side,
        leaves_qty=order.leaves_qty,
        price=price,
        generation=state.generation if known is None else known.generation,
        approval_id=known.approval_id if known is not None else "",
        correlation_id=order.correlation_id,
        unknown=order.status is OrderStatus.UNKNOWN,
    )


def _reserved(book: RiskBook, reservation: Reservation) -> RiskBook:
    return replace(book, reservations={**book.reservations, reservation.client_order_id: reservation})


def _released(book: RiskBook, client_order_id: str) -> RiskBook:
    remaining = {key: value for key, value in book.reservations.items() if key != client_order_id}
    return replace(book, reservations=remaining)


def _flat(symbol: str) -> PositionView:
    return PositionView(symbol=symbol, qty=ZERO, avg_cost=ZERO, realized_pnl=ZERO, fees=ZERO, sequence=0)
