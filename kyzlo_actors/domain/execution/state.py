"""What the order book of record holds, and its settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from kyzlo_actors.domain.messages import CancelAllOrders
from kyzlo_actors.domain.order import Order
from kyzlo_actors.domain.position import Position
from kyzlo_actors.domain.session import SessionCalendar
from kyzlo_actors.domain.values import NS_PER_SECOND

ZERO: Final = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionSettings:
    """Times in nanoseconds. `symbols` are those of the settings: they get the calendar and their fills."""

    symbols: tuple[str, ...]
    reconcile_ns: int = 30 * NS_PER_SECOND
    drift_ns: int = 10 * NS_PER_SECOND


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionState:
    """The book of record. Mappings are replaced, never changed.

    `read_in_this_life`: a complete read was applied since the start. `last_fill_ns`: when the newest fill was
    booked. Orders submitted before `forgotten_ns` are either in the book or over. `halt_canceled`: orders that
    ended as canceled since the halt began. `prices`: the broker's own, of what is held, at the newest read.
    """

    incarnation: int = 0
    orders: Mapping[str, Order] = field(default_factory=dict)
    live: frozenset[str] = frozenset()
    positions: Mapping[str, Position] = field(default_factory=dict)
    sequences: Mapping[str, int] = field(default_factory=dict)
    canceling: frozenset[str] = frozenset()
    look_ups: Mapping[str, int] = field(default_factory=dict)
    cash: Decimal = ZERO
    last_equity: Decimal = ZERO
    buying_power: Decimal = ZERO
    calendar: SessionCalendar = field(default_factory=SessionCalendar)
    reconciled_ns: int = 0
    reconciled: bool = False
    stream_up: bool = False
    allowed: bool = False
    drift: Mapping[str, int] = field(default_factory=dict)
    foreign: frozenset[str] = frozenset()
    halt: CancelAllOrders | None = None
    halt_canceled: frozenset[str] = frozenset()
    read_in_this_life: bool = False
    stream_since_ns: int = 0
    last_fill_ns: int = 0
    forgotten_ns: int = 0
    prices: Mapping[str, Decimal] = field(default_factory=dict)

    def live_orders(self, symbol: str | None = None) -> list[Order]:
        """Orders that are not terminal, of all symbols or of one, in the order of their ids."""
        orders = (self.orders[order_id] for order_id in sorted(self.live))
        return [order for order in orders if symbol is None or order.ticket.symbol == symbol]

    @property
    def open_orders(self) -> tuple[str, ...]:
        """Ids of the orders that are not proven terminal: what a halt still has to prove."""
        return tuple(sorted(self.live))

    def position(self, symbol: str) -> Position:
        """What is held; flat when nothing ever was."""
        return self.positions.get(symbol, Position())
