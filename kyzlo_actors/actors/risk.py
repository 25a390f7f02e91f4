"""RiskActor: the single portfolio gate, and the owner of the symbols.

It forks its SymbolSupervisors first and starts its work thread after that: a process with threads must not fork.
When a supervisor dies it dies too, and RootActor builds the whole subtree anew.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any, Final

from thespian.actors import ChildActorExited, WakeupMessage

from kyzlo_actors.actors import full_journal
from kyzlo_actors.actors.base import EXIT_CRASHED, KyzloActor
from kyzlo_actors.actors.control import ReviveSymbol, StartActor
from kyzlo_actors.actors.gate import Gate
from kyzlo_actors.actors.layout import symbol_actor
from kyzlo_actors.actors.processes import is_living_child
from kyzlo_actors.actors.quarantine import release
from kyzlo_actors.actors.registry import Registry
from kyzlo_actors.actors.shell import CoreShell
from kyzlo_actors.actors.supervision import Pulse, most_silent_looks
from kyzlo_actors.actors.symbol_supervisor import SymbolSupervisor
from kyzlo_actors.domain.effects import Effect, ReviveActor, Send
from kyzlo_actors.domain.market import Mark
from kyzlo_actors.domain.messages import (
    ApprovedOrder,
    MarksObserved,
    ProposeOrder,
    Received,
    SequenceObserved,
)
from kyzlo_actors.domain.risk_core import RiskCore
from kyzlo_actors.infrastructure.journal import SyncPolicy
from kyzlo_actors.infrastructure.mailbox.board import Board, BoardSlot
from kyzlo_actors.infrastructure.mailbox.latest_tick import TickSlots

# Revivals between two looks; the oldest is dropped then, and whoever asked for it asks again.
_MOST_REVIVALS: Final = 1_000


class RiskActor(KyzloActor):
    """Forks supervisors, then judges."""

    def on_start(self, message: StartActor) -> None:
        self._is_ending = False
        self._owners: dict[str, Any] = {}
        for supervisor in self.registry.layout.supervisors:
            # The row of an earlier life must not be taken for this one's silence.
            self.board.row(supervisor).start(0, message.incarnation)
            child = self.createActor(SymbolSupervisor)
            self.send(child, StartActor(name=supervisor, incarnation=message.incarnation))
            self._owners |= dict.fromkeys(self.registry.layout.supervised(supervisor), child)
        self._shell = RiskShell(message, self.registry, self.row, self.board)
        self._shell.start()
        self._pulses = {supervisor: Pulse() for supervisor in self.registry.layout.supervisors}
        self._next_look()

    def on_message(self, message: Any, sender: Any) -> None:
        if isinstance(message, ChildActorExited):
            self._give_up("a symbol supervisor died")
        elif isinstance(message, WakeupMessage):
            self._look_at_supervisors()
            self._revive_symbols()
            self._next_look()

    def on_exit(self) -> None:
        self._is_ending = True
        self._shell.stop()

    def _next_look(self) -> None:
        self.wakeupAfter(timedelta(seconds=self.registry.supervision.beat_seconds / 2))

    def _look_at_supervisors(self) -> None:
        """One that hangs restarts no symbol; one that hung before it wrote its pid can only be replaced with us."""
        plan = self.registry.supervision
        for supervisor, pulse in self._pulses.items():
            row = self.board.row(supervisor).snapshot()
            silent_looks = pulse.look(row.beat_ns)
            # It forks up to fifty children before it is ready.
            is_late = silent_looks * plan.beat_seconds / 2 > plan.start_timeout_seconds
            if row.pid and not is_living_child(row.pid, os.getpid()):
                self._give_up(f"{supervisor} (pid {row.pid}) is gone")
            elif is_late or (row.ready and silent_looks > most_silent_looks(plan)):
                self._give_up(f"{supervisor} (pid {row.pid}) is silent")

    def _revive_symbols(self) -> None:
        """Carry on, on the thread that may speak Thespian, what the core decided on the other."""
        while self._shell.revivals:
            symbol = self._shell.revivals.popleft()
            if symbol in self._owners:
                self.send(self._owners[symbol], ReviveSymbol(symbol=symbol))

    def _give_up(self, why: str) -> None:
        """Whoever forks must have no threads, and we have one: RootActor rebuilds the subtree."""
        if not self._is_ending:
            self.log.critical("%s; the risk gate goes down with its symbols", why)
            os._exit(EXIT_CRASHED)


class RiskShell(CoreShell):
    """Reads the gate byte and its own marks before it lets the core judge anything."""

    core: RiskCore

    def __init__(self, start: StartActor, registry: Registry, row: BoardSlot, board: Board) -> None:
        sync = SyncPolicy.STRICT if registry.journal.strict else SyncPolicy.GROUP
        super().__init__(start.name, RiskCore(registry.risk_limits), registry, row, sync)
        self._is_first_life = start.restarts == 0
        layout = registry.layout
        self._symbols = layout.symbols
        self._rows = {symbol: board.row(f"symbol-{symbol}") for symbol in layout.symbols}
        self._versions = [0] * len(layout.symbols)
        self._published = dict.fromkeys(layout.symbols, 0)
        self._next_marks_ns = 0
        self._paused_shown: Mapping[str, str] | None = None
        self.revivals: deque[str] = deque(maxlen=_MOST_REVIVALS)

    def open(self) -> None:
        layout = self.registry.layout
        self._slots = TickSlots.open(layout.slots, layout.symbols)
        self._gate = Gate(layout, self.clock)

    def on_started(self) -> None:
        if self._is_first_life:
            event = release(self.core.state.quarantined, sender=self.name, now_ns=self.clock.now_ns())
            if event is not None:
                self.process(event)

    def before(self, message: Any) -> None:
        self._read_gate()
        if isinstance(message, ProposeOrder) and message.ticket.symbol in self._rows:
            # A symbol that is none of ours has no slot: the core denies it for want of a price.
            self._observe_marks([self._symbols.index(message.ticket.symbol)])

    def carry_out(self, effect: Effect) -> None:
        if isinstance(effect, ReviveActor):
            self.revivals.append(effect.symbol)
        else:
            super().carry_out(effect)

    def instead_of(self, effect: Send) -> Any:
        """The symbol is told, and the denial comes back as an input that frees what was reserved."""
        message = effect.message
        if not isinstance(message, ApprovedOrder):
            return None
        symbol = message.ticket.symbol
        held = self.core.state.book.positions.get(symbol)
        if not full_journal.is_entry(message.ticket, Decimal(0) if held is None else held.qty):
            return None
        now_ns = self.clock.now_ns()
        denied = full_journal.denied(message, self.name, now_ns)
        # If the symbol's mailbox refuses, its own timer asks what became of the order.
        self.outbox.send(Send(to=symbol_actor(symbol), message=denied))
        return Received(message=denied, sender=self.name, now_ns=now_ns)

    def on_turn(self, now_ns: int) -> None:
        self._read_gate()
        if self.core.state.paused is not self._paused_shown:
            self._show_paused()  # at once: whoever paused a symbol looks a moment later whether it is
        if now_ns < self._next_marks_ns:
            return
        self._next_marks_ns = now_ns + int(self.registry.supervision.beat_seconds * 1e9)
        self._observe_marks(range(len(self._symbols)))
        self._compare_sequences(now_ns)
        state = self.core.state
        self.row.publish(ready=int(state.synced), unrealized_pnl=float(state.daily_pnl))
        self._show_paused()

    def _show_paused(self) -> None:
        self._paused_shown = self.core.state.paused
        for symbol, row in self._rows.items():
            row.publish(paused=int(symbol in self._paused_shown))

    def _read_gate(self) -> None:
        change = self._gate.change_from(self.core.state.trading_state, self.clock.now_ns())
        if change is not None:
            self.process(change)

    def _observe_marks(self, indices: Any) -> None:
        marks: list[Mark] = []
        for index in indices:
            if self._slots.version(index) == self._versions[index]:
                continue
            view = self._slots.read(index)
            if view is None or view.tick is None:
                continue
            self._versions[index] = view.version
            tick = view.tick
            marks.append(Mark(tick.symbol, tick.price, tick.ts_event, tick.ts_init))
        if marks:
            self.process(MarksObserved(marks=tuple(marks), now_ns=self.clock.now_ns()))

    def _compare_sequences(self, now_ns: int) -> None:
        """Behind what was published a beat ago: a message is missing. (Behind the newest may just be in flight.)"""
        positions = self.core.state.book.positions
        missing = ""
        for symbol, row in self._rows.items():
            view = positions.get(symbol)
            if self._published[symbol] > (0 if view is None else view.sequence):
                missing = symbol
            self._published[symbol] = row.snapshot().sequence
        if missing and self.core.state.synced:  # one question brings the whole book
            self.process(SequenceObserved(symbol=missing, sequence=self._published[missing], now_ns=now_ns))
