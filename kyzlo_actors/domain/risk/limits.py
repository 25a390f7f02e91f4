"""The limits the risk gate enforces. Money in dollars, quantities in shares, times in nanoseconds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from kyzlo_actors.domain.values import NS_PER_SECOND


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskLimits:
    """`max_position` is per symbol, in shares, either side; a symbol that is not in it may not be traded.

    `price_collar` is a fraction (0.05 = 5 %). `daily_loss` and notionals are positive dollars.
    """

    daily_loss: Decimal
    max_gross_notional: Decimal
    max_order_notional: Decimal
    max_position: Mapping[str, Decimal] = field(default_factory=dict)
    price_collar: Decimal = Decimal("0.05")
    max_orders_per_minute: int = 200
    max_open_orders_per_symbol: int = 2
    max_price_age_ns: int = 2 * NS_PER_SECOND
    duplicate_window_ns: int = NS_PER_SECOND
