"""The one matching engine: venue, simulation and backtest share it. Pure: time arrives in every input.

One account, long only. Market orders fill at the touch, limit orders when marketable; there is no queue
position and no size check (the paper engine of the real broker has neither).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final
from uuid import NAMESPACE_OID, uuid5

from kyzlo_actors.domain.errors import Fatal
from kyzlo_actors.domain.order import ZERO, OrderTicket
from kyzlo_actors.domain.values import Side, TimeInForce
from kyzlo_actors.replay.account import Account
from kyzlo_actors.replay.fill_plan import FillPlan
from kyzlo_actors.replay.matching_messages import (
    ActivateOrder,
    CancelRefused,
    ConfirmCancel,
    EnterSession,
    Fill,
    HoldFills,
    MatchEvent,
    MatchInput,
    OrderEvent,
    OrderExecuted,
    OrderMoved,
    OrderRefused,
    Quote,
    RefusalReason,
    RequestCancel,
    SessionPhase,
    SubmitOrder,
)
from kyzlo_actors.replay.ticket_checks import ticket_fault, would_cross
from kyzlo_actors.replay.venue_order import MATCHABLE, VenueOrder, VenueStatus

# The broker holds back a little more than the ask for a market buy, because the price may run.
MARKET_BUY_RESERVE: Final = Decimal("1.03")


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountTerms:
    """Who trades with how much. `id_salt` makes the ids of two runs differ; same salt, same ids.

    An order beyond `max_open_orders` is refused.
    """

    cash: Decimal
    multiplier: Decimal = Decimal(1)
    id_salt: str = ""
    max_open_orders: int = 5_000


class MatchingEngine:
    """`handle(input) -> events`, and readable state. A filled, canceled or expired order never changes."""

    def __init__(
        self, terms: AccountTerms, plan: FillPlan | None = None, *, session_open: bool = True
    ) -> None:
        self.terms = terms
        self.account = Account(cash=terms.cash, multiplier=terms.multiplier)
        self.session_open = session_open
        self.fills_held = False
        # Every order of the account's life in order of submission: ids stay unique for ever.
        self.orders: dict[str, VenueOrder] = {}
        self.fills: list[Fill] = []
        self.quotes: dict[str, Quote] = {}
        self._plan = plan or FillPlan()
        self._id_by_client_order_id: dict[str, str] = {}
        self._open_ids: dict[str, dict[str, None]] = {}
        self._open_count = 0
        self._reserved = ZERO

    # ---------------------------------------------------------------- public

    def handle(self, event: MatchInput) -> list[MatchEvent]:
        """Apply one input; the returned events are in the order in which they happened."""
        match event:
            case Quote():
                return self._quote(event)
            case SubmitOrder():
                return [self._submit(event)]
            case ActivateOrder():
                return self._activate(event)
            case RequestCancel():
                return [self._request_cancel(event)]
            case ConfirmCancel():
                return self._confirm_cancel(event)
            case EnterSession():
                opens = event.phase is SessionPhase.REGULAR
                return self._open_session(event.ts) if opens else self._close_session(event.ts)
            case HoldFills():
                return self._hold_fills(event)
            case _:
                raise Fatal(f"the engine does not know {type(event).__name__} yet")

    @property
    def buying_power(self) -> Decimal:
        """What new buys may cost now."""
        return self.account.buying_power(self._reserved)

    def by_client_order_id(self, client_order_id: str) -> VenueOrder | None:
        """The order of that id, ever."""
        venue_order_id = self._id_by_client_order_id.get(client_order_id)
        return self.orders[venue_order_id] if venue_order_id else None

    def open_orders(self, symbol: str | None = None) -> list[VenueOrder]:
        """Orders that are not terminal, of one symbol or of all, oldest first within a symbol."""
        groups: Iterable[dict[str, None]] = (
            self._open_ids.values() if symbol is None else (self._open_ids.get(symbol, {}),)
        )
        return [self.orders[venue_order_id] for group in groups for venue_order_id in group]

    def qty_available(self, symbol: str) -> Decimal:
        """Shares held that no working sell order claims."""
        selling = (order.leaves_qty for order in self.open_orders(symbol) if order.ticket.side is Side.SELL)
        return self.account.held_qty(symbol) - sum(selling, ZERO)

    # ---------------------------------------------------------------- taking orders

    def _submit(self, event: SubmitOrder) -> MatchEvent:
        ticket = event.ticket
        refusal = self._refusal(ticket)
        if refusal:
            return refusal
        sequence = len(self.orders) + 1
        order = VenueOrder(
            venue_order_id=str(uuid5(NAMESPACE_OID, f"{self.terms.id_salt}:order:{sequence}")),
            sequence=sequence,
            ticket=ticket,
            status=VenueStatus.PENDING_NEW,
            reserve_price=self._reserve_price(ticket) or ZERO,
            submitted_ns=event.ts,
            updated_ns=event.ts,
        )
        self._id_by_client_order_id[ticket.client_order_id] = order.venue_order_id
        self._open_ids.setdefault(ticket.symbol, {})[order.venue_order_id] = None
        self._open_count += 1
        self._reserved += order.reserved
        self.orders[order.venue_order_id] = order
        return OrderMoved(order=order, event=OrderEvent.PENDING_NEW, ts=event.ts)

    def _refusal(self, ticket: OrderTicket) -> OrderRefused | None:
        reason, detail = ticket_fault(ticket)
        if reason is None and ticket.client_order_id in self._id_by_client_order_id:
            reason = RefusalReason.DUPLICATE_CLIENT_ORDER_ID
        if reason is None and self._open_count >= self.terms.max_open_orders:
            reason = RefusalReason.TOO_MANY_OPEN_ORDERS
        if reason is None and self._reserve_price(ticket) is None:
            reason = RefusalReason.NO_PRICE
        if reason is not None:
            return OrderRefused(client_order_id=ticket.client_order_id, reason=reason, detail=detail)
        return self._funds_refusal(ticket) or self._qty_refusal(ticket) or self._wash_refusal(ticket)

    def _funds_refusal(self, ticket: OrderTicket) -> OrderRefused | None:
        cost = (self._reserve_price(ticket) or ZERO) * ticket.qty
        if ticket.side is Side.SELL or cost <= self.buying_power:
            return None
        return OrderRefused(
            client_order_id=ticket.client_order_id,
            reason=RefusalReason.INSUFFICIENT_BUYING_POWER,
            numbers={"buying_power": max(ZERO, self.buying_power), "cost_basis": cost},
        )

    def _qty_refusal(self, ticket: OrderTicket) -> OrderRefused | None:
        available = self.qty_available(ticket.symbol)
        if ticket.side is Side.BUY or ticket.qty <= available:
            return None
        existing = self.account.held_qty(ticket.symbol)
        working = [order for order in self.open_orders(ticket.symbol) if order.ticket.side is Side.SELL]
        return OrderRefused(
            client_order_id=ticket.client_order_id,
            reason=RefusalReason.INSUFFICIENT_QTY,
            numbers={
                "available": available,
                "existing_qty": existing,
                "held_for_orders": existing - available,
            },
            related_order_ids=tuple(order.venue_order_id for order in working),
        )

    def _wash_refusal(self, ticket: OrderTicket) -> OrderRefused | None:
        crossing = [order for order in self.open_orders(ticket.symbol) if would_cross(ticket, order.ticket)]
        if not crossing:
            return None
        return OrderRefused(
            client_order_id=ticket.client_order_id,
            reason=RefusalReason.WASH_TRADE,
            detail=f"opposite side {crossing[0].ticket.order_type} order exists",
            related_order_ids=tuple(order.venue_order_id for order in crossing),
        )

    def _reserve_price(self, ticket: OrderTicket) -> Decimal | None:
        """Buying power one share holds back; None when a market buy meets no price."""
        if ticket.side is Side.SELL:
            return ZERO
        if ticket.limit_price is not None:
            return ticket.limit_price
        quote = self.quotes.get(ticket.symbol)
        return _money(quote.ask) * MARKET_BUY_RESERVE if quote else None

    # ---------------------------------------------------------------- the order's life

    def _activate(self, event: ActivateOrder) -> list[MatchEvent]:
        order = self.orders[event.venue_order_id]
        if order.activated or order.status.is_terminal:
            return []
        status = VenueStatus.NEW if self.session_open else VenueStatus.ACCEPTED
        if order.status is VenueStatus.PENDING_CANCEL:
            # The cancel was asked for while the order was on its way: it may trade now, but stays as it was.
            self.orders[order.venue_order_id] = replace(order, activated=True, updated_ns=event.ts)
            return self._match(order.ticket.symbol, event.ts)
        moved = self._moved(order, status, event.ts, activated=True)
        return [moved, *self._match(order.ticket.symbol, event.ts)]

    def _request_cancel(self, event: RequestCancel) -> MatchEvent:
        order = self.orders.get(event.venue_order_id)
        if order is None or order.status.is_terminal or order.status is VenueStatus.PENDING_CANCEL:
            return CancelRefused(venue_order_id=event.venue_order_id, status=order.status if order else None)
        return self._moved(order, VenueStatus.PENDING_CANCEL, event.ts)

    def _confirm_cancel(self, event: ConfirmCancel) -> list[MatchEvent]:
        order = self.orders[event.venue_order_id]
        if order.status is not VenueStatus.PENDING_CANCEL:
            return []
        return [self._moved(order, VenueStatus.CANCELED, event.ts, canceled_ns=event.ts)]

    def _open_session(self, ts: int) -> list[MatchEvent]:
        if self.session_open:
            return []
        self.session_open = True
        queued = [order for order in self.open_orders() if order.status is VenueStatus.ACCEPTED]
        events: list[MatchEvent] = [self._moved(order, VenueStatus.NEW, ts) for order in queued]
        return events + self._match_all(ts)

    def _close_session(self, ts: int) -> list[MatchEvent]:
        if not self.session_open:
            return []
        self.session_open = False
        over = [order for order in self.open_orders() if order.ticket.time_in_force is TimeInForce.DAY]
        return [self._moved(order, VenueStatus.EXPIRED, ts, expired_ns=ts) for order in over]

    def _hold_fills(self, event: HoldFills) -> list[MatchEvent]:
        self.fills_held = event.held
        return [] if event.held else self._match_all(event.ts)

    def _moved(
        self,
        order: VenueOrder,
        status: VenueStatus,
        ts: int,
        *,
        activated: bool | None = None,
        canceled_ns: int = 0,
        expired_ns: int = 0,
    ) -> OrderMoved:
        moved = replace(
            order,
            status=status,
            updated_ns=ts,
            activated=order.activated if activated is None else activated,
            canceled_ns=canceled_ns,
            expired_ns=expired_ns,
        )
        self._store(order, moved)
        return OrderMoved(order=moved, event=OrderEvent(status), ts=ts)

    def _store(self, old: VenueOrder, new: VenueOrder) -> None:
        if new.status.is_terminal:
            del self._open_ids[new.ticket.symbol][new.venue_order_id]
            self._open_count -= 1
        self._reserved += new.reserved - old.reserved
        self.orders[new.venue_order_id] = new

    # ---------------------------------------------------------------- matching

    def _quote(self, quote: Quote) -> list[MatchEvent]:
        self.quotes[quote.symbol] = quote
        # The backtest's hot path: most quotes meet no order.
        return self._match(quote.symbol, quote.ts) if self._open_ids.get(quote.symbol) else []

    def _match_all(self, ts: int) -> list[MatchEvent]:
        return [event for symbol in list(self._open_ids) for event in self._match(symbol, ts)]

    def _match(self, symbol: str, ts: int) -> list[MatchEvent]:
        quote = self.quotes.get(symbol)
        if quote is None or self.fills_held or not self.session_open:
            return []
        events: list[MatchEvent] = []
        for order in self.open_orders(symbol):
            price = _fill_price(order, quote)
            if price is not None:
                events.append(self._execute(order, price, ts))
        return events

    def _execute(self, order: VenueOrder, price: Decimal, ts: int) -> OrderExecuted:
        ticket = order.ticket
        qty = order.leaves_qty if order.filled_qty else self._plan.first_qty(ticket)
        cum_qty = order.filled_qty + qty
        done = cum_qty == ticket.qty
        # A working cancel stays pending: the rest is still to be canceled.
        partial = VenueStatus.PENDING_CANCEL if order.status is VenueStatus.PENDING_CANCEL else None
        filled = replace(
            order,
            status=VenueStatus.FILLED if done else partial or VenueStatus.PARTIALLY_FILLED,
            filled_qty=cum_qty,
            filled_notional=order.filled_notional + qty * price,
            updated_ns=ts,
            filled_ns=ts if done else 0,
        )
        position_qty = self.account.book(symbol=ticket.symbol, side=ticket.side, qty=qty, price=price)
        fill = Fill(
            execution_id=str(uuid5(NAMESPACE_OID, f"{self.terms.id_salt}:fill:{len(self.fills) + 1}")),
            venue_order_id=order.venue_order_id,
            client_order_id=ticket.client_order_id,
            symbol=ticket.symbol,
            side=ticket.side,
            qty=qty,
            price=price,
            cum_qty=cum_qty,
            leaves_qty=ticket.qty - cum_qty,
            position_qty=position_qty,
            ts=ts,
        )
        self.fills.append(fill)
        self._store(order, filled)
        return OrderExecuted(order=filled, fill=fill)


def _fill_price(order: VenueOrder, quote: Quote) -> Decimal | None:
    """Price at which the order trades on this quote, or None: not at the market, or not marketable."""
    if order.status not in MATCHABLE or not order.activated:
        return None
    touch = quote.ask if order.ticket.side is Side.BUY else quote.bid
    if touch <= 0:
        return None  # a side without a price is no quote
    price, limit = _money(touch), order.ticket.limit_price
    if limit is None:
        return price
    marketable = price <= limit if order.ticket.side is Side.BUY else price >= limit
    return price if marketable else None


def _money(price: float) -> Decimal:
    return Decimal(repr(price))
