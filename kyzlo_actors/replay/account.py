"""One cash account: cash, long positions at average cost, realized P&L. Exact Decimal money, USD.

Cost is kept as a total, never as a rounded average, so that
`cash + cost of all positions == starting cash + realized P&L` holds to the last digit.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Final

from kyzlo_actors.domain.errors import Fatal
from kyzlo_actors.domain.order import ZERO
from kyzlo_actors.domain.values import Side

_COST_STEP: Final = Decimal("0.000000001")


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """A long position: `qty` > 0 shares that cost `cost` in total."""

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
        self.realized_pnl = ZERO
        self.holdings: dict[str, Holding] = {}

    def held_qty(self, symbol: str) -> Decimal:
        """Shares held of `symbol`, 0 when flat."""
        holding = self.holdings.get(symbol)
        return holding.qty if holding else ZERO

    def buying_power(self, reserved: Decimal) -> Decimal:
        """What new buys may cost: `multiplier` x net worth at cost, less what is bound or `reserved`.

        Fills far above a reservation can make it negative; a new order never does.
        """
        return self.multiplier * (self.cash + self.cost) - self.cost - reserved

    def book(self, *, symbol: str, side: Side, qty: Decimal, price: Decimal) -> Decimal:
        """Book one execution of `qty` > 0 shares; returns the position after it.

        Raises: Fatal: more is sold than held (the engine must have refused that); nothing changed.
        """
        amount = qty * price
        return self._buy(symbol, qty, amount) if side is Side.BUY else self._sell(symbol, qty, amount)

    def _buy(self, symbol: str, qty: Decimal, amount: Decimal) -> Decimal:
        old = self.holdings.get(symbol, Holding(symbol=symbol, qty=ZERO, cost=ZERO))
        new = Holding(symbol=symbol, qty=old.qty + qty, cost=old.cost + amount)
        self.cash -= amount
        self.cost += amount
        self.holdings[symbol] = new
        return new.qty

    def _sell(self, symbol: str, qty: Decimal, amount: Decimal) -> Decimal:
        old = self.holdings.get(symbol)
        if old is None or qty > old.qty:
            raise Fatal(f"{symbol}: cannot sell {qty} of {self.held_qty(symbol)}")
        left = old.qty - qty
        # The last sale takes all the cost that is left, so rounding cannot leave a residue behind.
        sold_cost = (old.cost * qty / old.qty).quantize(_COST_STEP, ROUND_HALF_EVEN) if left else old.cost
        self.cash += amount
        self.cost -= sold_cost
        self.realized_pnl += amount - sold_cost
        if left:
            self.holdings[symbol] = Holding(symbol=symbol, qty=left, cost=old.cost - sold_cost)
        else:
            del self.holdings[symbol]
        return left
