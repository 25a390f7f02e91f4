"""How orders fill, as data for the matching engine: in one go, in two parts, or as a rule for their symbol says."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal
from itertools import accumulate
from typing import Literal

from kyzlo_actors.domain.order import ZERO, OrderTicket
from kyzlo_actors.domain.values import Side

_ONE = Decimal(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class FillRule:
    """Orders of one symbol (and side) get `quantities` first, one at a time; `then` says what becomes of the rest."""

    symbol: str
    side: Side | None = None
    quantities: tuple[Decimal, ...] = ()
    then: Literal["fill", "wait"] = "fill"

    def next_qty(self, filled_qty: Decimal, leaves_qty: Decimal) -> Decimal:
        """What the next execution takes of `leaves_qty` shares, 0 for nothing: the rest waits to be filled by force."""
        steps = accumulate(self.quantities)
        due = next((total - filled_qty for total in steps if total > filled_qty), None)
        if due is not None:
            return min(due, leaves_qty)
        return leaves_qty if self.then == "fill" else ZERO


@dataclass(frozen=True, slots=True, kw_only=True)
class FillPlan:
    """`partial_percent` of the orders get half first and the rest at the next quote that still fills them.

    The choice is a function of seed and `client_order_id` alone: other orders cannot change it. The first of `rules`
    that names the order's symbol (and side) decides instead.
    """

    seed: int = 0
    partial_percent: int = 0
    rules: tuple[FillRule, ...] = ()

    def next_qty(self, ticket: OrderTicket, filled_qty: Decimal, leaves_qty: Decimal) -> Decimal:
        """What the next execution takes of `leaves_qty` > 0 shares; `filled_qty` shares are filled already."""
        for rule in self.rules:
            if rule.symbol == ticket.symbol and rule.side in (None, ticket.side):
                return rule.next_qty(filled_qty, leaves_qty)
        if filled_qty or leaves_qty <= _ONE or not self._chosen(ticket.client_order_id):
            return leaves_qty
        return max(_ONE, (leaves_qty / 2).to_integral_value(ROUND_FLOOR))

    def _chosen(self, client_order_id: str) -> bool:
        digest = hashlib.sha256(f"{self.seed}:{client_order_id}".encode()).digest()
        return int.from_bytes(digest[:8], "big") % 100 < self.partial_percent
