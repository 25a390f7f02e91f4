"""The venue's trading desk: the matching engine in real time, and what the world is told about it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, Final, assert_never
from uuid import NAMESPACE_OID, uuid5

from kyzlo_actors.domain.order import ZERO, OrderTicket
from kyzlo_actors.domain.values import NS_PER_MILLISECOND, Side
from kyzlo_actors.replay.matching import MatchingEngine
from kyzlo_actors.replay.matching_messages import (
    ActivateOrder,
    CancelRefused,
    CashBooked,
    ConfirmCancel,
    EnterSession,
    FillBusted,
    HoldFills,
    MatchEvent,
    MatchInput,
    OrderExecuted,
    OrderMoved,
    OrderRefused,
    Quote,
    ReplaceRefused,
    RequestCancel,
    SessionPhase,
    SubmitOrder,
)
from kyzlo_actors.replay.venue_order import VenueOrder, VenueStatus
from kyzlo_actors.venue.alpaca_json import Json, number, order_json, position_json
from kyzlo_actors.venue.calendar import VenueCalendar
from kyzlo_actors.venue.clock import NowNs
from kyzlo_actors.venue.market import Market
from kyzlo_actors.venue.prints import Print
from kyzlo_actors.venue.scenario import LatencyPart, Scenario
from kyzlo_actors.venue.timestamps import rfc3339

_STREAM_DIGITS: Final = 9
_MS_PER_SECOND: Final = 1_000
_WITH_EXECUTION_ID: Final = (VenueStatus.NEW,)


class Desk:
    """Takes orders and cancels, lets them travel to the market, and publishes every event they cause."""

    def __init__(
        self,
        *,
        engine: MatchingEngine,
        market: Market,
        calendar: VenueCalendar,
        scenario: Scenario,
        account_number: str,
        now_ns: NowNs,
        publish: Callable[[dict[str, Any]], None],
    ) -> None:
        self.engine = engine
        self.scenario = scenario
        self.account_number = account_number
        self.calendar = calendar
        self.started_ns = now_ns()
        self.now_ns = now_ns
        self._latency: LatencyPart = scenario.latency
        self._market = market
        self._publish = publish
        for symbol in market.symbols:
            engine.handle(market.quote(symbol, self.started_ns // NS_PER_MILLISECOND))

    # ---------------------------------------------------------------- orders

    def next_order_id(self) -> str:
        """A client order id for an order that came without one."""
        return str(uuid5(NAMESPACE_OID, f"{self.engine.terms.id_salt}:client:{len(self.engine.orders) + 1}"))

    def submit(self, ticket: OrderTicket) -> VenueOrder | OrderRefused:
        """Take an order; it reaches the market a little later."""
        (taken,) = self._handle(SubmitOrder(ticket=ticket, ts=self.now_ns()))
        if isinstance(taken, OrderMoved):
            order_id = taken.order.venue_order_id
            self._later(self._latency.route_ms, lambda ts: ActivateOrder(venue_order_id=order_id, ts=ts))
            return taken.order
        assert isinstance(taken, OrderRefused)
        return taken

    def request_cancel(self, venue_order_id: str) -> VenueOrder | CancelRefused:
        """Ask for a cancel; it reaches the market a little later, and a fill may be faster."""
        (answer,) = self._handle(RequestCancel(venue_order_id=venue_order_id, ts=self.now_ns()))
        if isinstance(answer, OrderMoved):
            self._later(
                self._latency.cancel_ms, lambda ts: ConfirmCancel(venue_order_id=venue_order_id, ts=ts)
            )
            return answer.order
        assert isinstance(answer, CancelRefused)
        return answer

    def cancel_all(self) -> list[VenueOrder]:
        """Ask to cancel everything that is not being canceled yet."""
        answers = [self.request_cancel(order.venue_order_id) for order in self.engine.open_orders()]
        return [answer for answer in answers if isinstance(answer, VenueOrder)]

    def close_ticket(self, symbol: str, qty: Decimal) -> OrderTicket:
        """The market order that sells `qty` of a position."""
        return OrderTicket(client_order_id=self.next_order_id(), symbol=symbol, side=Side.SELL, qty=qty)

    def hold_fills(self, held: bool) -> None:
        """Stop or resume filling."""
        self._handle(HoldFills(held=held, ts=self.now_ns()))

    # ---------------------------------------------------------------- market

    def on_session(self, is_open: bool, ts: int) -> None:
        """The session opened or closed."""
        phase = SessionPhase.REGULAR if is_open else SessionPhase.CLOSED
        self._handle(EnterSession(phase=phase, ts=ts))

    def on_prints(self, prints: Sequence[Print]) -> None:
        """Prices moved."""
        for trade in prints:
            self._handle(self._market.quote(trade.symbol, trade.ts_ms))

    def jump(self, symbol: str, price: float, ts_ms: int) -> Quote:
        """The price of `symbol` jumps, and orders meet it at once.

        Raises: Recoverable: too many jumps in one run.
        """
        self._market.jump(symbol, price, ts_ms)
        quote = self._market.quote(symbol, ts_ms)
        self._handle(quote)
        return quote

    # ---------------------------------------------------------------- what it looks like

    def order_json(self, order: VenueOrder, *, digits: int = 6) -> Json:
        """The order as the REST interface shows it."""
        return order_json(order, self.calendar.current(order.submitted_ns), digits=digits)

    def last_price(self, symbol: str) -> Decimal:
        """Newest price of the symbol."""
        return Decimal(repr(self.engine.quotes[symbol].last))

    def position_json(self, symbol: str) -> Json | None:
        """The position, or None when flat."""
        holding = self.engine.account.holdings.get(symbol)
        part = self.scenario.symbol(symbol)
        if holding is None or part is None:
            return None
        return position_json(
            part,
            qty=holding.qty,
            cost=holding.cost,
            available=self.engine.qty_available(symbol),
            last=self.last_price(symbol),
        )

    def positions_value(self) -> Decimal:
        """Market value of all positions."""
        holdings = self.engine.account.holdings.values()
        return sum((holding.qty * self.last_price(holding.symbol) for holding in holdings), ZERO)

    # ---------------------------------------------------------------- inside

    def _later(self, delay_ms: int, make: Callable[[int], MatchInput]) -> None:
        # At most two timers an order, and open orders are bounded by the engine.
        asyncio.get_running_loop().call_later(
            delay_ms / _MS_PER_SECOND, lambda: self._handle(make(self.now_ns()))
        )

    def _handle(self, event: MatchInput) -> list[MatchEvent]:
        results = self.engine.handle(event)
        for result in results:
            match result:
                case OrderMoved():
                    self._publish(self._moved(result))
                case OrderExecuted():
                    self._publish(self._executed(result))
                case OrderRefused() | CancelRefused() | ReplaceRefused() | CashBooked() | FillBusted():
                    pass  # the asker gets the answer, nobody else
                case _:
                    assert_never(result)
        return results

    def _moved(self, event: OrderMoved) -> dict[str, Any]:
        order = event.order
        data: dict[str, Any] = {
            "event": str(order.status),
            "timestamp": rfc3339(event.ts, _STREAM_DIGITS),
            "order": self.order_json(order, digits=_STREAM_DIGITS),
        }
        if order.status in _WITH_EXECUTION_ID:
            data["execution_id"] = str(uuid5(NAMESPACE_OID, f"{order.venue_order_id}:{order.status}"))
        return data

    def _executed(self, event: OrderExecuted) -> dict[str, Any]:
        fill = event.fill
        return {
            "event": "partial_fill" if fill.leaves_qty else "fill",
            "execution_id": fill.execution_id,
            "timestamp": rfc3339(fill.ts, _STREAM_DIGITS),
            "price": number(fill.price),
            "qty": number(fill.qty),
            "position_qty": number(fill.position_qty),
            "order": self.order_json(event.order, digits=_STREAM_DIGITS),
        }
