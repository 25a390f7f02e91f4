"""The symbol core: from a wish to one order at a time, and what it believes about its position."""

from __future__ import annotations

from decimal import Decimal

import pytest

from kyzlo_actors.domain.effects import Effect, Record, Schedule
from kyzlo_actors.domain.messages import (
    BarClosed,
    CalendarRead,
    OrderDenied,
    PositionSnapshot,
    ProposeCancel,
    ProposeOrder,
    RequestSnapshot,
    SendRefused,
    SequenceObserved,
    SignalRaised,
    Started,
    Stopped,
    TickRead,
    TimerDue,
)
from kyzlo_actors.domain.order import Order, OrderStatus
from kyzlo_actors.domain.symbol.watch import ORDER_CHECK_NS
from kyzlo_actors.domain.symbol_core import SymbolCore, SymbolSettings
from kyzlo_actors.domain.values import OrderType, Side
from tests.domain.builders import (
    NOW,
    OPEN_ALL_DAY,
    SECOND,
    Scripted,
    bar,
    changed,
    filled,
    got,
    only,
    sent,
    stamp,
    tick,
    view,
)

S = OrderStatus
SETTINGS = SymbolSettings(
    account="PA1",
    symbol="AAPL",
    quantity=Decimal(10),
    max_price_age_ns=2 * SECOND,
    order_timeout_ns=20 * SECOND,
)


class Desk:
    """A symbol core with its strategy, and short ways to poke it."""

    def __init__(self) -> None:
        self.strategy = Scripted()
        self.core = SymbolCore(SETTINGS, self.strategy)
        self.trades = 0
        self.question = ""

    def do(self, event: object) -> list[Effect]:
        effects = self.core.handle(event)  # type: ignore[arg-type]
        for request in sent(effects, RequestSnapshot):
            self.question = request.stamp.event_id
        return effects

    def sync(self, qty: str = "0", sequence: int = 0, orders: tuple[Order, ...] = ()) -> list[Effect]:
        self.do(Started(incarnation=self.core.state.incarnation + 1, now_ns=NOW))
        return self.answer(qty, sequence, orders)

    def answer(
        self, qty: str = "0", sequence: int = 0, orders: tuple[Order, ...] = (), question: str = ""
    ) -> list[Effect]:
        snapshot = PositionSnapshot(
            stamp=stamp("snapshot", cause=question or self.question),
            symbol="AAPL",
            incarnation=1,
            position=view(qty=qty, sequence=sequence),
            orders=orders,
        )
        return self.do(got(snapshot))

    def wish(self, target: int | str, now_ns: int = NOW) -> list[Effect]:
        self.trades += 1
        self.strategy.wish = Decimal(target)
        return self.do(TickRead(tick=tick(100.0, now_ns, trade_id=str(self.trades)), now_ns=now_ns))

    def propose(self, target: int) -> str:
        (made,) = sent(self.wish(target), ProposeOrder)
        return made.ticket.client_order_id

    def tell(self, order_id: str, *statuses: OrderStatus) -> list[Effect]:
        effects: list[Effect] = []
        for status in statuses:
            effects += self.do(got(changed(order_id, status, sequence=self.core.state.sequence)))
        return effects

    def deny(self, order_id: str, code: str = "MAX_POSITION") -> list[Effect]:
        denied = OrderDenied(
            stamp=stamp("denied"), symbol="AAPL", client_order_id=order_id, code=code, detail=""
        )
        return self.do(got(denied))

    def timer(self, name: str, now_ns: int = NOW) -> list[Effect]:
        return self.do(TimerDue(name=name, due_ns=now_ns, now_ns=now_ns))


@pytest.fixture
def desk() -> Desk:
    made = Desk()
    made.sync()
    return made


def test_a_wish_becomes_one_proposal(desk: Desk) -> None:
    effects = desk.wish(10)
    (raised,) = [e.message for e in only(effects, Record)]
    (made,) = sent(effects, ProposeOrder, "risk")
    assert isinstance(raised, SignalRaised)
    assert (made.ticket.side, made.ticket.qty, made.ticket.order_type) == (Side.BUY, 10, OrderType.MARKET)
    assert made.stamp.correlation_id == raised.stamp.correlation_id
    assert made.stamp.causation_id == raised.stamp.event_id
    assert made.deadline_ns == NOW + 2 * SECOND
    assert sent(desk.wish(10), ProposeOrder) == []  # it is on its way already
    assert len(desk.core.state.orders) == 1


def test_the_same_trigger_gives_the_same_id() -> None:
    ids = []
    for _ in range(2):
        desk = Desk()
        desk.sync()
        ids.append(desk.propose(10))
    assert ids[0] == ids[1]


def test_nothing_is_proposed_before_the_book_is_known_and_the_wish_waits() -> None:
    desk = Desk()
    desk.do(Started(incarnation=1, now_ns=NOW))
    assert sent(desk.wish(10), ProposeOrder) == []
    (made,) = sent(desk.answer("4"), ProposeOrder)
    assert made.ticket.qty == 6


def test_only_the_open_question_is_answered() -> None:
    desk = Desk()
    desk.do(Started(incarnation=1, now_ns=NOW))
    old = desk.question
    desk.do(Started(incarnation=2, now_ns=NOW))
    assert desk.question != old
    desk.answer("5", question=old)
    assert not desk.core.state.synced
    desk.answer("7")
    assert desk.core.state.synced
    desk.answer("9")  # the answer to the repeated question: adopted already
    assert desk.core.state.position.qty == 7


def test_a_question_is_repeated_under_its_own_id_until_it_is_answered() -> None:
    desk = Desk()
    (first,) = sent(desk.do(Started(incarnation=1, now_ns=NOW)), RequestSnapshot, "risk")
    (again,) = sent(desk.timer("snapshot", NOW + SECOND), RequestSnapshot)
    assert again.stamp.event_id == first.stamp.event_id
    desk.answer()
    assert desk.timer("snapshot", NOW + 2 * SECOND) == []


def test_fills_move_the_position_once_and_in_sequence(desk: Desk) -> None:
    order_id = desk.propose(10)
    desk.tell(order_id, S.SUBMITTED, S.NEW)
    desk.do(got(filled(order_id, sequence=1, qty="4", status=S.PARTIALLY_FILLED)))
    desk.do(got(filled(order_id, sequence=1, qty="4", status=S.PARTIALLY_FILLED)))
    assert desk.core.state.position.qty == 4
    assert desk.core.state.orders[order_id].leaves_qty == 6
    desk.do(got(filled(order_id, sequence=2, qty="6", cum="10")))
    assert (desk.core.state.position.qty, desk.core.state.orders) == (10, {})
    assert len(desk.strategy.fills) == 2
    desk.tell(order_id, S.FILLED)
    assert desk.strategy.events[-1].status is S.FILLED


def test_a_gap_stops_proposals_and_asks(desk: Desk) -> None:
    effects = desk.do(got(filled("kyzlo.other", sequence=2)))
    assert len(sent(effects, RequestSnapshot)) == 1
    assert desk.core.state.position.qty == 0
    assert sent(desk.wish(5), ProposeOrder) == []
    (made,) = sent(desk.answer("20", sequence=2), ProposeOrder)
    assert (made.ticket.side, made.ticket.qty) == (Side.SELL, 15)


def test_a_status_that_knows_more_fills_asks_too(desk: Desk) -> None:
    order_id = desk.propose(10)
    effects = desk.do(got(changed(order_id, S.FILLED, sequence=1)))
    assert len(sent(effects, RequestSnapshot)) == 1
    assert order_id in desk.core.state.orders


def test_a_published_sequence_ahead_asks_once(desk: Desk) -> None:
    ahead = SequenceObserved(symbol="AAPL", sequence=1, now_ns=NOW)
    assert len(sent(desk.do(ahead), RequestSnapshot)) == 1
    assert desk.do(ahead) == []


def test_crossing_zero_closes_first_and_does_not_cancel_itself() -> None:
    desk = Desk()
    desk.sync("10", sequence=1)
    (close,) = sent(desk.wish(-10), ProposeOrder)
    close_id = close.ticket.client_order_id
    assert (close.ticket.side, close.ticket.qty) == (Side.SELL, 10)
    assert sent(desk.tell(close_id, S.SUBMITTED, S.NEW), ProposeCancel) == []
    desk.do(got(filled(close_id, sequence=2, qty="4", side=Side.SELL, status=S.PARTIALLY_FILLED)))
    assert desk.core.state.canceling == frozenset()
    effects = desk.do(got(filled(close_id, sequence=3, qty="6", cum="10", side=Side.SELL)))
    (opening,) = sent(effects, ProposeOrder)
    assert (opening.ticket.side, opening.ticket.qty) == (Side.SELL, 10)
    assert opening.ticket.client_order_id != close_id
    assert opening.stamp.correlation_id == close.stamp.correlation_id
    assert desk.core.state.pursuit is None


@pytest.mark.parametrize("status", [S.REJECTED, S.EXPIRED, S.CANCELED])
def test_a_close_that_fails_ends_the_reversal(status: OrderStatus) -> None:
    desk = Desk()
    desk.sync("10", sequence=1)
    close_id = desk.propose(-10)
    assert sent(desk.tell(close_id, S.SUBMITTED, status), ProposeOrder) == []
    assert desk.core.state.pursuit is None


def test_a_denied_wish_is_not_repeated(desk: Desk) -> None:
    order_id = desk.propose(10)
    assert sent(desk.deny(order_id), ProposeOrder) == []
    state = desk.core.state
    assert (state.orders, state.pursuit) == ({}, None)
    assert sent(desk.do(TickRead(tick=tick(trade_id="quiet"), now_ns=NOW)), ProposeOrder) == []
    assert sent(desk.wish(10), ProposeOrder) != []


@pytest.mark.parametrize("end", ["denied", S.REJECTED, S.EXPIRED, S.CANCELED, "never left"])
def test_a_newer_wish_outlives_the_order_before_it(desk: Desk, end: str) -> None:
    first = desk.propose(10)
    proposed = desk.core.state.orders[first].causation_id
    assert len(sent(desk.wish(4), ProposeCancel)) == 1
    if end == "denied":
        effects = desk.deny(first)
    elif end == "never left":
        effects = desk.do(SendRefused(to="risk", message_id=proposed, now_ns=NOW))
    else:
        effects = desk.tell(first, S.SUBMITTED, OrderStatus(end))
    (made,) = sent(effects, ProposeOrder)
    assert made.ticket.qty == 4


def test_back_to_a_wish_whose_order_is_being_canceled(desk: Desk) -> None:
    """10, then 0, then 10 again: the first order is on its way out, so the last wish must wait for it."""
    first = desk.propose(10)
    desk.tell(first, S.SUBMITTED, S.NEW)
    desk.wish(0)
    assert sent(desk.wish(10), ProposeCancel) == []
    (made,) = sent(desk.tell(first, S.CANCELED), ProposeOrder)
    assert (made.ticket.side, made.ticket.qty) == (Side.BUY, 10)


def test_a_judged_intent_asks_for_the_book(desk: Desk) -> None:
    order_id = desk.propose(10)
    assert len(sent(desk.deny(order_id, "DUPLICATE_ID"), RequestSnapshot)) == 1


def test_a_denial_never_hides_an_order_at_the_broker(desk: Desk) -> None:
    order_id = desk.propose(10)
    desk.tell(order_id, S.SUBMITTED, S.NEW)
    desk.deny(order_id)
    assert order_id in desk.core.state.orders


def test_a_timeout_asks_for_one_cancel_until_it_is_heard(desk: Desk) -> None:
    order_id = desk.propose(10)
    schedules = only(desk.tell(order_id, S.SUBMITTED), Schedule)
    assert Schedule(name=f"timeout:{order_id}", due_ns=NOW + 20 * SECOND) in schedules
    (cancel,) = sent(desk.timer(f"timeout:{order_id}"), ProposeCancel, "risk")
    assert cancel.client_order_id == order_id
    assert desk.timer(f"timeout:{order_id}") == []
    # Neither way is safe: without a word from the broker it is asked for again.
    assert len(sent(desk.timer(f"cancel:{order_id}"), ProposeCancel)) == 1
    desk.tell(order_id, S.PENDING_CANCEL)
    assert desk.timer(f"cancel:{order_id}") == []


def test_a_refused_proposal_is_over_and_explained(desk: Desk) -> None:
    order_id = desk.propose(10)
    message_id = desk.core.state.orders[order_id].causation_id
    effects = desk.do(SendRefused(to="risk", message_id=message_id, now_ns=NOW))
    (record,) = only(effects, Record)
    assert isinstance(record.message, OrderDenied)
    assert record.message.code == "RISK_UNREACHABLE"
    assert desk.core.state.orders == {}
    assert desk.do(SendRefused(to="risk", message_id="another", now_ns=NOW)) == []


def test_silence_after_a_proposal_asks_for_the_book(desk: Desk) -> None:
    order_id = desk.propose(10)
    assert len(sent(desk.timer(f"unheard:{order_id}"), RequestSnapshot)) == 1
    desk.answer()
    assert desk.core.state.orders == {}
    assert desk.timer(f"unheard:{order_id}") == []


def test_an_order_whose_end_was_lost_is_found_out(desk: Desk) -> None:
    order_id = desk.propose(10)
    desk.tell(order_id, S.SUBMITTED, S.NEW)
    (later,) = only(desk.timer(f"unheard:{order_id}"), Schedule)
    assert later == Schedule(name=f"check:{order_id}", due_ns=NOW + ORDER_CHECK_NS)
    assert len(sent(desk.timer(f"check:{order_id}"), RequestSnapshot)) == 1
    desk.answer()
    assert desk.core.state.orders == {}


def test_a_restart_adopts_the_broker_actors_book_and_its_timers(desk: Desk) -> None:
    order_id = desk.propose(10)
    standing = Order(ticket=desk.core.state.orders[order_id].ticket, status=S.NEW)
    reborn = Desk()
    reborn.core = SymbolCore(SETTINGS, reborn.strategy, desk.core.state)
    effects = reborn.sync("3", sequence=8, orders=(standing,))
    state = reborn.core.state
    assert (state.position.qty, state.sequence, set(state.orders)) == (3, 8, {order_id})
    names = {schedule.name for schedule in only(effects, Schedule)}
    assert {f"timeout:{order_id}", f"check:{order_id}"} <= names
    assert reborn.strategy.started == 1
    (made,) = sent(reborn.wish(0), ProposeCancel)
    assert (made.client_order_id, made.incarnation) == (order_id, 2)


def test_late_bars_teach_and_never_trade(desk: Desk) -> None:
    desk.strategy.wish = Decimal(10)
    assert desk.do(BarClosed(bar=bar(1, 9.0), late=True, now_ns=NOW)) == []
    assert len(desk.strategy.learned) == 1
    assert desk.core.state.bar_count == 1
    effects = desk.do(BarClosed(bar=bar(2, 9.0), late=False, now_ns=NOW + 3 * SECOND))
    assert len(sent(effects, ProposeOrder)) == 1
    desk.do(BarClosed(bar=bar(2, 9.5, revision=1), late=False, now_ns=NOW + 3 * SECOND))
    assert desk.core.state.bar_count == 2


def test_the_calendar_is_kept(desk: Desk) -> None:
    desk.do(got(CalendarRead(stamp=stamp(), calendar=OPEN_ALL_DAY)))
    assert desk.core.state.calendar == OPEN_ALL_DAY


def test_a_failing_strategy_leaves_the_state_untouched(desk: Desk) -> None:
    before = desk.core.state
    desk.strategy.failure = RuntimeError("strategy")
    for event in (TickRead(tick=tick(), now_ns=NOW), BarClosed(bar=bar(1, 9.0), late=False, now_ns=NOW)):
        with pytest.raises(RuntimeError, match="strategy"):
            desk.do(event)
        assert desk.core.state is before


@pytest.mark.parametrize("target", ["NaN", "sNaN", "Infinity", "-Infinity"])
def test_an_absurd_target_is_explained_and_never_an_order(target: str) -> None:
    desk = Desk()
    desk.sync("10", sequence=1)
    raised, denied = [e.message for e in only(desk.wish(target), Record)]
    assert isinstance(raised, SignalRaised)
    assert isinstance(denied, OrderDenied)
    assert denied.code == "BAD_TARGET"
    assert (desk.core.state.pursuit, desk.core.state.last_target) == (None, None)


def test_the_strategys_timers_are_due_at_whole_multiples_and_again() -> None:
    desk = Desk()
    effects = desk.do(Started(incarnation=1, now_ns=NOW))
    minute = 60 * SECOND
    due_ns = (NOW // minute + 1) * minute
    assert Schedule(name="strategy:rebalance", due_ns=due_ns) in effects

    desk.sync()
    desk.do(TickRead(tick=tick(now_ns=due_ns), now_ns=due_ns))
    desk.strategy.wish = Decimal(10)
    effects = desk.do(TimerDue(name="strategy:rebalance", due_ns=due_ns, now_ns=due_ns + SECOND))

    assert [(timer.name, timer.due_ns) for timer in desk.strategy.rung] == [("rebalance", due_ns)]
    assert Schedule(name="strategy:rebalance", due_ns=due_ns + minute) in effects
    (raised,) = [e.message for e in only(effects, Record) if isinstance(e.message, SignalRaised)]
    assert raised.natural_key == f"N:rebalance:{due_ns}"
    assert len(sent(effects, ProposeOrder)) == 1


def test_a_timer_of_another_version_of_the_strategy_is_ignored() -> None:
    desk = Desk()
    assert desk.do(TimerDue(name="strategy:gone", due_ns=NOW, now_ns=NOW)) == []
    assert desk.strategy.rung == []


def test_an_orderly_end_is_told_to_the_strategy() -> None:
    desk = Desk()
    assert desk.do(Stopped(now_ns=NOW)) == []
    assert desk.strategy.stopped == 1
