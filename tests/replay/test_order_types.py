"""Stops, trailing stops, times in force, fractions and dollars."""

from __future__ import annotations

from decimal import Decimal

import pytest

from kyzlo_actors.domain.values import OrderType, Side, TimeInForce
from kyzlo_actors.replay.fill_plan import FillPlan, FillRule
from kyzlo_actors.replay.matching_messages import (
    ForceFill,
    HaltSymbol,
    HoldFills,
    Quote,
    RefusalReason,
    SessionPhase,
)
from tests.replay.engine_hand import Hand, told

D = Decimal
T = TimeInForce
BUY, SELL = Side.BUY, Side.SELL


def test_a_sell_stop_triggers_on_a_trade_and_sells_at_the_bid() -> None:
    hand = Hand()
    hand.submit()
    assert hand.submit(SELL, stop_price="95")[-1] == "2 new"
    assert hand.quote(95.01, bid=94) == [], "a bid below the stop triggers nothing"
    assert hand.quote(95, bid=94.9, ask=95.1) == ["2 fill 10@94.9"]


@pytest.mark.parametrize(("stop", "limit"), [("40", "41.60"), ("110", "112.75")])
def test_a_buy_stop_becomes_a_stop_limit_with_some_room(stop: str, limit: str) -> None:
    hand = Hand()
    hand.quote(float(stop) - 1)
    hand.submit(BUY, stop_price=stop)
    above = float(limit) + 0.01
    assert hand.quote(above) == [], "it has triggered, but the price has run away"
    assert hand.order(1).triggered
    assert hand.quote(float(limit)) == [f"1 fill 10@{D(limit).normalize():f}"]


def test_a_stop_limit_waits_at_its_limit_once_triggered() -> None:
    hand = Hand()
    hand.submit(BUY, stop_price="105", limit_price="106")
    assert hand.quote(107) == []
    assert hand.quote(104) == ["1 fill 10@104"]


def test_a_stop_on_the_wrong_side_of_the_market_is_refused() -> None:
    hand = Hand()
    refused = hand.refused(BUY, stop_price="100")
    assert refused.reason is RefusalReason.STOP_ON_WRONG_SIDE
    assert refused.detail == "stop price must be greater than current price"
    assert refused.numbers == {"market_price": D("100"), "stop_price": D("100")}
    hand.submit()
    assert "less" in hand.refused(SELL, stop_price="101").detail


@pytest.mark.parametrize("trail", [{"trail_price": "5"}, {"trail_percent": "5"}])
def test_a_trailing_stop_follows_the_best_trade(trail: dict[str, str]) -> None:
    hand = Hand()
    hand.submit()
    hand.submit(SELL, **trail)
    assert hand.order(2).hwm == 100
    assert hand.quote(110) == [] and hand.order(2).hwm == 110
    assert hand.quote(107) == [] and hand.order(2).hwm == 110
    stop = hand.order(2).stop_price
    assert stop == (D("105") if "trail_price" in trail else D("104.50"))
    assert hand.quote(float(stop)) == [f"2 fill 10@{stop.normalize():f}"]


def test_a_trailing_buy_follows_downwards() -> None:
    hand = Hand()
    hand.submit(BUY, trail_price="5")
    hand.quote(90)
    assert hand.order(1).stop_price == 95
    assert hand.quote(95) == ["1 fill 10@95"]


def test_only_the_regular_session_moves_and_triggers_stops() -> None:
    hand = Hand()
    hand.submit()
    hand.submit(SELL, stop_price="95", time_in_force=T.GTC)
    hand.enter(SessionPhase.POST)
    assert hand.quote(90) == []
    hand.enter(SessionPhase.OVERNIGHT)
    hand.quote(120)
    trailing = Hand()
    trailing.submit(BUY, trail_price="5", time_in_force=T.GTC)
    trailing.enter(SessionPhase.POST)
    trailing.quote(80)
    assert trailing.order(1).hwm == 100
    assert hand.order(2).status == "new"


def test_ioc_takes_what_it_gets_and_fok_all_or_nothing() -> None:
    half = FillPlan(partial_percent=100)
    assert Hand(half).submit(time_in_force=T.IOC) == [
        "1 pending_new",
        "1 new",
        "1 partial_fill 5@100",
        "1 canceled",
    ]
    assert Hand(half).submit(time_in_force=T.FOK)[-1] == "1 canceled"
    assert Hand().submit(time_in_force=T.FOK)[-1] == "1 fill 10@100"
    assert Hand().submit(limit_price="99", time_in_force=T.IOC)[-1] == "1 canceled"


def test_ioc_waits_for_its_first_quote_when_nothing_trades() -> None:
    hand = Hand()
    hand.do(HaltSymbol(symbol="AAA", halted=True, ts=hand.now()))
    assert hand.submit(limit_price="99", time_in_force=T.IOC) == ["1 pending_new", "1 new"]
    assert told(hand.do(HaltSymbol(symbol="AAA", halted=False, ts=hand.now()))) == ["1 canceled"]
    hand.enter(SessionPhase.POST)
    assert hand.submit(time_in_force=T.IOC)[-1] == "2 accepted"
    assert hand.enter(SessionPhase.REGULAR) == ["2 new", "2 fill 10@100"]


def test_a_fraction_trades_exactly() -> None:
    hand = Hand()
    assert hand.submit(qty="0.123456789")[-1] == "1 fill 0.123456789@100"
    assert hand.engine.account.cash == D("100000") - D("12.3456789")
    assert hand.refused(qty="1.5", time_in_force=T.GTC).reason is RefusalReason.BAD_TICKET


def test_a_notional_buy_gets_as_many_shares_as_its_dollars_are_worth() -> None:
    hand = Hand()
    hand.quote(30)
    hand.send(qty="0", notional="100")
    assert (hand.engine.reserved, hand.order(1).ticket.qty) == (100, 0)
    assert hand.activate(1) == ["1 new", "1 fill 3.333333333@30"]
    assert hand.order(1).filled_notional == D("99.99999999")
    assert hand.engine.reserved == 0


def test_a_notional_order_can_be_filled_in_parts() -> None:
    hand = Hand(FillPlan(partial_percent=100))
    assert hand.submit(qty="0", notional="1000")[-1] == "1 partial_fill 5@100"
    assert hand.engine.reserved == 500
    assert hand.quote(50) == ["1 fill 10@50"]


def test_a_notional_sale_never_sells_more_than_it_claimed() -> None:
    hand = Hand()
    hand.submit(qty="2")
    assert hand.refused(SELL, qty="0", notional="200.01").reason is RefusalReason.INSUFFICIENT_QTY
    hand.send(SELL, qty="0", notional="150")
    assert hand.engine.qty_available("AAA") == D("0.5")
    hand.quote(50)
    assert hand.activate(2)[-1] == "2 fill 1.5@50"
    assert hand.held == D("0.5")


def test_a_symbol_without_a_price_takes_no_order_that_needs_one() -> None:
    hand = Hand()
    for fields in ({}, {"trail_price": "1"}, {"qty": "0", "notional": "5"}):
        assert hand.refused(BUY, **({"qty": "1", "symbol": "NEW"} | fields)).reason is RefusalReason.NO_PRICE
    hand.do(Quote("NEW", 0.0, 0.0, 5.0, hand.now()))
    assert hand.refused(BUY, qty="1", symbol="NEW").reason is RefusalReason.NO_PRICE


def test_rules_of_the_fill_plan_say_how_a_symbol_fills() -> None:
    rules = (FillRule(symbol="AAA", side=BUY, quantities=(D(3), D(2)), then="wait"),)
    hand = Hand(FillPlan(rules=rules, partial_percent=0))
    assert hand.submit()[-1] == "1 partial_fill 3@100"
    assert hand.quote(101) == ["1 partial_fill 2@101"]
    assert hand.quote(102) == []
    force = ForceFill(venue_order_id=hand.id(1), qty=D(1), ts=hand.now())
    assert told(hand.do(force)) == ["1 partial_fill 1@102"]
    assert hand.quote(103) == []
    assert told(hand.do(ForceFill(venue_order_id=hand.id(1), ts=hand.now()))) == ["1 fill 4@103"]
    assert hand.submit(SELL)[-1] == "2 fill 10@103", "the other side fills as usual"


def test_a_plan_that_waits_at_once_leaves_the_order_new_until_it_is_forced() -> None:
    hand = Hand(FillPlan(rules=(FillRule(symbol="AAA", then="wait"),)))
    assert hand.submit() == ["1 pending_new", "1 new"]
    assert told(hand.do(ForceFill(venue_order_id=hand.id(1), price=D("7"), ts=hand.now()))) == ["1 fill 10@7"]
    assert hand.do(ForceFill(venue_order_id=hand.id(1), ts=hand.now())) == []
    assert hand.do(ForceFill(venue_order_id="nobody", ts=hand.now())) == []


def test_a_forced_fill_may_come_before_the_order_has_reached_the_market() -> None:
    hand = Hand()
    hand.send(qty="4")
    forced = ForceFill(venue_order_id=hand.id(1), qty=D(9), ts=hand.now())
    assert told(hand.do(forced)) == ["1 fill 4@100"]
    assert hand.activate(1) == []


def test_a_halt_keeps_orders_as_they_are_until_it_is_over() -> None:
    hand = Hand()
    hand.do(HaltSymbol(symbol="AAA", halted=True, ts=hand.now()))
    assert hand.engine.halted == {"AAA"}
    assert hand.submit() == ["1 pending_new", "1 new"]
    assert hand.quote(101) == []
    assert told(hand.do(HaltSymbol(symbol="AAA", halted=False, ts=hand.now()))) == ["1 fill 10@101"]
    hand.do(HoldFills(held=True, ts=hand.now()))
    assert hand.submit()[-1] == "2 new"
    assert told(hand.do(HoldFills(held=False, ts=hand.now()))) == ["2 fill 10@101"]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"order_type": OrderType.STOP_LIMIT, "stop_price": "105"}, "both stop and limit"),
        ({"order_type": OrderType.TRAILING_STOP}, "one of trail_price or trail_percent"),
        ({"trail_price": "1", "trail_percent": "1"}, "one of trail_price or trail_percent"),
        ({"trail_percent": "100"}, "trail_percent must be < 100"),
        ({"order_type": OrderType.LIMIT, "limit_price": "9", "stop_price": "9"}, "no stop price"),
        ({"order_type": OrderType.STOP, "limit_price": "9", "stop_price": "9"}, "no limit price"),
        ({"limit_price": "9", "extended_hours": True, "time_in_force": T.IOC}, "extended hours"),
        ({"stop_price": "105", "time_in_force": T.OPG}, "opg orders must be market or limit"),
        ({"notional": "5"}, "only one of qty or notional"),
        ({"qty": "0.1234567891"}, "9 decimal places"),
        ({"take_profit_limit_price": "5"}, "simple orders have no take_profit"),
    ],
)
def test_tickets_that_make_no_sense_are_refused_in_words(fields: dict[str, str], words: str) -> None:
    refused = Hand().refused(**fields)  # type: ignore[arg-type]
    assert refused.reason is RefusalReason.BAD_TICKET
    assert words in refused.detail
