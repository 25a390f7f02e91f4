"""Order bodies without a server: whatever comes in, a ticket the engine can use comes out, or a refusal."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kyzlo_actors.domain.order import OrderTicket
from kyzlo_actors.domain.values import OrderType, Side, TimeInForce
from kyzlo_actors.replay.ticket_checks import ticket_fault
from kyzlo_actors.venue.broker.http import json_body
from kyzlo_actors.venue.broker.order_request import ReplaceWish, read_order, read_replace
from kyzlo_actors.venue.broker.order_request_checks import RequestContext
from kyzlo_actors.venue.broker.order_request_windows import AuctionWindows
from kyzlo_actors.venue.broker.refusal import Refusal
from kyzlo_actors.venue.control.behaviour import Behaviour
from kyzlo_actors.venue.market.calendar import CalendarMode, CalendarRules, VenueCalendar
from kyzlo_actors.venue.scenario import Scenario
from tests.venue.conftest import quiet_scenario

SCENARIO = Scenario.model_validate(quiet_scenario())
CONTEXT = RequestContext(
    behaviour=Behaviour(),
    windows=AuctionWindows(VenueCalendar(CalendarRules(mode=CalendarMode.ALWAYS))),
    now_ns=1_795_280_400_000_000_000,
    fractional_trading=True,
    is_taken=lambda wanted: wanted == "taken",
    last_price=lambda symbol: Decimal(100),
)
GOOD_NUMBERS = ("1", 1, 1.5, "0.5", "10", "110", "90", 99.99, "100.005", "1e2")
BAD_NUMBERS = ("0", "-1", "NaN", "Infinity", "", None, True, [], {}, 10**40, "1e-12", "9" * 30, "x")
NUMBERS = st.sampled_from((*GOOD_NUMBERS, *BAD_NUMBERS))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda parts: st.lists(parts, max_size=3) | st.dictionaries(st.text(max_size=8), parts, max_size=3),
    max_leaves=8,
)
WORDS: dict[str, list[str]] = {
    "symbol": ["AAA", "BBB", "WAVE", "ZZZ", "OFF"],
    "side": ["buy", "sell"],
    "type": ["market", "limit", "stop", "stop_limit", "trailing_stop"],
    "time_in_force": ["day", "gtc", "ioc", "fok", "opg", "cls"],
    "order_class": ["simple", "bracket", "oco", "oto", ""],
    "position_intent": ["buy_to_open", "sell_to_close"],
    "client_order_id": ["a", "taken", "x" * 200],
}
PRICES = ("limit_price", "stop_price", "trail_price", "trail_percent", "notional")
EXITS = st.fixed_dictionaries({}, optional={"limit_price": NUMBERS, "stop_price": NUMBERS})
# Mostly of the right shape, so that the deeper checks are reached too.
BODIES = st.fixed_dictionaries(
    {name: st.sampled_from(words) for name, words in WORDS.items() if name in ("symbol", "side", "type")}
    | {"time_in_force": st.sampled_from(WORDS["time_in_force"])},
    optional={
        "qty": NUMBERS | JSON,
        "extended_hours": st.booleans() | JSON,
        "take_profit": EXITS | JSON,
        "stop_loss": EXITS | JSON,
        "order_class": st.sampled_from(WORDS["order_class"]) | JSON,
        "position_intent": st.sampled_from(WORDS["position_intent"]) | JSON,
        "client_order_id": st.sampled_from(WORDS["client_order_id"]) | JSON,
        **dict.fromkeys(PRICES, NUMBERS | JSON),
    },
)


@given(body=BODIES | st.dictionaries(st.sampled_from([*WORDS, *PRICES, "qty"]), JSON))
def test_any_body_gives_a_refusal_or_a_ticket_without_fault(body: dict[str, Any]) -> None:
    made = read_order(body, SCENARIO, CONTEXT, fallback_id="mine")
    if isinstance(made, OrderTicket):
        assert ticket_fault(made) == ""
        assert made.symbol == body["symbol"]
    else:
        assert made.status in (403, 422)
        assert made.message


@given(
    body=st.dictionaries(
        st.sampled_from(["qty", "limit_price", "stop_price", "trail", "time_in_force", "client_order_id"]),
        NUMBERS | JSON,
    ),
    kind=st.sampled_from(OrderType),
)
def test_any_replace_gives_a_refusal_or_a_wish(body: dict[str, Any], kind: OrderType) -> None:
    ticket = OrderTicket(client_order_id="old", symbol="AAA", side=Side.BUY, qty=Decimal(5), order_type=kind)
    made = read_replace(body, ticket, CONTEXT, fallback_id="mine")
    if isinstance(made, ReplaceWish):
        assert made.qty is None or (made.qty > 0 and made.qty % 1 == 0)
    else:
        assert made.message


@given(raw=st.binary(max_size=64))
def test_any_bytes_are_a_json_object_or_nothing(raw: bytes) -> None:
    assert json_body(raw) is None or isinstance(json_body(raw), dict)


@pytest.mark.parametrize(
    ("given_qty", "kept"), [("10", "10"), (10, "10"), (10.0, "10"), ("1e1", "10"), (2.5, "2.5")]
)
def test_numbers_are_exact_however_they_are_written(given_qty: object, kept: str) -> None:
    body = json_body(
        b'{"symbol":"AAA","side":"buy","type":"market","time_in_force":"day","qty":%s}'
        % (f'"{given_qty}"' if isinstance(given_qty, str) else str(given_qty)).encode()
    )
    assert body is not None
    ticket = read_order(body, SCENARIO, CONTEXT, fallback_id="mine")
    assert isinstance(ticket, OrderTicket)
    assert (str(ticket.qty), ticket.client_order_id) == (kept, "mine")


def test_an_ocos_price_may_stand_in_the_order_or_in_take_profit() -> None:
    usual = {
        "symbol": "AAA",
        "qty": 1,
        "side": "sell",
        "type": "limit",
        "time_in_force": "gtc",
        "order_class": "oco",
        "stop_loss": {"stop_price": 90},
    }
    for where in ({"limit_price": 110}, {"take_profit": {"limit_price": 110}}):
        ticket = read_order({**usual, **where}, SCENARIO, CONTEXT, fallback_id="mine")
        assert isinstance(ticket, OrderTicket)
        assert (ticket.limit_price, ticket.take_profit_limit_price) == (Decimal(110), None)
    missing = read_order(usual, SCENARIO, CONTEXT, fallback_id="mine")
    assert isinstance(missing, Refusal)


@pytest.mark.parametrize("time_in_force", list(TimeInForce))
def test_a_sale_in_dollars_is_a_day_order(time_in_force: TimeInForce) -> None:
    body = {
        "symbol": "AAA",
        "notional": "100.50",
        "side": "sell",
        "type": "market",
        "time_in_force": str(time_in_force),
    }
    made = read_order(body, SCENARIO, CONTEXT, fallback_id="mine")
    assert isinstance(made, OrderTicket) is (time_in_force is TimeInForce.DAY)
