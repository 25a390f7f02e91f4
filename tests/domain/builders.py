"""Short ways to say messages, reports and cores in tests of the domain."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, ClassVar, TypeVar

from kyzlo_actors.domain.broker import BrokerAccount, BrokerOrder, BrokerPosition, BrokerState
from kyzlo_actors.domain.broker_events import (
    StateRead,
    StreamConnected,
    SubmitAnswered,
    SubmitStarted,
    TradeUpdated,
)
from kyzlo_actors.domain.effects import Effect, Send
from kyzlo_actors.domain.execution_core import ExecutionCore, ExecutionSettings
from kyzlo_actors.domain.market import Bar, Mark, Tick
from kyzlo_actors.domain.messages import (
    ApprovedOrder,
    BookSnapshot,
    Message,
    OrderFilled,
    OrderStatusChanged,
    PositionView,
    ProposeOrder,
    Received,
    Started,
    TimerDue,
)
from kyzlo_actors.domain.order import Order, OrderStatus, OrderTicket
from kyzlo_actors.domain.session import SessionCalendar, SessionDay
from kyzlo_actors.domain.stamp import Stamp
from kyzlo_actors.domain.strategy.protocol import BaseStrategy, Context, Signal
from kyzlo_actors.domain.values import OrderType, Side, TimeInForce

SECOND = 1_000_000_000
MS = 1_000_000
NOW = 1_700_000_000 * SECOND
OPEN_ALL_DAY = SessionCalendar(
    days=(SessionDay(date="2023-11-14", open_ns=NOW - 3600 * SECOND, close_ns=NOW + 24 * 3600 * SECOND),)
)
M = TypeVar("M")
D = Decimal


def stamp(event_id: str = "e", *, cause: str = "c", correlation: str = "k", now_ns: int = NOW) -> Stamp:
    return Stamp(
        event_id=event_id, causation_id=cause, correlation_id=correlation, ts_event=now_ns, ts_init=now_ns
    )


def got(message: Message, now_ns: int = NOW, sender: str = "test") -> Received:
    return Received(message=message, sender=sender, now_ns=now_ns)


def sent(effects: Iterable[Effect], kind: type[M], to: str | None = None) -> list[M]:
    """Messages of one type among the effects, perhaps only those to one actor."""
    return [
        e.message
        for e in effects
        if isinstance(e, Send) and isinstance(e.message, kind) and (to is None or e.to == to)
    ]


def only(effects: Iterable[Effect], kind: type[M]) -> list[M]:
    """Effects of one type."""
    return [e for e in effects if isinstance(e, kind)]


def tick(price: float = 100.0, now_ns: int = NOW, *, trade_id: str = "1", symbol: str = "AAPL") -> Tick:
    return Tick(symbol, price, 10.0, now_ns, now_ns, 4, 0, trade_id)


def bar(index: int, close: float, *, revision: int = 0, symbol: str = "AAPL") -> Bar:
    start = NOW + index * SECOND
    return Bar(symbol, SECOND, start, close, close, close, close, 1.0, 1, revision, False, start + SECOND)


def ticket(
    order_id: str = "kyzlo.t.1",
    *,
    side: Side = Side.BUY,
    qty: str | Decimal = "10",
    symbol: str = "AAPL",
    limit_price: Decimal | None = None,
) -> OrderTicket:
    return OrderTicket(
        client_order_id=order_id,
        symbol=symbol,
        side=side,
        qty=D(qty),
        order_type=OrderType.MARKET if limit_price is None else OrderType.LIMIT,
        limit_price=limit_price,
    )


def proposal(
    order_id: str = "kyzlo.t.1",
    *,
    side: Side = Side.BUY,
    qty: str | Decimal = "10",
    symbol: str = "AAPL",
    price: float = 100.0,
    limit_price: Decimal | None = None,
    now_ns: int = NOW,
    age_ns: int = 0,
    incarnation: int = 1,
) -> ProposeOrder:
    ts = now_ns - age_ns
    return ProposeOrder(
        stamp=stamp(f"propose-{order_id}", correlation=f"chain-{order_id}", now_ns=now_ns),
        ticket=ticket(order_id, side=side, qty=qty, symbol=symbol, limit_price=limit_price),
        strategy="t",
        mark=Mark(symbol, price, ts, ts),
        deadline_ns=now_ns + 60 * SECOND,
        incarnation=incarnation,
    )


def approved(
    order_id: str = "kyzlo.t.1", *, deadline_ns: int = NOW + 60 * SECOND, **kw: Any
) -> ApprovedOrder:
    return ApprovedOrder(
        stamp=stamp(f"approved-{order_id}", correlation=f"chain-{order_id}"),
        ticket=ticket(order_id, **kw),
        deadline_ns=deadline_ns,
    )


def report(
    order_id: str = "kyzlo.t.1",
    status: OrderStatus | None = OrderStatus.NEW,
    *,
    filled: str | Decimal = "0",
    average: str | Decimal | None = None,
    side: Side = Side.BUY,
    qty: str | Decimal = "10",
    symbol: str = "AAPL",
    submitted_ns: int = NOW,
    updated_ns: int = NOW,
) -> BrokerOrder:
    return BrokerOrder(
        venue_order_id=f"v-{order_id}",
        client_order_id=order_id,
        symbol=symbol,
        side=side,
        qty=D(qty),
        order_type=OrderType.MARKET,
        time_in_force=TimeInForce.DAY,
        limit_price=None,
        status=status,
        raw_status="held" if status is None else str(status),
        filled_qty=D(filled),
        filled_avg_price=None if average is None else D(average),
        submitted_ns=submitted_ns,
        updated_ns=updated_ns,
    )


def frame(
    told: BrokerOrder, *, qty: str | None = None, price: str | None = None, now_ns: int = NOW
) -> TradeUpdated:
    return TradeUpdated(
        event=told.raw_status,
        order=told,
        execution_id=None if qty is None else f"x-{told.client_order_id}-{told.filled_qty}",
        price=None if price is None else D(price),
        qty=None if qty is None else D(qty),
        ts_event=now_ns,
        now_ns=now_ns,
    )


def account(*, cash: str = "100000", last_equity: str = "100000", status: str = "ACTIVE") -> BrokerAccount:
    return BrokerAccount(
        account_number="PA1",
        status=status,
        currency="USD",
        cash=D(cash),
        equity=D(last_equity),
        last_equity=D(last_equity),
        buying_power=D(cash),
        trading_blocked=False,
        account_blocked=False,
        trade_suspended_by_user=False,
        shorting_enabled=True,
    )


def state_read(
    orders: Iterable[BrokerOrder] = (),
    positions: dict[str, str] | None = None,
    *,
    now_ns: int = NOW,
    started_ns: int | None = None,
    cash: str = "100000",
    status: str = "ACTIVE",
) -> StateRead:
    return StateRead(
        state=BrokerState(
            read_started_ns=now_ns if started_ns is None else started_ns,
            account=account(cash=cash, status=status),
            orders=tuple(orders),
            positions=tuple(
                BrokerPosition(symbol=name, qty=D(qty), avg_entry_price=D("100"))
                for name, qty in (positions or {}).items()
            ),
        ),
        reason="test",
        now_ns=now_ns,
    )


def execution(symbols: tuple[str, ...] = ("AAPL", "MSFT")) -> ExecutionCore:
    """An execution core that is started, connected and reconciled at NOW, flat."""
    core = ExecutionCore(ExecutionSettings(symbols=symbols))
    core.handle(Started(incarnation=1, now_ns=NOW))
    core.handle(StreamConnected(now_ns=NOW))
    core.handle(state_read())
    assert core.state.allowed
    return core


def submit(core: ExecutionCore, order_id: str = "kyzlo.t.1", **kw: Any) -> None:
    """Approve, start: the bytes are out."""
    core.handle(got(approved(order_id, **kw)))
    core.handle(SubmitStarted(client_order_id=order_id, now_ns=NOW))


def accept(core: ExecutionCore, order_id: str = "kyzlo.t.1", **kw: Any) -> None:
    """Approve, start, and the broker takes it: it works."""
    submit(core, order_id, **kw)
    told = report(order_id, **{k: v for k, v in kw.items() if k in ("side", "qty", "symbol")})
    core.handle(SubmitAnswered(client_order_id=order_id, order=told, now_ns=NOW))


def filled(
    order_id: str,
    *,
    sequence: int,
    qty: str | Decimal = "10",
    cum: str | Decimal | None = None,
    total: str | Decimal = "10",
    side: Side = Side.BUY,
    price: str | Decimal = "100",
    status: OrderStatus = OrderStatus.FILLED,
    symbol: str = "AAPL",
) -> OrderFilled:
    cumulative = D(qty) if cum is None else D(cum)
    return OrderFilled(
        stamp=stamp(f"fill-{order_id}-{cumulative}", correlation=f"chain-{order_id}"),
        symbol=symbol,
        client_order_id=order_id,
        venue_order_id=f"v-{order_id}",
        execution_id="x",
        side=side,
        qty=D(qty),
        price=D(price),
        cum_qty=cumulative,
        leaves_qty=D(0) if status.is_terminal else D(total) - cumulative,
        status=status,
        fee=D(0),
        synthetic=False,
        sequence=sequence,
    )


def changed(
    order_id: str,
    status: OrderStatus,
    *,
    sequence: int = 0,
    filled_qty: str = "0",
    symbol: str = "AAPL",
) -> OrderStatusChanged:
    return OrderStatusChanged(
        stamp=stamp(f"status-{order_id}-{status}"),
        symbol=symbol,
        client_order_id=order_id,
        venue_order_id=f"v-{order_id}",
        status=status,
        filled_qty=D(filled_qty),
        reason="",
        sequence=sequence,
    )


def view(symbol: str = "AAPL", qty: str = "0", *, sequence: int = 0, cost: str = "100") -> PositionView:
    return PositionView(
        symbol=symbol, qty=D(qty), avg_cost=D(cost), realized_pnl=D(0), fees=D(0), sequence=sequence
    )


def book_snapshot(
    question_id: str,
    positions: Iterable[PositionView] = (),
    orders: Iterable[Order] = (),
    *,
    cash: str = "100000",
    last_equity: str = "100000",
) -> BookSnapshot:
    return BookSnapshot(
        stamp=stamp("book", cause=question_id),
        incarnation=1,
        cash=D(cash),
        last_equity=D(last_equity),
        buying_power=D(cash),
        positions=tuple(positions),
        orders=tuple(orders),
    )


class Scripted(BaseStrategy):
    """Wants the position that the last digits of the trade id or the bar's close say."""

    name: ClassVar[str] = "t"

    def __init__(self) -> None:
        self.started = self.stopped = 0
        self.rung: list[TimerDue] = []
        self.fills: list[OrderFilled] = []
        self.events: list[OrderStatusChanged] = []
        self.learned: list[Bar] = []
        self.wish: Decimal | None = None
        self.failure: Exception | None = None

    @property
    def timers(self) -> Mapping[str, float]:
        return {"rebalance": 60.0}

    def on_start(self, context: Context) -> None:
        self.started += 1

    def on_stop(self, context: Context) -> None:
        self.stopped += 1

    def on_timer(self, context: Context, timer: TimerDue) -> Signal | None:
        self.rung.append(timer)
        return self._answer()

    def on_tick(self, context: Context, tick: Tick) -> Signal | None:
        return self._answer()

    def on_bar(self, context: Context, bar: Bar) -> Signal | None:
        return self._answer()

    def on_warm_up(self, context: Context, bar: Bar) -> None:
        self.learned.append(bar)

    def on_fill(self, context: Context, fill: OrderFilled) -> None:
        self.fills.append(fill)

    def on_order_event(self, context: Context, event: OrderStatusChanged) -> None:
        self.events.append(event)

    def _answer(self) -> Signal | None:
        if self.failure is not None:
            raise self.failure
        wish, self.wish = self.wish, None
        return None if wish is None else Signal(target_position=wish, reason="scripted")
