"""What can be said against an order by looking at its ticket alone, or at two tickets."""

from __future__ import annotations

from typing import Final

from kyzlo_actors.domain.order import OrderTicket
from kyzlo_actors.domain.values import OrderType, Side, TimeInForce
from kyzlo_actors.replay.matching_messages import RefusalReason

SUPPORTED_TYPES: Final = frozenset({OrderType.MARKET, OrderType.LIMIT})
SUPPORTED_TIMES_IN_FORCE: Final = frozenset({TimeInForce.DAY, TimeInForce.GTC})


def unsupported(ticket: OrderTicket) -> str:
    """What this engine cannot yet do for the ticket, or an empty string."""
    if ticket.order_type not in SUPPORTED_TYPES:
        return f"order type {ticket.order_type}"
    if ticket.time_in_force not in SUPPORTED_TIMES_IN_FORCE:
        return f"time_in_force {ticket.time_in_force}"
    return "extended_hours" if ticket.extended_hours else ""


def ticket_fault(ticket: OrderTicket) -> tuple[RefusalReason | None, str]:
    """What is wrong with the ticket itself: reason and detail, or (None, "")."""
    missing = unsupported(ticket)
    if missing:
        return RefusalReason.UNSUPPORTED, missing
    if ticket.qty <= 0:
        return RefusalReason.BAD_TICKET, "qty must be > 0"
    if ticket.order_type is OrderType.MARKET and ticket.limit_price is not None:
        return RefusalReason.BAD_TICKET, "market orders require no stop or limit price"
    if ticket.order_type is OrderType.LIMIT and (ticket.limit_price is None or ticket.limit_price <= 0):
        return RefusalReason.BAD_TICKET, "limit orders require a limit price > 0"
    return None, ""


def would_cross(ticket: OrderTicket, working: OrderTicket) -> bool:
    """Whether the new order could trade against our own working one."""
    if ticket.side is working.side:
        return False
    if ticket.limit_price is None or working.limit_price is None:
        return True
    distance = ticket.limit_price - working.limit_price
    return distance >= 0 if ticket.side is Side.BUY else distance <= 0
