"""A hand on the matching engine: one symbol, short words, and every step audited."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from kyzlo_actors.domain.order import OrderTicket
from kyzlo_actors.domain.values import OrderType, Side
from kyzlo_actors.replay.fill_plan import FillPlan
from kyzlo_actors.replay.matching import MatchingEngine
from kyzlo_actors.replay.matching_messages import (
    ActivateOrder,
    ConfirmCancel,
    ConfirmReplace,
    EnterSession,
    MatchEvent,
    MatchInput,
    OrderExecuted,
    OrderMoved,
    OrderRefused,
    Quote,
    ReplaceRefused,
    RequestCancel,
    RequestReplace,
    SessionPhase,
    SubmitOrder,
)
from kyzlo_actors.replay.terms import AccountTerms
from kyzlo_actors.replay.venue_order import VenueOrder
from tests.replay.streams import Auditor

D = Decimal
_DECIMALS = frozenset(
    {
        "qty",
        "limit_price",
        "stop_price",
        "trail",
        "trail_price",
        "trail_percent",
        "notional",
        "take_profit_limit_price",
        "stop_loss_stop_price",
        "stop_loss_limit_price",
    }
)


class Hand:
    """`submit`, `quote` … each give the told events in words: `2 filled` is the second order's."""

    def __init__(self, plan: FillPlan | None = None, *, cash: str = "100000", **terms: Any) -> None:
        phase = terms.pop("phase", SessionPhase.REGULAR)
        self.engine = MatchingEngine(AccountTerms(cash=D(cash), **terms), plan, phase=phase)
        self._auditor = Auditor(self.engine)
        self._ts = 0
        self.quote(100)

    def do(self, event: MatchInput) -> list[MatchEvent]:
        """Any input, audited."""
        before = self.engine.buying_power
        events = self.engine.handle(event)
        self._auditor.follow(event, events, before)
        return events

    def now(self) -> int:
        """The next nanosecond."""
        self._ts += 1
        return self._ts

    def quote(self, last: float, bid: float | None = None, ask: float | None = None) -> list[str]:
        """A trade at `last`; bid and ask are the same if not given."""
        return told(self.do(Quote("AAA", bid or last, ask or last, last, self.now())))

    def submit(self, side: Side = Side.BUY, qty: str = "10", **fields: Any) -> list[str]:
        """Take an order in and let it reach the market; raises if it is refused."""
        taken = self.do(SubmitOrder(ticket=self.ticket(side, qty, **fields), ts=self.now()))
        assert isinstance(taken[0], OrderMoved), taken[0]
        return told(taken) + self.activate(taken[0].order.sequence)

    def send(self, side: Side = Side.BUY, qty: str = "10", **fields: Any) -> list[str]:
        """Take an order in; it is still on its way."""
        return told(self.do(SubmitOrder(ticket=self.ticket(side, qty, **fields), ts=self.now())))

    def activate(self, number: int) -> list[str]:
        """The order reaches the market."""
        return told(self.do(ActivateOrder(venue_order_id=self.id(number), ts=self.now())))

    def refused(self, side: Side = Side.BUY, qty: str = "10", **fields: Any) -> OrderRefused:
        """The order is refused."""
        (refused,) = self.do(SubmitOrder(ticket=self.ticket(side, qty, **fields), ts=self.now()))
        assert isinstance(refused, OrderRefused), refused
        return refused

    def request_cancel(self, number: int) -> list[str]:
        """Ask for a cancel."""
        return told(self.do(RequestCancel(venue_order_id=self.id(number), ts=self.now())))

    def cancel(self, number: int) -> list[str]:
        """Ask for a cancel, and the market confirms it."""
        self.request_cancel(number)
        return told(self.do(ConfirmCancel(venue_order_id=self.id(number), ts=self.now())))

    def request_replace(self, number: int, **fields: Any) -> list[str]:
        """Ask for a replace; raises if it is refused."""
        events = self._replace(number, **fields)
        assert isinstance(events[0], OrderMoved), events[0]
        return told(events)

    def replace_refused(self, number: int, **fields: Any) -> ReplaceRefused:
        """The replace is refused."""
        (refused,) = self._replace(number, **fields)
        assert isinstance(refused, ReplaceRefused), refused
        return refused

    def confirm_replace(self, number: int) -> list[str]:
        """The replace reaches the market; `number` is the new order's."""
        return told(self.do(ConfirmReplace(venue_order_id=self.id(number), ts=self.now())))

    def enter(self, phase: SessionPhase) -> list[str]:
        """The day goes on."""
        return told(self.do(EnterSession(phase=phase, ts=self.now())))

    def order(self, number: int) -> VenueOrder:
        """The order of that sequence number."""
        return list(self.engine.orders.values())[number - 1]

    def id(self, number: int) -> str:
        """Its id."""
        return self.order(number).venue_order_id

    def status(self, *numbers: int) -> list[str]:
        """Where the orders are."""
        return [str(self.order(number).status) for number in numbers]

    @property
    def held(self) -> Decimal:
        """The position."""
        return self.engine.account.held_qty("AAA")

    def ticket(self, side: Side, qty: str, **fields: Any) -> OrderTicket:
        """A ticket: what it is follows from its prices."""
        given = {"client_order_id": f"c{self.now()}", "symbol": "AAA", "qty": qty} | fields
        given = {
            name: D(value) if name in _DECIMALS and value is not None else value
            for name, value in given.items()
        }
        given.setdefault("order_type", _type_of(given))
        return OrderTicket(side=side, **given)

    def _replace(self, number: int, **fields: Any) -> list[MatchEvent]:
        given = {name: D(value) if name in _DECIMALS else value for name, value in fields.items()}
        ts = self.now()
        given = {"client_order_id": f"r{ts}"} | given
        return self.do(RequestReplace(venue_order_id=self.id(number), ts=ts, **given))


def told(events: list[MatchEvent]) -> list[str]:
    """The events about orders in words."""
    made = []
    for event in events:
        if isinstance(event, OrderMoved):
            made.append(f"{event.order.sequence} {event.event}")
        elif isinstance(event, OrderExecuted):
            done = "fill" if event.order.status == "filled" else "partial_fill"
            made.append(
                f"{event.order.sequence} {done} {event.fill.qty.normalize():f}@{event.fill.price.normalize():f}"
            )
    return made


def _type_of(fields: dict[str, Any]) -> OrderType:
    if "trail_price" in fields or "trail_percent" in fields:
        return OrderType.TRAILING_STOP
    if "stop_price" in fields:
        return OrderType.STOP_LIMIT if "limit_price" in fields else OrderType.STOP
    return OrderType.LIMIT if "limit_price" in fields else OrderType.MARKET
