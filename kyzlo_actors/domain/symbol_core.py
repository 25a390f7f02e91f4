"""The symbol core: one symbol's strategy and position. It turns a wish (target position) into one order at a time.

It believes only the broker actor about its position, and follows it by fill sequence; when it may have missed
something it stops proposing and asks for a snapshot.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, Final, assert_never

from kyzlo_actors.domain.effects import Effect, Record, Schedule, Send
from kyzlo_actors.domain.identity import client_order_id, event_id
from kyzlo_actors.domain.market import Mark
from kyzlo_actors.domain.messages import (
    BarClosed,
    CalendarRead,
    OrderDenied,
    OrderFilled,
    OrderStatusChanged,
    PositionSnapshot,
    ProposeCancel,
    ProposeOrder,
    Received,
    RequestSnapshot,
    SendRefused,
    SequenceObserved,
    SignalRaised,
    Started,
    TickRead,
    TimerDue,
)
from kyzlo_actors.domain.order import Order, OrderStatus, OrderTicket
from kyzlo_actors.domain.position import Position
from kyzlo_actors.domain.session import SessionCalendar
from kyzlo_actors.domain.stamp import Stamp
from kyzlo_actors.domain.strategy.protocol import Context, Signal, Strategy
from kyzlo_actors.domain.values import NS_PER_SECOND, OrderType, Side

SymbolEvent = Started | Received | TickRead | BarClosed | TimerDue | SendRefused | SequenceObserved

ZERO: Final = Decimal(0)
SNAPSHOT_RETRY_NS: Final = NS_PER_SECOND
# A cancel can be lost on either of its two ways: until the broker confirms it, ask again.
CANCEL_RETRY_NS: Final = 5 * NS_PER_SECOND
# Only fills have a sequence: that the end of an order was told and lost shows in the broker actor's book alone.
ORDER_CHECK_NS: Final = 30 * NS_PER_SECOND
_SNAPSHOT_TIMER: Final = "snapshot"
_UNHEARD_TIMER: Final = "unheard:"
_TIMEOUT_TIMER: Final = "timeout:"
_CANCEL_TIMER: Final = "cancel:"
_CHECK_TIMER: Final = "check:"
STRATEGY_TIMER: Final = "strategy:"


@dataclass(frozen=True, slots=True, kw_only=True)
class SymbolSettings:
    """What one symbol is told at its start. `quantity` and `max_position` in shares."""

    account: str
    symbol: str
    quantity: Decimal
    max_price_age_ns: int
    order_timeout_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Pursuit:
    """The target that is being pursued, and the signal it came from. `intent_index` counts its orders."""

    target: Decimal
    stamp: Stamp
    natural_key: str
    limit_price: Decimal | None
    intent_index: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SymbolState:
    """Everything the core knows. `orders` holds only those that are not terminal (one, in the rule)."""

    incarnation: int = 0
    synced: bool = False
    position: Position = field(default_factory=Position)
    sequence: int = 0
    orders: Mapping[str, Order] = field(default_factory=dict)
    canceling: frozenset[str] = frozenset()
    pursuit: Pursuit | None = None
    mark: Mark | None = None
    calendar: SessionCalendar = field(default_factory=SessionCalendar)
    bar_count: int = 0
    last_target: Decimal | None = None
    asked: int = 0


class SymbolCore:
    """Pure: time comes in the event, nothing leaves but effects. State is assigned last."""

    def __init__(
        self, settings: SymbolSettings, strategy: Strategy, state: SymbolState | None = None
    ) -> None:
        self.settings = settings
        self.strategy = strategy
        self.state = state or SymbolState()

    def handle(self, event: SymbolEvent) -> list[Effect]:
        """Take one event; what must be done about it, in order."""
        effects: list[Effect] = []
        state = self._step(self.state, event, effects)
        self.state = state
        return effects

    def save(self) -> dict[str, Any]:
        """The strategy's own state (the core's is `state`)."""
        return self.strategy.save()

    def _step(self, state: SymbolState, event: SymbolEvent, effects: list[Effect]) -> SymbolState:
        match event:
            case TickRead():
                return self._on_tick(state, event, effects)
            case BarClosed():
                return self._on_bar(state, event, effects)
            case Received():
                return self._on_message(state, event, effects)
            case TimerDue():
                return self._on_timer(state, event, effects)
            case SequenceObserved():
                if state.synced and event.sequence > state.sequence:
                    return self._ask(state, event.now_ns, "fill sequence is behind", effects)
                return state
            case SendRefused():
                return self._on_send_refused(state, event, effects)
            case Started():
                self.strategy.on_start(self._context(state))
                # A new life never takes an answer to an old one's question: `synced` makes this a new question.
                started = replace(state, incarnation=event.incarnation, pursuit=None, synced=True)
                return self._ask(started, event.now_ns, "start", effects)
        assert_never(event)

    # --- market data ----------------------------------------------------------------------------------------

    def _on_tick(self, state: SymbolState, event: TickRead, effects: list[Effect]) -> SymbolState:
        tick = event.tick
        state = replace(state, mark=Mark(tick.symbol, tick.price, tick.ts_event, tick.ts_init))
        signal = self.strategy.on_tick(self._context(state), tick)
        if signal is None:
            return state
        return self._on_signal(state, signal, tick.natural_key, tick.ts_event, event.now_ns, effects)

    def _on_bar(self, state: SymbolState, event: BarClosed, effects: list[Effect]) -> SymbolState:
        bar = event.bar
        state = replace(state, bar_count=state.bar_count + (bar.revision == 0))
        if event.late:
            self.strategy.on_warm_up(self._context(state), bar)
            return state
        signal = self.strategy.on_bar(self._context(state), bar)
        if signal is None:
            return state
        if state.mark is None:
            state = replace(state, mark=Mark(bar.symbol, bar.close, bar.end_ns, bar.ts_init))
        return self._on_signal(state, signal, bar.natural_key, bar.end_ns, event.now_ns, effects)

    # --- from a wish to an order ----------------------------------------------------------------------------

    def _on_signal(
        self,
        state: SymbolState,
        signal: Signal,
        natural_key: str,
        ts_event: int,
        now_ns: int,
        effects: list[Effect],
    ) -> SymbolState:
        symbol, name = self.settings.symbol, self.strategy.name
        trigger_id = event_id("trigger", symbol, ts_event, natural_key)
        signal_id = event_id("signal", symbol, name, ts_event, natural_key)
        stamp = Stamp.first(trigger_id, ts_event).caused(signal_id, ts_event=ts_event, ts_init=now_ns)
        raised = SignalRaised(
            stamp=stamp,
            symbol=symbol,
            strategy=name,
            target_position=signal.target_position,
            price=state.mark.price if state.mark else 0.0,
            reason=signal.reason,
            natural_key=natural_key,
            indicators=dict(signal.indicators),
        )
        effects.append(Record(message=raised))
        pursuit = Pursuit(
            target=signal.target_position,
            stamp=stamp,
            natural_key=natural_key,
            limit_price=signal.limit_price,
        )
        if not signal.target_position.is_finite():
            return self._refuse_target(state, pursuit, now_ns, effects)
        state = replace(state, pursuit=pursuit, last_target=signal.target_position)
        # Not synced: the wish waits for the snapshot. If that takes too long the gate refuses its old price.
        return self._pursue(state, now_ns, effects)

    def _pursue(self, state: SymbolState, now_ns: int, effects: list[Effect]) -> SymbolState:
        """One step toward the target: cancel what works against it, or propose the next order, or be done."""
        pursuit = state.pursuit
        if pursuit is None or not state.synced or state.mark is None:
            return state
        if state.orders:
            working = sum((order.signed_leaves_qty for order in state.orders.values()), ZERO)
            # While crossing zero, an order that only closes is on its way too: it must not be canceled for that.
            step = ZERO if state.position.qty * pursuit.target < 0 else pursuit.target
            is_on_its_way = state.position.qty + working == step
            if not is_on_its_way:
                return self._cancel_all(state, now_ns, "superseded", effects)
            # An order that is being canceled may end without a fill: the wish must outlive it.
            is_done = step == pursuit.target and state.canceling.isdisjoint(state.orders)
            return replace(state, pursuit=None) if is_done else state
        delta = pursuit.target - state.position.qty
        if delta == 0:
            return replace(state, pursuit=None)
        crosses_zero = state.position.qty * pursuit.target < 0
        if crosses_zero:
            # The broker refuses an order that would turn a long into a short: close first, then open.
            delta = -state.position.qty
        order, proposal = self._proposal(state, pursuit, state.mark, delta, now_ns)
        effects.append(Send(to="risk", message=proposal, deadline_ns=proposal.deadline_ns))
        unheard_ns = proposal.deadline_ns + SNAPSHOT_RETRY_NS
        effects.append(Schedule(name=_UNHEARD_TIMER + order.ticket.client_order_id, due_ns=unheard_ns))
        following = replace(pursuit, intent_index=pursuit.intent_index + 1) if crosses_zero else None
        return replace(state, orders={order.ticket.client_order_id: order}, pursuit=following)

    def _proposal(
        self, state: SymbolState, pursuit: Pursuit, mark: Mark, delta: Decimal, now_ns: int
    ) -> tuple[Order, ProposeOrder]:
        order_id = self._order_id(pursuit)
        ticket = OrderTicket(
            client_order_id=order_id,
            symbol=self.settings.symbol,
            side=Side.BUY if delta > 0 else Side.SELL,
            qty=abs(delta),
            order_type=OrderType.MARKET if pursuit.limit_price is None else OrderType.LIMIT,
            limit_price=pursuit.limit_price,
        )
        proposal = ProposeOrder(
            stamp=pursuit.stamp.caused(event_id("propose", order_id), ts_event=now_ns),
            ticket=ticket,
            strategy=self.strategy.name,
            mark=mark,
            deadline_ns=mark.ts_init + self.settings.max_price_age_ns,
            incarnation=state.incarnation,
        )
        order = Order(
            ticket=ticket,
            correlation_id=proposal.stamp.correlation_id,
            causation_id=proposal.stamp.event_id,
            deadline_ns=proposal.deadline_ns,
        )
        return order, proposal

    def _order_id(self, pursuit: Pursuit) -> str:
        return client_order_id(
            account=self.settings.account,
            symbol=self.settings.symbol,
            strategy=self.strategy.name,
            ts_event=pursuit.stamp.ts_event,
            natural_key=pursuit.natural_key,
            intent_index=pursuit.intent_index,
        )

    def _refuse_target(
        self, state: SymbolState, pursuit: Pursuit, now_ns: int, effects: list[Effect]
    ) -> SymbolState:
        """No number of shares (a strategy divided by zero, say): explained in the journal, and nothing else."""
        order_id = self._order_id(pursuit)
        denied = OrderDenied(
            stamp=pursuit.stamp.caused(event_id("denied", order_id, "BAD_TARGET"), ts_event=now_ns),
            symbol=self.settings.symbol,
            client_order_id=order_id,
            code="BAD_TARGET",
            detail=f"the strategy wants {pursuit.target} shares",
            numbers={"target": str(pursuit.target)},
        )
        effects.append(Record(message=denied))
        return state

    def _cancel_all(self, state: SymbolState, now_ns: int, why: str, effects: list[Effect]) -> SymbolState:
        for order_id in state.orders:
            if order_id not in state.canceling:
                self._cancel(state, state.orders[order_id], now_ns, why, effects)
        return replace(state, canceling=state.canceling | frozenset(state.orders))

    def _cancel(self, state: SymbolState, order: Order, now_ns: int, why: str, effects: list[Effect]) -> None:
        order_id = order.ticket.client_order_id
        cancel = ProposeCancel(
            stamp=order.caused(event_id("propose_cancel", order_id, why, now_ns), ts_event=now_ns),
            symbol=self.settings.symbol,
            client_order_id=order_id,
            incarnation=state.incarnation,
        )
        effects.append(Send(to="risk", message=cancel))
        effects.append(Schedule(name=_CANCEL_TIMER + order_id, due_ns=now_ns + CANCEL_RETRY_NS))

    # --- what the others say --------------------------------------------------------------------------------

    def _on_message(self, state: SymbolState, event: Received, effects: list[Effect]) -> SymbolState:
        match event.message:
            case OrderFilled() as fill:
                return self._on_fill(state, fill, event.now_ns, effects)
            case OrderStatusChanged() as change:
                return self._on_status(state, change, event.now_ns, effects)
            case OrderDenied() as denied:
                return self._on_denied(state, denied, event.now_ns, effects)
            case PositionSnapshot() as snapshot if self._answers_us(state, snapshot):
                return self._on_snapshot(state, snapshot, event.now_ns, effects)
            case CalendarRead() as read:
                return replace(state, calendar=read.calendar)
            case _:
                return state

    def _on_denied(
        self, state: SymbolState, denied: OrderDenied, now_ns: int, effects: list[Effect]
    ) -> SymbolState:
        order = state.orders.get(denied.client_order_id)
        if order is None or order.status not in (OrderStatus.PENDING, OrderStatus.SUBMITTED):
            return state  # about a repeated proposal: the order itself is known to be at the broker
        state = _pursuit_ended(_without(state, denied.client_order_id), order)
        if denied.code == "DUPLICATE_ID":
            # The gate judged this very intent before: only the book can tell what became of it.
            return self._ask(state, now_ns, "an intent was judged before", effects)
        return self._pursue(state, now_ns, effects)

    def _on_fill(
        self, state: SymbolState, fill: OrderFilled, now_ns: int, effects: list[Effect]
    ) -> SymbolState:
        if not state.synced or fill.sequence <= state.sequence:
            return state
        if fill.sequence > state.sequence + 1:
            return self._ask(state, now_ns, "a fill is missing", effects)
        position = state.position.filled(fill.side, fill.qty, fill.price, fill.fee)
        state = replace(state, position=position, sequence=fill.sequence)
        order = state.orders.get(fill.client_order_id)
        if order is not None:
            updated = replace(
                order,
                status=fill.status,
                filled_qty=fill.cum_qty,
                venue_order_id=fill.venue_order_id,
                causation_id=fill.stamp.event_id,
            )
            state = _with(state, updated)
            if fill.status.is_terminal and fill.status is not OrderStatus.FILLED:
                state = _pursuit_ended(state, order)
        self.strategy.on_fill(self._context(state), fill)
        return self._pursue(state, now_ns, effects)

    def _on_status(
        self, state: SymbolState, change: OrderStatusChanged, now_ns: int, effects: list[Effect]
    ) -> SymbolState:
        if state.synced and change.sequence > state.sequence:
            return self._ask(state, now_ns, "a fill is missing", effects)
        order = state.orders.get(change.client_order_id)
        if order is None:
            # The fill before it told the end already; the strategy hears of the move all the same.
            self.strategy.on_order_event(self._context(state), change)
            return state
        # The broker actor keeps the book of record; its word is taken as it is, even when one of ours was lost.
        updated = replace(
            order,
            status=change.status,
            venue_order_id=change.venue_order_id,
            reason=change.reason,
            causation_id=change.stamp.event_id,
        )
        state = _with(state, updated)
        if change.status is OrderStatus.SUBMITTED:
            self._watch(change.client_order_id, now_ns, effects)
        self.strategy.on_order_event(self._context(state), change)
        if change.status.is_terminal and change.status is not OrderStatus.FILLED:
            state = _pursuit_ended(state, order)
        return self._pursue(state, now_ns, effects)

    def _on_snapshot(
        self, state: SymbolState, snapshot: PositionSnapshot, now_ns: int, effects: list[Effect]
    ) -> SymbolState:
        """Adopt the broker actor's book. Nothing was proposed since the question, so what it lacks is over."""
        view = snapshot.position
        position = Position(
            qty=view.qty,
            avg_cost=view.avg_cost,
            realized_pnl=view.realized_pnl,
            fees=view.fees,
        )
        orders = {order.ticket.client_order_id: order for order in snapshot.orders}
        state = replace(
            state,
            synced=True,
            position=position,
            sequence=view.sequence,
            orders=orders,
            canceling=state.canceling & frozenset(orders),
        )
        for order_id in sorted(orders):
            # The timers of an earlier life died with it.
            self._check_later(order_id, now_ns, effects)
            if order_id in state.canceling:
                due_ns = now_ns + CANCEL_RETRY_NS
                effects.append(Schedule(name=_CANCEL_TIMER + order_id, due_ns=due_ns))
            else:
                self._watch(order_id, now_ns, effects)
        return self._pursue(state, now_ns, effects)

    def _on_timer(self, state: SymbolState, event: TimerDue, effects: list[Effect]) -> SymbolState:
        name = event.name
        if name == _SNAPSHOT_TIMER:
            return state if state.synced else self._ask(state, event.now_ns, "no answer yet", effects)
        if name.startswith(_UNHEARD_TIMER):
            order = state.orders.get(name.removeprefix(_UNHEARD_TIMER))
            if order is not None and order.status is OrderStatus.PENDING:
                return self._ask(state, event.now_ns, "no word of a proposal", effects)
            if order is not None:
                self._check_later(order.ticket.client_order_id, event.now_ns, effects)
            return state
        if name.startswith(_CHECK_TIMER):
            if name.removeprefix(_CHECK_TIMER) in state.orders and state.synced:
                return self._ask(state, event.now_ns, "is the order still there", effects)
            return state
        if name.startswith(_TIMEOUT_TIMER):
            order = state.orders.get(name.removeprefix(_TIMEOUT_TIMER))
            if order is None or order.ticket.client_order_id in state.canceling:
                return state
            self._cancel(state, order, event.now_ns, "timeout", effects)
            return replace(state, canceling=state.canceling | {order.ticket.client_order_id})
        if name.startswith(_CANCEL_TIMER):
            order = state.orders.get(name.removeprefix(_CANCEL_TIMER))
            if order is not None and order.status is not OrderStatus.PENDING_CANCEL:
                self._cancel(state, order, event.now_ns, "no word of a cancel", effects)
            return state
        signal = self.strategy.on_timer(self._context(state), event)
        if signal is None:
            return state
        key = f"N:{name}:{event.due_ns}"
        return self._on_signal(state, signal, key, event.due_ns, event.now_ns, effects)

    def _on_send_refused(self, state: SymbolState, event: SendRefused, effects: list[Effect]) -> SymbolState:
        """The proposal provably never left: the intent ends here. A refused question is asked again by its timer."""
        for order_id, order in state.orders.items():
            if order.causation_id != event.message_id or order.status is not OrderStatus.PENDING:
                continue
            denied_id = event_id("denied", order_id, "RISK_UNREACHABLE")
            denied = OrderDenied(
                stamp=order.caused(denied_id, ts_event=event.now_ns),
                symbol=self.settings.symbol,
                client_order_id=order_id,
                code="RISK_UNREACHABLE",
                detail="the risk gate's mailbox refused the proposal; nothing was sent",
            )
            effects.append(Record(message=denied))
            return self._pursue(_pursuit_ended(_without(state, order_id), order), event.now_ns, effects)
        return state

    # --- helpers --------------------------------------------------------------------------------------------

    def _check_later(self, order_id: str, now_ns: int, effects: list[Effect]) -> None:
        effects.append(Schedule(name=_CHECK_TIMER + order_id, due_ns=now_ns + ORDER_CHECK_NS))

    def _watch(self, order_id: str, now_ns: int, effects: list[Effect]) -> None:
        """Cancel the order if it still works at the end of its time (0 = no timeout)."""
        if self.settings.order_timeout_ns:
            due_ns = now_ns + self.settings.order_timeout_ns
            effects.append(Schedule(name=_TIMEOUT_TIMER + order_id, due_ns=due_ns))

    def _ask(self, state: SymbolState, now_ns: int, reason: str, effects: list[Effect]) -> SymbolState:
        """Stop proposing and ask for the broker actor's book, again each second until it answers.

        A repeated question keeps its id, so that a slow answer to the first one still counts.
        """
        asked = state.asked + 1 if state.synced else state.asked
        request_id = self._request_id(state.incarnation, asked)
        stamp = Stamp.first(request_id, now_ns)
        request = RequestSnapshot(
            stamp=stamp, symbol=self.settings.symbol, incarnation=state.incarnation, reason=reason
        )
        effects.append(Send(to="risk", message=request))
        effects.append(Schedule(name=_SNAPSHOT_TIMER, due_ns=now_ns + SNAPSHOT_RETRY_NS))
        return replace(state, synced=False, asked=asked)

    def _request_id(self, incarnation: int, asked: int) -> str:
        return event_id("snapshot", self.settings.symbol, incarnation, asked)

    def _answers_us(self, state: SymbolState, snapshot: PositionSnapshot) -> bool:
        """Only the answer to the question that is still open: an older one may lack what was proposed since."""
        return not state.synced and snapshot.stamp.causation_id == self._request_id(
            state.incarnation, state.asked
        )

    def _context(self, state: SymbolState) -> Context:
        return Context(
            symbol=self.settings.symbol,
            quantity=self.settings.quantity,
            position=state.position.qty,
            average_cost=state.position.avg_cost,
        )


def _with(state: SymbolState, order: Order) -> SymbolState:
    order_id = order.ticket.client_order_id
    if order.status.is_terminal:
        return _without(state, order_id)
    return replace(state, orders={**state.orders, order_id: order})


def _pursuit_ended(state: SymbolState, order: Order) -> SymbolState:
    """A wish that was refused or canceled is not repeated; a newer wish that waits behind its order lives on."""
    pursuit = state.pursuit
    if pursuit is None or pursuit.stamp.correlation_id != order.correlation_id:
        return state
    return replace(state, pursuit=None)


def _without(state: SymbolState, order_id: str) -> SymbolState:
    orders = {key: value for key, value in state.orders.items() if key != order_id}
    return replace(state, orders=orders, canceling=state.canceling - {order_id})
