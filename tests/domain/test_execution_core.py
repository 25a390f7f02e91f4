"""The book of record: each fate is what the broker proved, or UNKNOWN; each fill is booked once."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from kyzlo_actors.domain.broker import BrokerPosition
from kyzlo_actors.domain.broker_events import (
    CancelAnswered,
    CancelFailed,
    LookUpFailed,
    OrderLookedUp,
    StateReadFailed,
    StreamConnected,
    StreamDisconnected,
    SubmitAnswered,
    SubmitRefused,
    SubmitRejected,
    SubmitStarted,
    SubmitUncertain,
)
from kyzlo_actors.domain.effects import (
    Alert,
    CancelAtBroker,
    LookUpOrder,
    PublishSequence,
    ReadState,
    Schedule,
    SubmitOrder,
)
from kyzlo_actors.domain.execution.cancels import CANCEL_RETRY_NS
from kyzlo_actors.domain.execution.lookups import LOOK_UP_LATER_NS, LOOK_UP_WAITS_NS
from kyzlo_actors.domain.execution.reconciliation import (
    BOOK_ORDERS,
    KEEP_FULL_NS,
    KEEP_NS,
)
from kyzlo_actors.domain.execution_core import ExecutionCore, ExecutionSettings
from kyzlo_actors.domain.messages import (
    BookSnapshot,
    CalendarRead,
    CancelAllOrders,
    CancelOrder,
    CancelSymbolOrders,
    EntriesAllowed,
    EntriesBlocked,
    HaltAcknowledged,
    HaltProgressed,
    OrderDenied,
    OrderFilled,
    OrderStatusChanged,
    PositionSnapshot,
    RequestBookSnapshot,
    RequestCalendar,
    RequestSnapshot,
    SendRefused,
    Started,
    TimerDue,
)
from kyzlo_actors.domain.order import OrderStatus
from kyzlo_actors.domain.position import Position
from kyzlo_actors.domain.values import Side
from tests.domain.builders import (
    NOW,
    OPEN_ALL_DAY,
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
    submit,
)

D = Decimal
S = OrderStatus
ID = "kyzlo.t.1"
CANCEL_ALL = CancelAllOrders(stamp=stamp("halt"), halt_id="h1")


def status(core: ExecutionCore, order_id: str = ID) -> OrderStatus:
    return core.state.orders[order_id].status


def timer(core: ExecutionCore, name: str, now_ns: int = NOW) -> list[Any]:
    return core.handle(TimerDue(name=name, due_ns=now_ns, now_ns=now_ns))


def uncertain(core: ExecutionCore, **kw: Any) -> list[Any]:
    submit(core, **kw)
    return core.handle(SubmitUncertain(client_order_id=ID, detail="timeout", now_ns=NOW))


def absent(core: ExecutionCore, after_seconds: float) -> list[Any]:
    now_ns = NOW + int(after_seconds * SECOND)
    return core.handle(OrderLookedUp(client_order_id=ID, order=None, now_ns=now_ns))


# --- the order path ----------------------------------------------------------------------------------------------


def test_from_approval_to_fill() -> None:
    core = execution()
    (submission,) = only(core.handle(got(approved())), SubmitOrder)
    assert (submission.ticket.client_order_id, submission.reserved) == (ID, False)
    assert status(core) is S.PENDING
    effects = core.handle(SubmitStarted(client_order_id=ID, now_ns=NOW))
    assert [m.status for m in sent(effects, OrderStatusChanged, "risk")] == [S.SUBMITTED]
    core.handle(SubmitAnswered(client_order_id=ID, order=report(), now_ns=NOW))
    assert status(core) is S.NEW
    effects = core.handle(
        frame(report(ID, S.PARTIALLY_FILLED, filled="4", average="100"), qty="4", price="100")
    )
    (fill,) = sent(effects, OrderFilled, "symbol-AAPL")
    assert sent(effects, OrderFilled, "risk") == [fill]
    assert (fill.qty, fill.cum_qty, fill.leaves_qty, fill.sequence) == (4, 4, 6, 1)
    assert (fill.price, fill.synthetic, fill.status) == (100, False, S.PARTIALLY_FILLED)
    assert fill.stamp.correlation_id == f"chain-{ID}"
    assert only(effects, PublishSequence) == [PublishSequence(symbol="AAPL", sequence=1)]
    core.handle(frame(report(ID, S.FILLED, filled="10", average="106"), qty="6", price="110"))
    state = core.state
    assert status(core) is S.FILLED
    assert (state.positions["AAPL"].qty, state.positions["AAPL"].avg_cost) == (10, 106)
    assert (state.cash, state.sequences["AAPL"], state.live) == (100_000 - 1060, 2, frozenset())


def test_an_approval_is_sent_once() -> None:
    core = execution()
    core.handle(got(approved()))
    effects = core.handle(got(approved()))
    assert only(effects, SubmitOrder) == []
    assert [a.code for a in only(effects, Alert)] == ["DUPLICATE_APPROVAL"]


@pytest.mark.parametrize("code", ["DEADLINE", "HALTED", "NOT_RECONCILED", "UNKNOWN_ORDER"])
def test_our_own_refusals(code: str) -> None:
    core = execution()
    deadline_ns = NOW + 60 * SECOND
    if code == "DEADLINE":
        deadline_ns = NOW
    elif code == "HALTED":
        core.handle(got(CANCEL_ALL))
    elif code == "NOT_RECONCILED":
        core.handle(StreamDisconnected(detail="cut", now_ns=NOW))
    else:
        uncertain(core)
    effects = core.handle(got(approved("kyzlo.t.2", deadline_ns=deadline_ns)))
    assert only(effects, SubmitOrder) == []
    assert [m.code for m in sent(effects, OrderDenied, "symbol-AAPL")] == [code]
    assert [m.code for m in sent(effects, OrderDenied, "risk")] == [code]
    assert status(core, "kyzlo.t.2") is S.DENIED


def test_closes_pass_while_the_stream_is_down_but_never_twice_the_position() -> None:
    core = execution()
    accept(core)
    core.handle(frame(report(ID, S.FILLED, filled="10", average="100")))
    core.handle(StreamDisconnected(detail="cut", now_ns=NOW))
    (submission,) = only(core.handle(got(approved("kyzlo.t.2", side=Side.SELL))), SubmitOrder)
    assert submission.reserved
    effects = core.handle(got(approved("kyzlo.t.3", side=Side.SELL, qty="1")))
    assert [m.code for m in sent(effects, OrderDenied, "risk")] == ["NOT_RECONCILED"]


def test_a_new_life_lets_nothing_pass_before_it_has_read_the_state() -> None:
    core = execution()
    accept(core)
    core.handle(frame(report(ID, S.FILLED, filled="10", average="100")))
    core.handle(Started(incarnation=2, now_ns=NOW))
    effects = core.handle(got(approved("kyzlo.t.2", side=Side.SELL)))
    assert [m.code for m in sent(effects, OrderDenied, "risk")] == ["NOT_RECONCILED"]


def test_a_gate_refusal_denies() -> None:
    core = execution()
    core.handle(got(approved()))
    effects = core.handle(SubmitRefused(client_order_id=ID, code="BREAKER_OPEN", detail="", now_ns=NOW))
    assert [m.code for m in sent(effects, OrderDenied, "symbol-AAPL")] == ["BREAKER_OPEN"]
    assert status(core) is S.DENIED


@pytest.mark.parametrize("after", [S.SUBMITTED, S.REJECTED])
def test_a_definite_refusal_of_the_broker(after: OrderStatus) -> None:
    core = execution()
    submit(core)
    rejected = SubmitRejected(
        client_order_id=ID, http_status=403, code="1", message="no", duplicate=False, now_ns=NOW
    )
    core.handle(rejected)
    assert status(core) is S.REJECTED
    assert core.handle(rejected) == []


def test_a_duplicate_id_proves_the_first_arrived() -> None:
    core = execution()
    submit(core)
    effects = core.handle(
        SubmitRejected(
            client_order_id=ID, http_status=422, code="1", message="unique", duplicate=True, now_ns=NOW
        )
    )
    assert status(core) is S.UNKNOWN
    assert len(only(effects, LookUpOrder)) == 1


def test_a_silent_submission_is_looked_up() -> None:
    core = execution()
    submit(core)
    assert len(only(timer(core, f"silence:{ID}"), LookUpOrder)) == 1
    core.handle(SubmitAnswered(client_order_id=ID, order=report(), now_ns=NOW))
    assert timer(core, f"silence:{ID}") == []


# --- the unknown -------------------------------------------------------------------------------------------------


def test_the_unknown_is_looked_up_ever_more_slowly_and_stays_unknown() -> None:
    core = execution()
    effects = uncertain(core, deadline_ns=NOW + SECOND)
    waits = [only(effects, LookUpOrder)[0].due_ns - NOW]
    now_ns, alerts = NOW, []
    for _ in range(7):
        now_ns += waits[-1]
        effects = core.handle(OrderLookedUp(client_order_id=ID, order=None, now_ns=now_ns))
        (again,) = only(effects, LookUpOrder)
        waits.append(again.due_ns - now_ns)
        alerts += [a.code for a in only(effects, Alert)]
    assert waits == [*LOOK_UP_WAITS_NS, *[LOOK_UP_LATER_NS] * 3]
    assert alerts == ["ORDER_UNKNOWN"]
    assert status(core) is S.UNKNOWN


def test_a_lookup_without_answer_is_asked_again() -> None:
    core = execution()
    uncertain(core)
    effects = core.handle(LookUpFailed(client_order_id=ID, detail="5xx", now_ns=NOW))
    assert len(only(effects, LookUpOrder)) == 1
    assert status(core) is S.UNKNOWN


def test_found_is_adopted() -> None:
    core = execution()
    uncertain(core)
    told = report(ID, S.FILLED, filled="10", average="101")
    effects = core.handle(OrderLookedUp(client_order_id=ID, order=told, now_ns=NOW))
    assert (status(core), core.state.positions["AAPL"].qty) == (S.FILLED, 10)
    (fill,) = sent(effects, OrderFilled, "risk")
    assert (fill.price, fill.synthetic) == (101, True)
    assert core.state.look_ups == {}


def test_r1_reposts_the_same_id_once_in_five_seconds_before_its_deadline() -> None:
    core = execution()
    uncertain(core)
    assert only(absent(core, 4.9), SubmitOrder) == []
    (repost,) = only(absent(core, 5), SubmitOrder)
    assert repost.ticket == approved().ticket
    assert only(absent(core, 5.1), SubmitOrder) == []  # another lookup was still under way
    assert len(only(absent(core, 10), SubmitOrder)) == 1
    assert only(absent(core, 60), SubmitOrder) == []
    assert status(core) is S.UNKNOWN


@pytest.mark.parametrize("why", ["canceling", "halt", "was there"])
def test_r1_never_reposts(why: str) -> None:
    core = execution()
    uncertain(core)
    if why == "canceling":
        core.handle(got(CancelOrder(stamp=stamp(), symbol="AAPL", client_order_id=ID)))
    elif why == "halt":
        core.handle(got(CANCEL_ALL))
    else:
        core.handle(OrderLookedUp(client_order_id=ID, order=report(), now_ns=NOW))
    assert only(absent(core, 6), SubmitOrder) == []
    assert status(core) is S.UNKNOWN


def test_a_repost_that_never_left_proves_nothing_about_the_first() -> None:
    core = execution()
    uncertain(core)
    absent(core, 5)
    core.handle(SubmitStarted(client_order_id=ID, now_ns=NOW + 5 * SECOND))
    assert status(core) is S.SUBMITTED
    effects = core.handle(SubmitRefused(client_order_id=ID, code="NOT_SENT", detail="", now_ns=NOW))
    assert status(core) is S.UNKNOWN
    assert sent(effects, OrderDenied) == []
    assert len(only(effects, LookUpOrder)) == 1


def test_a_repost_refused_by_the_gate_stays_unknown() -> None:
    core = execution()
    uncertain(core)
    absent(core, 5)
    effects = core.handle(SubmitRefused(client_order_id=ID, code="HALTED", detail="", now_ns=NOW))
    assert status(core) is S.UNKNOWN
    assert len(only(effects, LookUpOrder)) == 1


def test_a_lookup_of_what_was_never_sent_sends_nothing() -> None:
    core = execution()
    core.handle(got(approved()))
    assert absent(core, 10) == []
    assert status(core) is S.PENDING


def test_an_unknown_word_is_read_again_ever_more_slowly() -> None:
    core = execution()
    accept(core)
    dues = []
    for _ in range(6):
        effects = core.handle(OrderLookedUp(client_order_id=ID, order=report(ID, None), now_ns=NOW))
        dues.append(only(effects, LookUpOrder)[0].due_ns - NOW)
    assert dues == sorted(dues)
    assert dues[-1] == LOOK_UP_LATER_NS
    assert status(core) is S.NEW


# --- reports -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("told", [S.NEW, S.ACCEPTED, S.PARTIALLY_FILLED, S.PENDING_CANCEL])
@pytest.mark.parametrize("end", [S.FILLED, S.CANCELED, S.EXPIRED, S.REJECTED, S.REPLACED])
def test_a_report_never_revives_a_terminal_order(end: OrderStatus, told: OrderStatus) -> None:
    core = execution()
    accept(core)
    core.handle(frame(report(ID, end, filled="10" if end is S.FILLED else "0", average="100")))
    core.handle(frame(report(ID, told)))
    core.handle(state_read([report(ID, told)], {"AAPL": "10"} if end is S.FILLED else {}))
    assert status(core) is end
    assert core.state.live == frozenset()


def test_a_report_older_than_what_is_booked_moves_nothing() -> None:
    core = execution()
    accept(core)
    core.handle(frame(report(ID, S.PENDING_CANCEL, filled="4", average="100")))
    core.handle(frame(report(ID, S.NEW)))
    assert (status(core), core.state.orders[ID].filled_qty) == (S.PENDING_CANCEL, 4)


def test_a_late_fill_of_a_canceled_order_is_booked() -> None:
    core = execution()
    accept(core)
    core.handle(frame(report(ID, S.CANCELED)))
    effects = core.handle(frame(report(ID, S.FILLED, filled="10", average="100"), qty="10", price="100"))
    assert core.state.positions["AAPL"].qty == 10
    (fill,) = sent(effects, OrderFilled, "risk")
    assert (fill.leaves_qty, fill.status) == (0, S.FILLED)
    assert status(core) is S.FILLED


def test_a_late_partial_fill_of_a_canceled_order_is_booked_and_leaves_nothing() -> None:
    core = execution()
    accept(core)
    core.handle(frame(report(ID, S.CANCELED)))
    effects = core.handle(
        frame(report(ID, S.PARTIALLY_FILLED, filled="3", average="100"), qty="3", price="100")
    )
    (fill,) = sent(effects, OrderFilled, "risk")
    assert (fill.qty, fill.leaves_qty, fill.status) == (3, 0, S.CANCELED)
    assert (status(core), core.state.positions["AAPL"].qty) == (S.CANCELED, 3)


def test_a_lost_frame_is_priced_from_averages() -> None:
    core = execution()
    accept(core)
    core.handle(frame(report(ID, S.PARTIALLY_FILLED, filled="4", average="100"), qty="4", price="100"))
    # 3 at 102 were never told; these 2 at 110 make the average of nine 102.888…
    told = report(ID, S.PARTIALLY_FILLED, filled="9", average="102.88888888")
    (fill,) = sent(core.handle(frame(told, qty="2", price="110")), OrderFilled, "risk")
    assert (fill.qty, fill.synthetic) == (5, True)
    assert abs(fill.price - D("105.2")) < D("0.0001")


def test_a_denied_order_that_lives_is_believed() -> None:
    core = execution()
    core.handle(got(approved()))
    core.handle(Started(incarnation=2, now_ns=NOW))
    assert status(core) is S.DENIED
    effects = core.handle(frame(report()))
    assert [a.code for a in only(effects, Alert)] == ["DENIED_ORDER_LIVES"]
    assert (status(core), core.state.live) == (S.NEW, frozenset({ID}))


def test_a_rejected_order_without_an_id_that_lives_is_believed() -> None:
    core = execution()
    submit(core)
    core.handle(
        SubmitRejected(client_order_id=ID, http_status=403, code="", message="", duplicate=False, now_ns=NOW)
    )
    effects = core.handle(state_read([report()]))
    assert "DENIED_ORDER_LIVES" in [a.code for a in only(effects, Alert)]
    assert core.state.live == frozenset({ID})


def test_our_own_lost_order_is_adopted_and_its_fills_are_booked() -> None:
    core = execution()
    effects = core.handle(frame(report("kyzlo.lost", S.PARTIALLY_FILLED, filled="4", average="100")))
    assert [a.code for a in only(effects, Alert)] == ["ORDER_ADOPTED"]
    assert (core.state.positions["AAPL"].qty, core.state.live) == (4, frozenset({"kyzlo.lost"}))


def test_foreign_orders_are_told_once_and_never_touched() -> None:
    core = execution()
    foreign = report("somebody-1")
    effects = core.handle(state_read([foreign]))
    assert [a.code for a in only(effects, Alert)] == ["FOREIGN_ORDER"]
    later = [
        *core.handle(frame(foreign)),
        *core.handle(frame(report("somebody-1", S.FILLED, filled="10", average="100"))),
        *core.handle(got(CANCEL_ALL)),
        *core.handle(state_read([foreign])),
    ]
    assert only(later, Alert) == []
    assert only(later, CancelAtBroker) == []
    assert core.state.orders == {}
    assert core.state.positions == {}


# --- cancels -----------------------------------------------------------------------------------------------------


def cancel(core: ExecutionCore, order_id: str = ID) -> list[Any]:
    return core.handle(got(CancelOrder(stamp=stamp(), symbol="AAPL", client_order_id=order_id)))


def test_a_cancel_is_asked_for_and_only_the_broker_ends_it() -> None:
    core = execution()
    accept(core)
    assert only(cancel(core), CancelAtBroker) == [
        CancelAtBroker(client_order_id=ID, venue_order_id=f"v-{ID}")
    ]
    core.handle(CancelAnswered(client_order_id=ID, now_ns=NOW))
    assert status(core) is S.PENDING_CANCEL
    core.handle(frame(report(ID, S.CANCELED)))
    assert status(core) is S.CANCELED
    assert core.state.canceling == frozenset()
    assert cancel(core) == []
    assert cancel(core, "kyzlo.never") == []


def test_a_cancel_before_the_first_byte_is_not_forgotten() -> None:
    core = execution()
    core.handle(got(approved()))
    assert cancel(core) == []
    core.handle(SubmitStarted(client_order_id=ID, now_ns=NOW))
    effects = core.handle(SubmitAnswered(client_order_id=ID, order=report(), now_ns=NOW))
    assert len(only(effects, CancelAtBroker)) == 1


def test_a_refused_cancel_reads_the_order_and_does_not_storm() -> None:
    core = execution()
    accept(core)
    cancel(core)
    failed = CancelFailed(client_order_id=ID, http_status=500, message="", now_ns=NOW)
    effects = core.handle(failed)
    assert only(effects, CancelAtBroker) == []
    assert [look_up.due_ns for look_up in only(effects, LookUpOrder)] == [NOW + CANCEL_RETRY_NS]
    effects = core.handle(OrderLookedUp(client_order_id=ID, order=report(), now_ns=NOW))
    assert len(only(effects, CancelAtBroker)) == 1
    core.handle(frame(report(ID, S.FILLED, filled="10", average="100")))
    assert core.handle(failed) == []


def test_an_unknown_order_is_looked_up_and_canceled_when_found() -> None:
    core = execution()
    uncertain(core)
    effects = cancel(core)
    assert (len(only(effects, LookUpOrder)), only(effects, CancelAtBroker)) == (1, [])
    effects = core.handle(OrderLookedUp(client_order_id=ID, order=report(), now_ns=NOW))
    assert len(only(effects, CancelAtBroker)) == 1


def test_a_quarantined_symbol_loses_its_orders_and_no_other() -> None:
    core = execution()
    accept(core)
    accept(core, "kyzlo.t.2", symbol="MSFT")
    effects = core.handle(got(CancelSymbolOrders(stamp=stamp(), symbol="AAPL", reason="")))
    assert [c.client_order_id for c in only(effects, CancelAtBroker)] == [ID]


# --- halt --------------------------------------------------------------------------------------------------------


def test_a_halt_cancels_everything_and_ends_only_when_all_is_terminal() -> None:
    core = execution()
    accept(core, "kyzlo.t.1")
    accept(core, "kyzlo.t.2", symbol="MSFT")
    core.handle(got(approved("kyzlo.t.3", qty="1")))
    submit(core, "kyzlo.t.4", qty="2")
    effects = core.handle(got(CANCEL_ALL))
    (sealed,) = sent(effects, HaltAcknowledged, "kill_switch")
    assert sealed.in_flight == ("kyzlo.t.4",)
    assert sealed.open_orders == ("kyzlo.t.1", "kyzlo.t.2", "kyzlo.t.3", "kyzlo.t.4")
    assert {c.client_order_id for c in only(effects, CancelAtBroker)} == {
        "kyzlo.t.1",
        "kyzlo.t.2",
        "kyzlo.t.4",
    }
    seen: list[tuple[str, ...]] = []
    for event in (
        frame(report("kyzlo.t.1", S.CANCELED)),
        SubmitRefused(client_order_id="kyzlo.t.3", code="HALTED", detail="", now_ns=NOW),
        SubmitUncertain(client_order_id="kyzlo.t.4", detail="", now_ns=NOW),
        frame(report("kyzlo.t.2", S.FILLED, filled="10", average="100", symbol="MSFT")),
        OrderLookedUp(
            client_order_id="kyzlo.t.4", order=report("kyzlo.t.4", S.CANCELED, qty="2"), now_ns=NOW
        ),
    ):
        progressed = sent(core.handle(event), HaltProgressed, "kill_switch")
        seen += [p.open_orders for p in progressed]
    assert seen[-1] == ()
    assert all(seen[:-1])
    assert progressed[-1].canceled == ("kyzlo.t.1", "kyzlo.t.4")


def test_the_halt_goes_on_until_it_is_heard() -> None:
    core = execution()
    accept(core)
    core.handle(got(CANCEL_ALL))
    effects = timer(core, "halt")
    assert len(only(effects, CancelAtBroker)) == 1
    assert len(only(effects, ReadState)) == 1
    core.handle(frame(report(ID, S.CANCELED)))
    effects = timer(core, "halt")  # the last word may have been lost
    assert [p.open_orders for p in sent(effects, HaltProgressed)] == [()]
    assert only(effects, ReadState) == []
    assert [s.name for s in only(effects, Schedule)] == ["halt"]


def test_only_this_halts_cancels_are_in_its_report() -> None:
    core = execution()
    accept(core, "kyzlo.old")
    cancel(core, "kyzlo.old")
    core.handle(frame(report("kyzlo.old", S.CANCELED)))
    effects = core.handle(got(CANCEL_ALL))
    assert [p.canceled for p in sent(effects, HaltProgressed)] == [()]


def test_what_surfaces_during_a_halt_is_canceled() -> None:
    core = execution()
    core.handle(got(CANCEL_ALL))
    effects = core.handle(frame(report("kyzlo.lost")))
    assert len(only(effects, CancelAtBroker)) == 1
    assert [p.open_orders for p in sent(effects, HaltProgressed)] == [("kyzlo.lost",)]


def test_nothing_is_allowed_during_a_halt() -> None:
    core = execution()
    core.handle(got(CANCEL_ALL))
    assert sent(core.handle(state_read(now_ns=NOW + SECOND)), EntriesAllowed) == []
    assert not core.state.allowed


# --- restart and reconciliation ----------------------------------------------------------------------------------


def test_a_restart_denies_what_never_left_and_doubts_what_did() -> None:
    core = execution()
    core.handle(got(approved("kyzlo.t.1")))
    submit(core, "kyzlo.t.2", qty="2")
    accept(core, "kyzlo.t.3", qty="3")
    submit(core, "kyzlo.t.4", qty="4", symbol="MSFT")
    core.handle(SubmitUncertain(client_order_id="kyzlo.t.4", detail="", now_ns=NOW))
    reborn = ExecutionCore(core.settings, core.state)
    effects = reborn.handle(Started(incarnation=2, now_ns=NOW))
    assert [status(reborn, f"kyzlo.t.{i}") for i in (1, 2, 3, 4)] == [S.DENIED, S.UNKNOWN, S.NEW, S.UNKNOWN]
    assert [d.code for d in sent(effects, OrderDenied, "symbol-AAPL")] == ["NEVER_SENT"]
    assert {up.client_order_id for up in only(effects, LookUpOrder)} == {"kyzlo.t.2", "kyzlo.t.4"}
    (read,) = only(effects, ReadState)
    assert read.client_order_ids == ("kyzlo.t.2", "kyzlo.t.3", "kyzlo.t.4")
    assert [b.code for b in sent(effects, EntriesBlocked, "risk")] == ["STARTING"]
    assert only(effects, SubmitOrder) == []


def test_a_read_from_before_the_stream_does_not_open_the_gate() -> None:
    core = ExecutionCore(ExecutionSettings(symbols=("AAPL",)))
    core.handle(Started(incarnation=1, now_ns=NOW))
    core.handle(state_read(now_ns=NOW + 1))
    assert not core.state.allowed
    core.handle(StreamConnected(now_ns=NOW + 10))
    core.handle(state_read(now_ns=NOW + 11, started_ns=NOW + 5))
    assert not core.state.allowed
    effects = core.handle(state_read(now_ns=NOW + 12, started_ns=NOW + 10))
    assert len(sent(effects, EntriesAllowed, "risk")) == 1


def test_a_failed_read_blocks_and_is_tried_again() -> None:
    core = execution()
    effects = core.handle(StateReadFailed(reason="periodic", detail="5xx", now_ns=NOW))
    assert [b.code for b in sent(effects, EntriesBlocked)] == ["RECONCILIATION"]
    assert only(effects, Schedule) == [Schedule(name="reconcile", due_ns=NOW + SECOND)]
    assert len(only(timer(core, "reconcile"), ReadState)) == 1
    assert len(sent(core.handle(state_read(now_ns=NOW + 1)), EntriesAllowed)) == 1


def test_a_blocked_account_takes_no_entries() -> None:
    core = execution()
    effects = core.handle(state_read(status="ACCOUNT_CLOSED", now_ns=NOW + 1))
    assert [b.code for b in sent(effects, EntriesBlocked)] == ["ACCOUNT_BLOCKED"]


def test_the_first_read_adopts_positions_and_later_drift_blocks_after_a_while() -> None:
    core = ExecutionCore(ExecutionSettings(symbols=("AAPL",)))
    core.handle(Started(incarnation=1, now_ns=NOW))
    core.handle(StreamConnected(now_ns=NOW))
    effects = core.handle(state_read(positions={"AAPL": "7"}))
    assert [a.code for a in only(effects, Alert)] == ["POSITION_ADOPTED"]
    assert core.state.positions["AAPL"] == Position(qty=D(7), avg_cost=D(100))
    core.handle(state_read(positions={"AAPL": "8"}, now_ns=NOW + SECOND))
    assert (core.state.positions["AAPL"].qty, core.state.allowed) == (7, True)
    effects = core.handle(state_read(positions={"AAPL": "8"}, now_ns=NOW + 11 * SECOND))
    assert [b.code for b in sent(effects, EntriesBlocked)] == ["DRIFT"]
    effects = core.handle(state_read(positions={"AAPL": "7"}, now_ns=NOW + 12 * SECOND))
    assert len(sent(effects, EntriesAllowed)) == 1


def test_while_positions_drift_exits_pass_only_where_ours_is_the_brokers() -> None:
    """Somebody sold it by hand: to sell it once more would open a short."""
    core = ExecutionCore(ExecutionSettings(symbols=("AAPL", "MSFT")))
    core.handle(Started(incarnation=1, now_ns=NOW))
    core.handle(StreamConnected(now_ns=NOW))
    core.handle(state_read(positions={"AAPL": "10", "MSFT": "10"}))
    for seconds in (1, 12):
        core.handle(state_read(positions={"MSFT": "10"}, now_ns=NOW + seconds * SECOND))
    assert not core.state.allowed
    effects = core.handle(got(approved("kyzlo.t.1", side=Side.SELL)))
    assert [m.code for m in sent(effects, OrderDenied, "risk")] == ["NOT_RECONCILED"]
    effects = core.handle(got(approved("kyzlo.t.2", side=Side.SELL, symbol="MSFT")))
    assert len(only(effects, SubmitOrder)) == 1


def test_a_symbol_at_work_does_not_drift() -> None:
    core = execution()
    accept(core)
    core.handle(state_read([report()], {"AAPL": "4"}, now_ns=NOW + 100 * SECOND))
    assert core.state.drift == {}


def test_an_older_account_never_undoes_a_fills_cash() -> None:
    """Its cash lacks the fill that we booked since: taken over, it would look like the day's loss."""
    core = execution()
    accept(core)
    core.handle(frame(report(ID, S.FILLED, filled="10", average="100"), now_ns=NOW + SECOND))
    core.handle(state_read(now_ns=NOW + 2 * SECOND, started_ns=NOW + SECOND // 2))
    assert core.state.cash == 99_000
    core.handle(state_read(positions={"AAPL": "10"}, cash="98999.5", now_ns=NOW + 60 * SECOND))
    assert core.state.cash == D("98999.5")


def test_a_live_order_that_the_read_lacks_is_looked_up_once() -> None:
    core = execution()
    accept(core)
    effects = core.handle(state_read(now_ns=NOW + SECOND))
    assert [up.client_order_id for up in only(effects, LookUpOrder)] == [ID]
    absent(core, 2)
    effects = core.handle(state_read(now_ns=NOW + 3 * SECOND))
    assert only(effects, LookUpOrder) == []  # its own chain of lookups goes on


def test_old_terminal_orders_leave_the_book_and_do_not_come_back() -> None:
    core = execution()
    accept(core)
    core.handle(frame(report(ID, S.FILLED, filled="10", average="100")))
    accept(core, "kyzlo.t.2", qty="2")
    later = NOW + KEEP_NS + 3600 * SECOND
    core.handle(state_read([report("kyzlo.t.2", qty="2")], {"AAPL": "10"}, now_ns=later))
    assert set(core.state.orders) == {"kyzlo.t.2"}
    core.handle(frame(report(ID, S.FILLED, filled="10", average="100"), now_ns=later))
    assert core.state.positions["AAPL"].qty == 10
    assert set(core.state.orders) == {"kyzlo.t.2"}


def test_a_large_book_keeps_terminal_orders_for_minutes_only() -> None:
    core = execution()
    for number in range(BOOK_ORDERS + 1):
        accept(core, f"kyzlo.t.{number}", qty="1")
        core.handle(frame(report(f"kyzlo.t.{number}", S.CANCELED, qty="1")))
    accept(core, "kyzlo.t.live", qty="2")
    alive = [report("kyzlo.t.live", qty="2")]
    early, later = NOW + KEEP_FULL_NS // 2, NOW + KEEP_FULL_NS + 120 * SECOND
    core.handle(state_read(alive, now_ns=early))
    assert len(core.state.orders) == BOOK_ORDERS + 2
    core.handle(state_read(alive, now_ns=later))
    assert set(core.state.orders) == {"kyzlo.t.live"}
    core.handle(frame(report("kyzlo.t.1", S.CANCELED, qty="1"), now_ns=later))
    assert set(core.state.orders) == {"kyzlo.t.live"}


# --- answers -----------------------------------------------------------------------------------------------------


def test_a_symbol_gets_its_book_once_it_is_proven() -> None:
    core = ExecutionCore(ExecutionSettings(symbols=("AAPL",)))
    core.handle(Started(incarnation=1, now_ns=NOW))
    question = RequestSnapshot(stamp=stamp("q"), symbol="AAPL", incarnation=3, reason="")
    assert core.handle(got(question)) == []
    core.handle(StreamConnected(now_ns=NOW))
    core.handle(state_read())
    core.handle(got(CalendarRead(stamp=stamp(), calendar=OPEN_ALL_DAY)))
    accept(core)
    effects = core.handle(got(question))
    assert len(sent(effects, CalendarRead, "symbol-AAPL")) == 1
    (snapshot,) = sent(effects, PositionSnapshot, "symbol-AAPL")
    assert (snapshot.stamp.causation_id, snapshot.incarnation) == ("q", 3)
    assert [order.ticket.client_order_id for order in snapshot.orders] == [ID]


def test_risk_gets_the_book_and_whether_entries_are_taken() -> None:
    core = execution()
    question = got(RequestBookSnapshot(stamp=stamp("q"), reason=""))
    effects = core.handle(question)
    (snapshot,) = sent(effects, BookSnapshot, "risk")
    assert (snapshot.stamp.causation_id, snapshot.cash) == ("q", 100_000)
    assert len(sent(effects, EntriesAllowed, "risk")) == 1
    core.handle(StreamDisconnected(detail="", now_ns=NOW))
    assert len(sent(core.handle(question), EntriesBlocked, "risk")) == 1


def test_the_calendar_goes_to_everybody() -> None:
    core = execution()
    effects = core.handle(got(CalendarRead(stamp=stamp(), calendar=OPEN_ALL_DAY)))
    everybody = ("risk", "market_data", "symbol-AAPL", "symbol-MSFT")
    assert all(len(sent(effects, CalendarRead, name)) == 1 for name in everybody)
    effects = core.handle(got(RequestCalendar(stamp=stamp(), reply_to="market_data")))
    assert len(sent(effects, CalendarRead, "market_data")) == 1


def test_what_is_about_nothing_changes_nothing() -> None:
    core = execution()
    before = core.state
    for event in (
        SubmitStarted(client_order_id="kyzlo.no", now_ns=NOW),
        SubmitRefused(client_order_id="kyzlo.no", code="", detail="", now_ns=NOW),
        SubmitUncertain(client_order_id="kyzlo.no", detail="", now_ns=NOW),
        SubmitAnswered(client_order_id="kyzlo.no", order=report("kyzlo.no"), now_ns=NOW),
        CancelAnswered(client_order_id="kyzlo.no", now_ns=NOW),
        CancelFailed(client_order_id="kyzlo.no", http_status=404, message="", now_ns=NOW),
        LookUpFailed(client_order_id="kyzlo.no", detail="", now_ns=NOW),
        OrderLookedUp(client_order_id="kyzlo.no", order=None, now_ns=NOW),
        SendRefused(to="risk", message_id="x", now_ns=NOW),
        TimerDue(name="silence:kyzlo.no", due_ns=NOW, now_ns=NOW),
    ):
        assert core.handle(event) == []
        assert core.state is before


def test_a_poisoned_report_leaves_the_state_untouched() -> None:
    core = execution()
    accept(core)
    before = core.state
    with pytest.raises(ArithmeticError):
        core.handle(frame(report(ID, S.PARTIALLY_FILLED, filled="NaN", average="1")))
    assert core.state is before


def test_the_brokers_prices_of_what_is_held_reach_the_gate() -> None:
    core = ExecutionCore(ExecutionSettings(symbols=("AAPL",)))
    core.handle(Started(incarnation=1, now_ns=NOW))
    position = BrokerPosition(symbol="TSLA", qty=D(20), avg_entry_price=D(400), current_price=D(300))
    read = state_read()
    core.handle(replace(read, state=replace(read.state, positions=(position,))))
    effects = core.handle(got(RequestBookSnapshot(stamp=stamp("q"), reason="")))
    (snapshot,) = sent(effects, BookSnapshot, "risk")
    assert {view.symbol: view.price for view in snapshot.positions}["TSLA"] == 300
