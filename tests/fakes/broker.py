"""A deterministic `Broker` on the matching engine: it answers at once, on the caller's thread."""

from __future__ import annotations

from collections import deque
from decimal import Decimal
from enum import Enum, auto

from kyzlo_actors.adapters.broker.parse import STATUSES
from kyzlo_actors.domain.broker import BrokerAccount, BrokerOrder, BrokerPosition, BrokerState
from kyzlo_actors.domain.broker_events import (
    CancelAnswered,
    CancelFailed,
    OrderLookedUp,
    StateRead,
    StreamConnected,
    StreamDisconnected,
    SubmitAnswered,
    SubmitRefused,
    SubmitRejected,
    SubmitUncertain,
    TradeUpdated,
)
from kyzlo_actors.domain.order import OrderTicket
from kyzlo_actors.ports.broker import Deliver
from kyzlo_actors.ports.clock import Clock
from kyzlo_actors.replay.matching import MatchingEngine
from kyzlo_actors.replay.matching_messages import (
    ActivateOrder,
    ConfirmCancel,
    Fill,
    HoldFills,
    MatchEvent,
    OrderExecuted,
    OrderMoved,
    OrderRefused,
    Quote,
    RefusalReason,
    RequestCancel,
    SubmitOrder,
)
from kyzlo_actors.replay.terms import AccountTerms
from kyzlo_actors.replay.venue_order import VenueOrder, VenueStatus

_MESSAGES = {RefusalReason.DUPLICATE_CLIENT_ORDER_ID: "client_order_id must be unique"}


class Fate(Enum):
    """What becomes of the next submission; queue them in `FakeBroker.fates`."""

    ANSWERED = auto()
    # Taken by the broker, but the reply is lost.
    REPLY_LOST = auto()
    # Lost before the broker saw it, but nobody can tell.
    REQUEST_LOST = auto()
    # The connection failed before the first byte.
    NOT_SENT = auto()


class FakeBroker:
    """`Broker` without threads. `posts` counts the submissions that reached it, by client order id."""

    def __init__(self, clock: Clock, *, cash: str = "10000", account_number: str = "PA3TEST") -> None:
        self.engine = MatchingEngine(AccountTerms(cash=Decimal(cash), id_salt="fake"))
        self.fates: deque[Fate] = deque()
        self.posts: dict[str, int] = {}
        self.stopped = False
        self._account_number = account_number
        self._clock = clock
        self._deliver: Deliver

    # --- the port ------------------------------------------------------------------------------------------------

    def start(self, deliver: Deliver) -> None:
        self._deliver = deliver
        self.connect_stream()

    def submit(self, ticket: OrderTicket) -> None:
        fate = self.fates.popleft() if self.fates else Fate.ANSWERED
        if self.stopped or fate is Fate.NOT_SENT:
            code = "STOPPED" if self.stopped else "NOT_SENT"
            self._deliver(
                SubmitRefused(
                    client_order_id=ticket.client_order_id, code=code, detail="fake", now_ns=self._now()
                )
            )
            return
        events: list[MatchEvent] = []
        if fate is not Fate.REQUEST_LOST:
            self.posts[ticket.client_order_id] = self.posts.get(ticket.client_order_id, 0) + 1
            events = self.engine.handle(SubmitOrder(ticket=ticket, ts=self._now()))
        if fate is Fate.ANSWERED:
            self._answer(ticket, events[0])
        else:
            self._deliver(
                SubmitUncertain(client_order_id=ticket.client_order_id, detail=fate.name, now_ns=self._now())
            )
        self._tell(events)
        for event in events:
            if isinstance(event, OrderMoved):
                activate = ActivateOrder(venue_order_id=event.order.venue_order_id, ts=self._now())
                self._tell(self.engine.handle(activate))

    def cancel(self, client_order_id: str, venue_order_id: str | None) -> None:
        order = self.engine.by_client_order_id(client_order_id)
        wanted = venue_order_id or (order.venue_order_id if order else "")
        (event,) = self.engine.handle(RequestCancel(venue_order_id=wanted, ts=self._now()))
        if not isinstance(event, OrderMoved):
            status = 422 if wanted in self.engine.orders else 404
            self._deliver(
                CancelFailed(
                    client_order_id=client_order_id, http_status=status, message="fake", now_ns=self._now()
                )
            )
            return
        self._deliver(CancelAnswered(client_order_id=client_order_id, now_ns=self._now()))
        self._tell([event])
        self._tell(self.engine.handle(ConfirmCancel(venue_order_id=wanted, ts=self._now())))

    def look_up(self, client_order_id: str) -> None:
        order = self.engine.by_client_order_id(client_order_id)
        found = broker_order(order) if order else None
        self._deliver(OrderLookedUp(client_order_id=client_order_id, order=found, now_ns=self._now()))

    def read_state(self, reason: str, *, window_start_ns: int, client_order_ids: tuple[str, ...]) -> None:
        self._deliver(StateRead(state=self.state(), reason=reason, now_ns=self._now()))

    def stop(self, timeout_seconds: float) -> None:
        self.stopped = True

    # --- the test's hand -----------------------------------------------------------------------------------------

    def set_price(self, symbol: str, price: float) -> None:
        """Bid, ask and last are all `price` now."""
        self._tell(self.engine.handle(Quote(symbol, price, price, price, self._now())))

    def hold_fills(self, held: bool) -> None:
        """Stop filling, or go on."""
        self._tell(self.engine.handle(HoldFills(held=held, ts=self._now())))

    def connect_stream(self) -> None:
        """The order stream comes (back)."""
        self._deliver(StreamConnected(now_ns=self._now()))

    def disconnect_stream(self) -> None:
        """The order stream goes; events are told all the same, so drop them in the test if it matters."""
        self._deliver(StreamDisconnected(detail="fake", now_ns=self._now()))

    def state(self) -> BrokerState:
        """Everything there is."""
        account = self.engine.account
        equity = account.cash + sum(self._value(symbol) for symbol in account.holdings)
        return BrokerState(
            read_started_ns=self._now(),
            account=BrokerAccount(
                account_number=self._account_number,
                status="ACTIVE",
                currency="USD",
                cash=account.cash,
                equity=equity,
                last_equity=account.starting_cash,
                buying_power=self.engine.buying_power,
                trading_blocked=False,
                account_blocked=False,
                trade_suspended_by_user=False,
                shorting_enabled=False,
            ),
            orders=tuple(broker_order(order) for order in self.engine.orders.values()),
            positions=tuple(
                BrokerPosition(symbol=symbol, qty=holding.qty, avg_entry_price=holding.avg_entry_price)
                for symbol, holding in account.holdings.items()
            ),
        )

    def _value(self, symbol: str) -> Decimal:
        return self.engine.account.held_qty(symbol) * Decimal(repr(self.engine.quotes[symbol].last))

    def _answer(self, ticket: OrderTicket, event: MatchEvent) -> None:
        if isinstance(event, OrderMoved):
            self._deliver(
                SubmitAnswered(
                    client_order_id=ticket.client_order_id,
                    order=broker_order(event.order),
                    now_ns=self._now(),
                )
            )
        elif isinstance(event, OrderRefused):
            self._deliver(
                SubmitRejected(
                    client_order_id=ticket.client_order_id,
                    http_status=422,
                    code=event.reason.value,
                    message=_MESSAGES.get(event.reason, event.detail or event.reason.value),
                    duplicate=event.reason is RefusalReason.DUPLICATE_CLIENT_ORDER_ID,
                    now_ns=self._now(),
                )
            )

    def _tell(self, events: list[MatchEvent]) -> None:
        for event in events:
            if isinstance(event, OrderExecuted):
                done = event.order.status is VenueStatus.FILLED
                self._event("fill" if done else "partial_fill", event.order, event.fill)
            elif isinstance(event, OrderMoved):
                self._event(event.order.status.value, event.order, None)

    def _event(self, name: str, order: VenueOrder, fill: Fill | None) -> None:
        self._deliver(
            TradeUpdated(
                event=name,
                order=broker_order(order),
                execution_id=fill.execution_id if fill else None,
                price=fill.price if fill else None,
                qty=fill.qty if fill else None,
                ts_event=order.updated_ns,
                now_ns=self._now(),
            )
        )

    def _now(self) -> int:
        return self._clock.now_ns()


def broker_order(order: VenueOrder) -> BrokerOrder:
    """The venue's order as the parsed form."""
    return BrokerOrder(
        venue_order_id=order.venue_order_id,
        client_order_id=order.ticket.client_order_id,
        symbol=order.ticket.symbol,
        side=order.ticket.side,
        qty=order.ticket.qty,
        order_type=order.ticket.order_type,
        time_in_force=order.ticket.time_in_force,
        limit_price=order.ticket.limit_price,
        status=STATUSES[order.status],
        raw_status=order.status.value,
        filled_qty=order.filled_qty,
        filled_avg_price=order.filled_avg_price,
        submitted_ns=order.submitted_ns,
        updated_ns=order.updated_ns,
    )
