"""What happened to an order, as `trade_updates` tells it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final
from uuid import NAMESPACE_OID, uuid5

from kyzlo_actors.replay.matching_messages import OrderEvent, OrderExecuted, OrderMoved
from kyzlo_actors.replay.venue_order import VenueOrder
from kyzlo_actors.venue.broker.json_shapes import Json, number
from kyzlo_actors.venue.timestamps import rfc3339

STREAM_DIGITS: Final = 9
# Told with an execution id although nothing was executed.
_WITH_EXECUTION_ID: Final = frozenset(
    {OrderEvent.NEW, OrderEvent.CANCELED, OrderEvent.EXPIRED, OrderEvent.REPLACED, OrderEvent.REJECTED}
)

ShowOrder = Callable[[VenueOrder], Json]


def moved_json(event: OrderMoved, show: ShowOrder) -> dict[str, Any]:
    """The data of an event that changes no quantity."""
    data: dict[str, Any] = {
        "event": str(event.event),
        "timestamp": rfc3339(event.ts, STREAM_DIGITS),
        "order": show(event.order),
    }
    if event.event in _WITH_EXECUTION_ID:
        seed = f"{event.order.venue_order_id}:{event.event}:{event.ts}"
        data["execution_id"] = str(uuid5(NAMESPACE_OID, seed))
    return data


def executed_json(event: OrderExecuted, show: ShowOrder, *, signed_position: bool) -> dict[str, Any]:
    """The data of a `fill` or `partial_fill`: this execution's price and quantity, and the position after it."""
    fill = event.fill
    position = fill.position_qty if signed_position else abs(fill.position_qty)
    return {
        "event": "partial_fill" if fill.leaves_qty else "fill",
        "execution_id": fill.execution_id,
        "timestamp": rfc3339(fill.ts, STREAM_DIGITS),
        "price": number(fill.price),
        "qty": number(fill.qty),
        "position_qty": number(position),
        "order": show(event.order),
    }


def halt_json(order: VenueOrder, event: str, ts: int, show: ShowOrder) -> dict[str, Any]:
    """`suspended` or `stopped`: the symbol of a working order was halted. REST goes on to say what it said."""
    return {
        "event": event,
        "timestamp": rfc3339(ts, STREAM_DIGITS),
        "execution_id": str(uuid5(NAMESPACE_OID, f"{order.venue_order_id}:{event}:{ts}")),
        "order": {**show(order), "status": event},
    }
