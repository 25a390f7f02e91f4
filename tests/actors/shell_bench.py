"""Symbol, gate and broker shells of one symbol on one thread: real mailboxes and journals, time and broker in hand."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson

from kyzlo_actors.actors.broker import BrokerShell
from kyzlo_actors.actors.control import StartActor
from kyzlo_actors.actors.layout import BROKER, RISK, Layout, symbol_actor
from kyzlo_actors.actors.registry import BrokerPlan, JournalPlan, Registry, SupervisionPlan, SymbolPlan
from kyzlo_actors.actors.risk import RiskShell
from kyzlo_actors.actors.shell import CoreShell
from kyzlo_actors.actors.symbol import SymbolShell
from kyzlo_actors.domain.execution_core import ExecutionSettings
from kyzlo_actors.domain.kill_switch_core import KillSwitchLimits
from kyzlo_actors.domain.market import Tick
from kyzlo_actors.domain.risk.limits import RiskLimits
from kyzlo_actors.domain.session import SessionCalendar, SessionDay
from kyzlo_actors.domain.strategy.protocol import BaseStrategy, Context, Signal
from kyzlo_actors.domain.symbol_core import SymbolSettings
from kyzlo_actors.domain.values import NS_PER_SECOND, TradingState
from kyzlo_actors.infrastructure.halt_latch import GateByte
from kyzlo_actors.infrastructure.journal_reader import read_journal
from kyzlo_actors.infrastructure.mailbox.board import Board
from kyzlo_actors.infrastructure.mailbox.latest_tick import TickSlots
from kyzlo_actors.infrastructure.mailbox.wake import WakeSender
from tests.fakes.broker import FakeBroker
from tests.fakes.clock import FakeClock

SYMBOL = "AAA"
NAME = symbol_actor(SYMBOL)
DAY_NS = 86_400 * NS_PER_SECOND


class Puppet(BaseStrategy):
    """Wants what it was told last; `on_next` is called in its next on_tick, after it has changed its own state."""

    name = "puppet"
    Parameters = dict

    def __init__(self) -> None:
        self.target: Decimal | None = None
        self.on_next: Callable[[], None] | None = None
        self.ticks = 0

    def on_tick(self, context: Context, tick: Tick) -> Signal | None:
        self.ticks += 1
        if self.on_next is not None:
            self.on_next()
        target, self.target = self.target, None
        return None if target is None else Signal(target_position=target, reason="told")


class Desk:
    """Knows the calendar only: always open."""

    def __init__(self, clock: FakeClock) -> None:
        now_ns = clock.now_ns()
        self._day = SessionDay(date="2023-11-14", open_ns=now_ns - DAY_NS, close_ns=now_ns + DAY_NS)

    def calendar(self, start_date: str, end_date: str) -> SessionCalendar:
        return SessionCalendar(days=(self._day,))

    def close(self) -> None: ...


class Bench:
    """`begin` starts the shells; `tick` prints a price and lets everybody take his turns."""

    def __init__(self, *, journal: JournalPlan | None = None, broker: BrokerPlan | None = None) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="kz", dir="/tmp"))
        self.clock = FakeClock()
        self.strategy = Puppet()
        self.broker = FakeBroker(self.clock)
        self.layout = Layout(
            state_directory=self.directory / "s", runtime_directory=self.directory / "r", symbols=(SYMBOL,)
        )
        for path in (self.layout.private_directory, self.layout.snapshots):
            path.mkdir(mode=0o700, parents=True)
        self.gate = GateByte.create(self.layout.gate)
        self.gate.set(TradingState.ACTIVE)
        self.board = Board.create(self.layout.board, self.layout.actors)
        self._slots = TickSlots.create(self.layout.slots, self.layout.symbols)
        self._trades = 0
        self.registry = self._registry(journal or JournalPlan(), broker or BrokerPlan())
        row = self.board.row
        self.execution = BrokerShell(BROKER, self.registry, row(BROKER), self.board)
        self.risk = RiskShell(StartActor(name=RISK, incarnation=0), self.registry, row(RISK), self.board)
        self.symbol = SymbolShell(NAME, SYMBOL, self.registry, row(NAME))
        self.shells: list[CoreShell] = []

    def begin(self, *shells: CoreShell) -> None:
        """Start the given shells (all, if none are given) and let them find each other."""
        for shell in shells or (self.execution, self.risk, self.symbol):
            shell._begin()
            self.shells.append(shell)
        self.broker.set_price(SYMBOL, 100.0)
        for _ in range(100):
            self.run()
            if len(self.shells) < 3 or self._is_trading():
                return
            self.clock.advance(NS_PER_SECOND)
        raise AssertionError("the shells did not find each other")

    def run(self, rounds: int = 8) -> None:
        """Everybody takes turns."""
        for _ in range(rounds):
            for shell in self.shells:
                shell._turn()

    def tick(self, price: float = 100.0, *, rounds: int = 8) -> None:
        """A new trade, a millisecond later."""
        self.clock.advance(1_000_000)
        self._trades += 1
        now_ns = self.clock.now_ns()
        self._slots.write(0, Tick(SYMBOL, price, 100.0, now_ns, now_ns, 4, 0, str(self._trades)), None)
        if self.symbol in self.shells:
            wake = WakeSender(self.layout.wake(SYMBOL))
            wake.wake()
            wake.close()
        self.broker.set_price(SYMBOL, price)
        self.run(rounds)

    def want(self, target: int, price: float = 100.0) -> None:
        """Have the strategy ask for a position at the next trade."""
        self.clock.advance(2 * NS_PER_SECOND)  # past the duplicate window
        self.strategy.target = Decimal(target)
        self.tick(price)

    def journal(self, actor: str) -> list[dict[str, Any]]:
        return [orjson.loads(record.body) for record in read_journal(self.layout.journal(actor))]

    def denials(self, actor: str) -> list[str]:
        """Codes of the denials that the actor took in or wrote down itself, in order."""
        codes = []
        for entry in self.journal(actor):
            messages = [entry.get("input", {}).get("message")]
            messages += [e["message"] for e in entry.get("decision", ()) if e["type"] == "Record"]
            codes += [m["code"] for m in messages if m is not None and m["type"] == "OrderDenied"]
        return codes

    def held(self) -> Decimal:
        """Shares at the broker."""
        return self.broker.engine.account.held_qty(SYMBOL)

    def end(self) -> None:
        for shell in reversed(self.shells):
            shell._end()
        shutil.rmtree(self.directory)

    def _is_trading(self) -> bool:
        is_allowed = self.execution.core.state.allowed and not self.risk.core.state.blocked
        knows_hours = bool(self.risk.core.state.calendar.days)
        return self.symbol.core.state.synced and self.risk.core.state.synced and is_allowed and knows_hours

    def _registry(self, journal: JournalPlan, broker: BrokerPlan) -> Registry:
        settings = SymbolSettings(
            account="PA3TEST",
            symbol=SYMBOL,
            quantity=Decimal(3),
            max_price_age_ns=2 * NS_PER_SECOND,
            order_timeout_ns=30 * NS_PER_SECOND,
        )
        unused: Any = None
        return Registry(
            run_id="bench",
            layout=self.layout,
            clock=self.clock,
            symbols={
                SYMBOL: SymbolPlan(
                    settings=settings, make_strategy=lambda: self.strategy, bar_interval_ns=NS_PER_SECOND
                )
            },
            risk_limits=RiskLimits(
                daily_loss=Decimal(1_000),
                max_gross_notional=Decimal(100_000),
                max_order_notional=Decimal(100_000),
                max_position={SYMBOL: Decimal(50)},
            ),
            execution=ExecutionSettings(symbols=(SYMBOL,)),
            kill_switch=KillSwitchLimits(
                daily_loss=Decimal(1_000), max_quarantined=3, grace_ns=NS_PER_SECOND
            ),
            open_broker=lambda hooks: self.broker,
            open_desk=lambda: Desk(self.clock),  # type: ignore[arg-type, return-value]
            open_feed=unused,
            open_history=unused,
            open_archive=unused,
            # Polls without news end soon; nothing is killed for silence here.
            supervision=SupervisionPlan(beat_seconds=0.004, hang_beats=1_000),
            journal=journal,
            broker=broker,
        )
