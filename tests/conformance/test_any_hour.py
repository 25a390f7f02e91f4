"""The conformance scenario trades at any hour of any day, whatever its calendar tells."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.conformance.clients import SCENARIO, market_order
from tests.conformance.renamed import conformance_scenario
from tests.venue.broker_client import broker

if TYPE_CHECKING:
    from tests.venue.conftest import StartVenue


@pytest.mark.parametrize(
    "starts_at",
    [
        "2026-11-20T11:00:00-05:00",
        "2026-11-20T23:59:30-05:00",
        "2026-11-22T03:00:00-05:00",
        "2026-11-26T12:00:00-05:00",
        "2026-11-27T13:30:00-05:00",
        "2027-03-14T01:59:59-05:00",
    ],
)
def test_orders_fill_at_any_hour(start_venue: StartVenue, starts_at: str) -> None:
    calendar = conformance_scenario()["calendar"]
    venue = start_venue(**SCENARIO, calendar=calendar, clock={"starts_at": starts_at})
    client = broker(venue)
    order = market_order(client)
    assert order.status.value == "pending_new"
    venue.until(lambda: client.get_order_by_id(order.id).status.value == "filled")
    (day,) = client.get("/calendar", {"start": "2026-11-27", "end": "2026-11-27"})
    assert (day["open"], day["close"]) == ("09:30", "13:00")
