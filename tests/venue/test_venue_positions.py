"""Positions: long and short, since when, what is available, closing them, and answers that lag behind."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

import pytest
from alpaca.trading.enums import OrderSide, PositionSide
from alpaca.trading.models import FailedClosePositionDetails, Order
from alpaca.trading.requests import ClosePositionRequest

from kyzlo_actors.venue.timestamps import new_york_ns
from tests.venue.broker_client import MARGIN, broker, refusal

if TYPE_CHECKING:
    from conftest import RunningVenue, StartVenue


def test_a_long_position(venue: RunningVenue) -> None:
    venue.bought("10")
    venue.order("s", side="sell", qty="4", type="limit", limit_price="200")
    position = broker(venue).get_open_position("AAA")
    assert (position.qty, position.qty_available, position.side) == ("10", "6", PositionSide.LONG)
    assert (position.avg_entry_price, position.cost_basis, position.market_value) == ("100.1", "1001", "1000")
    assert (position.current_price, position.lastday_price, position.unrealized_pl) == ("100", "100", "-1")
    assert position.unrealized_intraday_pl == "-1"
    assert refusal(lambda: broker(venue).get_open_position("BBB")) == (
        404,
        40410000,
        "position does not exist",
    )
    (only,) = broker(venue).get_all_positions()
    assert broker(venue).get_open_position(str(only.asset_id)).symbol == "AAA"


@pytest.mark.parametrize(("sign", "shown"), [("negative", "-10"), ("positive", "10")])
def test_a_short_position_in_either_sign(start_venue: StartVenue, sign: str, shown: str) -> None:
    venue = start_venue(**MARGIN, behaviour={"short_qty_sign": sign})
    stream = venue.stream()
    order = venue.order("s", side="sell", qty="10").json()
    assert order["position_intent"] == "sell_to_open"
    venue.until_status("s", "filled")
    position = venue.rest.get("/v2/positions/AAA").json()
    assert (position["qty"], position["side"], position["avg_entry_price"]) == (shown, "short", "99.9")
    assert (position["market_value"], position["cost_basis"]) == ("-1000", "-999")
    assert (position["unrealized_pl"], position["unrealized_plpc"]) == ("-1", "-0.001001")
    told = [stream.recv()["data"] for _ in range(3)]
    assert (told[-1]["event"], told[-1]["position_qty"]) == ("fill", shown)
    closed = broker(venue).close_position("AAA")
    assert isinstance(closed, Order) and (closed.side, closed.qty) == (OrderSide.BUY, "10")
    venue.until(lambda: venue.rest.get("/v2/positions").json() == [])


def test_positions_are_closed_one_by_one_and_all_together(venue: RunningVenue) -> None:
    client = broker(venue)
    venue.bought("10")
    part = client.close_position("AAA", ClosePositionRequest(percentage="40"))
    assert isinstance(part, Order) and (part.qty, part.side) == ("4", OrderSide.SELL)
    venue.until(lambda: venue.rest.get("/v2/positions/AAA").json().get("qty") == "6")
    client.close_position("AAA", ClosePositionRequest(qty="1"))
    venue.until(lambda: venue.rest.get("/v2/positions/AAA").json().get("qty") == "5")
    working = venue.order("held", side="sell", qty="5", type="limit", limit_price="500").json()["id"]
    (row,) = client.close_all_positions()
    assert (row.symbol, row.status, isinstance(row.body, FailedClosePositionDetails)) == ("AAA", 403, True)
    raw = venue.rest.delete("/v2/positions").json()[0]["body"]
    assert raw["message"] == "insufficient qty available for order (requested: 5, available: 0)"
    assert (raw["existing_qty"], raw["held_for_orders"], raw["related_orders"]) == ("5", "5", [working])
    # Asked for together, the close comes before the cancel is done.
    (early,) = client.close_all_positions(cancel_orders=True)
    assert early.status == 403
    venue.until_status("held", "canceled")
    (late,) = client.close_all_positions(cancel_orders=True)
    assert (late.status, isinstance(late.body, Order)) == (200, True)
    venue.until(lambda: venue.rest.get("/v2/positions").json() == [])
    assert venue.rest.delete("/v2/positions/AAA").status_code == 404
    assert venue.rest.delete("/v2/positions").json() == []


@pytest.mark.parametrize(
    "params",
    [
        {"qty": "x"},
        {"qty": "0"},
        {"qty": "-1"},
        {"percentage": "0"},
        {"percentage": "101"},
        {"percentage": "NaN"},
        {"qty": "1", "percentage": "5"},
    ],
)
def test_impossible_parts_are_refused(venue: RunningVenue, params: dict[str, str]) -> None:
    venue.bought("2")
    assert venue.rest.delete("/v2/positions/AAA", params=params).status_code == 422
    assert venue.rest.delete("/v2/positions/AAA", params={"qty": "3"}).status_code == 403


def test_positions_can_answer_as_they_were_a_while_ago(venue: RunningVenue) -> None:
    venue.ctl(positions_lag_ms=60_000)
    venue.bought("10")
    assert venue.rest.get("/v2/positions").json() == []
    assert venue.rest.get("/v2/positions/AAA").status_code == 404
    venue.ctl(positions_lag_ms=0)
    assert len(venue.rest.get("/v2/positions").json()) == 1


def test_a_new_day_starts_from_the_last_close(start_venue: StartVenue) -> None:
    venue = start_venue(calendar={"mode": "exchange"})
    days = [date.fromisoformat(row["date"]) for row in venue.rest.get("/v2/calendar").json()]
    first, second = days[-2], days[-1]
    venue.clock.jump_to(new_york_ns(first, "10:00"))
    venue.until(lambda: venue.rest.get("/v2/clock").json()["is_open"])
    venue.bought("10")
    venue.ctl(set_price={"symbol": "AAA", "price": 120})
    assert venue.rest.get("/v2/positions/AAA").json()["lastday_price"] == "100"
    venue.clock.jump_to(new_york_ns(second, "10:00"))
    venue.until(lambda: venue.rest.get("/v2/clock").json()["is_open"])
    # Only `new` once the market has arrived at the new day too.
    venue.order("b", symbol="BBB", type="limit", limit_price="1")
    venue.until_status("b", "new")
    venue.ctl(set_price={"symbol": "AAA", "price": 150})
    position = venue.rest.get("/v2/positions/AAA").json()
    assert (position["lastday_price"], position["change_today"]) == ("120", "0.25")
    assert (position["unrealized_pl"], position["unrealized_intraday_pl"]) == ("499", "300")
    account = venue.rest.get("/v2/account").json()
    assert (account["last_equity"], account["equity"]) == ("10199", "10499")
    assert second - first >= timedelta(days=1)
