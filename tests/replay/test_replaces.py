"""Replaces and cancels: chains, races, and what is refused."""

from __future__ import annotations

from decimal import Decimal

import pytest

from kyzlo_actors.domain.values import OrderClass, Side, TimeInForce
from kyzlo_actors.replay.fill_plan import FillPlan, FillRule
from kyzlo_actors.replay.matching_messages import (
    CancelRefused,
    EndOrder,
    ForceFill,
    RefusalReason,
    RefuseCancel,
    RequestCancel,
    SessionPhase,
)
from kyzlo_actors.replay.venue_order import VenueStatus
from tests.replay.engine_hand import Hand, told

D = Decimal
BUY, SELL = Side.BUY, Side.SELL
BRACKET = {
    "order_class": OrderClass.BRACKET,
    "take_profit_limit_price": "110",
    "stop_loss_stop_price": "90",
}


def partly_filled(qty: str = "4", **terms: str) -> Hand:
    """A buy of 10 at 100 of which `qty` shares are filled; the rest waits."""
    rule = FillRule(symbol="AAA", quantities=(D(qty),), then="wait")
    hand = Hand(FillPlan(rules=(rule,)), **terms)
    hand.submit(limit_price="100")
    return hand


def test_a_replace_makes_a_new_order_and_links_the_two() -> None:
    hand = Hand()
    hand.submit(limit_price="90")
    assert hand.request_replace(1, limit_price="91", client_order_id="mine") == [
        "2 pending_new",
        "1 pending_replace",
    ]
    assert hand.confirm_replace(2) == ["1 replaced", "2 new"]
    old, new = hand.order(1), hand.order(2)
    assert (old.replaced_by, new.replaces) == (new.venue_order_id, old.venue_order_id)
    assert old.replaced_ns and hand.engine.by_client_order_id("mine") == new
    assert (new.ticket.limit_price, new.ticket.qty) == (91, 10)
    assert hand.quote(91) == ["2 fill 10@91"]


def test_the_chains_quantity_is_a_total() -> None:
    hand = partly_filled()
    hand.request_replace(1, qty="7")
    hand.confirm_replace(2)
    new = hand.order(2)
    assert (new.ticket.qty, new.filled_qty, new.chain_qty, new.chain_total_qty) == (3, 0, 4, 7)
    assert told(hand.do(ForceFill(venue_order_id=new.venue_order_id, ts=hand.now()))) == ["2 fill 3@100"]
    assert hand.held == 7


def test_what_the_chain_has_filled_can_be_carried() -> None:
    hand = partly_filled(replaced_filled_qty="carried")
    hand.request_replace(1, qty="7")
    hand.confirm_replace(2)
    new = hand.order(2)
    assert (new.ticket.qty, new.filled_qty, new.filled_avg_price) == (7, 4, 100)
    hand.quote(99)
    hand.do(ForceFill(venue_order_id=new.venue_order_id, qty=D(1), ts=hand.now()))
    hand.request_replace(2, limit_price="98")
    hand.confirm_replace(3)
    assert (hand.order(3).filled_qty, hand.order(3).filled_notional) == (5, 499)
    assert told(hand.do(ForceFill(venue_order_id=hand.id(3), ts=hand.now()))) == ["3 fill 2@99"]
    assert (hand.order(3).filled_qty, hand.held) == (7, 7)


def test_a_fill_wins_the_race_and_the_new_order_is_rejected() -> None:
    hand = Hand()
    hand.submit(limit_price="90")
    hand.request_replace(1, limit_price="80")
    assert hand.quote(90) == ["1 fill 10@90", "2 order_replace_rejected"]
    assert hand.status(1, 2) == ["filled", "rejected"]
    assert hand.confirm_replace(2) == []


def test_a_partial_fill_leaves_the_new_order_less() -> None:
    hand = partly_filled("1")
    hand.request_replace(1, qty="8")
    hand.do(ForceFill(venue_order_id=hand.id(1), qty=D(3), ts=hand.now()))
    assert hand.status(1) == ["pending_replace"]
    hand.confirm_replace(2)
    assert (hand.order(2).ticket.qty, hand.order(2).chain_qty) == (4, 4)


def test_a_partial_fill_can_leave_the_new_order_nothing() -> None:
    hand = partly_filled("1")
    hand.request_replace(1, qty="3")
    force = ForceFill(venue_order_id=hand.id(1), qty=D(2), ts=hand.now())
    assert told(hand.do(force)) == [
        "1 partial_fill 2@100",
        "2 order_replace_rejected",
        "1 order_replace_rejected",
    ]
    assert hand.status(1, 2) == ["partially_filled", "rejected"]


def test_the_market_can_refuse_a_replace() -> None:
    for number in (1, 2):
        hand = Hand()
        hand.submit(limit_price="90")
        hand.request_replace(1, qty="20")
        assert hand.engine.reserved == 1800
        refused = hand.do(RefuseCancel(venue_order_id=hand.id(number), ts=hand.now()))
        assert told(refused) == ["2 order_replace_rejected", "1 order_replace_rejected"]
        assert hand.status(1, 2) == ["new", "rejected"]
        assert hand.engine.reserved == 900
        assert hand.quote(89) == ["1 fill 10@89"]


def test_money_is_held_once_for_both_orders() -> None:
    hand = Hand(cash="1000")
    hand.submit(limit_price="90")
    refused = hand.replace_refused(1, qty="12").refusal
    assert refused is not None and refused.reason is RefusalReason.INSUFFICIENT_BUYING_POWER
    assert refused.numbers == {"buying_power": D(1000), "cost_basis": D(1080)}
    hand.request_replace(1, qty="11")
    assert hand.engine.buying_power == 10
    hand.confirm_replace(2)
    assert hand.engine.buying_power == 10


def test_shares_are_held_once_for_both_orders() -> None:
    hand = Hand()
    hand.submit()
    hand.submit(SELL, "8", limit_price="120")
    refused = hand.replace_refused(2, qty="11").refusal
    assert refused is not None and refused.reason is RefusalReason.INSUFFICIENT_QTY
    hand.request_replace(2, qty="10")
    assert hand.engine.qty_available("AAA") == 0
    hand.confirm_replace(3)
    assert hand.quote(120) == ["3 fill 10@120"]


def test_what_a_replace_cannot_do() -> None:
    hand = partly_filled()
    assert hand.replace_refused(1).unchanged
    assert hand.replace_refused(1, qty="10").unchanged
    for fields, words in (
        ({"qty": "4"}, "qty must be > filled_qty"),
        ({"qty": "5.5"}, "whole number"),
        ({"stop_price": "5"}, "stop_price does not fit"),
        ({"trail": "5"}, "trail does not fit"),
        ({"limit_price": "0"}, "limit price must be > 0"),
        ({"time_in_force": TimeInForce.IOC}, "time_in_force can only change"),
    ):
        assert words in hand.replace_refused(1, **fields).detail
    known = hand.order(1).ticket.client_order_id
    refusal = hand.replace_refused(1, limit_price="99", client_order_id=known).refusal
    assert refusal is not None and refusal.reason is RefusalReason.DUPLICATE_CLIENT_ORDER_ID


def test_only_a_working_order_of_whole_shares_can_be_replaced() -> None:
    hand = Hand()
    hand.send(limit_price="90")
    assert hand.replace_refused(1, qty="5").status == "pending_new"
    hand.activate(1)
    hand.request_replace(1, qty="5")
    assert hand.replace_refused(1, qty="6").status == "pending_replace"
    assert hand.replace_refused(2, qty="6").status == "pending_new"
    hand.confirm_replace(2)
    assert hand.replace_refused(1, qty="6").status == "replaced"
    hand.request_cancel(2)
    assert hand.replace_refused(2, qty="6").status == "pending_cancel"
    hand.submit(qty="1.5", limit_price="90")
    assert "fractional" in hand.replace_refused(3, limit_price="80").detail
    hand.enter(SessionPhase.PRE)
    hand.submit(limit_price="90")
    assert hand.replace_refused(4, qty="6").status == "accepted"


def test_a_trailing_stop_keeps_its_best_price() -> None:
    hand = Hand()
    hand.submit()
    hand.submit(SELL, trail_price="5")
    hand.quote(110)
    hand.request_replace(2, trail="8")
    hand.confirm_replace(3)
    assert (hand.order(3).hwm, hand.order(3).stop_price) == (110, 102)
    assert hand.quote(102)[-1] == "3 fill 10@102"


def test_the_prices_of_armed_legs_can_be_replaced() -> None:
    hand = Hand()
    hand.submit(**BRACKET)
    hand.request_replace(2, limit_price="105")
    hand.confirm_replace(4)
    hand.request_replace(3, stop_price="95")
    assert hand.confirm_replace(5) == ["3 replaced", "5 held"]
    assert [leg.sequence for leg in hand.engine.legs_of(hand.order(1))] == [4, 5]
    assert "qty of a leg" in hand.replace_refused(4, qty="5").detail
    assert hand.engine.qty_available("AAA") == 0
    assert hand.quote(95) == ["5 new", "5 fill 10@95", "4 canceled"]


def test_legs_that_wait_cannot_be_replaced_but_follow_their_parent() -> None:
    hand = Hand()
    hand.submit(**BRACKET, limit_price="95")
    assert hand.replace_refused(2, limit_price="120").status == "held"
    hand.request_replace(1, limit_price="96", qty="6")
    hand.confirm_replace(4)
    assert [hand.order(number).parent_id for number in (2, 3)] == [hand.id(4)] * 2
    assert [hand.order(number).ticket.qty for number in (2, 3)] == [6, 6]
    assert hand.quote(96) == ["4 fill 6@96", "2 new"]
    assert hand.quote(110)[-1] == "3 canceled"


def test_an_exit_filled_during_its_siblings_replace_ends_all_three() -> None:
    hand = Hand()
    hand.submit(**BRACKET)
    hand.request_replace(2, limit_price="120")
    assert hand.quote(89) == ["3 new", "3 fill 10@89", "2 canceled", "4 order_replace_rejected"]


def test_both_orders_of_an_oco_can_be_replaced_at_once() -> None:
    hand = Hand()
    hand.submit()
    hand.submit(SELL, order_class=OrderClass.OCO, limit_price="110", stop_loss_stop_price="90")
    hand.request_replace(3, stop_price="91")
    hand.request_replace(2, limit_price="111")
    hand.confirm_replace(5)
    hand.confirm_replace(4)
    assert hand.order(4).parent_id == hand.id(5)
    assert hand.engine.qty_available("AAA") == 0
    assert hand.quote(91) == ["4 new", "4 fill 10@91", "5 canceled"]


def test_a_cancel_is_refused_while_a_replace_is_under_way() -> None:
    hand = Hand()
    hand.submit(limit_price="90")
    hand.request_replace(1, qty="5")
    for number, status in ((1, "pending_replace"), (2, "pending_new")):
        (refused,) = hand.do(RequestCancel(venue_order_id=hand.id(number), ts=hand.now()))
        assert refused == CancelRefused(venue_order_id=hand.id(number), status=VenueStatus(status))


@pytest.mark.parametrize("filled", [False, True])
def test_a_refused_cancel_gives_the_order_back(filled: bool) -> None:
    hand = partly_filled() if filled else Hand()
    if not filled:
        hand.submit(limit_price="90")
    before = hand.status(1)
    hand.request_cancel(1)
    assert told(hand.do(RefuseCancel(venue_order_id=hand.id(1), ts=hand.now()))) == [
        "1 order_cancel_rejected"
    ]
    assert hand.status(1) == before == ["partially_filled" if filled else "new"]
    assert hand.do(RefuseCancel(venue_order_id=hand.id(1), ts=hand.now())) == []


def test_a_cancel_asked_for_overnight_and_refused_by_day_leaves_the_order_new() -> None:
    hand = Hand(phase=SessionPhase.CLOSED)
    hand.submit(limit_price="90")
    hand.request_cancel(1)
    hand.enter(SessionPhase.REGULAR)
    hand.do(RefuseCancel(venue_order_id=hand.id(1), ts=hand.now()))
    assert hand.status(1) == ["new"]
    assert hand.quote(90) == ["1 fill 10@90"]


def test_an_order_refused_its_cancel_on_the_way_is_again_on_its_way() -> None:
    hand = Hand()
    hand.send(limit_price="90")
    hand.request_cancel(1)
    hand.do(RefuseCancel(venue_order_id=hand.id(1), ts=hand.now()))
    assert hand.status(1) == ["pending_new"]
    assert hand.activate(1) == ["1 new"]


def test_the_market_can_end_an_order_by_itself() -> None:
    hand = Hand()
    hand.send(limit_price="90")
    rejected = EndOrder(venue_order_id=hand.id(1), status=VenueStatus.REJECTED, ts=hand.now())
    assert told(hand.do(rejected)) == ["1 rejected"]
    assert hand.order(1).failed_ns and hand.engine.reserved == 0
    hand.submit(limit_price="90")
    resting = EndOrder(venue_order_id=hand.id(2), status=VenueStatus.DONE_FOR_DAY, ts=hand.now())
    assert told(hand.do(resting)) == ["2 done_for_day"]
    assert hand.quote(80) == []
    assert hand.do(EndOrder(venue_order_id=hand.id(2), status=VenueStatus.FILLED, ts=hand.now())) == []
