"""The symbol core under any interleaving of wishes, verdicts, fills, gaps and restarts."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from kyzlo_actors.domain.messages import (
    OrderDenied,
    ProposeOrder,
    SendRefused,
    SequenceObserved,
    Started,
    TimerDue,
)
from kyzlo_actors.domain.order import Order, OrderStatus
from kyzlo_actors.domain.symbol_core import SymbolCore
from kyzlo_actors.domain.values import Side
from tests.domain.builders import NOW, SECOND, changed, filled, got, sent, stamp
from tests.domain.test_symbol_core import SETTINGS, Desk

S = OrderStatus


class Follower(RuleBasedStateMachine):
    """The truth (the broker actor's book) is kept beside the core."""

    @initialize()
    def begin(self) -> None:
        self.desk = Desk()
        self.now_ns = NOW
        self.position = Decimal(0)
        self.sequence = 0
        self.live: dict[str, Order] = {}
        self.proposed: set[str] = set()
        self.seen_fills: set[int] = set()
        self.desk.sync()

    def do(self, event: Any) -> None:
        before = self.desk.core.state
        self.check(before, self.desk.do(event))

    def check(self, before: Any, effects: list[Any]) -> None:
        proposals = sent(effects, ProposeOrder, "risk")
        assert len(proposals) <= 1
        for made in proposals:
            after = self.desk.core.state
            assert after.synced
            assert set(after.orders) == {made.ticket.client_order_id}
            assert made.ticket.client_order_id not in self.proposed, "one intent was proposed twice"
            assert made.ticket.qty > 0
            held = after.position.qty
            following = held + made.ticket.qty * made.ticket.side.sign
            assert held * following >= 0, "an order must not turn a long into a short"
            self.proposed.add(made.ticket.client_order_id)
            self.live[made.ticket.client_order_id] = Order(ticket=made.ticket, status=S.NEW)

    @rule(wanted=st.integers(-12, 12))
    def wish(self, wanted: int) -> None:
        before = self.desk.core.state
        self.check(before, self.desk.wish(wanted, self.now_ns))

    @rule(
        status=st.sampled_from([S.SUBMITTED, S.NEW, S.UNKNOWN, S.CANCELED, S.REJECTED]),
        lost=st.booleans(),
        data=st.data(),
    )
    def move(self, status: OrderStatus, lost: bool, data: st.DataObject) -> None:
        if not self.live:
            return
        order_id = data.draw(st.sampled_from(sorted(self.live)))
        if status.is_terminal:
            del self.live[order_id]
        if not lost:
            self.do(got(changed(order_id, status, sequence=self.sequence), self.now_ns))

    @rule(share=st.integers(1, 12), times=st.integers(0, 2), data=st.data())
    def fill(self, share: int, times: int, data: st.DataObject) -> None:
        if not self.live:
            return
        order_id = data.draw(st.sampled_from(sorted(self.live)))
        order = self.live[order_id]
        qty = min(Decimal(share), order.leaves_qty)
        cum = order.filled_qty + qty
        status = S.FILLED if cum == order.ticket.qty else S.PARTIALLY_FILLED
        side: Side = order.ticket.side
        self.live[order_id] = Order(ticket=order.ticket, status=status, filled_qty=cum)
        if status is S.FILLED:
            del self.live[order_id]
        self.position += qty * side.sign
        self.sequence += 1
        told = filled(
            order_id,
            sequence=self.sequence,
            qty=qty,
            cum=cum,
            total=order.ticket.qty,
            side=side,
            status=status,
        )
        for _ in range(times):
            self.do(got(told, self.now_ns))

    @rule(data=st.data(), code=st.sampled_from(["MAX_POSITION", "DUPLICATE_ID"]))
    def deny(self, data: st.DataObject, code: str) -> None:
        pending = [
            i for i, o in self.desk.core.state.orders.items() if o.status is S.PENDING and i in self.live
        ]
        fresh = [i for i in pending if not self.live[i].filled_qty]
        if fresh:
            order_id = data.draw(st.sampled_from(sorted(fresh)))
            del self.live[order_id]
            denied = OrderDenied(stamp=stamp(), symbol="AAPL", client_order_id=order_id, code=code, detail="")
            self.do(got(denied, self.now_ns))

    @rule()
    def never_left(self) -> None:
        for order_id, order in self.desk.core.state.orders.items():
            if order.status is S.PENDING and order_id in self.live and not self.live[order_id].filled_qty:
                del self.live[order_id]
                self.do(SendRefused(to="risk", message_id=order.causation_id, now_ns=self.now_ns))
                return

    @rule()
    def beat(self) -> None:
        self.do(SequenceObserved(symbol="AAPL", sequence=self.sequence, now_ns=self.now_ns))

    @rule()
    def answer(self) -> None:
        before = self.desk.core.state
        effects = self.desk.answer(str(self.position), self.sequence, tuple(self.live.values()))
        self.check(before, effects)

    @rule(kind=st.sampled_from(["unheard:", "check:", "timeout:", "cancel:", "snapshot"]))
    def timer(self, kind: str) -> None:
        for order_id in ["", *self.desk.core.state.orders]:
            self.do(TimerDue(name=kind + order_id, due_ns=self.now_ns, now_ns=self.now_ns))

    @rule()
    def wait(self) -> None:
        self.now_ns += SECOND

    @rule()
    def restart(self) -> None:
        state = self.desk.core.state
        self.desk.core = SymbolCore(SETTINGS, self.desk.strategy, state)
        self.do(Started(incarnation=state.incarnation + 1, now_ns=self.now_ns))
        assert not self.desk.core.state.synced

    @invariant()
    def it_is_right_or_knows_that_it_is_behind(self) -> None:
        if not hasattr(self, "desk"):
            return
        state = self.desk.core.state
        if state.synced and state.sequence == self.sequence:
            assert state.position.qty == self.position
            assert set(self.live) <= set(state.orders)
        assert len(state.orders) <= 1
        assert state.canceling <= set(state.orders)


TestFollower = Follower.TestCase
TestFollower.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
