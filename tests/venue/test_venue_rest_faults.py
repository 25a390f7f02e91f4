"""Faults of the REST interface: replies cut, late, 5xx, with other keys; orders rejected after they were taken."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.venue.broker_client import broker

if TYPE_CHECKING:
    from conftest import RunningVenue, StartVenue


def exists(venue: RunningVenue, name: str) -> bool:
    reply = venue.rest.get("/v2/orders:by_client_order_id", params={"client_order_id": name})
    return reply.status_code == 200


@pytest.mark.parametrize(("fault", "taken"), [("drop_before_post", False), ("drop_after_post", True)])
def test_a_cut_connection_says_nothing_about_the_order(venue: RunningVenue, fault: str, taken: bool) -> None:
    venue.ctl(**{fault: 1})
    with pytest.raises(httpx.TransportError):
        venue.order("a")
    assert exists(venue, "a") is taken
    assert venue.order("b").status_code == 200


@pytest.mark.parametrize(("fault", "taken"), [("fail_post_5xx", False), ("fail_post_5xx_taken", True)])
@pytest.mark.parametrize(("status", "html"), [(500, False), (502, True), (503, False), (504, True)])
def test_a_5xx_says_nothing_about_the_order(
    venue: RunningVenue, fault: str, taken: bool, status: int, html: bool
) -> None:
    venue.ctl(**{fault: {"status": status, "html": html, "order": "a"}})
    assert venue.order("other").status_code == 200
    reply = venue.order("a")
    assert reply.status_code == status
    assert reply.headers["Content-Type"].startswith("text/html" if html else "application/json")
    assert exists(venue, "a") is taken


def test_events_can_come_before_the_reply(start_venue: StartVenue) -> None:
    venue = start_venue(fill_plans=[{"symbol": "AAA", "before_reply": True}])
    stream = venue.stream()
    reply = venue.order("a")
    stream.raw.settimeout(0.001)
    seen = [stream.recv()["data"]["event"] for _ in range(3)]
    assert seen == ["pending_new", "new", "fill"]
    assert (reply.json()["status"], reply.json()["filled_qty"]) == ("pending_new", "0")


def test_a_plan_fills_in_parts_and_waits(start_venue: StartVenue) -> None:
    venue = start_venue(fill_plans=[{"symbol": "AAA", "side": "buy", "quantities": ["3"], "then": "wait"}])
    venue.order("a", qty="10", type="limit", limit_price="101")
    assert venue.until_status("a", "partially_filled")["filled_qty"] == "3"
    venue.ctl(fill_order={"order": "a", "qty": "4"})
    assert venue.by_id("a")["filled_qty"] == "7"
    venue.ctl(fill_order={"order": "a"})
    assert venue.by_id("a")["status"] == "filled"


def test_an_order_can_be_rejected_after_it_was_taken(venue: RunningVenue) -> None:
    stream = venue.stream()
    venue.ctl(async_reject={"symbol": "AAA"})
    assert venue.order("a").json()["status"] == "pending_new"
    assert venue.until_status("a", "rejected")["failed_at"]
    assert [stream.recv()["data"]["event"] for _ in range(2)] == ["pending_new", "rejected"]
    venue.bought("1", "b")


def test_new_can_be_missing(venue: RunningVenue) -> None:
    stream = venue.stream()
    venue.ctl(missing_new=1)
    venue.bought("1", "a")
    venue.bought("1", "b")
    seen = [stream.recv()["data"] for _ in range(5)]
    assert [(data["event"], data["order"]["client_order_id"]) for data in seen] == [
        ("pending_new", "a"),
        ("fill", "a"),
        ("pending_new", "b"),
        ("new", "b"),
        ("fill", "b"),
    ]


def test_reads_can_fail(venue: RunningVenue) -> None:
    venue.ctl(fail_get_5xx={"status": 503, "html": True})
    assert venue.rest.get("/v2/account").status_code == 503
    assert venue.rest.get("/v2/account").status_code == 200
    venue.ctl(orders_page_5xx={"skip": 1})
    replies = [venue.rest.get("/v2/orders").status_code for _ in range(3)]
    assert replies == [200, 500, 200]
    venue.ctl(delay_get_ms=20)
    assert venue.rest.get("/v2/clock").status_code == 200


def test_replies_can_have_more_or_fewer_keys(venue: RunningVenue) -> None:
    venue.ctl(extra_fields={"count": 2}, missing_fields={"fields": ["hwm", "subtag"], "count": 1})
    reply = venue.order("a").json()
    assert "brand_new_field" in reply and "hwm" not in reply
    found: Any = broker(venue).get_order_by_client_id("a")
    assert found.client_order_id == "a"
    assert "hwm" in venue.by_id("a")


def test_a_halt_may_be_told_and_orders_wait(start_venue: StartVenue) -> None:
    for word in ("none", "suspended", "stopped"):
        venue = start_venue(behaviour={"halt_event": word})
        venue.order("a", type="limit", limit_price="90")
        venue.until_status("a", "new")
        stream = venue.stream()
        venue.ctl(halt="AAA")
        if word != "none":
            data = stream.recv()["data"]
            assert (data["event"], data["order"]["status"]) == (word, word)
        assert venue.order("b").status_code == 200
        assert venue.until_status("b", "new")["filled_qty"] == "0"
