"""Whatever the broker's reports do on their way - lost, doubled, swapped - the book ends at the truth."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from kyzlo_actors.domain.broker_events import (
    CancelAnswered,
    CancelFailed,
    LookUpFailed,
    OrderLookedUp,
    SubmitAnswered,
    SubmitRefused,
    SubmitRejected,
    SubmitStarted,
    SubmitUncertain,
)
from kyzlo_actors.domain.effects import CancelAtBroker, SubmitOrder
from kyzlo_actors.domain.execution_core import ExecutionCore
from kyzlo_actors.domain.messages import (
    CancelAllOrders,
    CancelOrder,
    HaltProgressed,
    OrderFilled,
    Started,
    TimerDue,
)
from kyzlo_actors.domain.order import TRANSITIONS, OrderStatus
from kyzlo_actors.domain.values import Side
from tests.domain.builders import (
    NOW,
    SECOND,
    accept,
    approved,
    execution,
    frame,
    got,
    only,
    report,
    sent,
    stamp,
    state_read,
)

S = OrderStatus
IDS = ("kyzlo.t.1", "kyzlo.t.2", "kyzlo.t.3")
ENDS = (S.FILLED, S.CANCELED, S.EXPIRED)


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[Any], OrderStatus, Decimal, Side]:
    """What truly happened to an order of 10 shares, as frames in their true order."""
    side = draw(st.sampled_from(Side))
    cuts = sorted(draw(st.sets(st.integers(1, 9), max_size=4)))
    end = draw(st.sampled_from(ENDS))
    frames = [frame(report(status=S.NEW, side=side))]
    before = 0
    for cut in cuts:
        told = report(status=S.PARTIALLY_FILLED, filled=str(cut), average="100", side=side)
        frames.append(frame(told, qty=str(cut - before), price="100"))
        before = cut
    total = 10 if end is S.FILLED else before
    told = report(status=end, filled=str(total), average="100" if total else None, side=side)
    frames.append(frame(told, qty=str(total - before) if total > before else None, price="100"))
    return frames, end, Decimal(total), side


@given(histories(), st.data())
@settings(max_examples=200, deadline=None)
def test_the_book_ends_at_the_truth(
    history: tuple[list[Any], OrderStatus, Decimal, Side], data: st.DataObject
) -> None:
    frames, end, total, side = history
    core = execution()
    accept(core, IDS[0], side=side)
    kept = data.draw(st.lists(st.sampled_from(frames), max_size=12))
    last = frames[-1].order
    proof = data.draw(
        st.sampled_from(
            [
                frames[-1],
                OrderLookedUp(client_order_id=IDS[0], order=last, now_ns=NOW),
                state_read([last], {"AAPL": str(total * side.sign)}, now_ns=NOW + SECOND),
            ]
        )
    )
    index = data.draw(st.integers(0, len(kept)))
    effects = [e for event in [*kept[:index], proof, *kept[index:]] for e in core.handle(event)]
    fills = sent(effects, OrderFilled, "risk")
    assert [fill.sequence for fill in fills] == list(range(1, len(fills) + 1))
    assert sum(fill.qty for fill in fills) == total
    position = core.state.positions.get("AAPL")
    assert (position.qty if position is not None else 0) == total * side.sign
    order = core.state.orders[IDS[0]]
    assert (order.status, order.filled_qty) == (end, total)
    assert core.state.cash == 100_000 - total * 100 * side.sign


class Book(RuleBasedStateMachine):
    """Any event at any time: the promises hold at every step."""

    @initialize()
    def begin(self) -> None:
        self.core: ExecutionCore = execution()
        self.now_ns = NOW
        self.lives = 1
        self.submissions: Counter[str] = Counter()
        self.fills: Counter[str] = Counter()
        self.sequences: list[int] = []
        self.halted = False

    def do(self, event: Any) -> list[Any]:
        before = self.core.state
        effects = self.core.handle(event)
        for effect in only(effects, SubmitOrder):
            order_id = effect.ticket.client_order_id
            if self.submissions[order_id]:
                assert before.orders[order_id].status in (S.UNKNOWN, S.SUBMITTED, S.ACCEPTED, S.NEW)
                assert self.core.state.orders[order_id].status is S.UNKNOWN
                assert before.orders[order_id].venue_order_id is None
            assert not self.halted
            self.submissions[order_id] += 1
        for fill in sent(effects, OrderFilled, "risk"):
            assert fill.qty > 0
            self.fills[fill.client_order_id] += int(fill.qty)
            self.sequences.append(fill.sequence)
        for progressed in sent(effects, HaltProgressed):
            assert bool(progressed.open_orders) == bool(self.core.state.live)
        if not isinstance(event, SubmitRejected):
            self.check_fates(before, event)
        return effects

    def check_fates(self, before: Any, event: Any) -> None:
        for order_id, order in before.orders.items():
            after = self.core.state.orders[order_id].status
            if order.status is S.UNKNOWN:
                assert after is not S.DENIED
                assert after is not S.REJECTED
            if order.status.is_terminal and order.status is not S.DENIED and order.venue_order_id:
                assert after is order.status or after in TRANSITIONS[order.status]

    @rule(order_id=st.sampled_from(IDS), side=st.sampled_from(Side))
    def approve(self, order_id: str, side: Side) -> None:
        self.do(got(approved(order_id, side=Side.BUY), self.now_ns))

    @rule(order_id=st.sampled_from(IDS), code=st.sampled_from(["HALTED", "NOT_SENT"]))
    def refuse(self, order_id: str, code: str) -> None:
        self.do(SubmitRefused(client_order_id=order_id, code=code, detail="", now_ns=self.now_ns))

    @rule(order_id=st.sampled_from(IDS))
    def start(self, order_id: str) -> None:
        self.do(SubmitStarted(client_order_id=order_id, now_ns=self.now_ns))

    @rule(order_id=st.sampled_from(IDS))
    def doubt(self, order_id: str) -> None:
        self.do(SubmitUncertain(client_order_id=order_id, detail="", now_ns=self.now_ns))

    @rule(order_id=st.sampled_from(IDS), duplicate=st.booleans())
    def reject(self, order_id: str, duplicate: bool) -> None:
        rejected = SubmitRejected(
            client_order_id=order_id,
            http_status=422,
            code="",
            message="",
            duplicate=duplicate,
            now_ns=self.now_ns,
        )
        self.do(rejected)

    @rule(
        order_id=st.sampled_from(IDS),
        status=st.sampled_from([S.NEW, S.ACCEPTED, S.PENDING_CANCEL, S.PARTIALLY_FILLED, *ENDS, None]),
        filled=st.integers(0, 10),
        way=st.sampled_from(["answer", "frame", "look up", "read"]),
    )
    def tell(self, order_id: str, status: OrderStatus | None, filled: int, way: str) -> None:
        if order_id not in self.core.state.orders:
            return
        told = report(order_id, status, filled=str(filled), average="100")
        if way == "answer":
            self.do(SubmitAnswered(client_order_id=order_id, order=told, now_ns=self.now_ns))
        elif way == "frame":
            self.do(frame(told, now_ns=self.now_ns))
        elif way == "look up":
            self.do(OrderLookedUp(client_order_id=order_id, order=told, now_ns=self.now_ns))
        else:
            self.do(state_read([told], now_ns=self.now_ns))

    @rule(order_id=st.sampled_from(IDS), failed=st.booleans())
    def no_order(self, order_id: str, failed: bool) -> None:
        if failed:
            self.do(LookUpFailed(client_order_id=order_id, detail="", now_ns=self.now_ns))
        else:
            self.do(OrderLookedUp(client_order_id=order_id, order=None, now_ns=self.now_ns))

    @rule(order_id=st.sampled_from(IDS), taken=st.booleans())
    def cancel(self, order_id: str, taken: bool) -> None:
        self.do(got(CancelOrder(stamp=stamp(), symbol="AAPL", client_order_id=order_id), self.now_ns))
        if taken:
            self.do(CancelAnswered(client_order_id=order_id, now_ns=self.now_ns))
        else:
            self.do(CancelFailed(client_order_id=order_id, http_status=422, message="", now_ns=self.now_ns))

    @rule(seconds=st.integers(1, 8))
    def wait(self, seconds: int) -> None:
        self.now_ns += seconds * SECOND

    @precondition(lambda self: not self.halted)
    @rule()
    def halt(self) -> None:
        self.halted = True
        live = {
            order_id
            for order_id in self.core.state.live
            if self.core.state.orders[order_id].status not in (S.PENDING, S.UNKNOWN)
        }
        effects = self.do(got(CancelAllOrders(stamp=stamp(), halt_id="h"), self.now_ns))
        assert live <= {c.client_order_id for c in only(effects, CancelAtBroker)}

    @rule()
    def recheck(self) -> None:
        self.do(TimerDue(name="halt", due_ns=self.now_ns, now_ns=self.now_ns))

    @precondition(lambda self: not self.halted)
    @rule()
    def restart(self) -> None:
        self.lives += 1
        self.core = ExecutionCore(self.core.settings, self.core.state)
        self.do(Started(incarnation=self.lives, now_ns=self.now_ns))

    @invariant()
    def fills_are_booked_once_and_numbered(self) -> None:
        if not hasattr(self, "core"):
            return
        state = self.core.state
        position = state.positions.get("AAPL")
        booked = position.qty if position is not None else Decimal(0)
        assert booked == sum(order.filled_qty for order in state.orders.values())
        assert booked == sum(self.fills.values())
        assert self.sequences == sorted(set(self.sequences))
        assert state.sequences.get("AAPL", 0) == len(self.sequences)
        assert state.live == {i for i, order in state.orders.items() if not order.status.is_terminal}
        assert state.canceling <= state.live
        assert set(state.look_ups) <= set(state.orders)


TestBook = Book.TestCase
TestBook.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
