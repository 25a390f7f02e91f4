"""What every part of the matching engine stands on: the state of one market and one account, and how orders move."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any
from uuid import NAMESPACE_OID, uuid5

from kyzlo_actors.domain.order import ZERO, OrderTicket
from kyzlo_actors.domain.values import PositionIntent, Side
from kyzlo_actors.replay.account import Account
from kyzlo_actors.replay.fill_plan import FillPlan
from kyzlo_actors.replay.matching_messages import (
    CashBooked,
    Fill,
    FillBusted,
    MatchEvent,
    OrderEvent,
    OrderMoved,
    Quote,
    SessionPhase,
)
from kyzlo_actors.replay.order_book import OrderBook
from kyzlo_actors.replay.prices import extends
from kyzlo_actors.replay.terms import AccountTerms
from kyzlo_actors.replay.venue_order import VenueOrder


class Floor:
    """State, and the two moves that all else is made of: `put` an order silently, or `move` it and tell."""

    def __init__(self, terms: AccountTerms, plan: FillPlan, phase: SessionPhase) -> None:
        self.terms = terms
        self.plan = plan
        self.phase = phase
        self.account = Account(cash=terms.cash, multiplier=terms.multiplier)
        self.book = OrderBook()
        self.quotes: dict[str, Quote] = {}
        self.halted: set[str] = set()
        self.fills_held = False
        # Ledgers of one run: they grow with it.
        self.fills: list[Fill] = []
        self.cash_entries: list[CashBooked] = []
        self.busts: list[FillBusted] = []
        # What happened in the input that is being handled.
        self.events: list[MatchEvent] = []

    @property
    def buying_power(self) -> Decimal:
        """What may still be opened."""
        return self.account.buying_power(self.book.reserved)

    def make_id(self, kind: str, number: int) -> str:
        """The id of the `number`th thing of a kind: a function of the account's salt."""
        return str(uuid5(NAMESPACE_OID, f"{self.terms.id_salt}:{kind}:{number}"))

    def intent_of(self, symbol: str, side: Side) -> PositionIntent:
        """What an order of that side does to the position as it is now."""
        held = self.account.held_qty(symbol)
        if side is Side.BUY:
            return PositionIntent.BUY_TO_CLOSE if held < 0 else PositionIntent.BUY_TO_OPEN
        return PositionIntent.SELL_TO_CLOSE if held > 0 else PositionIntent.SELL_TO_OPEN

    def available_qty(self, symbol: str, side: Side) -> Decimal:
        """Shares that an order of that side could still close: held, and claimed by no open order."""
        held = -side.sign * self.account.held_qty(symbol)
        return max(ZERO, held) - self.book.claimed_qty(symbol, side)

    def is_live(self, ticket: OrderTicket) -> bool:
        """Whether the order's session is on now."""
        if self.phase is SessionPhase.REGULAR:
            return True
        return self.phase is not SessionPhase.CLOSED and extends(ticket)

    def move(self, order: VenueOrder, event: OrderEvent, ts: int, **changes: Any) -> VenueOrder:
        """The order changes at `ts`, and the world hears of it."""
        moved = self.put(order, updated_ns=ts, **changes)
        self.tell(OrderMoved(order=moved, event=event, ts=ts))
        return moved

    def put(self, order: VenueOrder, **changes: Any) -> VenueOrder:
        """The order changes, and nobody hears of it yet."""
        return self.book.put(replace(order, **changes))

    def tell(self, event: MatchEvent) -> None:
        """Something happened."""
        self.events.append(event)
