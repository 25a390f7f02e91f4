"""The kill switch: latches once, carries a halt to its end, and believes only what belongs to it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kyzlo_actors.domain.effects import EndTree, LatchHalt, Schedule
from kyzlo_actors.domain.kill_switch_core import RESEND_NS, KillSwitchCore, KillSwitchLimits
from kyzlo_actors.domain.messages import (
    CancelAllOrders,
    DailyLossMeasured,
    HaltAcknowledged,
    HaltFinished,
    HaltOrdered,
    HaltProgressed,
    QuarantineReleased,
    SendRefused,
    Started,
    SymbolQuarantined,
    TimerDue,
)
from tests.domain.builders import NOW, SECOND, got, only, sent, stamp

LIMITS = KillSwitchLimits(daily_loss=Decimal(1000), max_quarantined=2, grace_ns=5 * SECOND)
ORDERED = got(HaltOrdered(stamp=stamp("order"), halt_id="h1", by="test", reason="because"))


def switch() -> KillSwitchCore:
    core = KillSwitchCore(LIMITS)
    core.handle(Started(incarnation=1, now_ns=NOW))
    return core


def loss(pnl: str) -> Any:
    measured = DailyLossMeasured(
        stamp=stamp(), pnl=Decimal(pnl), limit=Decimal(1000), equity=Decimal(0), breached=False
    )
    return got(measured)


def gone(symbol: str) -> Any:
    return got(SymbolQuarantined(stamp=stamp(), symbol=symbol, restarts=5, period_seconds=60))


def sealed(*open_orders: str, halt_id: str = "h1") -> Any:
    return got(HaltAcknowledged(stamp=stamp(), halt_id=halt_id, in_flight=(), open_orders=open_orders))


def progress(*open_orders: str, canceled: tuple[str, ...] = (), halt_id: str = "h1") -> Any:
    told = HaltProgressed(stamp=stamp(), halt_id=halt_id, canceled=canceled, open_orders=open_orders)
    return got(told)


def timer(name: str) -> TimerDue:
    return TimerDue(name=name, due_ns=NOW, now_ns=NOW)


def test_the_loss_limit_latches_once_and_exactly_at_the_limit() -> None:
    core = switch()
    assert core.handle(loss("-999.99")) == []
    (latch,) = core.handle(loss("-1000.00"))
    assert isinstance(latch, LatchHalt)
    assert latch.code == "DAILY_LOSS"
    assert "-1000.00" in latch.reason
    assert core.handle(loss("-2000")) == []


def test_too_many_quarantines_latch() -> None:
    core = switch()
    assert core.handle(gone("AAPL")) == []
    assert core.handle(gone("AAPL")) == []
    (latch,) = only(core.handle(gone("MSFT")), LatchHalt)
    assert latch.code == "QUARANTINES"
    assert "AAPL, MSFT" in latch.reason
    assert core.handle(loss("-2000")) == []


def test_a_released_symbol_no_longer_counts() -> None:
    core = switch()
    core.handle(gone("AAPL"))
    released = QuarantineReleased(stamp=stamp(), symbols=("AAPL", "ZZZ"), reason="service start")
    assert core.handle(got(released)) == []
    assert core.handle(gone("MSFT")) == []
    assert core.state.quarantined == {"MSFT"}


def test_a_latch_that_died_with_an_earlier_life_is_asked_for_again() -> None:
    core = switch()
    core.handle(loss("-1000"))
    reborn = KillSwitchCore(LIMITS, core.state)
    reborn.handle(Started(incarnation=2, now_ns=NOW))
    assert len(only(reborn.handle(loss("-1000")), LatchHalt)) == 1


def test_a_halt_to_its_clean_end() -> None:
    core = switch()
    effects = core.handle(ORDERED)
    (command,) = sent(effects, CancelAllOrders, "broker")
    assert (command.halt_id, command.stamp.causation_id) == ("h1", "order")
    assert only(effects, Schedule) == [
        Schedule(name="grace", due_ns=NOW + 5 * SECOND),
        Schedule(name="resend", due_ns=NOW + RESEND_NS),
    ]
    assert core.handle(ORDERED) == []
    assert len(sent(core.handle(sealed("a", "b")), HaltAcknowledged, "guardian")) == 1
    effects = core.handle(progress("b", canceled=("a",)))
    assert len(sent(effects, HaltProgressed, "guardian")) == 1
    assert only(effects, EndTree) == []
    effects = core.handle(progress(canceled=("a", "b")))
    (finished,) = sent(effects, HaltFinished, "guardian")
    assert (finished.clean, finished.canceled, finished.open_orders) == (True, ("a", "b"), ())
    assert only(effects, EndTree) == [EndTree(halt_id="h1")]
    assert only(core.handle(progress()), EndTree) == []
    assert core.handle(timer("grace")) == []


def test_the_command_is_sent_again_until_it_is_sealed() -> None:
    core = switch()
    core.handle(ORDERED)
    core.handle(SendRefused(to="broker", message_id="x", now_ns=NOW))
    for _ in range(3):
        effects = core.handle(timer("resend"))
        assert len(sent(effects, CancelAllOrders, "broker")) == 1
        assert [s.name for s in only(effects, Schedule)] == ["resend"]
    core.handle(sealed("a"))
    assert core.handle(timer("resend")) == []


def test_the_end_of_grace_is_honest_about_what_is_open() -> None:
    core = switch()
    core.handle(ORDERED)
    core.handle(sealed("a"))
    effects = core.handle(timer("grace"))
    (finished,) = sent(effects, HaltFinished, "guardian")
    assert (finished.clean, finished.open_orders) == (False, ("a",))
    assert len(only(effects, EndTree)) == 1


def test_the_end_of_grace_without_any_answer_is_not_clean() -> None:
    core = switch()
    core.handle(ORDERED)
    (finished,) = sent(core.handle(timer("grace")), HaltFinished)
    assert not finished.clean


def test_progress_without_a_seal_does_not_end_it() -> None:
    core = switch()
    core.handle(ORDERED)
    assert sent(core.handle(progress()), HaltFinished) == []
    assert len(sent(core.handle(timer("resend")), CancelAllOrders)) == 1
    core.handle(sealed())
    assert [f.clean for f in sent(core.handle(progress()), HaltFinished)] == [True]


@pytest.mark.parametrize("make", [sealed, progress])
def test_what_belongs_to_another_halt_counts_for_nothing(make: Any) -> None:
    core = switch()
    assert core.handle(make(halt_id="h0")) == []
    core.handle(ORDERED)
    assert core.handle(make(halt_id="h0")) == []
    assert not core.state.sealed


def test_a_new_life_can_halt_again() -> None:
    core = switch()
    for event in (ORDERED, sealed(), progress()):
        core.handle(event)
    core.handle(Started(incarnation=2, now_ns=NOW))
    assert len(sent(core.handle(ORDERED), CancelAllOrders)) == 1


EVENTS = st.sampled_from(
    [
        ORDERED,
        sealed(),
        sealed("a"),
        progress(),
        progress("a"),
        sealed(halt_id="h0"),
        timer("grace"),
        timer("resend"),
        loss("-5000"),
        gone("AAPL"),
        gone("MSFT"),
        SendRefused(to="broker", message_id="x", now_ns=NOW),
    ]
)


@given(st.lists(EVENTS, max_size=30))
def test_in_any_order_it_latches_and_ends_at_most_once_and_clean_only_when_sealed_and_empty(
    events: list[Any],
) -> None:
    core = switch()
    effects = [effect for event in events for effect in core.handle(event)]
    assert len(only(effects, LatchHalt)) <= 1
    assert len(only(effects, EndTree)) == len(sent(effects, HaltFinished)) <= 1
    for finished in sent(effects, HaltFinished):
        assert ORDERED in events
        assert not finished.clean or (sealed() in events or sealed("a") in events)
        assert finished.clean <= (finished.open_orders == ())
    if ORDERED in events and timer("grace") in events[events.index(ORDERED) :]:
        assert len(only(effects, EndTree)) == 1


def test_a_poisoned_measurement_leaves_the_state_untouched() -> None:
    core = switch()
    before = core.state
    with pytest.raises(ArithmeticError):
        core.handle(loss("NaN"))
    assert core.state is before
