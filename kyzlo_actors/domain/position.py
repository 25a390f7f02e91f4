"""A position of one symbol: average cost, realized and unrealized profit and loss, fees. Money is Decimal dollars."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final

from kyzlo_actors.domain.values import Side

ZERO: Final = Decimal(0)
# Average costs may be periodic decimals; 12 places keep a million shares exact to a millionth of a cent.
_COST_QUANTUM: Final = Decimal("0.000000000001")


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """Signed shares at average cost. `realized_pnl` is before `fees`, both since the book began."""

    qty: Decimal = ZERO
    avg_cost: Decimal = ZERO
    realized_pnl: Decimal = ZERO
    fees: Decimal = ZERO

    def filled(self, side: Side, qty: Decimal, price: Decimal, fee: Decimal = ZERO) -> Position:
        """The position after a fill of `qty` > 0 shares at `price`. Crossing zero closes, then opens at `price`."""
        delta = qty * side.sign
        if self.qty * delta >= 0:
            total = self.qty + delta
            cost = (self.qty * self.avg_cost + delta * price) / total
            return replace(self, qty=total, avg_cost=_rounded(cost), fees=self.fees + fee)
        closed = min(abs(self.qty), qty)
        direction = 1 if self.qty > 0 else -1
        gain = (price - self.avg_cost) * closed * direction
        remaining = self.qty + delta
        if remaining == 0:
            avg_cost = ZERO
        elif remaining * direction > 0:
            avg_cost = self.avg_cost
        else:
            avg_cost = price
        return Position(
            qty=remaining,
            avg_cost=avg_cost,
            realized_pnl=self.realized_pnl + gain,
            fees=self.fees + fee,
        )

    def unrealized_pnl(self, price: Decimal) -> Decimal:
        """Profit or loss if it were closed at `price`."""
        return (price - self.avg_cost) * self.qty


def _rounded(cost: Decimal) -> Decimal:
    return cost.quantize(_COST_QUANTUM).normalize() + ZERO
