"""Orders that hang together or on a price: trailing stops, one-cancels-other, opposite sides, intents."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from alpaca.trading.models import Order
from alpaca.trading.requests import (
    GetOrdersRequest,
    LimitOrderRequest,
    StopLossRequest,
    TakeProfitRequest,
    TrailingStopOrderRequest,
)

from tests.conformance.clients import SCENARIO, limit_order, listening, market_order
from tests.venue.broker_client import broker, refusal

if TYPE_CHECKING:
    from tests.venue.conftest import StartVenue


def test_a_trailing_stop_follows_the_high_water_mark(start_venue: StartVenue) -> None:
    venue = start_venue(**SCENARIO)
    client = broker(venue)
    with listening(venue) as updates:
        bought = market_order(client)
        venue.until(lambda: "fill" in updates.events(bought.id))
        request = TrailingStopOrderRequest(
            symbol="AAA", qty=1, side="sell", time_in_force="gtc", trail_price=2
        )
        stop = client.submit_order(request)
        venue.until(lambda: "new" in updates.events(stop.id))
        venue.ctl(set_price={"symbol": "AAA", "price": 110})
        order = client.get_order_by_id(stop.id)
        assert isinstance(order, Order)
        mark = float(order.hwm)
        assert 109 < mark < 111 and float(order.stop_price) == pytest.approx(mark - 2)
        venue.ctl(set_price={"symbol": "AAA", "price": 109})
        assert float(client.get_order_by_id(stop.id).hwm) == mark
        venue.ctl(set_price={"symbol": "AAA", "price": 107})
        venue.until(lambda: "fill" in updates.events(stop.id))


@pytest.mark.parametrize(("price", "filled", "canceled"), [(111, "limit", "stop"), (89, "stop", "limit")])
def test_one_leg_cancels_the_other(start_venue: StartVenue, price: float, filled: str, canceled: str) -> None:
    venue = start_venue(**SCENARIO)
    client = broker(venue)
    with listening(venue) as updates:
        bought = market_order(client)
        venue.until(lambda: "fill" in updates.events(bought.id))
        request = LimitOrderRequest(
            symbol="AAA",
            qty=1,
            side="sell",
            time_in_force="gtc",
            order_class="oco",
            take_profit=TakeProfitRequest(limit_price=110),
            stop_loss=StopLossRequest(stop_price=90),
        )
        client.submit_order(request)
        venue.ctl(set_price={"symbol": "AAA", "price": price})
        wanted = GetOrdersRequest(status="all", symbols=["AAA"], side="sell")

        def ended() -> dict[str, str]:
            return {order.type.value: order.status.value for order in client.get_orders(wanted)}

        venue.until(lambda: ended() == {filled: "filled", canceled: "canceled"})
        (sibling,) = (order for order in client.get_orders(wanted) if order.type.value == canceled)
        venue.until(lambda: updates.events(sibling.id)[-1:] == ["canceled"])
    assert client.get_all_positions() == []


@pytest.mark.parametrize(("status", "code"), [(403, 40310000), (422, 42210000)])
def test_orders_that_would_meet_each_other(start_venue: StartVenue, status: int, code: int) -> None:
    venue = start_venue(**SCENARIO, behaviour={"wash_trade_status": status})
    client = broker(venue)
    limit_order(client, limit_price=99)
    bought = market_order(client)
    venue.until(lambda: str(client.get_order_by_id(bought.id).filled_qty) == "1")
    told = refusal(lambda: market_order(client, side="sell"))
    assert told[:2] == (status, code) and "potential wash trade detected" in told[2]


def test_an_intent_that_does_not_fit(start_venue: StartVenue) -> None:
    client = broker(start_venue(**SCENARIO))
    told = refusal(lambda: market_order(client, side="sell", position_intent="sell_to_close"))
    words = "position intent mismatch, inferred: sell_to_open, specified: sell_to_close"
    assert told == (422, 42210000, words)
