"""`PATCH /v2/orders/{id}`: a new order takes the old one's place, or does not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from alpaca.trading.enums import OrderStatus
from alpaca.trading.requests import LimitOrderRequest, ReplaceOrderRequest

from tests.venue.broker_client import broker, refusal

if TYPE_CHECKING:
    from conftest import RunningVenue, StartVenue

UNKNOWN = "00000000-0000-0000-0000-000000000001"


def working(venue: RunningVenue, name: str = "a", **fields: Any) -> str:
    """A limit order of 10 shares at 90 that is `new`; its id."""
    order = venue.order(name, **{"qty": "10", "type": "limit", "limit_price": "90", **fields}).json()
    venue.until(lambda: venue.by_id(name)["status"] == "new")
    return str(order["id"])


def test_a_replace_makes_a_new_order_and_links_both(start_venue: StartVenue) -> None:
    client = broker(start_venue())
    old = client.submit_order(
        LimitOrderRequest(
            symbol="AAA", qty=10, side="buy", time_in_force="day", limit_price=90, client_order_id="a"
        )
    )
    while client.get_order_by_id(old.id).status is not OrderStatus.NEW:
        pass
    new = client.replace_order_by_id(old.id, ReplaceOrderRequest(limit_price=91, qty=12, client_order_id="b"))
    assert (new.id != old.id, new.client_order_id, new.limit_price, new.qty) == (True, "b", "91", "12")
    while client.get_order_by_id(new.id).status is not OrderStatus.NEW:
        pass
    before, after = client.get_order_by_client_id("a"), client.get_order_by_client_id("b")
    assert (before.status, before.replaced_by, after.replaces) == (OrderStatus.REPLACED, new.id, old.id)
    assert before.replaced_at is not None


def test_the_stream_tells_of_the_old_order(venue: RunningVenue) -> None:
    order_id = working(venue)
    stream = venue.stream()
    new_id = venue.rest.patch(f"/v2/orders/{order_id}", json={"qty": 12, "client_order_id": "b"}).json()["id"]
    seen = []
    while ("new", new_id) not in seen:
        data = stream.recv()["data"]
        seen.append((data["event"], data["order"]["id"]))
        if data["event"] == "replaced":
            assert (data["order"]["status"], data["order"]["replaced_by"]) == ("replaced", new_id)
    assert ("replaced", order_id) in seen


REFUSALS: list[tuple[dict[str, Any], int, int, str]] = [
    ({"qty": "10"}, 403, 40310000, "order parameters are not changed"),
    ({}, 403, 40310000, "order parameters are not changed"),
    ({"qty": "0"}, 422, 40010001, "qty must be > 0"),
    ({"qty": "1.5"}, 422, 40010001, "qty must be a whole number of shares"),
    ({"qty": "x"}, 422, 40010001, "qty is not a number"),
    ({"limit_price": "-2"}, 422, 40010001, "limit price must be > 0"),
    ({"stop_price": "80"}, 422, 40010001, "limit orders require no stop price"),
    ({"trail": "1"}, 422, 40010001, "limit orders require no trail"),
    ({"time_in_force": "soon"}, 422, 40010001, "invalid time_in_force"),
    ({"qty": "11", "client_order_id": "a"}, 422, 40010001, "client_order_id must be unique"),
    ({"qty": "11", "client_order_id": "x" * 129}, 422, 40010001, "client_order_id must be no more than 128"),
    ({"qty": "1000000"}, 403, 40310000, "insufficient buying power"),
]


def test_replaces_that_are_refused_change_nothing(venue: RunningVenue) -> None:
    order_id = working(venue)
    for body, status, code, message in REFUSALS:
        reply = venue.rest.patch(f"/v2/orders/{order_id}", json=body)
        assert (reply.status_code, reply.json()["code"]) == (status, code), (body, reply.text)
        assert reply.json()["message"][: len(message)] == message, (body, reply.text)
    assert venue.by_id("a")["status"] == "new"
    assert len(venue.ctl()["orders"]) == 1
    assert venue.rest.patch(f"/v2/orders/{order_id}", content=b"{").status_code == 400
    assert venue.rest.patch("/v2/orders/what", json={}).status_code == 422
    missing = venue.rest.patch(f"/v2/orders/{UNKNOWN}", json={"qty": "2"})
    assert (missing.status_code, missing.json()["message"]) == (404, f"order not found for {UNKNOWN}")


def test_only_what_works_at_the_market_can_be_replaced(start_venue: StartVenue) -> None:
    venue = start_venue(latency={"route_ms": 2_000, "cancel_ms": 5})
    early = venue.order("a", type="limit", limit_price="90").json()["id"]
    client = broker(venue)
    change = ReplaceOrderRequest(qty=5)
    assert refusal(lambda: client.replace_order_by_id(early, change)) == (
        422,
        40010001,
        "unable to replace order, order isn't sent to exchange yet",
    )
    venue.rest.delete(f"/v2/orders/{early}")
    venue.until_status("a", "canceled")
    assert refusal(lambda: client.replace_order_by_id(early, change)) == (
        422,
        42210000,
        "unable to replace order, order is not open",
    )


def test_a_price_in_a_replace_is_rounded(venue: RunningVenue) -> None:
    order_id = working(venue)
    assert venue.rest.patch(f"/v2/orders/{order_id}", json={"limit_price": 91.5678}).json()[
        "limit_price"
    ] == ("91.57")


@pytest.mark.parametrize(("switch", "qty", "filled"), [("zero", "6", "0"), ("carried", "10", "4")])
def test_quantity_of_a_chain_is_its_total(
    start_venue: StartVenue, switch: str, qty: str, filled: str
) -> None:
    plan = {"symbol": "AAA", "quantities": ["4"], "then": "wait"}
    venue = start_venue(fill_plans=[plan], behaviour={"replaced_filled_qty": switch})
    order_id = venue.order("a", qty="8", type="limit", limit_price="101").json()["id"]
    venue.until_status("a", "partially_filled")
    less = venue.rest.patch(f"/v2/orders/{order_id}", json={"qty": "4"})
    assert less.status_code == 422, less.text
    reply = venue.rest.patch(
        f"/v2/orders/{order_id}", json={"qty": "10", "client_order_id": "b", "limit_price": "90"}
    )
    assert reply.status_code == 200, reply.text
    venue.until_status("a", "replaced")
    new = venue.by_id("b")
    assert (new["qty"], new["filled_qty"]) == (qty, filled)


def test_a_fill_can_win_against_a_replace(start_venue: StartVenue) -> None:
    plan = {"symbol": "BBB", "latency_ms": 0}
    venue = start_venue(latency={"route_ms": 1_500, "cancel_ms": 5}, fill_plans=[plan])
    order_id = venue.order("a", type="limit", limit_price="90").json()["id"]
    venue.until_status("a", "new")
    stream = venue.stream()
    new_id = venue.rest.patch(f"/v2/orders/{order_id}", json={"qty": "5"}).json()["id"]
    venue.ctl(set_price={"symbol": "AAA", "price": 80})
    venue.until_status("a", "filled")
    venue.until(lambda: venue.rest.get(f"/v2/orders/{new_id}").json()["status"] == "rejected")
    told = {}
    while new_id not in told:
        data = stream.recv()["data"]
        if data["event"] in ("rejected", "order_replace_rejected"):
            told[data["order"]["id"]] = data["event"]


def test_faults_of_replaces(venue: RunningVenue) -> None:
    order_id = working(venue)
    venue.ctl(replace_refused=1)
    refused = venue.rest.patch(f"/v2/orders/{order_id}", json={"qty": "11"}).json()["id"]
    venue.until(lambda: venue.rest.get(f"/v2/orders/{refused}").json()["status"] == "rejected")
    assert venue.by_id("a")["status"] == "new"
    venue.ctl(replace_error_taken=1)
    reply = venue.rest.patch(f"/v2/orders/{order_id}", json={"qty": "12", "client_order_id": "b"})
    assert (reply.status_code, reply.json()["code"]) == (422, 40010001)
    venue.until_status("a", "replaced")
    assert venue.by_id("b")["qty"] == "12"
