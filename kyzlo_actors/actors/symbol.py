"""SymbolActor: mailbox, strategy and position of one symbol. It reads the newest tick, never a queue of them."""

from __future__ import annotations

from typing import Any

from kyzlo_actors.actors import full_journal
from kyzlo_actors.actors.base import KyzloActor
from kyzlo_actors.actors.control import StartActor
from kyzlo_actors.actors.layout import SYMBOL
from kyzlo_actors.actors.registry import Registry, SymbolPlan
from kyzlo_actors.actors.shell import CoreShell
from kyzlo_actors.domain.effects import Send
from kyzlo_actors.domain.market import Bar
from kyzlo_actors.domain.messages import (
    BarClosed,
    ProposeOrder,
    Received,
    SequenceObserved,
    Stopped,
    TickRead,
)
from kyzlo_actors.domain.symbol_core import SymbolCore
from kyzlo_actors.domain.values import NS_PER_SECOND
from kyzlo_actors.infrastructure.journal import SyncPolicy
from kyzlo_actors.infrastructure.mailbox.board import BoardSlot
from kyzlo_actors.infrastructure.mailbox.latest_tick import TickSlots
from kyzlo_actors.infrastructure.mailbox.wake import WakeReceiver


class SymbolActor(KyzloActor):
    """Supervised by a SymbolSupervisor; has one work thread and forks nobody."""

    def on_start(self, message: StartActor) -> None:
        symbol = message.name.removeprefix(SYMBOL)
        self._shell = SymbolShell(message.name, symbol, self.registry, self.row)
        self._shell.start()

    def on_exit(self) -> None:
        self._shell.stop()


class SymbolShell(CoreShell):
    """Feeds closed bars first (none is lost), then the newest tick (older ones are conflated away)."""

    core: SymbolCore

    def __init__(self, name: str, symbol: str, registry: Registry, row: BoardSlot) -> None:
        self.symbol = symbol
        self.plan: SymbolPlan = registry.symbols[symbol]
        core = SymbolCore(self.plan.settings, self.plan.make_strategy())
        # Symbol segments are synced by PersistenceActor each second: reconciliation re-learns what a power cut takes.
        super().__init__(name, core, registry, row, SyncPolicy.NONE)
        self._index = registry.layout.symbols.index(symbol)
        self._bar_position = 0
        self._last_bar_start_ns = -1
        self._tick_version = 0
        self._published = 0
        self._next_compare_ns = 0

    def open(self) -> None:
        layout = self.registry.layout
        self._slots = TickSlots.open(layout.slots, layout.symbols)
        self._wake = WakeReceiver(layout.wake(self.symbol))
        self.mailbox.register(self._wake.fileno(), self._drain)

    def on_turn(self, now_ns: int) -> None:
        self._read_bars()
        self._read_tick()
        self._compare_sequence(now_ns)
        self._publish()

    def instead_of(self, effect: Send) -> Any:
        message = effect.message
        if not isinstance(message, ProposeOrder):
            return None
        if not full_journal.is_entry(message.ticket, self.core.state.position.qty):
            return None
        now_ns = self.clock.now_ns()
        denied = full_journal.denied(message, self.name, now_ns)
        return Received(message=denied, sender=self.name, now_ns=now_ns)

    def observe_replay(self, event: Any) -> None:
        if isinstance(event, BarClosed):
            self._last_bar_start_ns = max(self._last_bar_start_ns, event.bar.start_ns)

    def snapshot_extra(self) -> dict[str, Any]:
        return {"strategy": self.core.save(), "last_bar_start_ns": self._last_bar_start_ns}

    def restore(self, state: Any, extra: dict[str, Any]) -> None:
        super().restore(state, extra)
        self.core.strategy.load(extra["strategy"])
        self._last_bar_start_ns = extra["last_bar_start_ns"]

    def on_stopping(self) -> None:
        self.process(Stopped(now_ns=self.clock.now_ns()))

    def close(self) -> None:
        self._wake.close()

    def _drain(self) -> None:
        self._wake.drain()

    def _read_bars(self) -> None:
        read = self._slots.bars_from(self._index, self._bar_position)
        # At the first look the ring has long gone round; what it lost was read in an earlier life, or is history.
        lost, self._bar_position = read.missed if self._bar_position else 0, read.next_position
        if lost:
            self.log.warning("%d bars were overwritten before they were read", lost)
        for bar in read.bars:
            if bar.revision == 0 and bar.start_ns <= self._last_bar_start_ns:
                continue  # read in an earlier life
            self._last_bar_start_ns = max(self._last_bar_start_ns, bar.start_ns)
            now_ns = self.clock.now_ns()
            self.process(BarClosed(bar=bar, late=self._is_late(bar, now_ns), now_ns=now_ns))

    def _is_late(self, bar: Bar, now_ns: int) -> bool:
        patience_ns = max(bar.interval_ns, self.plan.settings.max_price_age_ns)
        return bar.repaired or now_ns - bar.end_ns > patience_ns

    def _read_tick(self) -> None:
        version = self._slots.version(self._index)
        if version == self._tick_version:
            return
        view = self._slots.read(self._index)
        if view is None or view.tick is None:
            return
        self._tick_version = view.version
        now_ns = self.clock.now_ns()
        if now_ns - view.tick.ts_init <= self.plan.settings.max_price_age_ns:
            self.process(TickRead(tick=view.tick, now_ns=now_ns))

    def _compare_sequence(self, now_ns: int) -> None:
        """Behind what was published a beat ago: a message is missing. (Behind the newest may just be in flight.)"""
        if now_ns < self._next_compare_ns:
            return
        self._next_compare_ns = now_ns + int(self.registry.supervision.beat_seconds * NS_PER_SECOND)
        if self.core.state.synced and self._published > self.core.state.sequence:
            self.process(SequenceObserved(symbol=self.symbol, sequence=self._published, now_ns=now_ns))
        self._published = self.row.snapshot().sequence

    def _publish(self) -> None:
        state = self.core.state
        price = state.mark.price if state.mark is not None else 0.0
        position = state.position
        target = state.last_target
        self.row.publish(
            position=float(position.qty),
            realized_pnl=float(position.realized_pnl - position.fees),
            unrealized_pnl=(price - float(position.avg_cost)) * float(position.qty) if price else 0.0,
            last_price=price,
            bar_count=state.bar_count,
            signal=-2 if target is None else (target > 0) - (target < 0),
            ready=int(state.synced),
        )
