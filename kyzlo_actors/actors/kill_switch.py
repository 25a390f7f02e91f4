"""KillSwitchActor: decides automatic halts, carries out the graceful part of a halt, and ends the tree."""

from __future__ import annotations

import os

from kyzlo_actors.actors.base import KyzloActor
from kyzlo_actors.actors.control import EndActors, StartActor
from kyzlo_actors.actors.quarantine import release
from kyzlo_actors.actors.registry import Registry
from kyzlo_actors.actors.shell import CoreShell
from kyzlo_actors.domain.effects import Effect, EndTree, LatchHalt
from kyzlo_actors.domain.kill_switch_core import KillSwitchCore
from kyzlo_actors.infrastructure.halt_latch import HaltLatch
from kyzlo_actors.infrastructure.journal import SyncPolicy
from kyzlo_actors.infrastructure.mailbox.board import BoardSlot


class KillSwitchActor(KyzloActor):
    """The work thread decides; only the Thespian thread may send control messages, so it is woken by an eventfd."""

    def on_start(self, message: StartActor) -> None:
        self._end_requested = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self.watch(self._end_requested)
        self._shell = KillSwitchShell(message, self.registry, self.row, self._end_requested)
        self._shell.start()

    def on_readable(self, descriptors: list[int]) -> None:
        os.eventfd_read(self._end_requested)
        self.send(self.supervisor, EndActors(halt_id=self._shell.halt_id))

    def on_exit(self) -> None:
        self._shell.stop()


class KillSwitchShell(CoreShell):
    """Latching is a file, so it works with every other actor stuck."""

    core: KillSwitchCore

    def __init__(self, start: StartActor, registry: Registry, row: BoardSlot, end_requested: int) -> None:
        sync = SyncPolicy.STRICT if registry.journal.strict else SyncPolicy.GROUP
        super().__init__(start.name, KillSwitchCore(registry.kill_switch), registry, row, sync)
        self._is_first_life = start.restarts == 0
        self._end_requested = end_requested
        self.halt_id = ""

    def on_started(self) -> None:
        if self._is_first_life:
            event = release(self.core.state.quarantined, sender=self.name, now_ns=self.clock.now_ns())
            if event is not None:
                self.process(event)

    def on_turn(self, now_ns: int) -> None:
        self.row.publish(ready=1)

    def carry_out(self, effect: Effect) -> None:
        match effect:
            case LatchHalt():
                latch = HaltLatch(self.registry.layout.state_directory, self.clock)
                record = latch.engage(by=self.name, reason=effect.reason, code=effect.code)
                self.log.critical("halt latched: %s", record.reason)
            case EndTree():
                self.halt_id = effect.halt_id
                os.eventfd_write(self._end_requested, 1)
            case _:
                super().carry_out(effect)
