"""What every `Broker` must do, fake or real: the same tests run on each."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

from kyzlo_actors.domain.broker_events import (
    CancelAnswered,
    CancelFailed,
    OrderLookedUp,
    StateRead,
    StreamConnected,
    SubmitAnswered,
    SubmitRefused,
    SubmitRejected,
    SubmitUncertain,
    TradeUpdated,
)
from kyzlo_actors.domain.order import OrderStatus, OrderTicket
from kyzlo_actors.domain.values import OrderType, Side
from kyzlo_actors.ports.broker import Broker
from tests.fakes.broker_reports import ReportBook


class Hand(Protocol):
    """What a test does to the other side."""

    def hold_fills(self, held: bool) -> None: ...

    def lose_next_reply(self) -> None: ...

    def posts(self) -> dict[str, int]: ...


@dataclass
class Table:
    """A started broker with symbol AAA at about 100 and 10,000 in cash, its reports, and its other side."""

    broker: Broker
    book: ReportBook
    hand: Hand


def ticket(
    name: str, *, side: Side = Side.BUY, qty: str = "2", limit: str | None = None, symbol: str = "AAA"
) -> OrderTicket:
    return OrderTicket(
        client_order_id=f"kyzlo.contract.{name}",
        symbol=symbol,
        side=side,
        qty=Decimal(qty),
        order_type=OrderType.LIMIT if limit else OrderType.MARKET,
        limit_price=Decimal(limit) if limit else None,
    )


class BrokerContract:
    """Inherit and give a `table` fixture."""

    def test_the_stream_is_told_first(self, table: Table) -> None:
        table.book.wait_for(StreamConnected)

    def test_a_market_order_is_answered_and_filled(self, table: Table) -> None:
        order = ticket("fill")
        table.book.wait_for(StreamConnected)
        table.broker.submit(order)
        answer = table.book.wait_for(SubmitAnswered)
        assert answer.order.client_order_id == answer.client_order_id == order.client_order_id
        fill = table.book.wait_for(TradeUpdated, lambda event: event.event == "fill")
        assert fill.order.status is OrderStatus.FILLED
        assert fill.order.venue_order_id == answer.order.venue_order_id
        assert fill.order.filled_qty == 2
        assert fill.qty is not None
        assert fill.price is not None
        assert fill.execution_id

    def test_the_same_id_twice_is_a_proven_duplicate(self, table: Table) -> None:
        order = ticket("twice")
        table.broker.submit(order)
        table.book.wait_for(SubmitAnswered)
        table.broker.submit(order)
        rejected = table.book.wait_for(SubmitRejected)
        assert rejected.duplicate
        assert rejected.client_order_id == order.client_order_id

    def test_too_much_is_rejected_and_no_duplicate(self, table: Table) -> None:
        table.broker.submit(ticket("much", qty="1000"))
        rejected = table.book.wait_for(SubmitRejected)
        assert not rejected.duplicate
        assert 400 <= rejected.http_status < 500
        assert rejected.message

    def test_a_lost_reply_is_uncertain_and_the_lookup_finds_the_order(self, table: Table) -> None:
        order = ticket("lost")
        table.hand.lose_next_reply()
        table.broker.submit(order)
        table.book.wait_for(SubmitUncertain, lambda report: report.client_order_id == order.client_order_id)
        table.broker.look_up(order.client_order_id)
        found = table.book.wait_for(OrderLookedUp)
        assert found.order is not None
        assert found.order.client_order_id == order.client_order_id
        assert table.hand.posts() == {order.client_order_id: 1}
        assert table.book.of(SubmitAnswered) == table.book.of(SubmitRejected) == []

    def test_an_order_that_never_was_is_clearly_absent(self, table: Table) -> None:
        table.broker.look_up("kyzlo.contract.never")
        assert table.book.wait_for(OrderLookedUp).order is None

    def test_cancel_with_and_without_the_venue_id(self, table: Table) -> None:
        for name, known in (("a", True), ("b", False)):
            order = ticket(name, limit="50")
            table.broker.submit(order)
            answer = table.book.wait_for(
                SubmitAnswered, lambda report, wanted=order: report.client_order_id == wanted.client_order_id
            )
            table.broker.cancel(order.client_order_id, answer.order.venue_order_id if known else None)
            for kind in (CancelAnswered, TradeUpdated):
                table.book.wait_for(
                    kind, lambda report, wanted=order: _is_about(report, wanted.client_order_id)
                )

    def test_a_cancel_of_nothing_fails(self, table: Table) -> None:
        table.broker.cancel("kyzlo.contract.never", None)
        assert table.book.wait_for(CancelFailed).http_status == 404

    def test_a_cancel_of_a_filled_order_is_refused(self, table: Table) -> None:
        table.book.wait_for(StreamConnected)
        table.broker.submit(ticket("done"))
        fill = table.book.wait_for(TradeUpdated, lambda event: event.event == "fill")
        table.broker.cancel(fill.order.client_order_id, fill.order.venue_order_id)
        assert table.book.wait_for(CancelFailed).http_status == 422

    def test_the_state_holds_account_orders_and_positions(self, table: Table) -> None:
        table.book.wait_for(StreamConnected)
        table.broker.submit(ticket("held", qty="3"))
        table.book.wait_for(TradeUpdated, lambda event: event.event == "fill")
        table.hand.hold_fills(True)
        table.broker.submit(ticket("open", limit="40"))
        table.book.wait_for(SubmitAnswered, count=2)
        wanted = ("kyzlo.contract.held", "kyzlo.contract.never")
        table.broker.read_state("test", window_start_ns=0, client_order_ids=wanted)
        read = table.book.wait_for(StateRead)
        assert read.reason == "test"
        statuses = {order.client_order_id: order.status for order in read.state.orders}
        assert statuses["kyzlo.contract.held"] is OrderStatus.FILLED
        assert statuses["kyzlo.contract.open"] in (OrderStatus.ACCEPTED, OrderStatus.NEW)
        assert "kyzlo.contract.never" not in statuses
        ((symbol, qty),) = [(position.symbol, position.qty) for position in read.state.positions]
        assert (symbol, qty) == ("AAA", 3)
        assert read.state.account.account_number == "PA3TEST"
        assert read.state.account.may_trade
        assert read.state.account.cash < 10_000

    def test_after_stop_every_submission_is_refused(self, table: Table) -> None:
        table.broker.stop(10.0)
        table.broker.submit(ticket("late"))
        assert table.book.wait_for(SubmitRefused).code == "STOPPED"
        assert table.hand.posts() == {}


def _is_about(report: CancelAnswered | TradeUpdated, client_order_id: str) -> bool:
    if isinstance(report, TradeUpdated):
        return report.event == "canceled" and report.order.client_order_id == client_order_id
    return report.client_order_id == client_order_id
