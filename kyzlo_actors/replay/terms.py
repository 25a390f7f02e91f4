"""What an account may do, and how its venue answers the questions that brokers answer differently."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from kyzlo_actors.domain.order import ZERO


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountTerms:
    """Who trades with how much. `id_salt` makes the ids of two runs differ; same salt, same ids.

    An order beyond `max_open_orders` (legs count too) is refused. With `shorting`, `shortable` names the symbols that
    may be sold short (None: all). `fee_per_share_sold` is USD.
    """

    cash: Decimal
    multiplier: Decimal = Decimal(1)
    id_salt: str = ""
    max_open_orders: int = 5_000
    shorting: bool = False
    shortable: frozenset[str] | None = None
    fee_per_share_sold: Decimal = ZERO
    # What a day order becomes when its day is over.
    day_order_end: Literal["expired", "canceled"] = "expired"
    # Filled quantity that the new order of a replace shows after a partly filled one was replaced.
    replaced_filled_qty: Literal["zero", "carried"] = "zero"
    # Whether good-till-canceled orders are `done_for_day` between two sessions (else they stay `new`).
    gtc_done_for_day: bool = False
    gtc_days: int = 90
    # Whether a client order id may be used again once its order is canceled or expired.
    reuse_ended_ids: bool = False

    def may_short(self, symbol: str) -> bool:
        """Whether `symbol` may be sold short at all."""
        return self.shorting and (self.shortable is None or symbol in self.shortable)
