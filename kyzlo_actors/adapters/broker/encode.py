"""An order ticket as the broker's JSON. Money and quantities are strings: no binary fraction ever touches them."""

from __future__ import annotations

from decimal import Decimal

import orjson

from kyzlo_actors.domain.order import OrderTicket


def order_body(ticket: OrderTicket) -> bytes:
    """The body of `POST /v2/orders`."""
    body: dict[str, object] = {
        "symbol": ticket.symbol,
        "qty": _plain(ticket.qty),
        "side": ticket.side.value,
        "type": ticket.order_type.value,
        "time_in_force": ticket.time_in_force.value,
        "client_order_id": ticket.client_order_id,
    }
    if ticket.limit_price is not None:
        body["limit_price"] = _plain(ticket.limit_price)
    if ticket.extended_hours:
        body["extended_hours"] = True
    return orjson.dumps(body)


def _plain(amount: Decimal) -> str:
    """Without an exponent: the broker does not read `1E+2`."""
    return format(amount, "f")
