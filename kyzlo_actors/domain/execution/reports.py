"""What the broker tells about one order, by whatever way: order stream, reply, lookup or reconciliation."""

from __future__ import annotations

from dataclasses import replace

from kyzlo_actors.domain.broker import BrokerOrder
from kyzlo_actors.domain.broker_events import TradeUpdated
from kyzlo_actors.domain.execution import cancels, fills, lookups, moves
from kyzlo_actors.domain.execution.draft import Draft
from kyzlo_actors.domain.identity import event_id, is_ours
from kyzlo_actors.domain.order import Order, OrderStatus, OrderTicket, is_legal
from kyzlo_actors.domain.values import OrderType, Severity, TimeInForce


def on_report(draft: Draft, report: BrokerOrder, *, execution: TradeUpdated | None = None) -> None:
    """A report that may be about any order of the account."""
    if report.client_order_id not in draft.state.orders:
        if not is_ours(report.client_order_id):
            if report.status is None or not report.status.is_terminal:
                _note_foreign(draft, report)
            return
        if 0 < report.submitted_ns < draft.state.forgotten_ns:
            return  # over, and its fills were booked, long ago
        _adopt(draft, report)
    apply(draft, report.client_order_id, report, execution=execution)


def apply(draft: Draft, order_id: str, report: BrokerOrder, *, execution: TradeUpdated | None = None) -> None:
    """Book what the report advances: first the fill (delta of the cumulative quantity), then the status."""
    order = draft.state.orders.get(order_id)
    if order is None:
        return
    if _was_never_there(order):
        # It should be impossible: we called an order refused and the broker has it. Believe the broker.
        text = f"{order_id} was {order.status} here but is at the broker"
        draft.alert(Severity.CRITICAL, "DENIED_ORDER_LIVES", text)
        order = replace(order, status=OrderStatus.SUBMITTED)
    elif order.status is OrderStatus.PENDING:
        order = replace(order, status=OrderStatus.SUBMITTED)
    order = replace(order, venue_order_id=report.venue_order_id)
    draft.put(order)
    delta = report.filled_qty - order.filled_qty
    status = _next_status(order, report)
    if delta > 0:
        fills.book(draft, order, report, delta, status, execution)
    if status is None:
        # A word we do not know: not terminal. Read again, ever more slowly.
        lookups.look_up_again(draft, order_id)
        cancels.cancel_if_wanted(draft, order_id)
        return
    if status is not order.status or delta > 0:
        moves.move(draft, order_id, status, report.raw_status)
    _after_report(draft, order_id)


def _next_status(order: Order, report: BrokerOrder) -> OrderStatus | None:
    """The status to move to; the present one when the report is older than what we know; None = ask again."""
    status = report.status
    if status is None:
        return None
    if report.filled_qty < order.filled_qty and not status.is_terminal:
        return order.status
    return status if is_legal(order.status, status) else order.status


def _after_report(draft: Draft, order_id: str) -> None:
    remaining = {key: value for key, value in draft.state.look_ups.items() if key != order_id}
    draft.state = replace(draft.state, look_ups=remaining)
    cancels.cancel_if_wanted(draft, order_id)


def _adopt(draft: Draft, report: BrokerOrder) -> None:
    """An order of ours whose record was lost (a power cut): it is at the broker, so it is in the book."""
    order_id = report.client_order_id
    ticket = OrderTicket(
        client_order_id=order_id,
        symbol=report.symbol,
        side=report.side,
        qty=report.qty if report.qty is not None else report.filled_qty,
        order_type=report.order_type or OrderType.MARKET,
        time_in_force=report.time_in_force or TimeInForce.DAY,
        limit_price=report.limit_price,
    )
    adopted_id = event_id("adopted", order_id)
    draft.put(
        Order(
            ticket=ticket,
            status=OrderStatus.SUBMITTED,
            submitted_ns=report.submitted_ns,
            correlation_id=adopted_id,
            causation_id=adopted_id,
        )
    )
    draft.alert(Severity.WARNING, "ORDER_ADOPTED", f"{order_id} is ours but its intent was lost; adopted")


def _note_foreign(draft: Draft, report: BrokerOrder) -> None:
    if report.venue_order_id not in draft.state.foreign:
        draft.state = replace(draft.state, foreign=draft.state.foreign | {report.venue_order_id})
        text = f"an order of somebody else: {report.side} {report.qty} {report.symbol}"
        draft.alert(Severity.WARNING, "FOREIGN_ORDER", text)


def _was_never_there(order: Order) -> bool:
    """Refused before the broker gave it an id: a report about it cannot merely be old, it contradicts us."""
    refused = order.status in (OrderStatus.DENIED, OrderStatus.REJECTED)
    return refused and order.venue_order_id is None
