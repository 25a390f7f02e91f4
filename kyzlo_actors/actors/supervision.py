"""Supervising children: start them, restart the dead with backoff, kill the silent by pid, give up on the hopeless."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from kyzlo_actors.actors.control import StartActor
from kyzlo_actors.actors.processes import children_of, is_living_child, kill
from kyzlo_actors.actors.registry import SupervisionPlan
from kyzlo_actors.domain.risk.restart import RestartHistory, RestartPolicy
from kyzlo_actors.domain.values import NS_PER_SECOND
from kyzlo_actors.infrastructure.mailbox.board import Board
from kyzlo_actors.ports.clock import Clock


@dataclass(slots=True)
class Pulse:
    """How often in a row a heartbeat had not moved when it was looked at.

    Silence is counted in our own looks (two a beat), not in seconds: where the whole machine is starved the looks are
    late too, and nobody is killed for a beat that he had no chance to give.
    """

    beat_ns: int = 0
    silent_looks: int = 0

    def look(self, beat_ns: int) -> int:
        """Look once more; how many looks in a row were silent."""
        self.silent_looks = self.silent_looks + 1 if beat_ns == self.beat_ns else 0
        self.beat_ns = beat_ns
        return self.silent_looks


def most_silent_looks(plan: SupervisionPlan) -> int:
    """More silent looks in a row than this are a hang."""
    return 2 * plan.hang_beats


@dataclass(slots=True)
class Child:
    """One supervised actor. `address` is None between its death and its restart, or once it was given up."""

    name: str
    address: Any = None
    history: RestartHistory = field(default_factory=RestartHistory)
    due_ns: int | None = None
    started_ns: int = 0
    killed_pid: int = 0
    gone_pid: int = 0
    pulse: Pulse = field(default_factory=Pulse)


class Supervision:
    """The children of one supervisor. It runs on the Thespian thread only and never blocks.

    `create(name)` forks the actor and returns its address; `send(address, message)`; `give_up(name, restarts)` is
    called once for a child whose restart intensity is exceeded: it is not started again.
    """

    def __init__(
        self,
        names: tuple[str, ...],
        plan: SupervisionPlan,
        board: Board,
        clock: Clock,
        *,
        create: Callable[[str], Any],
        send: Callable[[Any, StartActor], None],
        give_up: Callable[[str, int], None],
    ) -> None:
        self.children = {name: Child(name) for name in names}
        self._plan = plan
        self._policy = RestartPolicy(
            max_restarts=plan.max_restarts,
            period_ns=int(plan.period_seconds * NS_PER_SECOND),
            backoff_first_ns=int(plan.backoff_first_seconds * NS_PER_SECOND),
            backoff_max_ns=int(plan.backoff_max_seconds * NS_PER_SECOND),
        )
        self._board = board
        self._clock = clock
        self._create = create
        self._send = send
        self._give_up = give_up
        self._most_silent_looks = most_silent_looks(plan)
        self._start_ns = int(plan.start_timeout_seconds * NS_PER_SECOND)
        self._log = logging.getLogger("kyzlo")
        self.ending = False

    def start_all(self) -> None:
        """Start every child for the first time."""
        for child in self.children.values():
            self._start(child)

    def exited(self, address: Any) -> None:
        """A child died. Thespian may tell the same death twice; the second finds nobody at that address."""
        for child in self.children.values():
            if child.address is not None and child.address == address:
                self._died(child)
                return

    def postpone(self, name: str) -> None:
        """Not given up after all: start it once more after the longest backoff."""
        self.children[name].due_ns = self._clock.monotonic_ns() + self._policy.backoff_max_ns

    def revive(self, name: str) -> None:
        """Forget a child's deaths; one that was given up is started again, one that lives or waits is left alone."""
        child = self.children[name]
        child.history = replace(child.history, deaths_ns=())
        if child.address is None and child.due_ns is None:
            self._start(child)

    def check(self) -> None:
        """Once a beat: start those whose backoff is over, find those who died unnoticed, kill those who are silent."""
        now_ns = self._clock.monotonic_ns()
        for child in self.children.values():
            if child.due_ns is not None and now_ns >= child.due_ns:
                self._start(child)
            elif child.address is not None:
                self._look_at(child, now_ns)

    def _start(self, child: Child) -> None:
        if self.ending:
            return
        child.due_ns = None
        child.pulse = Pulse()
        # The row of the last life must not be taken for this one: its pid may belong to somebody else by now.
        self._board.row(child.name).start(0, child.history.total)
        child.started_ns = self._clock.monotonic_ns()
        child.address = self._create(child.name)
        self._send(
            child.address,
            StartActor(name=child.name, incarnation=child.history.total, restarts=child.history.total),
        )

    def _died(self, child: Child) -> None:
        child.address = None
        if self.ending:
            return
        now_ns = self._clock.monotonic_ns()
        child.history, child.due_ns = child.history.died(now_ns, self._policy)
        self._log.warning("%s died (death %d of its life here)", child.name, child.history.total)
        if child.due_ns is None:
            self._give_up(child.name, child.history.total)
        elif child.due_ns <= now_ns:
            self._start(child)

    def _look_at(self, child: Child, now_ns: int) -> None:
        row = self._board.row(child.name).snapshot()
        if row.pid == 0:
            if now_ns - child.started_ns > self._start_ns:
                child.started_ns = now_ns
                if not self._kill_nameless():
                    self._died(child)  # it ended before it wrote its pid, and nobody told
        elif not is_living_child(row.pid, os.getpid()):
            self._notice_lost(child, row.pid)
        elif (
            child.pulse.look(row.beat_ns) > self._most_silent_looks
            and row.pid != child.killed_pid
            # Where sixty start at once on two cores, one may get no turn for seconds; later it lasts a turn at most.
            and (row.ready or now_ns - child.started_ns > self._start_ns)
        ):
            child.killed_pid = row.pid
            self._log.warning("%s (pid %d) is silent: killed", child.name, row.pid)
            kill(row.pid)

    def _notice_lost(self, child: Child, pid: int) -> None:
        """Thespian drops the notice of a child that dies while it handles another's death.

        Only at the second look, or a notice that is merely late could hit the replacement: ports are used again.
        """
        if child.gone_pid == pid:
            self._died(child)
        child.gone_pid = pid

    def _kill_nameless(self) -> bool:
        """A child that hangs before it wrote its pid: kill every process of ours that no row knows."""
        known = {self._board.row(name).snapshot().pid for name in self.children}
        nameless = [pid for pid in children_of(os.getpid()) if pid not in known]
        for pid in nameless:
            self._log.warning("a child (pid %d) did not start in time: killed", pid)
            kill(pid)
        return bool(nameless)
