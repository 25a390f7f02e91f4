"""Which orders are filled in two parts: data for the matching engine, decided by the order's own id."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal

from kyzlo_actors.domain.order import OrderTicket

_ONE = Decimal(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class FillPlan:
    """`partial_percent` of the orders get half first and the rest at the next quote that still fills them.

    The choice is a function of seed and `client_order_id` alone: other orders cannot change it.
    """

    seed: int = 0
    partial_percent: int = 0

    def first_qty(self, ticket: OrderTicket) -> Decimal:
        """How much the first execution of `ticket` takes: all of it, or half (whole shares, at least one)."""
        if ticket.qty <= _ONE or not self._chosen(ticket.client_order_id):
            return ticket.qty
        return max(_ONE, (ticket.qty / 2).to_integral_value(ROUND_FLOOR))

    def _chosen(self, client_order_id: str) -> bool:
        digest = hashlib.sha256(f"{self.seed}:{client_order_id}".encode()).digest()
        return int.from_bytes(digest[:8], "big") % 100 < self.partial_percent
