"""What nobody outside the real services knows (P1 to P14): each answer can be played, and the clients live with both.

P6 and P7 are in `test_market_stream.py`, beside the streams they are about.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import massive
import pytest
import websocket
from alpaca.trading.requests import ReplaceOrderRequest

from tests.conformance.clients import SCENARIO, fed, limit_order, listening, market_order
from tests.venue.broker_client import broker, refusal

if TYPE_CHECKING:
    from tests.venue.conftest import StartVenue


@pytest.mark.parametrize("code", [40010001, 42210000])
def test_p1_the_code_of_a_duplicate_id(start_venue: StartVenue, code: int) -> None:
    client = broker(start_venue(**SCENARIO, behaviour={"duplicate_id_code": code}))
    limit_order(client, limit_price=90, client_order_id="same")
    told = refusal(lambda: limit_order(client, limit_price=90, client_order_id="same"))
    assert told == (422, code, "client_order_id must be unique")


@pytest.mark.parametrize("answer", ["refused", "allowed"])
def test_p1_an_id_after_its_orders_end(start_venue: StartVenue, answer: str) -> None:
    venue = start_venue(**SCENARIO, behaviour={"duplicate_id_after_end": answer})
    client = broker(venue)
    first = limit_order(client, limit_price=90, client_order_id="again")
    client.cancel_order_by_id(first.id)
    venue.until(lambda: client.get_order_by_id(first.id).status.value == "canceled")
    if answer == "refused":
        assert refusal(lambda: limit_order(client, limit_price=90, client_order_id="again"))[0] == 422
    else:
        assert limit_order(client, limit_price=90, client_order_id="again").id != first.id


@pytest.mark.parametrize(
    ("form", "opcode"), [("binary", websocket.ABNF.OPCODE_BINARY), ("text", websocket.ABNF.OPCODE_TEXT)]
)
def test_p2_the_opcode_of_the_frames(start_venue: StartVenue, form: str, opcode: int) -> None:
    venue = start_venue(**SCENARIO, behaviour={"stream_frames": form})
    plain = venue.stream()
    with listening(venue) as updates:
        order = market_order(broker(venue))
        assert plain.raw.recv_data()[0] == opcode
        venue.until(lambda: "fill" in updates.events(order.id))


@pytest.mark.parametrize(("answer", "same"), [("execution_id", True), ("own", False)])
def test_p3_the_id_of_an_activity(start_venue: StartVenue, answer: str, same: bool) -> None:
    venue = start_venue(**SCENARIO, behaviour={"activity_id": answer})
    client = broker(venue)
    with listening(venue) as updates:
        order = market_order(client)
        venue.until(lambda: "fill" in updates.events(order.id))
        told = str(updates.of(order.id, "fill")[0].execution_id)
    (row,) = client.get("/account/activities/FILL")
    assert (row["id"].split("::")[1] == told) is same
    assert (row["order_id"], row["cum_qty"]) == (str(order.id), "1")


@pytest.mark.parametrize(
    ("answer", "first", "second"), [("both", 1, 1), ("evict_oldest", 0, 1), ("refuse", 1, 0)]
)
def test_p4_a_second_stream(start_venue: StartVenue, answer: str, first: int, second: int) -> None:
    venue = start_venue(**SCENARIO, behaviour={"second_stream": answer})
    one = venue.stream()
    try:
        two = venue.stream()
    except (websocket.WebSocketException, OSError):
        two = None
    assert (two is not None) == bool(second)
    venue.until(lambda: venue.ctl()["ws"] == first + second)
    market_order(broker(venue))
    for listens, made in ((first, one), (second, two)):
        if listens:
            assert made.recv()["data"]["event"] == "pending_new"


@pytest.mark.parametrize(("unit", "is_round"), [("shares", True), ("round_lots", False)])
def test_p5_the_unit_of_quoted_sizes(start_venue: StartVenue, unit: str, is_round: bool) -> None:
    market = {"mode": "intraday", "one_sided_share": 0}
    venue = start_venue(**{**SCENARIO, "market": market}, behaviour={"quote_size_unit": unit})
    quotes = fed(massive, venue, ["Q.*"], lambda heard: heard if len(heard) >= 5 else None)
    sizes = [size for quote in quotes for size in (quote.bid_size, quote.ask_size) if size]
    assert sizes and (max(sizes) >= 100) is is_round


@pytest.mark.parametrize("event", ["expired", "canceled"])
def test_p8_the_end_of_a_day_order(start_venue: StartVenue, event: str) -> None:
    clock = {"starts_at": "2026-11-20T15:59:57-05:00"}
    venue = start_venue(
        **SCENARIO, calendar={"mode": "exchange"}, clock=clock, behaviour={"day_order_end": event}
    )
    with listening(venue) as updates:
        order = limit_order(broker(venue), limit_price=90)
        venue.until(lambda: event in updates.events(order.id))
        assert updates.of(order.id, event)[0].order.status.value == event


@pytest.mark.parametrize(("answer", "has_order"), [("bare", False), ("with_order", True)])
def test_p9_the_rows_of_cancel_all(start_venue: StartVenue, answer: str, has_order: bool) -> None:
    venue = start_venue(**SCENARIO, behaviour={"cancel_all_rows": answer})
    client = broker(venue)
    orders = {str(limit_order(client, limit_price=90).id) for _ in range(2)}
    rows = client.cancel_orders()
    assert {str(row.id) for row in rows} == orders and {row.status for row in rows} == {200}
    assert all((row.body is not None) is has_order for row in rows)
    venue.until(lambda: client.get_orders() == [])


@pytest.mark.parametrize(("words", "cut_off"), [("3:50pm", "15:50:30"), ("3:55pm", "15:55:30")])
def test_p10_the_words_of_the_auctions_window(start_venue: StartVenue, words: str, cut_off: str) -> None:
    clock = {"starts_at": f"2026-11-20T{cut_off}-05:00"}
    venue = start_venue(
        **SCENARIO, calendar={"mode": "exchange"}, clock=clock, behaviour={"auction_words": words}
    )
    told = refusal(lambda: market_order(broker(venue), time_in_force="cls"))
    assert told == (403, 40310000, f"cls orders must be submitted after 7:00pm and before {words}")


@pytest.mark.parametrize("has_headers", [True, False])
def test_p11_the_headers_of_a_429(start_venue: StartVenue, has_headers: bool) -> None:
    venue = start_venue(**SCENARIO, behaviour={"rate_limit_headers_on_429": has_headers})
    venue.ctl(rate_limit=1)
    reply = venue.rest.get("/v2/account")
    assert (reply.status_code, reply.json()["code"]) == (429, 42910000)
    assert ("X-RateLimit-Reset" in reply.headers) is has_headers


@pytest.mark.parametrize(("answer", "filled"), [("zero", "0"), ("carried", "3")])
def test_p12_what_a_new_order_shows_as_filled(start_venue: StartVenue, answer: str, filled: str) -> None:
    plans = [{"symbol": "AAA", "quantities": ["3"], "then": "wait"}]
    venue = start_venue(**SCENARIO, fill_plans=plans, behaviour={"replaced_filled_qty": answer})
    client = broker(venue)
    old = limit_order(client, qty=10, limit_price=101)
    venue.until(lambda: str(client.get_order_by_id(old.id).filled_qty) == "3")
    new = client.replace_order_by_id(old.id, ReplaceOrderRequest(qty=8, client_order_id="new"))
    venue.until(lambda: client.get_order_by_id(old.id).status.value == "replaced")
    shown = client.get_order_by_id(new.id)
    assert (str(shown.filled_qty), shown.replaces) == (filled, old.id)


@pytest.mark.parametrize("event", ["none", "suspended", "stopped"])
def test_p13_what_an_order_hears_of_a_halt(start_venue: StartVenue, event: str) -> None:
    venue = start_venue(**SCENARIO, behaviour={"halt_event": event})
    client = broker(venue)
    with listening(venue) as updates:
        order = limit_order(client, limit_price=90)
        venue.until(lambda: "new" in updates.events(order.id))
        venue.ctl(halt="AAA")
        other = limit_order(client, symbol="BBB", limit_price=40)
        venue.until(lambda: "new" in updates.events(other.id))
        heard = updates.events(order.id)[2:]
        assert heard == ([] if event == "none" else [event])
        venue.ctl(resume="AAA")
        venue.ctl(set_price={"symbol": "AAA", "price": 89})
        venue.until(lambda: "fill" in updates.events(order.id))


@pytest.mark.parametrize(("sign", "shown"), [("negative", "-4"), ("positive", "4")])
def test_p14_the_sign_of_a_short(start_venue: StartVenue, sign: str, shown: str) -> None:
    venue = start_venue(**SCENARIO, behaviour={"short_qty_sign": sign})
    client = broker(venue)
    with listening(venue) as updates:
        order = market_order(client, side="sell", qty=4)
        venue.until(lambda: "fill" in updates.events(order.id))
        told = updates.of(order.id, "fill")[0].position_qty
    position = client.get_open_position("AAA")
    assert (position.qty, position.side.value) == (shown, "short")
    assert told is not None and Decimal(str(told)) == Decimal(shown)
