"""Long lists of orders: families rolled up, more than a page of them, by the cursor of the newer kind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from alpaca.trading.models import Order
from alpaca.trading.requests import GetOrdersRequest, StopLossRequest, TakeProfitRequest

from tests.conformance.clients import SCENARIO, limit_order
from tests.venue.broker_client import broker

if TYPE_CHECKING:
    from tests.venue.conftest import StartVenue

PAGE = 500
FAMILIES = 505


@pytest.mark.slow
def test_pages_of_families_join_without_gap_or_double(start_venue: StartVenue) -> None:
    venue = start_venue(**SCENARIO | {"account": {**SCENARIO["account"], "cash": "10000000"}})
    client = broker(venue)
    legs = {
        "take_profit": TakeProfitRequest(limit_price=110),
        "stop_loss": StopLossRequest(stop_price=50),
        "order_class": "bracket",
    }
    made = [str(limit_order(client, limit_price=60, **legs).id) for _ in range(FAMILIES)]
    first = client.get_orders(GetOrdersRequest(status="all", nested=True, limit=PAGE, direction="asc"))
    assert [str(order.id) for order in first] == made[:PAGE]
    assert all(len(order.legs) == 2 for order in first)
    rest = page(client, after_order_id=made[PAGE - 1], nested="true")
    assert [str(order.id) for order in rest] == made[PAGE:]
    flat: list[str] = []
    while rows := page(client, nested="false", **({"after_order_id": flat[-1]} if flat else {})):
        flat += [str(order.id) for order in rows]
    assert len(flat) == len(set(flat)) == 3 * FAMILIES
    # Legs are held until their parent is filled: they are not "open".
    opened = client.get_orders(GetOrdersRequest(status="open", limit=PAGE, direction="asc"))
    assert [str(order.id) for order in opened] == made[:PAGE]


def page(client: Any, **params: str) -> list[Order]:
    rows = client.get("/orders", {"status": "all", "limit": PAGE, "direction": "asc", **params})
    return [Order(**row) for row in rows]
