"""One account: cash, positions at average cost, realized P&L. Exact Decimal money, USD.

Cost is kept as a total, never as a rounded average, so that
`cash + cost of all positions == starting cash + realized P&L + booked cash` holds to the last digit.
A short position has a negative quantity and a negative cost: what its sales brought in.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Final

from kyzlo_actors.domain.order import ZERO
from kyzlo_actors.domain.values import Side

_COST_STEP: Final = Decimal("0.000000001")

Execution = tuple[Side, Decimal, Decimal]
"""Side, shares (> 0) and price of one execution."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """A position: `qty` shares (negative: short) that cost `cost` in total (negative: brought in)."""

    symbol: str
    qty: Decimal
    cost: Decimal

    @property
    def avg_entry_price(self) -> Decimal:
        """Average cost of one share."""
        return self.cost / self.qty


class Account:
    """Books executions. Who may trade what is the matching engine's business."""

    def __init__(self, *, cash: Decimal, multiplier: Decimal) -> None:
        self.starting_cash = cash
        self.multiplier = multiplier
        self.cash = cash
        self.cost = ZERO
        # The sum of the positions' sizes at cost: what is lent against.
        self.gross_cost = ZERO
        self.realized_pnl = ZERO
        # What came and went without a trade: fees, dividends, deposits.
        self.booked = ZERO
        self.holdings: dict[str, Holding] = {}

    def held_qty(self, symbol: str) -> Decimal:
        """Shares held of `symbol`: negative when short, 0 when flat."""
        holding = self.holdings.get(symbol)
        return holding.qty if holding else ZERO

    def buying_power(self, reserved: Decimal) -> Decimal:
        """What may still be opened: `multiplier` x net worth at cost, less what is bound or `reserved`.

        Fills far above a reservation, losses and fees can make it negative; a new order never does.
        """
        return self.multiplier * (self.cash + self.cost) - self.gross_cost - reserved

    def book(self, *, symbol: str, side: Side, qty: Decimal, price: Decimal) -> Decimal:
        """Book one execution of `qty` > 0 shares; returns the position after it."""
        old = self.holdings.get(symbol) or Holding(symbol=symbol, qty=ZERO, cost=ZERO)
        new, realized = _after(old, (side, qty, price))
        self.cash -= side.sign * qty * price
        self.realized_pnl += realized
        self._hold(old, new)
        return new.qty

    def book_cash(self, amount: Decimal) -> None:
        """Cash comes (or goes, when negative) without a trade."""
        self.cash += amount
        self.booked += amount

    def rebook(self, symbol: str, executions: Iterable[Execution], cash_change: Decimal) -> Decimal:
        """The trades of `symbol` were other than thought: these, and `cash_change` follows from the difference.

        Cost and realized P&L of the symbol are what they would have been. Returns the position.
        """
        old = self.holdings.get(symbol) or Holding(symbol=symbol, qty=ZERO, cost=ZERO)
        new = Holding(symbol=symbol, qty=ZERO, cost=ZERO)
        for execution in executions:
            new, _ = _after(new, execution)
        self.cash += cash_change
        # Whatever is not in the position any more has been realized.
        self.realized_pnl += cash_change + new.cost - old.cost
        self._hold(old, new)
        return new.qty

    def _hold(self, old: Holding, new: Holding) -> None:
        self.cost += new.cost - old.cost
        self.gross_cost += abs(new.cost) - abs(old.cost)
        if new.qty:
            self.holdings[new.symbol] = new
        else:
            self.holdings.pop(new.symbol, None)


def _after(old: Holding, execution: Execution) -> tuple[Holding, Decimal]:
    """The position after an execution, and the P&L that it realizes."""
    side, qty, price = execution
    closed = min(qty, abs(old.qty)) if old.qty * side.sign < 0 else ZERO
    # The last share closed takes all the cost that is left, so rounding cannot leave a residue behind.
    if closed == abs(old.qty):
        closed_cost = old.cost if closed else ZERO
    else:
        closed_cost = (old.cost * closed / abs(old.qty)).quantize(_COST_STEP, ROUND_HALF_EVEN)
    opened_cost = side.sign * (qty - closed) * price
    new = Holding(symbol=old.symbol, qty=old.qty + side.sign * qty, cost=old.cost - closed_cost + opened_cost)
    return new, -side.sign * closed * price - closed_cost if closed else ZERO
