"""RootActor: starts the rest, restarts them, answers the guardian, and ends everything when the guardian dies.

It has no threads, so it may fork. The guardian is outside of the tree; nobody but systemd restarts that one.
"""

from __future__ import annotations

import os
from datetime import timedelta
from typing import Any, Final

from thespian.actors import ActorExitRequest, ChildActorExited, WakeupMessage

from kyzlo_actors.actors.base import EXIT_CRASHED, KyzloActor
from kyzlo_actors.actors.broker import BrokerActor
from kyzlo_actors.actors.control import EndActors, Ping, Pong, StartActor, StartTree
from kyzlo_actors.actors.kill_switch import KillSwitchActor
from kyzlo_actors.actors.layout import BROKER, KILL_SWITCH, MARKET_DATA, PERSISTENCE, RISK, ROOT
from kyzlo_actors.actors.market_data import MarketDataActor
from kyzlo_actors.actors.persistence import PersistenceActor
from kyzlo_actors.actors.processes import children_of, kill
from kyzlo_actors.actors.risk import RiskActor
from kyzlo_actors.actors.supervision import Supervision

_CLASSES: Final = {
    PERSISTENCE: PersistenceActor,
    KILL_SWITCH: KillSwitchActor,
    BROKER: BrokerActor,
    MARKET_DATA: MarketDataActor,
    RISK: RiskActor,
}
# First those who bring work in, last those who remember it.
_END_ORDER: Final = (MARKET_DATA, RISK, BROKER, PERSISTENCE, KILL_SWITCH)
_END_STEP_SECONDS: Final = 0.25


class RootActor(KyzloActor):
    """The top of the tree."""

    def on_message(self, message: Any, sender: Any) -> None:
        if isinstance(message, StartTree):
            self._start_tree(message)
        elif isinstance(message, Ping):
            self.send(sender, Pong(number=message.number))
        elif isinstance(message, WakeupMessage):
            self._turn(message.payload)
        elif isinstance(message, ChildActorExited):
            self._supervision.exited(message.childAddress)
        elif isinstance(message, EndActors):
            self._end_actors()

    def on_readable(self, descriptors: list[int]) -> None:
        """The guardian's pidfd is readable: it is dead. Nobody would watch over the tree, so it ends."""
        self.log.critical("the guardian died: the tree ends")
        admin = os.getppid()
        for pid in [*children_of(admin), admin]:
            if pid != os.getpid():
                kill(pid)
        os._exit(EXIT_CRASHED)

    def on_exit(self) -> None:
        if hasattr(self, "_supervision"):
            self._supervision.ending = True

    def _start_tree(self, message: StartTree) -> None:
        self._begin(StartActor(name=ROOT, incarnation=0))
        self.watch(os.pidfd_open(message.guardian_pid))
        self._supervision = Supervision(
            tuple(_CLASSES),
            self.registry.supervision,
            self.board,
            self.registry.clock,
            create=lambda name: self.createActor(_CLASSES[name]),
            send=self.send,
            give_up=self._give_up,
        )
        self._supervision.start_all()
        self.row.publish(ready=1)
        self._next_turn()

    def _turn(self, payload: Any) -> None:
        if isinstance(payload, str):
            self._end_step(payload)
            return
        self.beat()
        self._supervision.check()
        self._next_turn()

    def _next_turn(self) -> None:
        self.wakeupAfter(timedelta(seconds=self.registry.supervision.beat_seconds / 2))

    def _give_up(self, name: str, restarts: int) -> None:
        """Without one of the others the tree cannot trade: end, and let the guardian and systemd decide."""
        if name == PERSISTENCE:
            # Journals grow meanwhile, and nothing is lost: that is no reason to stop trading.
            self.log.critical("%s died %d times in a short while; it is tried again, slowly", name, restarts)
            self._supervision.postpone(name)
            return
        self.log.critical("%s died %d times in a short while: the tree gives up", name, restarts)
        os._exit(EXIT_CRASHED)

    def _end_actors(self) -> None:
        if not self._supervision.ending:
            self._supervision.ending = True
            self._end_step(_END_ORDER[0])

    def _end_step(self, name: str) -> None:
        """Ask one actor to end, give it a moment, then the next; the guardian kills what is left after 2 s."""
        address = self._supervision.children[name].address
        if address is not None:
            self.send(address, ActorExitRequest(recursive=True))
        position = _END_ORDER.index(name) + 1
        if position < len(_END_ORDER):
            self.wakeupAfter(timedelta(seconds=_END_STEP_SECONDS), payload=_END_ORDER[position])
        else:
            self.send(self.myAddress, ActorExitRequest(recursive=True))
