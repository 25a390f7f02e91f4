"""An actor whose journal is at its limit opens nothing: entries are denied with a code, exits and records go on."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from kyzlo_actors.domain.identity import event_id
from kyzlo_actors.domain.messages import ApprovedOrder, OrderDenied, ProposeOrder
from kyzlo_actors.domain.order import OrderTicket

CODE: Final = "JOURNAL_FULL"


def is_entry(ticket: OrderTicket, held: Decimal) -> bool:
    """Whether the order opens or grows a position, or turns it round. `held`: signed shares."""
    return held * ticket.side.sign >= 0 or ticket.qty > abs(held)


def denied(order: ProposeOrder | ApprovedOrder, whose: str, now_ns: int) -> OrderDenied:
    """The denial of an entry, in place of sending `order` on. `whose`: the actor with the full journal."""
    order_id = order.ticket.client_order_id
    return OrderDenied(
        stamp=order.stamp.caused(event_id("denied", order_id, CODE, whose), ts_event=now_ns),
        symbol=order.ticket.symbol,
        client_order_id=order_id,
        code=CODE,
        detail=f"the journal of {whose} is at its limit; nothing was sent",
    )
