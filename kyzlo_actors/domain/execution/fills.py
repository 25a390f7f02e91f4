"""Booking a fill: the delta of the cumulative quantity, numbered, exactly once, whoever tells it first."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from kyzlo_actors.domain.broker import BrokerOrder
from kyzlo_actors.domain.broker_events import TradeUpdated
from kyzlo_actors.domain.effects import PublishSequence
from kyzlo_actors.domain.execution.draft import Draft
from kyzlo_actors.domain.execution.state import ZERO
from kyzlo_actors.domain.identity import event_id
from kyzlo_actors.domain.messages import OrderFilled
from kyzlo_actors.domain.order import Order, OrderStatus


def book(
    draft: Draft,
    order: Order,
    report: BrokerOrder,
    delta: Decimal,
    status: OrderStatus | None,
    execution: TradeUpdated | None,
) -> None:
    """Book a fill of `delta` shares exactly once: the cumulative quantity moves with it."""
    price, synthetic = _price(order, report, delta, execution)
    symbol, order_id = order.ticket.symbol, order.ticket.client_order_id
    sequence = draft.hold(symbol, draft.state.position(symbol).filled(order.ticket.side, delta, price))
    average = report.filled_avg_price or _average(order, delta, price)
    fill_id = event_id("fill", report.venue_order_id, report.filled_qty)
    filled = replace(order, filled_qty=report.filled_qty, filled_avg_price=average, causation_id=fill_id)
    ts_event = report.updated_ns if execution is None else execution.ts_event
    fill = OrderFilled(
        stamp=order.caused(fill_id, ts_event=ts_event, ts_init=draft.now_ns),
        symbol=symbol,
        client_order_id=order_id,
        venue_order_id=report.venue_order_id,
        execution_id=(execution.execution_id if execution is not None else None) or fill_id,
        side=order.ticket.side,
        qty=delta,
        price=price,
        cum_qty=report.filled_qty,
        leaves_qty=replace(filled, status=status or order.status).leaves_qty,
        status=status or OrderStatus.PARTIALLY_FILLED,
        fee=ZERO,
        synthetic=synthetic,
        sequence=sequence,
    )
    draft.put(filled)
    cash = draft.state.cash - delta * price * order.ticket.side.sign
    draft.state = replace(draft.state, cash=cash, last_fill_ns=draft.now_ns)
    draft.send_followers(symbol, fill)
    draft.do(PublishSequence(symbol=symbol, sequence=sequence))


def _price(
    order: Order, report: BrokerOrder, delta: Decimal, execution: TradeUpdated | None
) -> tuple[Decimal, bool]:
    """The price of `delta` shares; synthetic (from cumulative averages) unless this very execution was seen."""
    if execution is not None and execution.qty == delta and execution.price is not None:
        return execution.price, False
    if report.filled_avg_price is None:
        fallback = execution.price if execution is not None else None
        return fallback or order.ticket.limit_price or order.filled_avg_price, True
    total = report.filled_avg_price * report.filled_qty
    return (total - order.filled_avg_price * order.filled_qty) / delta, True


def _average(order: Order, delta: Decimal, price: Decimal) -> Decimal:
    quantity = order.filled_qty + delta
    return (order.filled_avg_price * order.filled_qty + price * delta) / quantity
