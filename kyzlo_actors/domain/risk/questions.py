"""The gate's question for the whole book: asked until it is answered, and only the open one's answer counts."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from kyzlo_actors.domain.identity import event_id
from kyzlo_actors.domain.messages import BookSnapshot, RequestBookSnapshot, SequenceObserved
from kyzlo_actors.domain.order import Order, OrderStatus
from kyzlo_actors.domain.risk.book import Reservation
from kyzlo_actors.domain.risk.draft import Draft
from kyzlo_actors.domain.risk.state import RiskState
from kyzlo_actors.domain.stamp import Stamp
from kyzlo_actors.domain.values import NS_PER_SECOND

BOOK_TIMER: Final = "book"
BOOK_RETRY_NS: Final = NS_PER_SECOND
BOOK_REFRESH_NS: Final = 30 * NS_PER_SECOND


def ask(draft: Draft, reason: str, *, keep: bool = False) -> None:
    """Ask for the whole book; unless `keep`, nothing is approved until the answer is here."""
    draft.state = replace(draft.state, generation=draft.state.generation + 1, synced=keep)
    _ask_again(draft, reason)


def on_timer(draft: Draft) -> None:
    """No answer yet: the same question. Or time for a refresh."""
    if draft.state.synced:
        # The refresh corrects cash (fees, transfers) and frees what a lost message left reserved.
        ask(draft, "refresh", keep=True)
    else:
        _ask_again(draft, "no answer yet")


def on_sequence(draft: Draft, event: SequenceObserved) -> None:
    """The broker actor has booked a fill that never came here."""
    if draft.state.synced and event.sequence > draft.state.book.view(event.symbol).sequence:
        ask(draft, "fill sequence is behind")


def on_book(draft: Draft, snapshot: BookSnapshot) -> None:
    """Adopt the book; what was approved since the question, and is not in it, stays reserved."""
    state = draft.state
    if snapshot.stamp.causation_id != _request_id(state):
        return  # an answer to an older question may lack what was approved since
    listed = {order.ticket.client_order_id: _reservation_of(order, state) for order in snapshot.orders}
    kept = {
        key: value
        for key, value in state.book.reservations.items()
        if value.generation >= state.generation and key not in listed
    }
    book = replace(
        state.book,
        positions={view.symbol: view for view in snapshot.positions},
        reservations={**listed, **kept},
        cash=snapshot.cash,
        last_equity=snapshot.last_equity,
    )
    draft.state = replace(state, book=book, synced=True)
    draft.schedule(BOOK_TIMER, BOOK_REFRESH_NS)


def _ask_again(draft: Draft, reason: str) -> None:
    """The open question (once more) under its own id, so that a slow answer to the first one still counts."""
    stamp = Stamp.first(_request_id(draft.state), draft.now_ns)
    draft.send("broker", RequestBookSnapshot(stamp=stamp, reason=reason))
    draft.schedule(BOOK_TIMER, BOOK_RETRY_NS)


def _request_id(state: RiskState) -> str:
    return event_id("book", state.incarnation, state.generation)


def _reservation_of(order: Order, state: RiskState) -> Reservation:
    ticket = order.ticket
    known = state.book.reservations.get(ticket.client_order_id)
    price = known.price if known is not None else ticket.limit_price or state.book.price(ticket.symbol)
    return Reservation(
        client_order_id=ticket.client_order_id,
        symbol=ticket.symbol,
        side=ticket.side,
        leaves_qty=order.leaves_qty,
        price=price,
        generation=state.generation if known is None else known.generation,
        approval_id=known.approval_id if known is not None else "",
        correlation_id=order.correlation_id,
        unknown=order.status is OrderStatus.UNKNOWN,
    )
