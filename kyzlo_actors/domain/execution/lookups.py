"""Orders whose fate is unproven: looked up until the broker tells, reposted only when it has nothing (R1)."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from kyzlo_actors.domain.effects import LookUpOrder, SubmitOrder
from kyzlo_actors.domain.execution import moves
from kyzlo_actors.domain.execution.draft import Draft
from kyzlo_actors.domain.order import Order, OrderStatus
from kyzlo_actors.domain.values import NS_PER_SECOND, Severity

# R1 of the wire spec: an order whose POST had no clear answer is looked up after these waits, then each 30 s.
LOOK_UP_WAITS_NS: Final = tuple(int(s * NS_PER_SECOND) for s in (0.2, 0.5, 1, 2, 5))
LOOK_UP_LATER_NS: Final = 30 * NS_PER_SECOND
# A repost of the same id is allowed only after the broker had this long to learn of the first one.
REPOST_AFTER_NS: Final = 5 * NS_PER_SECOND


def look_up(draft: Draft, order_id: str, due_ns: int) -> None:
    """Ask the broker about one order, not before `due_ns`."""
    draft.do(LookUpOrder(client_order_id=order_id, due_ns=due_ns))


def doubt(draft: Draft, order_id: str, detail: str) -> None:
    """A sent order got no clear answer: it is UNKNOWN, and its lookups begin."""
    order = draft.state.orders.get(order_id)
    if order is not None and order.status in (OrderStatus.SUBMITTED, OrderStatus.UNKNOWN):
        moves.move(draft, order_id, OrderStatus.UNKNOWN, detail)
        draft.state = replace(draft.state, look_ups={**draft.state.look_ups, order_id: 0})
        look_up(draft, order_id, draft.now_ns + LOOK_UP_WAITS_NS[0])


def look_up_again(draft: Draft, order_id: str) -> None:
    """The last lookup told nothing that is certain: ask again, ever more slowly, until the end is proven."""
    order = draft.state.orders.get(order_id)
    if order is None or order.status.is_terminal:
        return
    attempt = draft.state.look_ups.get(order_id, 0) + 1
    draft.state = replace(draft.state, look_ups={**draft.state.look_ups, order_id: attempt})
    if attempt == len(LOOK_UP_WAITS_NS):
        text = f"{order_id}: the broker does not tell its fate; its symbol is blocked until it does"
        draft.alert(Severity.CRITICAL, "ORDER_UNKNOWN", text)
    wait_ns = LOOK_UP_WAITS_NS[attempt] if attempt < len(LOOK_UP_WAITS_NS) else LOOK_UP_LATER_NS
    look_up(draft, order_id, draft.now_ns + wait_ns)


def on_not_found(draft: Draft, order_id: str) -> None:
    """The broker does not know the order (yet): POST it once more if that is safe, else ask again."""
    order = draft.state.orders.get(order_id)
    if order is None or order.status.is_terminal or order.status is OrderStatus.PENDING:
        return
    if order.status is not OrderStatus.UNKNOWN:
        moves.move(draft, order_id, OrderStatus.UNKNOWN, "the broker does not find an order it had")
    if _may_be_reposted(draft, order):
        # As if sent now: however many lookups are answered, the next repost is a whole wait away.
        draft.put(replace(draft.state.orders[order_id], submitted_ns=draft.now_ns))
        draft.do(SubmitOrder(ticket=order.ticket, deadline_ns=order.deadline_ns))
        return
    look_up_again(draft, order_id)


def is_going_on(draft: Draft, order: Order) -> bool:
    """Whether R1's lookups of it go on by themselves: asking in between would only cost requests."""
    return order.status is OrderStatus.UNKNOWN and order.ticket.client_order_id in draft.state.look_ups


def _may_be_reposted(draft: Draft, order: Order) -> bool:
    """R1, and never an order that the broker once had or that somebody wants canceled."""
    is_wanted = order.ticket.client_order_id not in draft.state.canceling and draft.state.halt is None
    waited_ns = draft.now_ns - order.submitted_ns
    return (
        is_wanted
        and order.venue_order_id is None
        and waited_ns >= REPOST_AFTER_NS
        and draft.now_ns < order.deadline_ns
    )
