"""SymbolSupervisor: forks, watches and restarts at most fifty SymbolActors. It has no threads, so it may fork."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from thespian.actors import ChildActorExited, WakeupMessage

from kyzlo_actors.actors.base import KyzloActor
from kyzlo_actors.actors.control import ReviveSymbol, StartActor
from kyzlo_actors.actors.layout import RISK, SYMBOL, symbol_actor
from kyzlo_actors.actors.outbox import Outbox
from kyzlo_actors.actors.supervision import Supervision
from kyzlo_actors.actors.symbol import SymbolActor
from kyzlo_actors.domain.effects import Send
from kyzlo_actors.domain.identity import event_id
from kyzlo_actors.domain.messages import SymbolQuarantined
from kyzlo_actors.domain.stamp import Stamp
from kyzlo_actors.infrastructure.mailbox.board import QUARANTINED


class SymbolSupervisor(KyzloActor):
    """A symbol that crashes too often is quarantined; the others go on."""

    def on_start(self, message: StartActor) -> None:
        registry = self.registry
        self._outbox = Outbox(message.name, registry.layout, registry.clock)
        self._unsent: list[SymbolQuarantined] = []
        names = tuple(symbol_actor(symbol) for symbol in registry.layout.supervised(message.name))
        self._supervision = Supervision(
            names,
            registry.supervision,
            self.board,
            registry.clock,
            create=self._create,
            send=self.send,
            give_up=self._quarantine,
        )
        self._supervision.start_all()
        self._next_turn()
        self.row.publish(ready=1)

    def on_message(self, message: Any, sender: Any) -> None:
        if isinstance(message, WakeupMessage):
            self.beat()
            self._supervision.check()
            self._tell()
            self._next_turn()
        elif isinstance(message, ChildActorExited):
            self._supervision.exited(message.childAddress)
        elif isinstance(message, ReviveSymbol):
            self._revive(message.symbol)

    def on_exit(self) -> None:
        self._supervision.ending = True

    def _create(self, name: str) -> Any:
        self.beat()  # each fork takes a while: fifty in a row are not a hang
        return self.createActor(SymbolActor)

    def _next_turn(self) -> None:
        self.wakeupAfter(timedelta(seconds=self.registry.supervision.beat_seconds / 2))

    def _quarantine(self, name: str, restarts: int) -> None:
        now_ns = self.registry.clock.now_ns()
        symbol = name.removeprefix(SYMBOL)
        quarantine_id = event_id("quarantine", self.registry.run_id, symbol, restarts)
        stamp = Stamp.first(quarantine_id, now_ns)
        gone = SymbolQuarantined(
            stamp=stamp,
            symbol=symbol,
            restarts=restarts,
            period_seconds=self.registry.supervision.period_seconds,
        )
        self.board.row(name).publish(state=QUARANTINED, ready=0)
        self._unsent.append(gone)
        self._tell()

    def _revive(self, symbol: str) -> None:
        name = symbol_actor(symbol)
        self._unsent = [gone for gone in self._unsent if gone.symbol != symbol]
        self.board.row(name).publish(state=0)
        self._supervision.revive(name)

    def _tell(self) -> None:
        """Tell RiskActor; while its mailbox refuses, again each beat (at most one message a symbol)."""
        self._unsent = [
            gone for gone in self._unsent if self._outbox.send(Send(to=RISK, message=gone)) is not None
        ]
