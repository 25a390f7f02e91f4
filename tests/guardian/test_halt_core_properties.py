"""Whatever happens in whatever order: a latched guardian stays shut, and it proves only what it saw."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from kyzlo_actors.domain.messages import HaltAcknowledged
from kyzlo_actors.domain.values import TradingState
from kyzlo_actors.guardian.halt_events import (
    BrokerRead,
    CallDesk,
    CancelsAsked,
    ClearLatch,
    DeskFailed,
    DeskRequest,
    HaltRepeated,
    HistoryRead,
    LatchCleared,
    LatchClearFailed,
    LatchSeen,
    ResumeRequested,
    SetGate,
    StopRequested,
    Ticked,
    Told,
    TreeAnswered,
    TreeDied,
    TreeEnded,
    TreeKilled,
    WriteCertificate,
)
from tests.fakes.broker_desk import broker_order
from tests.guardian.core_driver import RECORD, CoreDriver

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("tick"), st.sampled_from([0.05, 0.5, 3.0, 12.0, 35.0]), st.booleans()),
        st.tuples(st.just("read"), st.integers(0, 2), st.integers(0, 2)),
        st.tuples(
            st.sampled_from(
                ["fail", "latch", "answered", "died", "ended", "killed", "ack", "finish", "stop", "repeat"]
            ),
            st.just(0),
            st.just(0),
        ),
        st.tuples(st.sampled_from(["resume", "clear failed"]), st.just(0), st.just(0)),
    ),
    max_size=60,
)


class Watched(CoreDriver):
    """A driver that checks every effect, and answers a ClearLatch as a shell does."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.latched = self.core.state.record is not None
        self.cleared_by_resume = False
        self.resume_asked = False
        self.open_state = False
        self.clean_run = 0
        self.requests: dict[int, DeskRequest] = {}
        self.called_at: dict[int, float] = {}
        self.clean_read_at = 0.0
        self.sealed = False
        self.gone_at = 0.0

    def give(self, event: Any) -> list[Any]:
        if isinstance(event, LatchSeen):
            self.latched = True
        if isinstance(event, LatchCleared):
            self.latched = False
        before = self.core.state
        self._follow_tree(event, before)
        effects = super().give(event)
        self._follow(event, before)
        for effect in effects:
            self._check(effect)
        if any(isinstance(effect, ClearLatch) for effect in effects):
            assert self.resume_asked
            effects = effects + self.give(LatchCleared(at=self.at))
        return effects

    def _follow_tree(self, event: Any, before: Any) -> None:
        procedure = before.procedure
        if procedure is None or procedure.proof.since is not None:
            return
        if isinstance(event, Told):
            self.sealed |= isinstance(event.message, HaltAcknowledged) or getattr(
                event.message, "clean", False
            )
        if isinstance(event, TreeKilled):
            self.gone_at = self.seconds

    def _follow(self, event: Any, before: Any) -> None:
        procedure = before.procedure
        counts = procedure is not None and procedure.proof.since is not None and procedure.proof.waiting
        if isinstance(event, BrokerRead | DeskFailed | HistoryRead | CancelsAsked):
            if not counts or event.call != procedure.proof.call:
                return
            if isinstance(event, BrokerRead) and not event.orders:
                self.clean_run += 1
                self.clean_read_at = self.called_at[event.call]
            elif not (
                isinstance(event, HistoryRead | DeskFailed)
                and self.requests[event.call] is DeskRequest.HISTORY
            ):
                self.clean_run = 0

    def _check(self, effect: Any) -> None:
        if isinstance(effect, CallDesk):
            assert effect.call not in self.requests, "numbers of calls never repeat"
            self.requests[effect.call] = effect.request
            self.called_at[effect.call] = self.seconds
        if isinstance(effect, SetGate) and effect.state is TradingState.ACTIVE:
            assert not self.latched, "the gate was opened while latched"
        if isinstance(effect, WriteCertificate) and effect.facts.proven:
            assert self.clean_run >= effect.facts.clean_reads_wanted
            assert self.sealed or self.clean_read_at >= self.gone_at + 5, "something may still turn up"
            assert len(effect.facts.clean_reads_ns) == effect.facts.clean_reads_wanted
            assert list(effect.facts.clean_reads_ns) == sorted(effect.facts.clean_reads_ns)


def play(driver: Watched, steps: list[tuple[str, Any, Any]]) -> None:
    for name, first, second in steps:
        if name == "tick":
            driver.broker_ready = bool(second)
            driver.tick(first)
        elif name == "read" and driver.requests:
            orders = tuple(broker_order(number) for number in range(first))
            call = max(max(driver.requests) - second, 1)  # also late answers to earlier calls
            request = driver.requests.get(call, DeskRequest.READ)
            if request is DeskRequest.READ:
                driver.give(BrokerRead(at=driver.at, call=call, orders=orders, positions=()))
            elif request is DeskRequest.HISTORY:
                driver.give(HistoryRead(at=driver.at, call=call, orders=orders))
            else:
                driver.give(CancelsAsked(at=driver.at, call=call, venue_order_ids=()))
        elif name == "resume":
            driver.resume_asked = True
            driver.give(ResumeRequested(at=driver.at, by="uid 0", reason="r"))
        elif name == "fail" and driver.requests:
            driver.give(DeskFailed(at=driver.at, call=max(driver.requests), error="mute"))
        elif name in ("ack", "finish") and driver.core.state.procedure is not None:
            driver.acknowledge() if name == "ack" else driver.finish()
        elif name == "latch" and not driver.latched:
            driver.give(LatchSeen(at=driver.at, record=replace(RECORD, engaged_ns=driver.at.wall_ns)))
        elif name in _PLAIN:
            driver.give(_PLAIN[name](driver))


_PLAIN: dict[str, Any] = {
    "answered": lambda driver: TreeAnswered(at=driver.at),
    "died": lambda driver: TreeDied(at=driver.at, what="root died"),
    "ended": lambda driver: TreeEnded(at=driver.at),
    "stop": lambda driver: StopRequested(at=driver.at),
    "repeat": lambda driver: HaltRepeated(at=driver.at),
    "clear failed": lambda driver: LatchClearFailed(at=driver.at, error="disk"),
    "killed": lambda driver: _killed(driver),
}


def _killed(driver: CoreDriver) -> Any:
    return TreeKilled(at=driver.at, killed=(("admin", 1),))


@settings(max_examples=150, deadline=None)
@given(steps=STEPS, latched=st.booleans(), proven=st.booleans())
def test_whatever_happens(steps: list[tuple[str, Any, Any]], latched: bool, proven: bool) -> None:
    driver = Watched(latched=RECORD if latched else None, proven=proven)
    play(driver, steps)
    assert len(driver.exits) <= 1


@settings(max_examples=60, deadline=None)
@given(steps=STEPS)
def test_without_a_resume_a_latched_gate_never_opens_again(steps: list[tuple[str, Any, Any]]) -> None:
    driver = Watched().trading()
    driver.latch()
    opened = driver.gates.count(TradingState.ACTIVE)
    play(driver, [step for step in steps if step[0] != "resume"])
    assert driver.gates.count(TradingState.ACTIVE) == opened


@settings(max_examples=60, deadline=None)
@given(steps=STEPS)
def test_every_halt_ends_with_a_certificate_once_the_broker_is_clean(
    steps: list[tuple[str, Any, Any]],
) -> None:
    driver = Watched().trading()
    driver.latch()
    play(driver, [step for step in steps if step[0] not in ("resume", "stop")])
    for _ in range(200):
        if driver.certificates and driver.certificates[-1].proven:
            return
        effects = driver.give(Ticked(at=driver.at, broker_ready=True))
        if any(type(effect).__name__ == "KillTree" for effect in effects):
            driver.give(_killed(driver))
        driver.answer()
        driver.seconds += 1
    raise AssertionError(f"never proven: {driver.core.state}")


@settings(max_examples=150, deadline=None)
@given(outcomes=st.lists(st.sampled_from(["clean", "clean", "clean", "open", "fail", "late"]), max_size=25))
def test_only_clean_reads_in_a_row_prove(outcomes: list[str]) -> None:
    driver = Watched().trading()
    driver.latch()
    driver.answer()
    driver.give(TreeDied(at=driver.at, what="gone"))
    driver.give(_killed(driver))
    for outcome in outcomes:
        if driver.certificates and driver.certificates[-1].proven:
            break
        if outcome == "late":
            # An answer of a connection that was given up: it says nothing about now.
            driver.give(BrokerRead(at=driver.at, call=driver.last_call.call - 1, orders=(), positions=()))
        elif outcome == "fail":
            driver.fail()
        else:
            driver.answer(orders=(broker_order(1),) if outcome == "open" else ())
        driver.tick(3)
