"""What the risk gate knows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from kyzlo_actors.domain.risk.book import ZERO, RiskBook
from kyzlo_actors.domain.session import SessionCalendar
from kyzlo_actors.domain.values import TradingState


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskState:
    """Everything the gate knows. Mappings are replaced, never changed.

    `generation` counts the book snapshots it asked for; `recent` is bounded. `blocked`: why the broker actor takes
    no entries, details by code. `paused`: symbols that a person took out of the market, and why.
    """

    incarnation: int = 0
    book: RiskBook = field(default_factory=RiskBook)
    synced: bool = False
    generation: int = 0
    calendar: SessionCalendar = field(default_factory=SessionCalendar)
    trading_state: TradingState = TradingState.HALTED
    blocked: Mapping[str, str] = field(default_factory=dict)
    quarantined: frozenset[str] = frozenset()
    paused: Mapping[str, str] = field(default_factory=dict)
    symbol_incarnations: Mapping[str, int] = field(default_factory=dict)
    order_times: tuple[int, ...] = ()
    recent: Mapping[str, int] = field(default_factory=dict)
    loss_reported_ns: int = 0
    loss_breached: bool = False

    @property
    def daily_pnl(self) -> Decimal:
        """Dollars since the previous close: equity now less the broker's `last_equity`."""
        return self.book.equity() - self.book.last_equity if self.synced else ZERO
