"""Orders that live for a while only: auctions, half days, immediate or cancel, fill or kill."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from tests.conformance.clients import SCENARIO, limit_order, listening, market_order
from tests.venue.broker_client import broker, refusal

if TYPE_CHECKING:
    from tests.venue.conftest import StartVenue


def on_the_exchange(starts_at: str, **changes: Any) -> dict[str, Any]:
    return {**SCENARIO, "calendar": {"mode": "exchange"}, "clock": {"starts_at": starts_at}, **changes}


@pytest.mark.parametrize(
    ("time_in_force", "starts_at", "words"),
    [
        ("opg", "2026-11-20T09:28:30-05:00", "opg orders must be submitted after 7:00pm and before 9:28am"),
        ("cls", "2026-11-20T15:56:00-05:00", "cls orders must be submitted after 7:00pm and before 3:50pm"),
    ],
)
def test_auction_orders_come_too_late(
    start_venue: StartVenue, time_in_force: str, starts_at: str, words: str
) -> None:
    client = broker(start_venue(**on_the_exchange(starts_at)))
    told = refusal(lambda: market_order(client, time_in_force=time_in_force))
    assert told == (403, 40310000, words)


@pytest.mark.parametrize(("time_in_force", "hour"), [("opg", "09:20:00"), ("cls", "15:30:00")])
def test_auction_orders_wait_for_their_auction(
    start_venue: StartVenue, time_in_force: str, hour: str
) -> None:
    client = broker(start_venue(**on_the_exchange(f"2026-11-20T{hour}-05:00")))
    order = market_order(client, time_in_force=time_in_force)
    assert str(client.get_order_by_id(order.id).filled_qty) == "0"


def test_a_day_order_ends_with_a_half_day(start_venue: StartVenue) -> None:
    venue = start_venue(**on_the_exchange("2026-11-27T12:59:56-05:00"))
    client = broker(venue)
    with listening(venue) as updates:
        day = limit_order(client, limit_price=90)
        kept = limit_order(client, limit_price=90, time_in_force="gtc")
        venue.until(lambda: "expired" in updates.events(day.id))
        assert updates.of(day.id, "expired")[0].order.status == "expired"
    assert client.get_order_by_id(day.id).expired_at is not None
    assert client.get_order_by_id(kept.id).status.value in ("new", "accepted")


def test_what_is_not_filled_at_once_is_canceled(start_venue: StartVenue) -> None:
    plans = [{"symbol": "BBB", "side": "buy", "quantities": ["3"], "then": "wait"}]
    venue = start_venue(**SCENARIO, fill_plans=plans)
    client = broker(venue)
    with listening(venue) as updates:
        for time_in_force in ("ioc", "fok"):
            away = limit_order(client, limit_price=90, time_in_force=time_in_force)
            venue.until(lambda order=away: "canceled" in updates.events(order.id))
            assert str(client.get_order_by_id(away.id).filled_qty) == "0"
            taken = limit_order(client, limit_price=101, time_in_force=time_in_force)
            venue.until(lambda order=taken: "fill" in updates.events(order.id))
        part = limit_order(client, symbol="BBB", qty=10, limit_price=51, time_in_force="ioc")
        venue.until(lambda: "canceled" in updates.events(part.id))
        assert [Decimal(u.qty) for u in updates.of(part.id, "partial_fill")] == [3]
    ended = client.get_order_by_id(part.id)
    assert (str(ended.filled_qty), ended.status.value) == ("3", "canceled")
