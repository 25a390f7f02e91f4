"""Watching one's own orders by timers: nobody's silence is taken for an answer."""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from typing import Final

from kyzlo_actors.domain.effects import Schedule
from kyzlo_actors.domain.identity import event_id
from kyzlo_actors.domain.messages import ProposeCancel
from kyzlo_actors.domain.order import Order, OrderStatus
from kyzlo_actors.domain.symbol import questions
from kyzlo_actors.domain.symbol.draft import Draft
from kyzlo_actors.domain.values import NS_PER_SECOND

# A cancel can be lost on either of its two ways: until the broker confirms it, ask again.
CANCEL_RETRY_NS: Final = 5 * NS_PER_SECOND
# Only fills have a sequence: that the end of an order was told and lost shows in the broker actor's book alone.
ORDER_CHECK_NS: Final = 30 * NS_PER_SECOND


class Timer(StrEnum):
    """How the names of an order's timers begin; its id follows."""

    UNHEARD = "unheard:"
    TIMEOUT = "timeout:"
    CANCEL = "cancel:"
    CHECK = "check:"


def proposed(draft: Draft, order: Order) -> None:
    """A word of it must come soon after its deadline."""
    due_ns = order.deadline_ns + questions.SNAPSHOT_RETRY_NS
    draft.do(Schedule(name=Timer.UNHEARD + order.ticket.client_order_id, due_ns=due_ns))


def submitted(draft: Draft, order_id: str) -> None:
    """Cancel the order if it still works at the end of its time."""
    if draft.settings.order_timeout_ns:
        draft.schedule(Timer.TIMEOUT + order_id, draft.settings.order_timeout_ns)


def adopted(draft: Draft, order_id: str) -> None:
    """The timers of an earlier life died with it."""
    draft.schedule(Timer.CHECK + order_id, ORDER_CHECK_NS)
    if order_id in draft.state.canceling:
        draft.schedule(Timer.CANCEL + order_id, CANCEL_RETRY_NS)
    else:
        submitted(draft, order_id)


def cancel_all(draft: Draft, why: str) -> None:
    """Ask for the cancel of every order that is not being canceled yet."""
    for order_id, order in draft.state.orders.items():
        if order_id not in draft.state.canceling:
            _ask_to_cancel(draft, order, why)
    draft.state = replace(draft.state, canceling=draft.state.canceling | frozenset(draft.state.orders))


def is_timer(name: str) -> bool:
    """Whether it is one of those that `on_timer` knows."""
    return name.startswith(tuple(Timer))


def on_timer(draft: Draft, name: str) -> None:
    """One of an order's timers ran out; the order may be over by now."""
    kind, _, order_id = name.partition(":")
    order = draft.state.orders.get(order_id)
    if order is None:
        return
    match Timer(f"{kind}:"):
        case Timer.UNHEARD if order.status is OrderStatus.PENDING:
            questions.ask(draft, "no word of a proposal")
        case Timer.UNHEARD:
            draft.schedule(Timer.CHECK + order_id, ORDER_CHECK_NS)
        case Timer.CHECK if draft.state.synced:
            questions.ask(draft, "is the order still there")
        case Timer.TIMEOUT if order_id not in draft.state.canceling:
            _ask_to_cancel(draft, order, "timeout")
            draft.state = replace(draft.state, canceling=draft.state.canceling | {order_id})
        case Timer.CANCEL if order.status is not OrderStatus.PENDING_CANCEL:
            _ask_to_cancel(draft, order, "no word of a cancel")
        case _:
            pass


def _ask_to_cancel(draft: Draft, order: Order, why: str) -> None:
    order_id = order.ticket.client_order_id
    cancel_id = event_id("propose_cancel", order_id, why, draft.now_ns)
    cancel = ProposeCancel(
        stamp=order.caused(cancel_id, ts_event=draft.now_ns),
        symbol=draft.settings.symbol,
        client_order_id=order_id,
        incarnation=draft.state.incarnation,
    )
    draft.send("risk", cancel)
    draft.schedule(Timer.CANCEL + order_id, CANCEL_RETRY_NS)
