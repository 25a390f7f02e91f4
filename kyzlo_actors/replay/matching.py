"""The one matching engine: venue, simulation and backtest share it. Pure: time arrives in every input.

One account. Market orders fill at the touch, limit orders when marketable; there is no queue position and no size
check (the paper engine of the real broker has neither). What happens to an order stands in the files beside this one:
`taking`, `refusals`, `filling`, `executions`, `legs`, `replaces`, `cancels`, `ends`, `sessions`, `cash`.
"""

from __future__ import annotations

from decimal import Decimal
from typing import assert_never

from kyzlo_actors.domain.order import ZERO
from kyzlo_actors.domain.values import PositionIntent, Side
from kyzlo_actors.replay.account import Account
from kyzlo_actors.replay.cancels import confirm_cancel, refuse_cancel, request_cancel
from kyzlo_actors.replay.cash import book_cash, bust_fill
from kyzlo_actors.replay.ends import end_order
from kyzlo_actors.replay.fill_plan import FillPlan
from kyzlo_actors.replay.filling import force_fill, match_symbol, watch_symbol
from kyzlo_actors.replay.floor import Floor
from kyzlo_actors.replay.matching_messages import (
    ActivateOrder,
    BookCash,
    BustFill,
    CashBooked,
    ConfirmCancel,
    ConfirmReplace,
    EndOrder,
    EnterSession,
    Fill,
    FillBusted,
    ForceFill,
    HaltSymbol,
    HoldFills,
    MatchEvent,
    MatchInput,
    Quote,
    RefuseCancel,
    RequestCancel,
    RequestReplace,
    SessionPhase,
    SubmitOrder,
)
from kyzlo_actors.replay.prices import Watch
from kyzlo_actors.replay.replaces import confirm_replace, request_replace
from kyzlo_actors.replay.sessions import enter_session, halt_symbol, hold_fills
from kyzlo_actors.replay.taking import activate, take
from kyzlo_actors.replay.terms import AccountTerms
from kyzlo_actors.replay.venue_order import VenueOrder


class MatchingEngine:
    """`handle(input) -> events`, and readable state. A filled, canceled or expired order never changes.

    `orders` holds every order of the account's life in order of submission; `fills`, `cash_entries` and `busts` are
    its ledgers. `terms` and `plan` may be set anew at any time: they hold for what comes after.
    """

    def __init__(
        self,
        terms: AccountTerms,
        plan: FillPlan | None = None,
        *,
        phase: SessionPhase = SessionPhase.REGULAR,
    ) -> None:
        self._floor = Floor(terms, plan or FillPlan(), phase)
        self.account: Account = self._floor.account
        self.orders: dict[str, VenueOrder] = self._floor.book.orders
        self.quotes: dict[str, Quote] = self._floor.quotes
        self.fills: list[Fill] = self._floor.fills
        self.cash_entries: list[CashBooked] = self._floor.cash_entries
        self.busts: list[FillBusted] = self._floor.busts
        self.halted: set[str] = self._floor.halted
        self._open_ids = self._floor.book.open_ids
        self._changed = self._floor.book.changed
        self._watches: dict[str, Watch] = {}

    # ---------------------------------------------------------------- public

    def handle(self, event: MatchInput) -> list[MatchEvent]:
        """Apply one input; the returned events are in the order in which they happened."""
        if isinstance(event, Quote):
            # The backtest's hot path: most quotes meet no order.
            self.quotes[event.symbol] = event
            return self._quote(event) if event.symbol in self._open_ids else []
        events: list[MatchEvent] = []
        self._floor.events = events
        self._dispatch(event)
        return events

    @property
    def terms(self) -> AccountTerms:
        """What the account may do."""
        return self._floor.terms

    @terms.setter
    def terms(self, terms: AccountTerms) -> None:
        self._floor.terms = terms

    @property
    def plan(self) -> FillPlan:
        """How orders fill."""
        return self._floor.plan

    @plan.setter
    def plan(self, plan: FillPlan) -> None:
        self._floor.plan = plan

    @property
    def phase(self) -> SessionPhase:
        """What part of the trading day it is."""
        return self._floor.phase

    @property
    def session_open(self) -> bool:
        """Whether the regular session is on."""
        return self._floor.phase is SessionPhase.REGULAR

    @property
    def fills_held(self) -> bool:
        """Whether all filling has stopped."""
        return self._floor.fills_held

    @property
    def buying_power(self) -> Decimal:
        """What may still be opened."""
        return self._floor.buying_power

    @property
    def reserved(self) -> Decimal:
        """What open orders hold back of the buying power."""
        return self._floor.book.reserved

    def by_client_order_id(self, client_order_id: str) -> VenueOrder | None:
        """The (newest) order of that id, ever."""
        return self._floor.book.by_client_order_id(client_order_id)

    def open_orders(self, symbol: str | None = None) -> list[VenueOrder]:
        """Orders that are not terminal, of one symbol or of all, oldest first within a symbol."""
        return self._floor.book.open_orders(symbol)

    def legs_of(self, order: VenueOrder) -> list[VenueOrder]:
        """Its legs, take-profit first; instead of one that was replaced, the one that replaced it."""
        return self._floor.book.legs_of(order)

    def intent_of(self, symbol: str, side: Side) -> PositionIntent:
        """What an order of that side would do to the position as it is now."""
        return self._floor.intent_of(symbol, side)

    def qty_available(self, symbol: str) -> Decimal:
        """Shares held that no open order claims: negative when short, 0 when flat."""
        held = self.account.held_qty(symbol)
        if not held:
            return ZERO
        side = Side.SELL if held > 0 else Side.BUY
        return -side.sign * self._floor.available_qty(symbol, side)

    # ---------------------------------------------------------------- inside

    def _quote(self, quote: Quote) -> list[MatchEvent]:
        symbol = quote.symbol
        if symbol in self._changed:
            self._changed.discard(symbol)
            self._watches[symbol] = watch_symbol(self._floor, symbol)
        if not self._watches[symbol].is_met(quote):
            return []
        events: list[MatchEvent] = []
        self._floor.events = events
        match_symbol(self._floor, symbol, quote.ts)
        return events

    def _dispatch(self, event: MatchInput) -> None:
        floor = self._floor
        match event:
            case SubmitOrder():
                take(floor, event)
            case ActivateOrder():
                activate(floor, event)
            case RequestCancel():
                request_cancel(floor, event)
            case ConfirmCancel():
                confirm_cancel(floor, event)
            case RefuseCancel():
                refuse_cancel(floor, event)
            case RequestReplace():
                request_replace(floor, event)
            case ConfirmReplace():
                confirm_replace(floor, event)
            case EnterSession():
                enter_session(floor, event)
            case HaltSymbol():
                halt_symbol(floor, event)
            case HoldFills():
                hold_fills(floor, event)
            case ForceFill():
                force_fill(floor, event)
            case EndOrder():
                end_order(floor, event)
            case BookCash():
                book_cash(floor, kind=event.kind, amount=event.amount, symbol=event.symbol, ts=event.ts)
            case BustFill():
                bust_fill(floor, event)
            case Quote():
                match_symbol(floor, event.symbol, event.ts)
            case _:
                assert_never(event)
