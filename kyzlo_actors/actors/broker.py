"""BrokerActor: the only one that talks to the broker. Its work thread owns the order book of record.

The adapter's threads only post reports to the work thread's inbox. Before each submission stand the gate byte, the
deadline, the circuit breaker and the rate budget; cancels, lookups and reads pass none of them.
"""

from __future__ import annotations

import os
from collections import deque
from dataclasses import dataclass
from typing import Any, Final

from kyzlo_actors.actors.base import KyzloActor
from kyzlo_actors.actors.calendar_reader import CalendarReader
from kyzlo_actors.actors.control import StartActor
from kyzlo_actors.actors.gate import Gate
from kyzlo_actors.actors.registry import Registry
from kyzlo_actors.actors.shell import LEVELS, CoreShell
from kyzlo_actors.domain.broker_events import (
    LookUpFailed,
    OrderLookedUp,
    StateRead,
    StateReadFailed,
    SubmitAnswered,
    SubmitRefused,
    SubmitRejected,
    SubmitStarted,
    SubmitUncertain,
)
from kyzlo_actors.domain.effects import (
    CancelAtBroker,
    Effect,
    LookUpOrder,
    PublishSequence,
    ReadState,
    SubmitOrder,
)
from kyzlo_actors.domain.errors import Fatal
from kyzlo_actors.domain.execution_core import ExecutionCore
from kyzlo_actors.domain.messages import CalendarRead, Received
from kyzlo_actors.domain.values import Severity, TradingState
from kyzlo_actors.infrastructure.journal import SyncPolicy
from kyzlo_actors.infrastructure.mailbox.board import Board, BoardSlot
from kyzlo_actors.infrastructure.resilience import CircuitBreaker, RateBudget
from kyzlo_actors.ports.broker import BrokerHooks, BrokerReport

INBOX_LIMIT: Final = 20_000
_LOOK_UP: Final = "look_up:"
_STOP_SECONDS: Final = 0.5


class BrokerActor(KyzloActor):
    """Has one work thread, and the adapter's; forks nobody."""

    def on_start(self, message: StartActor) -> None:
        self._shell = BrokerShell(message.name, self.registry, self.row, self.board)
        self._shell.start()

    def on_exit(self) -> None:
        self._shell.stop()


@dataclass(frozen=True, slots=True)
class RateLimitNoted:
    """The broker's own count: `remaining` requests until `reset_ns`."""

    remaining: int
    reset_ns: int


class Inbox:
    """Reports from the adapter's threads. Bound: `INBOX_LIMIT`; past it the actor ends and reconciles anew."""

    def __init__(self) -> None:
        self._reports: deque[Any] = deque()
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)

    def fileno(self) -> int:
        """Readable when there is something."""
        return self._wake

    def deliver(self, report: Any) -> None:
        """Called from any thread; never blocks."""
        self._reports.append(report)
        os.eventfd_write(self._wake, 1)

    def take(self) -> list[Any]:
        """Everything that is there. Raises: Fatal: more than the bound has piled up."""
        if len(self._reports) > INBOX_LIMIT:
            raise Fatal(f"more than {INBOX_LIMIT} broker reports wait: the work thread is too slow")
        taken = [self._reports.popleft() for _ in range(len(self._reports))]
        return taken

    def drain(self) -> None:
        """Make the descriptor quiet again."""
        try:
            os.eventfd_read(self._wake)
        except BlockingIOError:
            pass


class BrokerShell(CoreShell):
    """Carries out the execution core's effects at the broker."""

    core: ExecutionCore

    def __init__(self, name: str, registry: Registry, row: BoardSlot, board: Board) -> None:
        sync = SyncPolicy.STRICT if registry.journal.strict else SyncPolicy.GROUP
        super().__init__(name, ExecutionCore(registry.execution), registry, row, sync)
        plan = registry.broker
        self._rows = {symbol: board.row(f"symbol-{symbol}") for symbol in registry.layout.symbols}
        self._breaker = CircuitBreaker(failures=plan.breaker_failures, open_seconds=plan.breaker_open_seconds)
        self._budget = RateBudget(per_minute=plan.requests_per_minute, reserved_share=plan.reserved_share)
        self._inbox = Inbox()

    def open(self) -> None:
        self._gate = Gate(self.registry.layout, self.clock)
        for symbol, row in self._rows.items():
            row.publish(sequence=self.core.state.sequences.get(symbol, 0))
        self.mailbox.register(self._inbox.fileno(), self._inbox.drain)
        hooks = BrokerHooks(gate=self._shut, on_rate_limit=self._note_rate, on_notice=self._note)
        self._broker = self.registry.open_broker(hooks)
        self._broker.start(self._inbox.deliver)
        self._calendar = CalendarReader(self.registry, self._inbox.deliver)
        self._calendar.start()

    def on_turn(self, now_ns: int) -> None:
        for report in self._inbox.take():
            self._on_report(report)
        self.row.publish(ready=int(self.core.state.read_in_this_life), state=int(self.core.state.allowed))

    def close(self) -> None:
        self._calendar.stop()
        self._broker.stop(_STOP_SECONDS)

    def on_timer(self, name: str, due_ns: int) -> None:
        if name.startswith(_LOOK_UP):
            self._broker.look_up(name.removeprefix(_LOOK_UP))
        else:
            super().on_timer(name, due_ns)

    def carry_out(self, effect: Effect) -> None:
        match effect:
            case SubmitOrder():
                self._submit(effect)
            case CancelAtBroker():
                self._budget.try_spend(self.clock.now_ns(), reserved=True)  # counted, never refused
                self._broker.cancel(effect.client_order_id, effect.venue_order_id)
            case LookUpOrder():
                self.timers.set(_LOOK_UP + effect.client_order_id, effect.due_ns)
            case ReadState():
                self._broker.read_state(
                    effect.reason,
                    window_start_ns=effect.window_start_ns,
                    client_order_ids=effect.client_order_ids,
                )
            case PublishSequence():
                row = self._rows.get(effect.symbol)
                if row is not None:  # a position in a symbol that is not ours to trade has no row
                    row.publish(sequence=effect.sequence)
            case _:
                super().carry_out(effect)

    def _submit(self, effect: SubmitOrder) -> None:
        """Gate, deadline, breaker, budget; then the gate pass is recorded, then the first byte leaves."""
        order_id = effect.ticket.client_order_id
        now_ns = self.clock.now_ns()
        refusal = self._refusal(effect, now_ns)
        if refusal is not None:
            code, detail = refusal
            self.process(SubmitRefused(client_order_id=order_id, code=code, detail=detail, now_ns=now_ns))
            return
        self.process(SubmitStarted(client_order_id=order_id, now_ns=now_ns))
        self._broker.submit(effect.ticket)

    def _refusal(self, effect: SubmitOrder, now_ns: int) -> tuple[str, str] | None:
        state = self._gate.state
        if state is TradingState.HALTED:
            return "HALTED", "the gate is shut"
        if state is TradingState.REDUCING and not effect.reserved:
            return "REDUCING", "only orders that reduce a position are allowed"
        if now_ns >= effect.deadline_ns:
            return "DEADLINE", "the order waited past its deadline"
        if not self.journal.accepts_entries and not effect.reserved:
            return "JOURNAL_FULL", "the journal is at its limit"
        monotonic_ns = self.clock.monotonic_ns()
        if not self._breaker.allows(monotonic_ns):
            return "BREAKER_OPEN", "the broker failed too often; the circuit breaker is open"
        if not self._budget.try_spend(now_ns, reserved=effect.reserved):
            return "RATE_BUDGET", "the requests of this minute are spent"
        return None

    # The adapter's hooks: called on its threads.

    def _shut(self) -> str | None:
        """Asked once more right before the first byte: an order may have waited for a free connection."""
        return "HALTED" if self._gate.state is TradingState.HALTED else None

    def _note_rate(self, remaining: int, reset_ns: int) -> None:
        self._inbox.deliver(RateLimitNoted(remaining, reset_ns))

    def _note(self, severity: Severity, code: str, text: str) -> None:
        self.log.log(LEVELS[severity], "%s: %s", code, text)

    def _on_report(self, report: BrokerReport | CalendarRead | RateLimitNoted) -> None:
        monotonic_ns = self.clock.monotonic_ns()
        match report:
            case RateLimitNoted():
                self._budget.note_server(report.remaining, report.reset_ns)
                return
            case SubmitAnswered() | SubmitRejected() | OrderLookedUp() | StateRead():
                self._breaker.succeeded(monotonic_ns)
            case SubmitUncertain() | LookUpFailed() | StateReadFailed():
                self._breaker.failed(monotonic_ns)
            case SubmitRefused(code="NOT_SENT"):
                self._breaker.failed(monotonic_ns)
            case CalendarRead():
                self.process(Received(message=report, sender=self.name, now_ns=self.clock.now_ns()))
                return
            case _:
                pass
        self.process(report)
