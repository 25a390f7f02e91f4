"""Supervision on a real board, a clock in hand and children that are real processes."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from kyzlo_actors.actors import supervision as module
from kyzlo_actors.actors.control import StartActor
from kyzlo_actors.actors.registry import SupervisionPlan
from kyzlo_actors.actors.supervision import Pulse, Supervision, most_silent_looks
from kyzlo_actors.domain.values import NS_PER_SECOND
from kyzlo_actors.infrastructure.mailbox.board import Board
from tests.fakes.clock import FakeClock
from tests.infrastructure.processes import forked

NAMES = ("one", "two")
PLAN = SupervisionPlan(
    beat_seconds=1,
    hang_beats=2,
    max_restarts=4,
    period_seconds=60,
    backoff_first_seconds=1,
    backoff_max_seconds=3,
)
LOOK_NS = NS_PER_SECOND // 2
START_NS = int(PLAN.start_timeout_seconds * NS_PER_SECOND)


class Scene:
    """A supervisor whose `create` hands out numbered addresses; `live` gives a child a real process."""

    def __init__(self, directory: Path, stack: ExitStack, plan: SupervisionPlan = PLAN) -> None:
        self.board = Board.create(directory / "board", NAMES)
        self.clock = FakeClock()
        self.created: list[str] = []
        self.sent: list[tuple[Any, StartActor]] = []
        self.given_up: list[tuple[str, int]] = []
        self._stack = stack
        self.supervision = Supervision(
            NAMES,
            plan,
            self.board,
            self.clock,
            create=self._create,
            send=lambda address, message: self.sent.append((address, message)),
            give_up=lambda name, restarts: self.given_up.append((name, restarts)),
        )

    def _create(self, name: str) -> str:
        self.created.append(name)
        return f"{name}-{self.created.count(name)}"

    def live(self, name: str) -> int:
        """A process that the board knows as this child."""
        pid = self._stack.enter_context(forked(signal.pause))
        self.board.row(name).start(pid, 1)
        self.board.row(name).publish(ready=1)
        self.beat(name)
        return pid

    def beat(self, *names: str) -> None:
        for name in names:
            self.board.row(name).beat(self.clock.monotonic_ns())

    def look(self, *beating: str) -> None:
        """Half a beat later."""
        self.clock.advance(LOOK_NS)
        self.beat(*beating)
        self.supervision.check()


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    tmp_path.chmod(0o700)
    with ExitStack() as stack:
        yield Scene(tmp_path, stack)


def is_killed(pid: int) -> bool:
    """Whether our child has died of SIGKILL."""
    for _ in range(200):
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status) == -signal.SIGKILL
        time.sleep(0.01)
    return False


def test_everybody_is_started_once_and_told_who_he_is(scene: Scene) -> None:
    scene.supervision.start_all()
    assert scene.created == ["one", "two"]
    assert scene.sent == [
        ("one-1", StartActor(name="one", incarnation=0, restarts=0)),
        ("two-1", StartActor(name="two", incarnation=0, restarts=0)),
    ]


def test_the_first_death_is_repaired_at_once_and_told_twice_counts_once(scene: Scene) -> None:
    scene.supervision.start_all()
    scene.supervision.exited("one-1")
    scene.supervision.exited("one-1")
    assert scene.created == ["one", "two", "one"]
    assert scene.sent[-1] == ("one-2", StartActor(name="one", incarnation=1, restarts=1))


def test_a_notice_about_a_stranger_is_nobodys(scene: Scene) -> None:
    scene.supervision.start_all()
    scene.supervision.exited("three-1")
    assert scene.created == ["one", "two"]


def test_deaths_in_a_row_wait_ever_longer_and_then_end(scene: Scene) -> None:
    scene.supervision.start_all()
    waits = []
    for number in range(1, 5):
        scene.supervision.exited(f"one-{number}")
        waited = 0
        while scene.supervision.children["one"].address is None and waited < 10 * NS_PER_SECOND:
            scene.clock.advance(LOOK_NS)
            scene.supervision.check()
            waited += LOOK_NS
        waits.append(waited / NS_PER_SECOND)
    assert waits == [0, 1, 2, 3]  # at once, the first backoff, twice as long, the longest
    assert scene.given_up == []
    scene.supervision.exited("one-5")
    assert scene.given_up == [("one", 5)]
    for _ in range(10):
        scene.look()
    assert scene.created.count("one") == 5 and len(scene.given_up) == 1
    assert scene.created.count("two") == 1


def test_who_may_not_be_given_up_is_started_again_after_the_longest_wait(scene: Scene) -> None:
    scene.supervision.start_all()
    for _ in range(12):
        child = scene.supervision.children["one"]
        scene.supervision.exited(child.address)
        if scene.given_up:
            scene.supervision.postpone("one")
            assert child.due_ns == scene.clock.monotonic_ns() + 3 * NS_PER_SECOND
        scene.clock.advance(3 * NS_PER_SECOND)
        scene.supervision.check()
    assert scene.given_up and scene.created.count("one") == 13


def test_old_deaths_are_forgiven(scene: Scene) -> None:
    scene.supervision.start_all()
    for number in range(1, 12):
        scene.supervision.exited(f"one-{number}")
        scene.clock.advance(61 * NS_PER_SECOND)
    assert scene.given_up == []
    assert scene.supervision.children["one"].history.total == 11


def test_who_is_silent_is_killed_once_and_only_he(scene: Scene) -> None:
    scene.supervision.start_all()
    silent, lively = scene.live("one"), scene.live("two")
    scene.look("one", "two")
    for _ in range(most_silent_looks(PLAN)):
        scene.look("two")
    assert os.waitpid(silent, os.WNOHANG) == (0, 0)
    scene.look("two")
    assert is_killed(silent)
    assert os.waitpid(lively, os.WNOHANG) == (0, 0)
    # The notice of that death starts the next life; a killed process is not killed again.
    scene.supervision.exited("one-1")
    assert scene.created.count("one") == 2


def test_who_is_still_starting_has_more_time(scene: Scene) -> None:
    scene.supervision.start_all()
    pid = scene.live("one")
    scene.board.row("one").publish(ready=0)
    scene.look("one")
    for _ in range(most_silent_looks(PLAN) + 5):
        scene.look()
    assert os.waitpid(pid, os.WNOHANG) == (0, 0)
    scene.clock.advance(START_NS)
    scene.look()
    assert is_killed(pid)


def test_a_supervisor_that_was_starved_itself_blames_nobody(scene: Scene) -> None:
    scene.supervision.start_all()
    pid = scene.live("one")
    scene.look("one")
    scene.clock.advance(3600 * NS_PER_SECOND)
    scene.look()
    assert os.waitpid(pid, os.WNOHANG) == (0, 0)


def test_a_death_that_nobody_told_is_seen_at_the_second_look(scene: Scene) -> None:
    """Thespian loses the notice of a child that dies while it handles another's death."""
    scene.supervision.start_all()
    pid = scene.live("one")
    scene.look("one")
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    scene.look()
    assert scene.created.count("one") == 1  # the notice may only be late
    scene.look()
    assert scene.created.count("one") == 2
    # The late notice is about an address that is nobody's any more.
    scene.supervision.exited("one-1")
    assert scene.created.count("one") == 2


def test_somebody_elses_process_is_not_taken_for_a_child(scene: Scene) -> None:
    scene.supervision.start_all()
    scene.board.row("one").start(1, 1)  # the pid was used again
    for _ in range(most_silent_looks(PLAN) + 3):
        scene.look()
    assert scene.created.count("one") >= 2


def test_a_child_that_never_wrote_its_pid_is_killed(scene: Scene) -> None:
    scene.supervision.start_all()
    named = scene.live("two")
    with forked(signal.pause) as nameless:
        scene.clock.advance(START_NS + 1)
        scene.look("two")
        assert is_killed(nameless)
    assert os.waitpid(named, os.WNOHANG) == (0, 0)


def test_a_child_that_ended_before_it_wrote_its_pid_is_replaced(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "children_of", lambda _: [])
    scene.supervision.start_all()
    scene.clock.advance(START_NS + 1)
    scene.look()
    assert scene.created == ["one", "two", "one", "two"]


def test_at_the_end_nobody_is_restarted(scene: Scene) -> None:
    scene.supervision.start_all()
    scene.supervision.ending = True
    scene.supervision.exited("one-1")
    scene.look()
    assert scene.created == ["one", "two"]


def test_pulse_counts_looks_without_a_new_beat() -> None:
    pulse = Pulse()
    assert [pulse.look(beat) for beat in (5, 5, 5, 6, 6)] == [0, 1, 2, 0, 1]


def test_a_child_that_was_given_up_is_revived_with_its_deaths_forgotten(scene: Scene) -> None:
    scene.supervision.start_all()
    for number in range(1, 6):
        scene.supervision.exited(f"one-{number}")
        scene.clock.advance(3 * NS_PER_SECOND)
        scene.supervision.check()
    assert scene.given_up == [("one", 5)]
    scene.supervision.revive("one")
    assert scene.sent[-1] == ("one-6", StartActor(name="one", incarnation=5, restarts=5))
    scene.supervision.exited("one-6")
    assert scene.created.count("one") == 7, "the first death of a new count is repaired at once"


def test_who_lives_or_waits_is_not_started_a_second_time(scene: Scene) -> None:
    scene.supervision.start_all()
    scene.supervision.revive("one")
    scene.supervision.exited("one-1")
    scene.supervision.exited("one-2")
    assert scene.supervision.children["one"].due_ns is not None
    scene.supervision.revive("one")
    assert scene.created.count("one") == 2
