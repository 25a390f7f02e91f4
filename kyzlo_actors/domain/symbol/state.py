"""What the symbol core knows, and what it is told at its start."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from kyzlo_actors.domain.market import Mark
from kyzlo_actors.domain.order import Order
from kyzlo_actors.domain.position import Position
from kyzlo_actors.domain.session import SessionCalendar
from kyzlo_actors.domain.stamp import Stamp


@dataclass(frozen=True, slots=True, kw_only=True)
class SymbolSettings:
    """What one symbol is told at its start. `quantity` in shares; an `order_timeout_ns` of 0 = no timeout."""

    account: str
    symbol: str
    quantity: Decimal
    max_price_age_ns: int
    order_timeout_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Pursuit:
    """The target that is being pursued, and the signal it came from. `intent_index` counts its orders."""

    target: Decimal
    stamp: Stamp
    natural_key: str
    limit_price: Decimal | None
    intent_index: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SymbolState:
    """Everything the core knows. `orders` holds only those that are not terminal (one, in the rule).

    `synced`: the position is the broker actor's; while it is not, a question (number `asked`) is open.
    """

    incarnation: int = 0
    synced: bool = False
    position: Position = field(default_factory=Position)
    sequence: int = 0
    orders: Mapping[str, Order] = field(default_factory=dict)
    canceling: frozenset[str] = frozenset()
    pursuit: Pursuit | None = None
    mark: Mark | None = None
    calendar: SessionCalendar = field(default_factory=SessionCalendar)
    bar_count: int = 0
    last_target: Decimal | None = None
    asked: int = 0
