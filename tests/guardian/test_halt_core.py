"""The guardian's core, one rule a test: when the gate opens, how a halt goes, what may be called proven."""

from __future__ import annotations

from decimal import Decimal

import pytest

from kyzlo_actors.domain.broker import BrokerOrder, BrokerPosition
from kyzlo_actors.domain.effects import Alert
from kyzlo_actors.domain.messages import HaltFinished
from kyzlo_actors.domain.order import OrderStatus
from kyzlo_actors.domain.values import TradingState
from kyzlo_actors.guardian.halt_events import (
    BrokerRead,
    CallDesk,
    ClearLatch,
    DeskRequest,
    HaltRepeated,
    KillTree,
    LatchCleared,
    LatchClearFailed,
    OrderHalt,
    Reexec,
    ReopenDesk,
    ResumeRequested,
    StopRequested,
    TreeAnswered,
    TreeDied,
    TreeEnded,
)
from kyzlo_actors.guardian.state import Resume
from tests.fakes.broker_desk import broker_order
from tests.guardian.core_driver import RECORD, CoreDriver

HALTED, ACTIVE = TradingState.HALTED, TradingState.ACTIVE


def halted(driver: CoreDriver) -> CoreDriver:
    """Through a clean, graceful halt."""
    driver.latch()
    driver.acknowledge()
    driver.answer()
    driver.finish()
    driver.give(TreeEnded(at=driver.at))
    driver.killed(admin=10)
    driver.prove_clean()
    return driver


# --- start -------------------------------------------------------------------------------------------------------


def test_the_gate_opens_when_the_tree_answers_and_the_broker_is_reconciled() -> None:
    driver = CoreDriver()
    driver.tick()
    driver.give(TreeAnswered(at=driver.at))
    driver.tick(1)
    assert (driver.phase, driver.gates) == ("starting", [])
    driver.broker_ready = True
    driver.tick()
    assert (driver.phase, driver.gates) == ("trading", [ACTIVE])


def test_a_reconciled_broker_alone_does_not_open_it() -> None:
    driver = CoreDriver()
    driver.broker_ready = True
    driver.tick(1)
    assert (driver.phase, driver.gates) == ("starting", [])


def test_a_latch_at_the_start_keeps_it_shut() -> None:
    driver = CoreDriver(latched=RECORD, proven=True).trading()
    driver.tick(3)
    assert (driver.phase, driver.gates, driver.count(CallDesk)) == ("shut", [], 0)


def test_a_latch_that_nobody_proved_is_proven_beside_the_starting_tree() -> None:
    driver = CoreDriver(latched=RECORD).trading()
    assert driver.phase == "shut"
    driver.answer(orders=(broker_order(1),))
    driver.tick()
    assert driver.last_call.request is DeskRequest.CANCEL_ALL
    driver.answer(orders=(broker_order(1),))
    driver.tick(0.5)
    for _ in range(6):
        driver.answer()
        driver.give(TreeAnswered(at=driver.at))
        driver.tick(0.5)
    # The life before this one may have sent something just before it died.
    assert not driver.certificates
    driver.prove_clean()
    assert driver.seconds >= 5
    assert (driver.phase, driver.certificates[-1].halt_id) == ("shut", RECORD.halt_id)
    assert driver.count(KillTree) == driver.count(OrderHalt) == 0


def test_a_tree_that_does_not_start_ends_the_guardian() -> None:
    driver = CoreDriver()
    driver.tick(61)
    assert driver.phase == "failing"
    driver.killed(admin=1)
    assert driver.exits == [70]


# --- the tree dies -----------------------------------------------------------------------------------------------


def test_a_dead_tree_shuts_the_gate_and_exits_70() -> None:
    driver = CoreDriver().trading()
    effects = driver.give(TreeDied(at=driver.at, what="root died"))
    assert KillTree() in effects
    assert driver.gates[-1] is HALTED
    driver.killed(broker=3)
    assert driver.exits == [70]


def test_five_silent_seconds_are_a_death() -> None:
    driver = CoreDriver().trading()
    driver.tick(4.9)
    assert driver.phase == "trading"
    driver.tick(0.2)
    assert driver.phase == "failing"


def test_a_kill_that_does_not_report_does_not_hold_the_exit() -> None:
    driver = CoreDriver().trading()
    driver.give(TreeDied(at=driver.at, what="root died"))
    driver.tick(5.1)
    assert driver.exits == [70]


# --- a halt ------------------------------------------------------------------------------------------------------


def test_a_graceful_halt_from_latch_to_certificate() -> None:
    driver = CoreDriver().trading()
    effects = driver.latch()
    assert [type(effect).__name__ for effect in effects[:3]] == ["SetGate", "OrderHalt", "CallDesk"]
    driver.answer(orders=(broker_order(1),))
    driver.seconds += 0.1
    driver.acknowledge(in_flight=("kyzlo.golden_cross.2",), open_orders=("kyzlo.golden_cross.1",))
    driver.progress(canceled=("kyzlo.golden_cross.1",))
    driver.finish(canceled=("kyzlo.golden_cross.1",))
    driver.give(TreeEnded(at=driver.at))
    assert driver.count(KillTree) == 1
    driver.killed(admin=10, **{"logger-0": 11})
    for _ in range(3):
        driver.answer()
        driver.tick(0.5)
    assert driver.last_call.request is DeskRequest.HISTORY
    driver.answer(
        history=(broker_order(1, status=OrderStatus.CANCELED), broker_order(9, status=OrderStatus.FILLED))
    )
    (facts,) = driver.certificates
    assert (driver.phase, facts.proven, facts.graceful) == ("halted", True, True)
    assert len(facts.clean_reads_ns) == facts.clean_reads_wanted == 3
    assert facts.killed == {"admin": 10, "logger-0": 11}
    assert facts.in_flight == ("kyzlo.golden_cross.2",)
    proofs = {order.client_order_id: (order.proof, order.cancel_asked_by) for order in facts.orders}
    assert proofs == {
        "kyzlo.golden_cross.1": ("canceled", "broker actor"),
        "kyzlo.golden_cross.2": ("absent from the open orders", "nobody"),
    }


def test_halt_ordered_is_repeated_until_the_tree_is_finished() -> None:
    driver = CoreDriver().trading()
    driver.latch()
    for _ in range(4):
        driver.tick(0.25)
    assert driver.count(OrderHalt) == 5
    driver.acknowledge()
    driver.tick(0.25)  # the one that was due
    for _ in range(4):
        driver.tick(0.25)
    assert driver.count(OrderHalt) == 7
    driver.finish()
    driver.tick(1.5)
    assert driver.count(OrderHalt) == 7


def test_a_stuck_tree_is_killed_when_its_time_is_over() -> None:
    driver = CoreDriver().trading()
    driver.latch()
    driver.answer(orders=(broker_order(1),))
    driver.tick(10)
    assert driver.count(KillTree) == 1
    driver.killed(broker=5)
    driver.answer(orders=(broker_order(1),))
    driver.tick()
    assert driver.last_call.request is DeskRequest.CANCEL_ALL
    driver.answer(orders=(broker_order(1),))
    driver.tick(0.5)
    driver.prove_clean()
    (facts,) = driver.certificates
    assert facts.proven and not facts.graceful
    assert facts.sealed_ns is not None
    assert [(order.proof, order.cancel_asked_by) for order in facts.orders] == [
        ("absent from the open orders", "guardian")
    ]


def test_a_tree_that_does_not_end_in_order_is_killed_after_two_seconds() -> None:
    driver = CoreDriver().trading()
    driver.latch()
    driver.finish()
    driver.tick(1.9)
    assert driver.count(KillTree) == 0
    driver.tick(0.1)
    assert driver.count(KillTree) == 1


def test_a_tree_that_dies_during_a_halt_shortens_it() -> None:
    driver = CoreDriver().trading()
    driver.latch()
    driver.give(TreeDied(at=driver.at, what="admin died"))
    driver.killed()
    driver.prove_clean()
    assert (driver.phase, driver.exits) == ("halted", [])


def test_a_halt_works_while_starting_without_a_tree() -> None:
    driver = CoreDriver()
    driver.latch()
    driver.tick(10)
    driver.killed()
    driver.prove_clean()
    assert (driver.phase, driver.gates) == ("halted", [HALTED])


def test_a_kill_that_hangs_does_not_hold_the_proof() -> None:
    driver = CoreDriver().trading()
    driver.latch()
    driver.tick(10)
    driver.tick(5)
    driver.prove_clean()
    assert driver.certificates[-1].proven


def test_messages_of_another_halt_change_nothing() -> None:
    driver = CoreDriver().trading()
    driver.latch()
    before = driver.core.state
    driver.tell(HaltFinished(stamp=driver.stamp, halt_id="halt-1", clean=True, canceled=(), open_orders=()))
    assert driver.core.state == before


# --- the proof ---------------------------------------------------------------------------------------------------


def proving() -> CoreDriver:
    """A halt that was sealed and whose tree is gone; the first counting read is under way."""
    driver = CoreDriver().trading()
    driver.latch()
    driver.answer()
    driver.acknowledge()
    driver.give(TreeDied(at=driver.at, what="gone"))
    driver.killed()
    return driver


@pytest.mark.parametrize("trouble", ["open order", "failure"])
def test_clean_reads_must_be_in_a_row(trouble: str) -> None:
    driver = proving()
    for _ in range(2):
        driver.answer()
        driver.tick(0.5)
    if trouble == "failure":
        driver.fail()
        driver.tick(0.5)
    else:
        driver.answer(orders=(broker_order(7),))
        driver.tick()
        driver.answer(orders=(broker_order(7),))
        driver.tick(0.5)
    for _ in range(2):
        driver.answer()
        driver.tick(0.5)
        assert not driver.certificates
    driver.prove_clean()
    assert driver.certificates[-1].proven


def test_clean_reads_are_spaced() -> None:
    driver = proving()
    calls = driver.count(CallDesk)
    driver.answer()
    driver.tick(0.4)
    assert driver.count(CallDesk) == calls
    driver.tick(0.1)
    assert driver.count(CallDesk) == calls + 1


def test_what_cannot_be_proven_is_certified_as_such_and_tried_for_ever() -> None:
    driver = proving()
    for _ in range(40):
        driver.answer(orders=(broker_order(1),))
        driver.tick(0.5)
    (facts,) = driver.certificates
    assert (driver.phase, facts.proven, facts.orders[0].proof) == ("halted", False, "open")
    alerts = [effect.code for effect in driver.effects if isinstance(effect, Alert)]
    assert alerts == ["HALT", "HALT_NOT_PROVEN"]
    for _ in range(60):
        driver.fail()
        driver.tick(3)
    assert len(driver.certificates) == 1
    for _ in range(8):
        driver.answer()
        driver.tick(3)
    assert [facts.proven for facts in driver.certificates] == [False, True]


def test_a_call_that_never_returns_is_given_up() -> None:
    driver = proving()
    stuck = driver.last_call.call
    driver.tick(16)
    assert [facts.proven for facts in driver.certificates] == [False]
    driver.tick(15)
    assert driver.count(ReopenDesk) == 1
    assert driver.last_call.call == stuck + 1
    driver.give(BrokerRead(at=driver.at, call=stuck, orders=(), positions=()))
    assert driver.core.state.procedure is not None
    assert driver.core.state.procedure.proof.clean_reads_ns == ()


def test_an_order_that_only_history_shows_alive_is_canceled() -> None:
    driver = proving()
    driver.answer(orders=(broker_order(1),))
    driver.tick()
    driver.answer(orders=(broker_order(1),))
    driver.tick(0.5)
    for _ in range(3):
        driver.answer()
        driver.tick(0.5)
    driver.answer(history=(broker_order(2),))
    driver.tick()
    assert driver.last_call.request is DeskRequest.CANCEL_ALL
    assert not driver.certificates


def test_positions_are_left_and_named() -> None:
    driver = proving()
    position = BrokerPosition(symbol="AAPL", qty=Decimal(-3), avg_entry_price=Decimal("101.5"))
    for _ in range(3):
        driver.answer(positions=(position,))
        driver.tick(0.5)
    (left,) = driver.certificates[-1].positions
    assert (left.symbol, left.qty) == ("AAPL", "-3")


# --- what may still turn up --------------------------------------------------------------------------------------


def read_clean(driver: CoreDriver, history: tuple[BrokerOrder, ...] = ()) -> float:
    """Answer every call with "nothing open", twice a second (bounded); seconds until it was proven."""
    began = driver.seconds
    for _ in range(30):
        driver.answer(history=history)
        if driver.certificates and driver.certificates[-1].proven:
            return driver.seconds - began
        driver.tick(0.5)
    raise AssertionError("never proven")


ID = "kyzlo.golden_cross.1"
ENDED = (broker_order(1, status=OrderStatus.FILLED),)


@pytest.mark.parametrize(
    ("sealed", "in_flight", "named", "reported_open", "clean", "history", "seconds"),
    [
        # Sealed, and everything ended: three reads, half a second apart.
        (True, (), (), (), True, (), 1.0),
        (True, (), (), (), False, (), 1.0),
        (True, (ID,), (ID,), (), True, (), 1.5),
        (True, (ID,), (ID,), (), False, (), 1.5),
        # The broker's own history shows its end.
        (True, (ID,), (ID,), (ID,), False, ENDED, 1.5),
        # Nobody knows what became of it.
        (True, (ID,), (ID,), (ID,), False, (), 5.5),
        (True, (ID,), (ID,), None, False, (), 5.5),
        # Not past the gate when it was sealed, as far as anybody knew.
        (True, (), (ID,), (ID,), False, (), 5.5),
        # Nobody sealed it: there may be orders that nobody named.
        (False, (), (), None, False, (), 5.0),
        (False, (), (), (), False, (), 5.0),
        (False, (), (), (ID,), False, ENDED, 5.0),
    ],
)
def test_what_may_still_turn_up_is_waited_for(
    sealed: bool,
    in_flight: tuple[str, ...],
    named: tuple[str, ...],
    reported_open: tuple[str, ...] | None,
    clean: bool,
    history: tuple[BrokerOrder, ...],
    seconds: float,
) -> None:
    driver = CoreDriver().trading()
    driver.latch()
    driver.answer()
    if sealed:
        driver.acknowledge(in_flight=in_flight, open_orders=named)
    if reported_open is not None:
        driver.progress(open_orders=reported_open)
    driver.finish(clean=clean)
    driver.give(TreeEnded(at=driver.at))
    driver.killed()
    assert read_clean(driver, history) <= seconds
    if seconds >= 5:
        assert driver.seconds >= 5
    assert len(driver.certificates[-1].clean_reads_ns) == 3


def test_a_root_that_dies_during_a_halt_is_not_proven_before_five_seconds_after() -> None:
    driver = CoreDriver().trading()
    driver.latch()
    driver.answer()
    driver.tick(1)
    driver.give(TreeDied(at=driver.at, what="root died"))
    driver.seconds += 0.3
    driver.killed(broker=3)
    gone = driver.seconds
    while driver.seconds < gone + 4.5:
        driver.answer()
        driver.tick(0.5)
    assert not driver.certificates
    assert driver.core.state.procedure is not None
    assert "may still turn up" in driver.core.state.procedure.proof.trouble
    # What it sent with its last breath.
    driver.answer(orders=(broker_order(7),))
    driver.tick()
    assert driver.last_call.request is DeskRequest.CANCEL_ALL
    driver.answer(orders=(broker_order(7),))
    driver.tick(0.5)
    read_clean(driver, (broker_order(7, status=OrderStatus.CANCELED),))
    assert driver.seconds >= gone + 5
    assert [order.proof for order in driver.certificates[-1].orders] == ["canceled"]
    assert driver.certificates[-1].trouble == ""


def test_a_read_begun_too_early_does_not_settle_it_however_late_its_answer() -> None:
    driver = CoreDriver().trading()
    driver.latch()
    driver.answer()
    driver.give(TreeDied(at=driver.at, what="root died"))
    driver.killed()
    for _ in range(4):
        driver.answer()
        driver.tick(0.5)
    driver.tick(6)
    driver.answer()
    assert not driver.certificates
    driver.tick()
    driver.answer()
    assert driver.certificates[-1].proven


def test_a_history_that_fails_does_not_settle_it() -> None:
    driver = CoreDriver().trading()
    driver.latch()
    driver.answer()
    driver.acknowledge(in_flight=(ID,))
    driver.tick(10)
    driver.killed()
    gone = driver.seconds
    for _ in range(30):
        driver.fail() if driver.last_call.request is DeskRequest.HISTORY else driver.answer()
        if driver.certificates:
            break
        driver.tick(0.5)
    assert (driver.certificates[-1].proven, driver.seconds >= gone + 5) == (True, True)
    assert "final states unknown" in driver.certificates[-1].trouble


def test_a_kill_that_reports_late_begins_the_wait_anew() -> None:
    driver = CoreDriver().trading()
    driver.latch()
    driver.answer()
    driver.tick(10)
    driver.tick(5)
    driver.answer()
    driver.tick(3)
    driver.killed(broker=3)
    gone = driver.seconds
    read_clean(driver)
    assert driver.seconds >= gone + 5


# --- stop --------------------------------------------------------------------------------------------------------


def test_an_orderly_stop_is_a_halt_without_a_latch() -> None:
    driver = CoreDriver().trading()
    driver.give(StopRequested(at=driver.at))
    assert (driver.phase, driver.gates[-1]) == ("stopping", HALTED)
    driver.answer()
    driver.acknowledge()
    driver.finish()
    driver.give(TreeEnded(at=driver.at))
    driver.killed()
    driver.prove_clean()
    assert (driver.exits, driver.certificates[-1].kind) == ([0], "stop")


def test_a_second_stop_does_not_wait() -> None:
    driver = CoreDriver().trading()
    driver.give(StopRequested(at=driver.at))
    assert KillTree() in driver.give(StopRequested(at=driver.at))


def test_a_latch_during_a_stop_makes_it_a_halt() -> None:
    driver = CoreDriver().trading()
    driver.give(StopRequested(at=driver.at))
    driver.latch()
    assert driver.phase == "halting"
    driver.finish()
    driver.give(TreeEnded(at=driver.at))
    driver.killed()
    driver.prove_clean()
    assert (driver.exits, driver.certificates[-1].halt_id) == ([0], RECORD.halt_id)


def test_a_stop_that_cannot_be_proven_still_ends() -> None:
    driver = CoreDriver().trading()
    driver.give(StopRequested(at=driver.at))
    driver.fail()
    driver.tick(10)
    driver.killed()
    for _ in range(40):
        driver.fail()
        driver.tick(0.5)
    assert (driver.exits, [facts.proven for facts in driver.certificates]) == ([0], [False])


def test_a_stop_after_a_halt_ends_at_once() -> None:
    driver = halted(CoreDriver().trading())
    driver.give(StopRequested(at=driver.at))
    assert driver.exits == [0]


def test_a_stop_during_the_proof_of_an_old_latch_ends_with_its_certificate() -> None:
    driver = CoreDriver(latched=RECORD).trading()
    driver.give(StopRequested(at=driver.at))
    driver.give(TreeDied(at=driver.at, what="gone"))
    driver.killed()
    driver.prove_clean()
    assert (driver.exits, driver.certificates[-1].halt_id) == ([0], RECORD.halt_id)


# --- resume ------------------------------------------------------------------------------------------------------


def resume(driver: CoreDriver) -> None:
    driver.give(ResumeRequested(at=driver.at, by="uid 0", reason="checked"))


def test_resume_of_a_shut_tree_reads_clears_and_opens() -> None:
    driver = CoreDriver(latched=RECORD, proven=True).trading()
    resume(driver)
    assert ClearLatch(by="uid 0", reason="checked") in driver.answer(orders=(broker_order(1),))
    assert driver.gates == []
    driver.give(LatchCleared(at=driver.at))
    assert (driver.phase, driver.gates) == ("trading", [ACTIVE])
    assert driver.resume_answers[-1].accepted


def test_resume_after_a_halt_starts_a_new_process() -> None:
    driver = halted(CoreDriver().trading())
    resume(driver)
    assert Reexec(by="uid 0", reason="checked") in driver.effects
    assert driver.gates == [ACTIVE, HALTED]


def test_a_resume_that_was_carried_over_waits_for_the_tree() -> None:
    carried = Resume(by="uid 0", reason="checked", begun=CoreDriver().at)
    driver = CoreDriver(latched=RECORD, proven=True, resume=carried)
    driver.tick(1)
    assert driver.count(CallDesk) == 0
    driver.trading()
    driver.answer()
    driver.give(LatchCleared(at=driver.at))
    assert driver.phase == "trading"


def test_a_carried_resume_without_a_latch_is_nothing() -> None:
    carried = Resume(by="uid 0", reason="checked", begun=CoreDriver().at)
    assert CoreDriver(resume=carried).core.state.resume is None


def test_resumes_that_are_refused() -> None:
    def refused(driver: CoreDriver) -> str:
        resume(driver)
        assert not driver.resume_answers[-1].accepted
        return driver.resume_answers[-1].detail

    assert "nothing is halted" in refused(CoreDriver().trading())
    assert "starting" in refused(CoreDriver())
    unready = CoreDriver(latched=RECORD, proven=True)
    unready.give(TreeAnswered(at=unready.at))
    assert "not reconciled" in refused(unready)
    assert "not proven" in refused(CoreDriver(latched=RECORD).trading())
    halting = CoreDriver().trading()
    halting.latch()
    assert "halting" in refused(halting)


def test_a_foreign_order_refuses_a_resume() -> None:
    driver = CoreDriver(latched=RECORD, proven=True).trading()
    resume(driver)
    driver.answer(orders=(broker_order(1, client_order_id="somebody-elses"),))
    assert "venue-1" in driver.resume_answers[-1].detail
    assert driver.phase == "shut"
    # Who asked may have asked the process before this one.
    assert "venue-1" in driver.core.state.resume_refused
    resume(driver)
    assert driver.core.state.resume_refused == ""


@pytest.mark.parametrize("stage", ["read", "clear"])
def test_a_halt_during_a_resume_wins(stage: str) -> None:
    driver = CoreDriver(latched=RECORD, proven=True).trading()
    resume(driver)
    if stage == "clear":
        driver.answer()
    driver.give(HaltRepeated(at=driver.at))
    if stage == "read":
        driver.answer()
    driver.give(LatchCleared(at=driver.at))
    assert (driver.phase, driver.gates) == ("shut", [])


def test_a_latch_that_cannot_be_cleared_stays() -> None:
    driver = CoreDriver(latched=RECORD, proven=True).trading()
    resume(driver)
    driver.answer()
    driver.give(LatchClearFailed(at=driver.at, error="disk"))
    assert (driver.phase, driver.resume_answers[-1].detail) == ("shut", "disk")


def test_a_broker_that_cannot_be_read_refuses_a_resume() -> None:
    driver = CoreDriver(latched=RECORD, proven=True).trading()
    resume(driver)
    driver.fail("mute")
    assert "mute" in driver.resume_answers[-1].detail
    resume(driver)
    driver.answer()
    driver.give(LatchCleared(at=driver.at))
    assert driver.phase == "trading"
