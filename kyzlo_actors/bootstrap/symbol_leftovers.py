"""What a symbol still has at the broker: as long as there is something, an actor must look after it."""

from __future__ import annotations

from kyzlo_actors.domain.execution_core import ExecutionState


def leftovers(book: ExecutionState | None, symbol: str) -> list[str]:
    """Its shares and its orders that may still trade, in words; nothing when it may be let go."""
    if book is None:
        return []
    qty = book.position(symbol).qty
    held = [f"a position of {qty:+f} shares"] if qty else []
    return held + [
        f"order {order.ticket.client_order_id} ({order.status})" for order in book.live_orders(symbol)
    ]
