"""An approved order on its way to the broker, and what became of its POST."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from kyzlo_actors.domain.broker_events import SubmitRefused, SubmitRejected, SubmitStarted
from kyzlo_actors.domain.effects import SubmitOrder
from kyzlo_actors.domain.execution import lookups, moves
from kyzlo_actors.domain.execution.draft import Draft
from kyzlo_actors.domain.execution.state import ZERO
from kyzlo_actors.domain.messages import ApprovedOrder
from kyzlo_actors.domain.order import Order, OrderStatus, OrderTicket
from kyzlo_actors.domain.values import NS_PER_SECOND, Severity

SILENCE_NS: Final = 5 * NS_PER_SECOND
SILENCE_TIMER: Final = "silence:"
_UNANSWERED: Final = frozenset({OrderStatus.PENDING, OrderStatus.SUBMITTED, OrderStatus.UNKNOWN})


def on_approved(draft: Draft, approved: ApprovedOrder) -> None:
    """Into the book first; then out, or denied with the reason."""
    ticket = approved.ticket
    order_id = ticket.client_order_id
    if order_id in draft.state.orders:
        draft.alert(Severity.WARNING, "DUPLICATE_APPROVAL", f"{order_id} was approved twice; sent once")
        return
    order = Order(
        ticket=ticket,
        correlation_id=approved.stamp.correlation_id,
        causation_id=approved.stamp.event_id,
        deadline_ns=approved.deadline_ns,
    )
    refusal = _refusal(draft, ticket, approved.deadline_ns)
    draft.put(order)
    if refusal is not None:
        moves.deny(draft, order, *refusal)
        return
    draft.do(SubmitOrder(ticket=ticket, deadline_ns=approved.deadline_ns, reserved=_closes(draft, ticket)))


def on_submit_started(draft: Draft, event: SubmitStarted) -> None:
    """From here on the broker may have it; silence is answered by a lookup."""
    order = draft.state.orders.get(event.client_order_id)
    if order is None or order.status.is_terminal:
        return  # a repost of an order whose end was told meanwhile: the broker refuses its id
    draft.put(replace(order, submitted_ns=event.now_ns))
    moves.move(draft, event.client_order_id, OrderStatus.SUBMITTED, "first byte leaves")
    draft.schedule(SILENCE_TIMER + event.client_order_id, SILENCE_NS)


def on_submit_refused(draft: Draft, event: SubmitRefused) -> None:
    """No byte of this POST left."""
    order = draft.state.orders.get(event.client_order_id)
    if order is None or order.status not in _UNANSWERED:
        return
    is_repost = order.status is OrderStatus.UNKNOWN or event.client_order_id in draft.state.look_ups
    if not is_repost:
        moves.deny(draft, order, event.code, event.detail)
        return
    # A repost that did not leave proves nothing about the first.
    moves.move(draft, event.client_order_id, OrderStatus.UNKNOWN, f"{event.code}: {event.detail}")
    lookups.look_up_again(draft, event.client_order_id)


def on_submit_rejected(draft: Draft, event: SubmitRejected) -> None:
    """The broker said no."""
    order = draft.state.orders.get(event.client_order_id)
    if order is None or order.status.is_terminal:
        return
    if event.duplicate:
        # "must be unique" proves that an earlier POST of this id arrived: adopt what the broker has.
        lookups.doubt(draft, event.client_order_id, "the broker already has this id")
    elif order.status is OrderStatus.SUBMITTED:
        reason = f"HTTP {event.http_status} {event.code}: {event.message}"
        moves.move(draft, event.client_order_id, OrderStatus.REJECTED, reason)
    else:
        lookups.look_up(draft, event.client_order_id, draft.now_ns)


def on_silence(draft: Draft, order_id: str) -> None:
    """Nothing final was heard since the POST: ask."""
    order = draft.state.orders.get(order_id)
    if order is not None and order.status in (OrderStatus.SUBMITTED, OrderStatus.ACCEPTED):
        lookups.look_up(draft, order_id, draft.now_ns)


def _refusal(draft: Draft, ticket: OrderTicket, deadline_ns: int) -> tuple[str, str] | None:
    if draft.state.halt is not None:
        return "HALTED", "all orders are being canceled"
    if draft.now_ns >= deadline_ns:
        return "DEADLINE", "the approval came after its deadline"
    if not draft.state.allowed and not _closes(draft, ticket):
        return "NOT_RECONCILED", "the book is not proven equal to the broker's"
    for order in draft.state.live_orders(ticket.symbol):
        if order.status is OrderStatus.UNKNOWN:
            return "UNKNOWN_ORDER", f"the fate of {order.ticket.client_order_id} is unknown"
    return None


def _closes(draft: Draft, ticket: OrderTicket) -> bool:
    """Whether it can only shrink a position that this life has seen at the broker, whatever else works.

    Where the broker's position is another than ours nothing is sure to shrink it: it could open one.
    """
    if ticket.symbol in draft.state.drift:
        return False
    held = draft.state.position(ticket.symbol).qty
    working = sum(
        (
            order.leaves_qty
            for order in draft.state.live_orders(ticket.symbol)
            if order.ticket.side is ticket.side and order.ticket.client_order_id != ticket.client_order_id
        ),
        ZERO,
    )
    opposite = held * ticket.side.sign < 0
    return draft.state.read_in_this_life and opposite and ticket.qty + working <= abs(held)
