"""The gate under any interleaving: held and reserved, at worst, never pass a limit through an approval."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from kyzlo_actors.domain.messages import (
    ApprovedOrder,
    CalendarRead,
    EntriesAllowed,
    EntriesBlocked,
    OrderDenied,
    SendRefused,
    TimerDue,
    TradingStateChanged,
)
from kyzlo_actors.domain.order import Order, OrderStatus
from kyzlo_actors.domain.session import SessionCalendar
from kyzlo_actors.domain.values import Side, TradingState
from tests.domain.builders import NOW, OPEN_ALL_DAY, SECOND, changed, filled, got, proposal, sent, stamp, view
from tests.domain.test_risk_core import Gate

D = Decimal
S = OrderStatus
SYMBOLS = ("AAPL", "MSFT")
MAX_POSITION = D(20)
MAX_GROSS = D(3_000)


class Portfolio(RuleBasedStateMachine):
    """The truth is kept beside the gate: orders at work, fills, positions."""

    @initialize()
    def begin(self) -> None:
        self.gate = Gate(
            max_position=dict.fromkeys(SYMBOLS, MAX_POSITION),
            max_gross_notional=MAX_GROSS,
            daily_loss=D(10**9),
            max_open_orders_per_symbol=3,
        )
        self.now_ns = NOW
        self.count = 0
        self.working: dict[str, Order] = {}
        self.positions = dict.fromkeys(SYMBOLS, D(0))
        self.sequences = dict.fromkeys(SYMBOLS, 0)
        self.approved: set[str] = set()
        self.last: dict[str, Any] = {}

    @rule(symbol=st.sampled_from(SYMBOLS), side=st.sampled_from(Side), qty=st.integers(1, 30))
    def propose(self, symbol: str, side: Side, qty: int) -> None:
        self.count += 1
        self.ask(f"kyzlo.t.{self.count}", symbol=symbol, side=side, qty=str(qty))

    @rule()
    def propose_again(self) -> None:
        if self.last:
            self.ask(**self.last)

    def ask(self, order_id: str, **kw: Any) -> None:
        self.last = {"order_id": order_id, **kw}
        gate_state = self.gate.core.state
        effects = self.gate.do(got(proposal(order_id, now_ns=self.now_ns, **kw), self.now_ns))
        for approval in sent(effects, ApprovedOrder, "broker"):
            assert order_id not in self.approved
            assert gate_state.trading_state is TradingState.ACTIVE or gate_state.book.reduces(
                kw["symbol"], kw["side"], D(kw["qty"])
            )
            assert gate_state.trading_state is not TradingState.HALTED
            assert gate_state.synced
            assert gate_state.calendar.is_open(self.now_ns)
            self.approved.add(order_id)
            self.working[order_id] = Order(ticket=approval.ticket, status=S.NEW)
            self.check_exposure()

    def check_exposure(self) -> None:
        """By the truth, not by the gate's own book. Prices are 100 throughout."""
        gross = D(0)
        for symbol in SYMBOLS:
            orders = [o for o in self.working.values() if o.ticket.symbol == symbol]
            buys = sum((o.leaves_qty for o in orders if o.ticket.side is Side.BUY), D(0))
            sells = sum((o.leaves_qty for o in orders if o.ticket.side is Side.SELL), D(0))
            held = self.positions[symbol]
            worst = max(abs(held + buys), abs(held - sells))
            assert worst <= MAX_POSITION, (symbol, held, buys, sells)
            gross += worst * 100
        assert gross <= MAX_GROSS

    @rule(share=st.integers(1, 30), lost=st.booleans(), twice=st.booleans(), data=st.data())
    def fill(self, share: int, lost: bool, twice: bool, data: st.DataObject) -> None:
        if not self.working:
            return
        order_id = data.draw(st.sampled_from(sorted(self.working)))
        order = self.working[order_id]
        symbol, side = order.ticket.symbol, order.ticket.side
        qty = min(D(share), order.leaves_qty)
        cum = order.filled_qty + qty
        status = S.FILLED if cum == order.ticket.qty else S.PARTIALLY_FILLED
        self.positions[symbol] += qty * side.sign
        self.sequences[symbol] += 1
        self.working[order_id] = Order(ticket=order.ticket, status=status, filled_qty=cum)
        if status is S.FILLED:
            del self.working[order_id]
        told = filled(
            order_id,
            sequence=self.sequences[symbol],
            qty=qty,
            cum=cum,
            total=order.ticket.qty,
            side=side,
            status=status,
            symbol=symbol,
        )
        for _ in range(0 if lost else 1 + twice):
            self.gate.do(got(told, self.now_ns))
        self.status(order_id, symbol, status)

    @rule(lost=st.booleans(), data=st.data(), status=st.sampled_from([S.CANCELED, S.EXPIRED, S.REJECTED]))
    def end(self, lost: bool, data: st.DataObject, status: OrderStatus) -> None:
        if self.working:
            order_id = data.draw(st.sampled_from(sorted(self.working)))
            symbol = self.working.pop(order_id).ticket.symbol
            if not lost:
                self.status(order_id, symbol, status)

    @rule(data=st.data(), status=st.sampled_from([S.UNKNOWN, S.NEW]))
    def doubt(self, data: st.DataObject, status: OrderStatus) -> None:
        if self.working:
            order_id = data.draw(st.sampled_from(sorted(self.working)))
            self.status(order_id, self.working[order_id].ticket.symbol, status)

    def status(self, order_id: str, symbol: str, status: OrderStatus) -> None:
        told = changed(order_id, status, sequence=self.sequences[symbol], symbol=symbol)
        self.gate.do(got(told, self.now_ns))

    @rule(data=st.data())
    def approval_never_left(self, data: st.DataObject) -> None:
        fresh = sorted(i for i, o in self.working.items() if not o.filled_qty)
        if fresh:
            order_id = data.draw(st.sampled_from(fresh))
            reservation = self.gate.core.state.book.reservations.get(order_id)
            if reservation is None or not reservation.approval_id:
                return
            del self.working[order_id]
            refused = SendRefused(to="broker", message_id=reservation.approval_id, now_ns=self.now_ns)
            assert len(sent(self.gate.do(refused), OrderDenied)) == 1

    @rule(in_between=st.booleans())
    def refresh(self, in_between: bool) -> None:
        self.gate.do(TimerDue(name="book", due_ns=self.now_ns, now_ns=self.now_ns))
        positions, orders = self.views(), tuple(self.working.values())
        if in_between:
            self.count += 1
            self.ask(f"kyzlo.t.{self.count}", symbol="AAPL", side=Side.BUY, qty="3")
        self.gate.answer(positions, orders)

    @rule()
    def stale_answer(self) -> None:
        self.gate.answer((), (), question="an older question")

    def views(self) -> tuple[Any, ...]:
        return tuple(view(s, str(self.positions[s]), sequence=self.sequences[s]) for s in SYMBOLS)

    @rule(state=st.sampled_from(TradingState))
    def gate_moves(self, state: TradingState) -> None:
        self.gate.do(got(TradingStateChanged(stamp=stamp(), state=state, reason=""), self.now_ns))

    @rule(blocked=st.booleans())
    def entries(self, blocked: bool) -> None:
        if blocked:
            self.gate.do(got(EntriesBlocked(stamp=stamp(), code="X", detail=""), self.now_ns))
        else:
            self.gate.do(got(EntriesAllowed(stamp=stamp()), self.now_ns))

    @rule(is_open=st.booleans())
    def session(self, is_open: bool) -> None:
        calendar = OPEN_ALL_DAY if is_open else SessionCalendar()
        self.gate.do(got(CalendarRead(stamp=stamp(), calendar=calendar), self.now_ns))

    @rule()
    def wait(self) -> None:
        self.now_ns += SECOND
        self.gate.marks(100.0, self.now_ns)

    @invariant()
    def what_works_is_reserved(self) -> None:
        if not hasattr(self, "gate") or not self.gate.core.state.synced:
            return
        book = self.gate.core.state.book
        for order_id, order in self.working.items():
            assert book.reservations[order_id].leaves_qty >= order.leaves_qty
        for symbol in SYMBOLS:
            assert book.qty(symbol) == self.positions[symbol]


TestPortfolio = Portfolio.TestCase
TestPortfolio.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
