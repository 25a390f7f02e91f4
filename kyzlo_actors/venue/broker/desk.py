"""The venue's trading desk: the matching engine in real time, and what the world is told about it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, Final, assert_never
from uuid import NAMESPACE_OID, uuid5

from kyzlo_actors.domain.order import ZERO, OrderTicket
from kyzlo_actors.domain.values import NS_PER_MILLISECOND, PositionIntent, Side, TimeInForce
from kyzlo_actors.replay.matching import MatchingEngine
from kyzlo_actors.replay.matching_messages import (
    ActivateOrder,
    CancelRefused,
    CashBooked,
    ConfirmCancel,
    ConfirmReplace,
    EndOrder,
    EnterSession,
    FillBusted,
    HaltSymbol,
    HoldFills,
    MatchEvent,
    MatchInput,
    OrderEvent,
    OrderExecuted,
    OrderMoved,
    OrderRefused,
    Quote,
    RefuseCancel,
    ReplaceRefused,
    RequestCancel,
    RequestReplace,
    SessionPhase,
    SubmitOrder,
)
from kyzlo_actors.replay.prices import extends
from kyzlo_actors.replay.venue_order import VenueOrder, VenueStatus
from kyzlo_actors.venue.broker.day import TradingDay
from kyzlo_actors.venue.broker.event_shapes import STREAM_DIGITS, executed_json, halt_json, moved_json
from kyzlo_actors.venue.broker.flags import flags_of
from kyzlo_actors.venue.broker.json_shapes import Json, order_json, position_json
from kyzlo_actors.venue.broker.order_request import ReplaceWish
from kyzlo_actors.venue.broker.terms import present_terms
from kyzlo_actors.venue.clock import NowNs
from kyzlo_actors.venue.control.behaviour import Switches
from kyzlo_actors.venue.control.faults import Faults
from kyzlo_actors.venue.market.calendar import VenueCalendar
from kyzlo_actors.venue.market.prints import Print
from kyzlo_actors.venue.market.source import MarketSource
from kyzlo_actors.venue.scenario import FillPlanPart, Scenario

_MS_PER_SECOND: Final = 1_000


class Desk:
    """Takes orders, replaces and cancels, lets them travel to the market, and publishes every event they cause."""

    def __init__(
        self,
        *,
        engine: MatchingEngine,
        market: MarketSource,
        calendar: VenueCalendar,
        scenario: Scenario,
        account_number: str,
        now_ns: NowNs,
        publish: Callable[[dict[str, Any]], None],
        faults: Faults,
        switches: Switches,
    ) -> None:
        self.engine = engine
        self.scenario = scenario
        self.account_number = account_number
        self.calendar = calendar
        self.started_ns = now_ns()
        self.now_ns = now_ns
        self.switches = switches
        self.flags = flags_of(scenario.account)
        self._market = market
        self._publish = publish
        self._faults = faults
        # Cancels asked for while the market is shut, where they wait for its opening; bounded by open orders.
        self._waiting_cancels: dict[str, None] = {}
        for symbol in market.symbols:
            engine.handle(market.quote(symbol, self.started_ns // NS_PER_MILLISECOND))
        self._day = TradingDay(engine, market, calendar, self.started_ns)

    # ---------------------------------------------------------------- orders

    def next_order_id(self) -> str:
        """A client order id for an order that came without one."""
        return str(uuid5(NAMESPACE_OID, f"{self.engine.terms.id_salt}:client:{len(self.engine.orders) + 1}"))

    def fill_plan(self, ticket: OrderTicket) -> FillPlanPart | None:
        """What the scenario plans for such an order."""
        plans = (plan for plan in self.scenario.fill_plans if plan.symbol == ticket.symbol)
        return next((plan for plan in plans if plan.side in (None, ticket.side)), None)

    def submit(self, ticket: OrderTicket) -> VenueOrder | OrderRefused:
        """Take an order; it reaches the market a little later."""
        taken = self.handle(SubmitOrder(ticket=ticket, ts=self.now_ns()))[0]
        if isinstance(taken, OrderRefused):
            return taken
        assert isinstance(taken, OrderMoved)
        order = taken.order
        order_id = order.venue_order_id
        if self._struck("async_reject", order):
            self._later(self._route_ms(order), self._end(order_id, VenueStatus.REJECTED))
        elif self._is_shut_for(order):
            # It waits here and not at the market: `accepted` at once.
            self.handle(ActivateOrder(venue_order_id=order_id, ts=self.now_ns()))
            return self.engine.orders[order_id]
        else:
            self._later(self._route_ms(order), lambda ts: ActivateOrder(venue_order_id=order_id, ts=ts))
        return order

    def replace(self, venue_order_id: str, wish: ReplaceWish) -> VenueOrder | ReplaceRefused:
        """Ask for a replace: the new order, which takes the old one's place a little later unless a fill is faster."""
        request = RequestReplace(
            venue_order_id=venue_order_id,
            client_order_id=wish.client_order_id,
            ts=self.now_ns(),
            qty=wish.qty,
            time_in_force=wish.time_in_force,
            limit_price=wish.limit_price,
            stop_price=wish.stop_price,
            trail=wish.trail,
        )
        for event in self.handle(request):
            if isinstance(event, ReplaceRefused):
                return event
        new = self.engine.by_client_order_id(wish.client_order_id)
        assert new is not None
        new_id = new.venue_order_id
        if self._struck("replace_refused", self.engine.orders[venue_order_id]):
            self._later(self._route_ms(new), lambda ts: RefuseCancel(venue_order_id=venue_order_id, ts=ts))
        else:
            self._later(self._route_ms(new), lambda ts: ConfirmReplace(venue_order_id=new_id, ts=ts))
        return new

    def request_cancel(self, venue_order_id: str) -> VenueOrder | CancelRefused:
        """Ask for a cancel; it reaches the market a little later, and a fill may be faster."""
        events = self.handle(RequestCancel(venue_order_id=venue_order_id, ts=self.now_ns()))
        for event in events:
            if isinstance(event, CancelRefused):
                return event
        for event in events:
            if isinstance(event, OrderMoved) and event.order.status is VenueStatus.PENDING_CANCEL:
                self._send_cancel(event.order)
        return self.engine.orders[venue_order_id]

    def cancel_all(self) -> list[tuple[VenueOrder, bool]]:
        """Ask to cancel everything that is not being canceled yet; with each order whether it was asked."""
        asked = []
        for order in self.engine.open_orders():
            if self._struck("cancel_all_item_fails", order):
                asked.append((order, False))
                continue
            answer = self.request_cancel(order.venue_order_id)
            if isinstance(answer, VenueOrder):
                asked.append((answer, True))
        return asked

    def close_ticket(self, symbol: str, qty: Decimal) -> OrderTicket:
        """The market order that sells (short: buys back) `qty` > 0 shares of a position."""
        short = self.engine.account.held_qty(symbol) < 0
        return OrderTicket(
            client_order_id=self.next_order_id(),
            symbol=symbol,
            side=Side.BUY if short else Side.SELL,
            qty=qty,
            position_intent=PositionIntent.BUY_TO_CLOSE if short else PositionIntent.SELL_TO_CLOSE,
        )

    def hold_fills(self, held: bool) -> None:
        """Stop or resume filling."""
        self.handle(HoldFills(held=held, ts=self.now_ns()))

    # ---------------------------------------------------------------- market

    def on_session(self, phase: SessionPhase, ts: int) -> None:
        """The trading day enters `phase`."""
        if phase is SessionPhase.REGULAR:
            waiting, self._waiting_cancels = self._waiting_cancels, {}
            for venue_order_id in waiting:
                self.handle(ConfirmCancel(venue_order_id=venue_order_id, ts=ts))
        self.handle(EnterSession(phase=phase, ts=ts))

    def on_halt(self, symbol: str, halted: bool, ts: int) -> None:
        """Trading in `symbol` halts or resumes. Whether its orders hear of it nobody knows for sure."""
        self.handle(HaltSymbol(symbol=symbol, halted=halted, ts=ts))
        word = self.switches.now.halt_event
        if halted and word != "none":
            for order in self.engine.open_orders(symbol):
                if order.activated:
                    self._publish(halt_json(order, word, ts, self._show))

    def on_prints(self, prints: Sequence[Print]) -> None:
        """Prices moved."""
        for trade in prints:
            self.handle(self._market.quote(trade.symbol, trade.ts_ms))

    def jump(self, symbol: str, price: float, ts_ms: int) -> Quote:
        """The price of `symbol` jumps, and orders meet it at once.

        Raises: Recoverable: too many jumps in one run.
        """
        self._market.jump(symbol, price, ts_ms)
        quote = self._market.quote(symbol, ts_ms)
        self.handle(quote)
        return quote

    def handle(self, event: MatchInput) -> list[MatchEvent]:
        """Let the engine have `event`, and publish what it causes."""
        if event.ts >= self._day.ends_ns:
            self._day.roll(event.ts)
        if not isinstance(event, Quote):
            self.engine.terms = present_terms(self.engine.terms, self.switches.now, self.flags)
        results = self.engine.handle(event)
        for result in results:
            match result:
                case OrderMoved():
                    if result.event is not OrderEvent.NEW or not self._struck("missing_new", result.order):
                        self._publish(moved_json(result, self._show))
                case OrderExecuted():
                    self._day.note(result.fill)
                    signed = self.switches.now.short_qty_sign == "negative"
                    self._publish(executed_json(result, self._show, signed_position=signed))
                case OrderRefused() | CancelRefused() | ReplaceRefused() | CashBooked() | FillBusted():
                    pass  # the asker gets the answer, nobody else
                case _:
                    assert_never(result)
        return results

    # ---------------------------------------------------------------- what it looks like

    def order_json(self, order: VenueOrder, *, digits: int = 6, nested: bool = False) -> Json:
        """The order as the REST interface shows it; `nested` with its legs."""
        legs = self.engine.legs_of(order) if nested else []
        rows = [order_json(leg, self._expires_ns(leg), digits=digits) for leg in legs]
        return order_json(order, self._expires_ns(order), digits=digits, legs=rows)

    def market_symbols(self) -> tuple[str, ...]:
        """Every symbol that may be held."""
        return self._market.symbols

    @property
    def day(self) -> TradingDay:
        """Today, whether anything has happened yet or not."""
        if self.now_ns() >= self._day.ends_ns:
            self._day.roll(self.now_ns())
        return self._day

    def last_price(self, symbol: str) -> Decimal:
        """Newest price of the symbol."""
        return Decimal(repr(self.engine.quotes[symbol].last))

    def known_price(self, symbol: str) -> Decimal | None:
        """The same, or None before its first quote."""
        return self.last_price(symbol) if symbol in self.engine.quotes else None

    def position_json(self, symbol: str, *, lag_ns: int = 0) -> Json | None:
        """The position as it was `lag_ns` ago, or None when flat."""
        part = self.scenario.symbol(symbol)
        holding = self.engine.account.holdings.get(symbol)
        qty, cost = (holding.qty, holding.cost) if holding else (ZERO, ZERO)
        if lag_ns:
            qty, cost = self._before(symbol, qty, cost, self.now_ns() - lag_ns)
        if not qty or part is None:
            return None
        return position_json(
            part,
            qty=qty,
            cost=cost,
            available=self.engine.qty_available(symbol),
            last=self.last_price(symbol),
            last_day=self.day.last_price(symbol),
            carried=self.day.carried(symbol, qty),
            signed=self.switches.now.short_qty_sign == "negative",
        )

    def market_values(self) -> tuple[Decimal, Decimal]:
        """Market value of all long positions, and of all short ones (negative)."""
        held = self.engine.account.holdings.values()
        values = [holding.qty * self.last_price(holding.symbol) for holding in held]
        longs = sum((value for value in values if value > 0), ZERO)
        return longs, sum(values, ZERO) - longs

    # ---------------------------------------------------------------- inside

    def _expires_ns(self, order: VenueOrder) -> int:
        """When it ends by itself: with the session it was given in or queued for, unless it is good for longer."""
        if order.expires_ns:
            return order.expires_ns
        if extends(order.ticket):
            return self.calendar.evening_end_ns(order.submitted_ns)
        session = self.calendar.current(order.submitted_ns)
        return session.open_ns if order.ticket.time_in_force is TimeInForce.OPG else session.close_ns

    def _show(self, order: VenueOrder) -> Json:
        return self.order_json(order, digits=STREAM_DIGITS)

    def _struck(self, fault: str, order: VenueOrder) -> bool:
        ticket = order.ticket
        rule = self._faults.strike(
            fault,
            symbol=ticket.symbol,
            order_id=order.venue_order_id,
            client_order_id=ticket.client_order_id,
        )
        return rule is not None

    def _route_ms(self, order: VenueOrder) -> int:
        plan = self.fill_plan(order.ticket)
        if plan is not None and plan.latency_ms is not None:
            return plan.latency_ms
        return 0 if plan is not None and plan.before_reply else self.scenario.latency.route_ms

    def _send_cancel(self, order: VenueOrder) -> None:
        order_id, delay_ms = order.venue_order_id, self.scenario.latency.cancel_ms
        if self._struck("cancel_stuck", order):
            return
        if self._struck("cancel_refused", order):
            self._later(delay_ms, lambda ts: RefuseCancel(venue_order_id=order_id, ts=ts))
        elif self._waits_for_open(order):
            self._waiting_cancels[order_id] = None
        else:
            self._later(delay_ms, lambda ts: ConfirmCancel(venue_order_id=order_id, ts=ts))

    def _waits_for_open(self, order: VenueOrder) -> bool:
        return self.switches.now.cancel_when_closed == "at_open" and self._is_shut_for(order)

    def _is_shut_for(self, order: VenueOrder) -> bool:
        return self.engine.phase is not SessionPhase.REGULAR and not order.ticket.extended_hours

    def _end(self, venue_order_id: str, status: VenueStatus) -> Callable[[int], MatchInput]:
        return lambda ts: EndOrder(venue_order_id=venue_order_id, status=status, ts=ts)

    def _later(self, delay_ms: int, make: Callable[[int], MatchInput]) -> None:
        # At most three timers an order (route, replace, cancel), and open orders are bounded by the engine.
        asyncio.get_running_loop().call_later(
            delay_ms / _MS_PER_SECOND, lambda: self.handle(make(self.now_ns()))
        )

    def _before(self, symbol: str, qty: Decimal, cost: Decimal, ts: int) -> tuple[Decimal, Decimal]:
        """The position without the fills since `ts`; the cost is exact for what only grew."""
        for fill in reversed(self.engine.fills):
            if fill.ts <= ts:
                break
            if fill.symbol == symbol:
                qty -= fill.qty * fill.side.sign
                cost -= fill.qty * fill.side.sign * fill.price
        return qty, cost
