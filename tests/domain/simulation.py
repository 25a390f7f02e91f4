"""Four cores, a venue that is a dict, and a seeded scheduler that loses, delays, repeats and reorders.

Between two actors messages keep their order but may be refused; what the broker tells keeps no order at all.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict, deque
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from kyzlo_actors.domain.broker import BrokerOrder, BrokerPosition, BrokerState
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
    CancelAtBroker,
    Effect,
    LookUpOrder,
    PublishSequence,
    ReadState,
    Schedule,
    Send,
    SubmitOrder,
)
from kyzlo_actors.domain.execution_core import ExecutionCore, ExecutionSettings
from kyzlo_actors.domain.market import Mark
from kyzlo_actors.domain.messages import (
    ApprovedOrder,
    CalendarRead,
    MarksObserved,
    Message,
    Received,
    SendRefused,
    SequenceObserved,
    Started,
    TickRead,
    TimerDue,
    TradingStateChanged,
)
from kyzlo_actors.domain.order import OrderStatus, OrderTicket
from kyzlo_actors.domain.risk.limits import RiskLimits
from kyzlo_actors.domain.risk_core import RiskCore
from kyzlo_actors.domain.symbol_core import SymbolCore, SymbolSettings
from kyzlo_actors.domain.values import TradingState
from tests.domain.builders import MS, NOW, OPEN_ALL_DAY, SECOND, Scripted, account, stamp, tick

SYMBOLS = ("AAPL", "MSFT")
LIMIT = Decimal(10)
WISHES = tuple(map(Decimal, (-10, -5, 0, 0, 5, 10)))
S = OrderStatus
LIVE = (S.NEW, S.PARTIALLY_FILLED, S.PENDING_CANCEL)


@dataclass
class VenueOrder:
    """An order as the venue has it: the truth."""

    ticket: OrderTicket
    status: OrderStatus = S.NEW
    filled: Decimal = Decimal(0)
    average: Decimal = Decimal(0)
    submitted_ns: int = 0


@dataclass
class Venue:
    """Orders and positions by name. It refuses a second order of one id, as the real one does."""

    orders: dict[str, VenueOrder] = field(default_factory=dict)
    positions: dict[str, Decimal] = field(default_factory=lambda: defaultdict(Decimal))
    cash: Decimal = Decimal(100_000)

    def described(self, order_id: str, now_ns: int) -> BrokerOrder:
        order = self.orders[order_id]
        return BrokerOrder(
            venue_order_id=f"v-{order_id}",
            client_order_id=order_id,
            symbol=order.ticket.symbol,
            side=order.ticket.side,
            qty=order.ticket.qty,
            order_type=order.ticket.order_type,
            time_in_force=order.ticket.time_in_force,
            limit_price=None,
            status=order.status,
            raw_status=str(order.status),
            filled_qty=order.filled,
            filled_avg_price=order.average if order.filled else None,
            submitted_ns=order.submitted_ns,
            updated_ns=now_ns,
        )

    def fill(self, order_id: str, qty: Decimal, price: Decimal) -> None:
        order = self.orders[order_id]
        total = order.filled + qty
        order.average = (order.average * order.filled + price * qty) / total
        order.filled = total
        if total == order.ticket.qty:
            order.status = S.FILLED
        elif order.status is S.NEW:
            order.status = S.PARTIALLY_FILLED
        self.positions[order.ticket.symbol] += qty * order.ticket.side.sign
        self.cash -= qty * price * order.ticket.side.sign


class World:
    """The scheduler. `chaos` off: nothing is lost any more, and everything comes to rest."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.chaos = True
        self.now_ns = NOW
        self.venue = Venue()
        self.cores: dict[str, Any] = {}
        self.strategies = {symbol: Scripted() for symbol in SYMBOLS}
        self.lives: Counter[str] = Counter()
        self.channels: dict[tuple[str, str], deque[Message]] = {}
        self.timers: dict[str, dict[str, int]] = defaultdict(dict)
        self.reports: list[tuple[int, Any]] = []
        self.published: dict[str, int] = {}
        self.approved: set[str] = set()
        self.submitted: Counter[str] = Counter()
        self.trade_ids = 0
        self._make_cores()

    def _make_cores(self) -> None:
        self.cores["broker"] = ExecutionCore(ExecutionSettings(symbols=SYMBOLS))
        limits = RiskLimits(
            daily_loss=Decimal(50_000),
            max_gross_notional=Decimal(100_000),
            max_order_notional=Decimal(50_000),
            max_position=dict.fromkeys(SYMBOLS, LIMIT),
            max_price_age_ns=20 * SECOND,
            max_orders_per_minute=10_000,
        )
        self.cores["risk"] = RiskCore(limits)
        for symbol in SYMBOLS:
            settings = SymbolSettings(
                account="PA1",
                symbol=symbol,
                quantity=Decimal(10),
                max_price_age_ns=20 * SECOND,
                order_timeout_ns=8 * SECOND,
            )
            self.cores[f"symbol-{symbol}"] = SymbolCore(settings, self.strategies[symbol])
        for name in tuple(self.cores):
            self.start(name)

    # --- lives ---------------------------------------------------------------------------------------------------

    def start(self, name: str) -> None:
        self.lives[name] += 1
        self.handle(name, Started(incarnation=self.lives[name], now_ns=self.now_ns))
        if name == "broker":
            self.handle(name, StreamConnected(now_ns=self.now_ns))
        if name == "risk":
            state = TradingStateChanged(stamp=stamp("state"), state=TradingState.ACTIVE, reason="test")
            self.handle(name, Received(message=state, sender="guardian", now_ns=self.now_ns))
            calendar = CalendarRead(stamp=stamp("calendar"), calendar=OPEN_ALL_DAY)
            self.handle(name, Received(message=calendar, sender="broker", now_ns=self.now_ns))

    def restart(self, name: str) -> None:
        """Its mailbox, timers and open requests die with it; its state is what its journal tells."""
        names = [name] if name != "risk" else ["risk", *(f"symbol-{s}" for s in SYMBOLS)]
        for each in names:
            self.timers[each].clear()
            for (_, to), channel in self.channels.items():
                if to == each:
                    channel.clear()
        if name == "broker":
            self.reports.clear()
        for each in names:
            self.start(each)

    # --- effects -------------------------------------------------------------------------------------------------

    def handle(self, name: str, event: Any) -> None:
        waiting: deque[Any] = deque((event,))
        while waiting:
            for effect in self.cores[name].handle(waiting.popleft()):
                refused = self._act(name, effect)
                if refused is not None:
                    waiting.append(refused)

    def _act(self, name: str, effect: Effect) -> SendRefused | None:
        match effect:
            case Send():
                return self._send(name, effect)
            case Schedule():
                self.timers[name][effect.name] = effect.due_ns
            case LookUpOrder():
                self.timers[name]["!look_up:" + effect.client_order_id] = effect.due_ns
            case PublishSequence():
                self.published[effect.symbol] = effect.sequence
            case SubmitOrder():
                self._submit(effect)
            case CancelAtBroker():
                self._cancel(effect.client_order_id)
            case ReadState():
                self._read_state(effect)
            case _:
                pass
        return None

    def _send(self, name: str, effect: Send) -> SendRefused | None:
        message = effect.message
        if isinstance(message, ApprovedOrder):
            assert message.ticket.client_order_id not in self.approved, "one intent was approved twice"
            self.approved.add(message.ticket.client_order_id)
        if effect.to not in self.cores:
            return None
        if self.lossy(0.04):
            return SendRefused(to=effect.to, message_id=message.stamp.event_id, now_ns=self.now_ns)
        self.channels.setdefault((name, effect.to), deque()).append(message)
        return None

    def _submit(self, effect: SubmitOrder) -> None:
        order_id = effect.ticket.client_order_id
        assert order_id in self.approved, "an order without approval"
        if self.submitted[order_id]:
            known = self.cores["broker"].state.orders[order_id]
            assert known.status is S.UNKNOWN, f"sent again while {known.status}"
        if self.now_ns >= effect.deadline_ns or self.lossy(0.05):
            gate = SubmitRefused(client_order_id=order_id, code="GATE", detail="", now_ns=self.now_ns)
            self.handle("broker", gate)
            return
        self.submitted[order_id] += 1
        self.handle("broker", SubmitStarted(client_order_id=order_id, now_ns=self.now_ns))
        if self.lossy(0.05):
            late = SubmitRefused(client_order_id=order_id, code="NOT_SENT", detail="", now_ns=0)
            self.tell(late, once=True)
            return
        if self.lossy(0.02):
            self.tell(SubmitUncertain(client_order_id=order_id, detail="lost", now_ns=0), once=True)
            return
        self._arrive(effect.ticket)

    def _arrive(self, wanted: OrderTicket) -> None:
        order_id = wanted.client_order_id
        answer: Any
        if order_id in self.venue.orders:
            answer = SubmitRejected(
                client_order_id=order_id,
                http_status=422,
                code="40010001",
                message="client_order_id must be unique",
                duplicate=True,
                now_ns=0,
            )
        elif self.lossy(0.05):
            answer = SubmitRejected(
                client_order_id=order_id,
                http_status=403,
                code="1",
                message="no",
                duplicate=False,
                now_ns=0,
            )
        else:
            self.venue.orders[order_id] = VenueOrder(ticket=wanted, submitted_ns=self.now_ns)
            described = self.venue.described(order_id, self.now_ns)
            answer = SubmitAnswered(client_order_id=order_id, order=described, now_ns=0)
            self._frame(order_id, "new")
            if self.lossy(0.15):
                answer = SubmitUncertain(client_order_id=order_id, detail="cut", now_ns=0)
        self.tell(answer, once=True)

    def _cancel(self, order_id: str) -> None:
        order = self.venue.orders.get(order_id)
        if order is None or order.status not in LIVE or self.lossy(0.1):
            failed = CancelFailed(client_order_id=order_id, http_status=422, message="no", now_ns=0)
            self.tell(failed, once=True)
            return
        order.status = S.PENDING_CANCEL
        self.tell(CancelAnswered(client_order_id=order_id, now_ns=0), once=True)

    def _look_up(self, order_id: str) -> None:
        if self.lossy(0.1):
            self.tell(LookUpFailed(client_order_id=order_id, detail="5xx", now_ns=0), once=True)
            return
        known = self.venue.described(order_id, self.now_ns) if order_id in self.venue.orders else None
        self.tell(OrderLookedUp(client_order_id=order_id, order=known, now_ns=0), once=True)

    def _read_state(self, effect: ReadState) -> None:
        if self.lossy(0.1):
            self.tell(StateReadFailed(reason=effect.reason, detail="5xx", now_ns=0), once=True)
            return
        state = BrokerState(
            read_started_ns=self.now_ns,
            account=account(cash=str(self.venue.cash)),
            orders=tuple(self.venue.described(order_id, self.now_ns) for order_id in self.venue.orders),
            positions=tuple(
                BrokerPosition(symbol=s, qty=q, avg_entry_price=Decimal(100))
                for s, q in self.venue.positions.items()
                if q
            ),
        )
        self.tell(StateRead(state=state, reason=effect.reason, now_ns=0), once=True)

    def _frame(self, order_id: str, event: str, qty: Decimal | None = None) -> None:
        """One frame of the order stream: it may be lost, come twice, and overtake others."""
        if self.lossy(0.1):
            return
        self.tell(
            TradeUpdated(
                event=event,
                order=self.venue.described(order_id, self.now_ns),
                execution_id=f"x{self.now_ns}" if qty else None,
                price=Decimal(100) if qty else None,
                qty=qty,
                ts_event=self.now_ns,
                now_ns=0,
            )
        )

    def tell(self, told: Any, *, once: bool = False) -> None:
        copies = 1 if once or not self.lossy(0.15) else 2
        for _ in range(copies):
            delay_ns = self.random.randrange(1, 3 * SECOND if self.chaos else 50 * MS)
            self.reports.append((self.now_ns + delay_ns, told))

    def lossy(self, share: float) -> bool:
        return self.chaos and self.random.random() < share

    # --- steps ---------------------------------------------------------------------------------------------------

    def step(self) -> None:
        """One thing happens."""
        roll = self.random.random()
        if roll < 0.10:
            self.wish(self.random.choice(SYMBOLS), self.random.choice(WISHES))
        elif roll < 0.55:
            self.deliver()
        elif roll < 0.67:
            self.report()
        elif roll < 0.75:
            self.work()
        elif roll < 0.80:
            self.beat()
        elif roll < 0.808 and self.chaos:
            self.restart(self.random.choice(sorted(self.cores)))
        elif roll < 0.813 and self.chaos:
            self.handle("broker", StreamDisconnected(detail="cut", now_ns=self.now_ns))
            self.now_ns += MS
            self.handle("broker", StreamConnected(now_ns=self.now_ns))
        else:
            self.now_ns += self.random.randrange(400 * MS)
            self.run_timers()

    def wish(self, symbol: str, target: Decimal) -> None:
        self.trade_ids += 1
        self.strategies[symbol].wish = target
        seen = tick(100.0, self.now_ns, trade_id=str(self.trade_ids), symbol=symbol)
        mark = Mark(symbol, 100.0, self.now_ns, self.now_ns)
        self.handle("risk", MarksObserved(marks=(mark,), now_ns=self.now_ns))
        self.handle(f"symbol-{symbol}", TickRead(tick=seen, now_ns=self.now_ns))

    def deliver(self) -> bool:
        ready = [key for key, channel in self.channels.items() if channel]
        if not ready:
            return False
        sender, to = self.random.choice(ready)
        message = self.channels[sender, to].popleft()
        self.handle(to, Received(message=message, sender=sender, now_ns=self.now_ns))
        return True

    def report(self) -> bool:
        due = [index for index, (at, _) in enumerate(self.reports) if at <= self.now_ns]
        if not due:
            return False
        _, told = self.reports.pop(self.random.choice(due))
        fields = {name: getattr(told, name) for name in told.__slots__ if name != "now_ns"}
        self.handle("broker", type(told)(**fields, now_ns=self.now_ns))
        return True

    def work(self) -> bool:
        """The venue fills some order or carries out a cancel."""
        live = [key for key, order in self.venue.orders.items() if order.status in LIVE]
        if not live:
            return False
        order_id = self.random.choice(live)
        order = self.venue.orders[order_id]
        if order.status is S.PENDING_CANCEL and self.random.random() < 0.6:
            order.status = S.CANCELED
            self._frame(order_id, "canceled")
            return True
        rest = order.ticket.qty - order.filled
        qty = rest if self.random.random() < 0.6 else min(rest, Decimal(self.random.randrange(1, 4)))
        self.venue.fill(order_id, qty, Decimal(100))
        held = self.venue.positions[order.ticket.symbol]
        assert abs(held) <= LIMIT, f"the position {held} is beyond its limit"
        self._frame(order_id, "fill" if order.status is S.FILLED else "partial_fill", qty)
        return True

    def beat(self) -> None:
        """The shells compare the published sequences with what their cores know."""
        for symbol, sequence in self.published.items():
            seen = SequenceObserved(symbol=symbol, sequence=sequence, now_ns=self.now_ns)
            if sequence > self.cores[f"symbol-{symbol}"].state.sequence:
                self.handle(f"symbol-{symbol}", seen)
            view = self.cores["risk"].state.book.positions.get(symbol)
            if sequence > (view.sequence if view is not None else 0):
                self.handle("risk", seen)

    def run_timers(self) -> None:
        for name in sorted(self.cores):
            due = [(at, timer) for timer, at in self.timers[name].items() if at <= self.now_ns]
            for at, timer in sorted(due):
                if self.timers[name].get(timer) != at:
                    continue
                del self.timers[name][timer]
                if timer.startswith("!look_up:"):
                    self._look_up(timer.removeprefix("!look_up:"))
                else:
                    self.handle(name, TimerDue(name=timer, due_ns=at, now_ns=self.now_ns))

    def settle(self) -> None:
        """Peace: nothing is lost, nobody wishes; two minutes pass."""
        self.chaos = False
        for _ in range(600):
            self.now_ns += 200 * MS
            while self.deliver() or self.report() or self.work():
                pass
            self.run_timers()
            self.beat()
        while self.deliver() or self.report():
            pass
