"""Cancels: asked for first, done later, refused, stuck, lost against a fill, one by one and all at once."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import pytest
from alpaca.trading.requests import MarketOrderRequest, StopLossRequest, TakeProfitRequest

from kyzlo_actors.venue.timestamps import new_york_ns
from tests.venue.broker_client import MARGIN, broker, refusal

if TYPE_CHECKING:
    from conftest import RunningVenue, StartVenue

UNKNOWN = "00000000-0000-0000-0000-000000000001"


def resting(venue: RunningVenue, name: str = "a") -> str:
    """A limit order that works far from the market; its id."""
    order_id = venue.order(name, type="limit", limit_price="90").json()["id"]
    venue.until_status(name, "new")
    return str(order_id)


def test_cancel_is_asked_for_first_and_done_later(venue: RunningVenue) -> None:
    order_id = venue.order("a", type="limit", limit_price="90").json()["id"]
    assert venue.rest.delete(f"/v2/orders/{order_id}").status_code == 204
    again = venue.rest.delete(f"/v2/orders/{order_id}")
    assert (again.status_code, again.json()["message"]) == (422, "order pending cancel")
    venue.until_status("a", "canceled")
    client = broker(venue)
    assert refusal(lambda: client.cancel_order_by_id(order_id)) == (
        422,
        42210000,
        'order is already in "canceled" state',
    )
    assert refusal(lambda: client.cancel_order_by_id(UNKNOWN)) == (
        404,
        40410000,
        f"order not found for {UNKNOWN}",
    )
    malformed = venue.rest.delete("/v2/orders/what")
    assert (malformed.status_code, malformed.json()["message"]) == (422, "order_id is missing")


def test_a_fill_can_win_against_a_cancel(start_venue: StartVenue) -> None:
    venue = start_venue(latency={"route_ms": 1, "cancel_ms": 2000})
    order_id = resting(venue)
    assert venue.rest.delete(f"/v2/orders/{order_id}").status_code == 204
    venue.ctl(set_price={"symbol": "AAA", "price": 80})
    venue.until_status("a", "filled")
    late = venue.rest.delete(f"/v2/orders/{order_id}")
    assert late.json()["message"] == 'order is already in "filled" state'


def test_a_cancel_can_be_refused_later_or_be_stuck(venue: RunningVenue) -> None:
    refused, stuck = resting(venue, "refused"), resting(venue, "stuck")
    stream = venue.stream()
    venue.ctl(cancel_refused={"order": "refused"}, cancel_stuck={"order": "stuck"})
    for order_id in (refused, stuck):
        assert venue.rest.delete(f"/v2/orders/{order_id}").status_code == 204
    venue.until_status("refused", "new")
    seen = [(data["event"], data["order"]["id"]) for data in (stream.recv()["data"] for _ in range(3))]
    assert ("order_cancel_rejected", refused) in seen
    assert stream.silent()
    assert venue.by_id("stuck")["status"] == "pending_cancel"
    venue.ctl(confirm_cancel="stuck")
    venue.until_status("stuck", "canceled")


@pytest.mark.parametrize("rows", ["bare", "with_order"])
def test_cancel_all_answers_207_in_either_shape(start_venue: StartVenue, rows: str) -> None:
    venue = start_venue(behaviour={"cancel_all_rows": rows})
    made = {resting(venue, name) for name in ("a", "b", "c")}
    failing = venue.by_id("b")["id"]
    venue.ctl(cancel_all_item_fails={"order": "b"})
    reply = venue.rest.delete("/v2/orders")
    assert reply.status_code == 207
    found = {row["id"]: row for row in reply.json()}
    assert set(found) == made
    assert {row["status"] for name, row in found.items() if name != failing} == {200}
    assert (found[failing]["status"], found[failing]["body"]["code"]) == (500, 50010000)
    shown = {"body" in row for name, row in found.items() if name != failing}
    assert shown == {rows == "with_order"}
    venue.until_status("a", "canceled")
    # What the row says is what happened: that one works on.
    assert venue.by_id("b")["status"] == "new"
    assert [str(row.id) for row in broker(venue).cancel_orders()] == [failing]
    venue.until(lambda: venue.rest.get("/v2/orders", params={"status": "open"}).json() == [])


def test_canceling_a_bracket_takes_its_legs_along(start_venue: StartVenue) -> None:
    venue = start_venue(**MARGIN)
    client = broker(venue)
    bracket = MarketOrderRequest(
        symbol="AAA",
        qty=2,
        side="buy",
        time_in_force="gtc",
        order_class="bracket",
        client_order_id="p",
        take_profit=TakeProfitRequest(limit_price=110),
        stop_loss=StopLossRequest(stop_price=90),
    )
    placed = client.submit_order(bracket)
    venue.until_status("p", "filled")
    held = next(leg for leg in placed.legs if leg.order_type.value == "stop")
    client.cancel_order_by_id(held.id)

    def ended() -> bool:
        legs = venue.rest.get(f"/v2/orders/{placed.id}", params={"nested": "true"}).json()["legs"]
        return {leg["status"] for leg in legs} == {"canceled"}

    venue.until(ended)
    again = client.submit_order(bracket.model_copy(update={"client_order_id": "q"}))
    venue.until_status("q", "filled")
    rows = client.cancel_orders()
    assert {row.status for row in rows} == {200}
    assert {str(row.id) for row in rows} <= {str(leg.id) for leg in again.legs}
    venue.until(lambda: venue.ctl()["open_orders"] == 0)


@pytest.mark.parametrize(("switch", "status"), [("at_once", "canceled"), ("at_open", "pending_cancel")])
def test_a_cancel_while_the_market_is_shut(start_venue: StartVenue, switch: str, status: str) -> None:
    venue = start_venue(calendar={"mode": "exchange"}, behaviour={"cancel_when_closed": switch})
    day = date.fromisoformat(venue.rest.get("/v2/calendar").json()[-1]["date"])
    venue.clock.jump_to(new_york_ns(day, "03:00"))
    venue.until(lambda: venue.rest.get("/v2/clock").json()["is_open"] is False)
    order_id = venue.order("a", type="limit", limit_price="1").json()["id"]
    venue.until_status("a", "accepted")
    assert venue.rest.delete(f"/v2/orders/{order_id}").status_code == 204
    venue.until_status("a", status)
    venue.clock.jump_to(new_york_ns(day, "09:30") + 1_000_000_000)
    venue.until_status("a", "canceled")


def test_what_is_being_replaced_cannot_be_canceled(start_venue: StartVenue) -> None:
    venue = start_venue(latency={"route_ms": 1_000, "cancel_ms": 5})
    order_id = resting(venue)
    new_id = venue.rest.patch(f"/v2/orders/{order_id}", json={"qty": "2"}).json()["id"]
    for pending in (order_id, new_id):
        reply = venue.rest.delete(f"/v2/orders/{pending}")
        assert (reply.status_code, reply.json()["code"]) == (422, 42210000)
    venue.until(lambda: venue.rest.get(f"/v2/orders/{new_id}").json()["status"] == "new")
    assert venue.rest.delete(f"/v2/orders/{new_id}").status_code == 204
