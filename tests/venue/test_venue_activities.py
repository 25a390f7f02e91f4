"""The ledger: fills and bookings of cash, in pages, by time, day and type."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from alpaca.trading.models import NonTradeActivity, TradeActivity

from kyzlo_actors.venue.timestamps import new_york_date

if TYPE_CHECKING:
    from conftest import RunningVenue, StartVenue


def rows(venue: RunningVenue, kind: str = "", **params: Any) -> list[dict[str, Any]]:
    reply = venue.rest.get(f"/v2/account/activities{'/' + kind if kind else ''}", params=params)
    assert reply.status_code == 200, reply.text
    return list(reply.json())


def test_the_ledger_is_paged_both_ways(venue: RunningVenue) -> None:
    for name in "abcde":
        venue.bought("1", name)
    every = rows(venue, activity_types="FILL", direction="asc")
    assert [row["order_id"] for row in every] == [venue.by_id(name)["id"] for name in "abcde"]
    for direction, whole in (("asc", every), ("desc", every[::-1])):
        seen: list[dict[str, Any]] = []
        token: dict[str, Any] = {}
        while page := rows(venue, "FILL", direction=direction, page_size=2, **token):
            assert len(page) <= 2
            seen += page
            token = {"page_token": page[-1]["id"]}
        assert seen == whole
    assert rows(venue) == every[::-1]
    trade = TradeActivity(**every[0])
    assert (trade.price, trade.qty, trade.cum_qty, trade.order_status.value) == (100.1, 1, 1, "filled")


def test_times_are_exclusive_and_days_are_new_yorks(venue: RunningVenue) -> None:
    for name in "abc":
        venue.bought("1", name)
    fills = rows(venue, direction="asc")
    middle = fills[1]["transaction_time"]
    assert fills[2] in rows(venue, after=middle)
    assert fills[0] not in rows(venue, after=middle)
    assert fills[0] in rows(venue, until=middle)
    assert fills[2] not in rows(venue, until=middle)
    today = new_york_date(venue.clock()).isoformat()
    assert len(rows(venue, date=today)) == 3
    assert rows(venue, date="2020-01-02") == []


def test_partial_fills_add_up(start_venue: StartVenue) -> None:
    venue = start_venue(partial_fill_percent=100)
    venue.bought("7", "a")
    found = sorted(rows(venue, "FILL"), key=lambda row: int(row["cum_qty"]))
    assert [(row["type"], row["qty"], row["cum_qty"], row["leaves_qty"]) for row in found] == [
        ("partial_fill", "3", "3", "4"),
        ("fill", "4", "7", "0"),
    ]
    assert [row["order_status"] for row in found] == ["partially_filled", "filled"]


@pytest.mark.parametrize(("switch", "same"), [("execution_id", True), ("own", False)])
def test_the_id_may_hold_the_streams_execution_id(start_venue: StartVenue, switch: str, same: bool) -> None:
    venue = start_venue(behaviour={"activity_id": switch})
    stream = venue.stream()
    venue.bought("1")
    told = [stream.recv()["data"] for _ in range(3)][-1]
    (row,) = rows(venue)
    assert (row["id"].split("::")[1] == told["execution_id"]) is same
    assert row["id"].startswith(new_york_date(venue.clock()).strftime("%Y%m%d"))


def test_cash_is_booked_beside_the_fills(venue: RunningVenue) -> None:
    venue.bought("1")
    venue.ctl(book_cash={"kind": "DIV", "amount": "1.25", "symbol": "AAA"})
    venue.ctl(book_cash={"kind": "FEE", "amount": "-0.02"})
    assert [row["activity_type"] for row in rows(venue, direction="asc")] == ["FILL", "DIV", "FEE"]
    (dividend,) = rows(venue, "DIV")
    assert (dividend["net_amount"], dividend["symbol"], dividend["status"]) == ("1.25", "AAA", "executed")
    assert NonTradeActivity(**dividend).net_amount == 1.25
    assert [row["activity_type"] for row in rows(venue, activity_types="DIV,FEE")] == ["FEE", "DIV"]
    assert [row["activity_type"] for row in rows(venue, category="trade_activity")] == ["FILL"]
    assert len(rows(venue, category="non_trade_activity")) == 2


def test_fees_of_sales_are_in_the_ledger(start_venue: StartVenue) -> None:
    account = {"account_number": "PA3FEES", "cash": "10000", "fee_per_share_sold": "0.01"}
    venue = start_venue(account=account)
    venue.bought("10")
    venue.order("s", side="sell", qty="10")
    venue.until_status("s", "filled")
    (fee,) = rows(venue, "FEE")
    assert fee["net_amount"] == "-0.1"
    assert venue.rest.get("/v2/account").json()["cash"] == "9997.9"


@pytest.mark.parametrize(
    ("path", "params", "message"),
    [
        ("/NOPE", {}, "invalid activity type: NOPE"),
        ("", {"activity_types": "FILL,BAD"}, "invalid activity type: BAD"),
        ("", {"page_token": "what"}, "invalid page_token: what"),
        ("", {"page_size": "0"}, "invalid page_size: 0"),
        ("", {"direction": "up"}, "invalid direction: up"),
        ("", {"after": "noon"}, "invalid date, after or until"),
        ("", {"date": "today"}, "invalid date, after or until"),
    ],
)
def test_bad_parameters_are_named(
    venue: RunningVenue, path: str, params: dict[str, str], message: str
) -> None:
    reply = venue.rest.get(f"/v2/account/activities{path}", params=params)
    assert (reply.status_code, reply.json()) == (422, {"code": 40010001, "message": message})
