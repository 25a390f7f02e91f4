"""How the gate follows the book of record, fill by fill and move by move, between two snapshots of it."""

from __future__ import annotations

from dataclasses import replace

from kyzlo_actors.domain.messages import OrderDenied, OrderFilled, OrderStatusChanged, PositionView
from kyzlo_actors.domain.order import OrderStatus
from kyzlo_actors.domain.risk import questions
from kyzlo_actors.domain.risk.book import RiskBook
from kyzlo_actors.domain.risk.draft import Draft


def on_fill(draft: Draft, fill: OrderFilled) -> None:
    """Shares move from what is reserved to what is held."""
    state = draft.state
    view = state.book.view(fill.symbol)
    if not state.synced or fill.sequence <= view.sequence:
        return
    if fill.sequence > view.sequence + 1:
        questions.ask(draft, "a fill is missing")
        return
    position = view.position.filled(fill.side, fill.qty, fill.price, fill.fee)
    updated = PositionView.of(fill.symbol, position, fill.sequence, view.price)
    book = replace(
        state.book,
        positions={**state.book.positions, fill.symbol: updated},
        cash=state.book.cash - fill.qty * fill.price * fill.side.sign - fill.fee,
    )
    reservation = book.reservations.get(fill.client_order_id)
    if fill.status.is_terminal:
        book = book.without_reservation(fill.client_order_id)
    elif reservation is not None:
        book = book.with_reservation(replace(reservation, leaves_qty=fill.leaves_qty))
    _follow(draft, book)


def on_status(draft: Draft, change: OrderStatusChanged) -> None:
    """An order moved: its exposure ends with it, or its fate is unknown, or it is one that we did not know."""
    state = draft.state
    if state.synced and change.sequence > state.book.view(change.symbol).sequence:
        # To free its exposure before its fills are counted would let others in.
        questions.ask(draft, "a fill is missing")
        return
    reservation = state.book.reservations.get(change.client_order_id)
    if reservation is None:
        if state.synced and not change.status.is_terminal:
            # The broker actor adopted an order that was lost: its exposure is not counted yet.
            questions.ask(draft, "an order is missing")
    elif change.status.is_terminal:
        _follow(draft, state.book.without_reservation(change.client_order_id))
    else:
        unknown = change.status is OrderStatus.UNKNOWN
        _follow(draft, state.book.with_reservation(replace(reservation, unknown=unknown)))


def on_denied(draft: Draft, denied: OrderDenied) -> None:
    """The broker actor refused an order that we approved: it never left."""
    _follow(draft, draft.state.book.without_reservation(denied.client_order_id))


def _follow(draft: Draft, book: RiskBook) -> None:
    draft.state = replace(draft.state, book=book)
