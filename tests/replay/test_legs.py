"""Brackets, ocos and otos."""

from __future__ import annotations

from decimal import Decimal

import pytest

from kyzlo_actors.domain.values import OrderClass, PositionIntent, Side, TimeInForce
from kyzlo_actors.replay.fill_plan import FillPlan
from kyzlo_actors.replay.matching_messages import EndOrder, ForceFill, RefusalReason, SessionPhase
from kyzlo_actors.replay.venue_order import VenueStatus
from tests.replay.engine_hand import Hand, told

D = Decimal
BUY, SELL = Side.BUY, Side.SELL
BRACKET = {
    "order_class": OrderClass.BRACKET,
    "take_profit_limit_price": "110",
    "stop_loss_stop_price": "90",
    "time_in_force": TimeInForce.GTC,
}
OCO = {"order_class": OrderClass.OCO, "limit_price": "110", "stop_loss_stop_price": "90"}


def test_a_bracket_arms_its_legs_when_it_is_filled() -> None:
    hand = Hand()
    assert hand.submit(**BRACKET) == [
        "1 pending_new",
        "2 held",
        "3 held",
        "1 new",
        "1 fill 10@100",
        "2 new",
    ]
    parent, profit, stop = (hand.order(number) for number in (1, 2, 3))
    assert parent.legs == (profit.venue_order_id, stop.venue_order_id)
    assert (profit.ticket.side, profit.ticket.limit_price, profit.status) == (SELL, 110, "new")
    assert (stop.ticket.stop_price, stop.status, stop.parent_id) == (90, "held", parent.venue_order_id)
    assert profit.intent is PositionIntent.SELL_TO_CLOSE
    assert len({order.ticket.client_order_id for order in (parent, profit, stop)}) == 3
    assert hand.engine.qty_available("AAA") == 0, "both exits hold the shares, once"


def test_the_take_profit_cancels_the_stop_loss() -> None:
    hand = Hand()
    hand.submit(**BRACKET)
    assert hand.quote(111) == ["2 fill 10@111", "3 canceled"]
    assert hand.held == 0


def test_the_stop_loss_becomes_new_when_it_triggers_and_cancels_the_take_profit() -> None:
    hand = Hand()
    hand.submit(**BRACKET)
    assert hand.quote(89) == ["3 new", "3 fill 10@89", "2 canceled"]
    assert hand.held == 0


def test_a_stop_limit_loss_works_beside_the_take_profit() -> None:
    hand = Hand()
    hand.submit(**BRACKET, stop_loss_limit_price="89")
    assert hand.quote(88) == ["3 new"]
    assert hand.quote(109) == ["3 fill 10@109", "2 canceled"]


def test_a_partial_fill_of_one_exit_shrinks_the_other() -> None:
    hand = Hand()
    hand.submit(**BRACKET)
    force = ForceFill(venue_order_id=hand.id(2), qty=D(4), ts=hand.now())
    assert told(hand.do(force)) == ["2 partial_fill 4@100"]
    assert hand.order(3).ticket.qty == 6
    assert hand.quote(89)[:2] == ["3 new", "3 fill 6@89"]
    assert hand.status(2) == ["canceled"]


def test_legs_wait_for_the_whole_parent_and_claim_what_it_has_so_far() -> None:
    hand = Hand(FillPlan(partial_percent=100))
    hand.submit(**BRACKET, limit_price="100")
    assert hand.status(1, 2, 3) == ["partially_filled", "held", "held"]
    assert hand.engine.qty_available("AAA") == 0
    assert hand.refused(SELL, "1", limit_price="120").reason is RefusalReason.INSUFFICIENT_QTY
    assert hand.quote(99) == ["1 fill 5@99", "2 new"]


@pytest.mark.parametrize("status", [VenueStatus.CANCELED, VenueStatus.EXPIRED, VenueStatus.REJECTED])
def test_the_parents_end_cancels_the_legs(status: VenueStatus) -> None:
    hand = Hand()
    hand.submit(**BRACKET, limit_price="95")
    end = EndOrder(venue_order_id=hand.id(1), status=status, ts=hand.now())
    assert told(hand.do(end)) == [f"1 {status}", "2 canceled", "3 canceled"]


def test_canceling_a_leg_cancels_its_sibling_but_not_the_position() -> None:
    hand = Hand()
    hand.submit(**BRACKET)
    assert hand.request_cancel(2) == ["2 pending_cancel"]
    assert hand.cancel(3) == ["3 canceled", "2 canceled"]
    assert hand.held == 10 and hand.engine.qty_available("AAA") == 10


def test_legs_for_the_day_expire_together() -> None:
    hand = Hand()
    hand.submit(**(BRACKET | {"time_in_force": TimeInForce.DAY}))
    assert hand.enter(SessionPhase.POST) == ["2 expired", "3 expired"]


def test_legs_armed_while_the_session_is_shut_wait_for_it() -> None:
    hand = Hand()
    hand.submit(**BRACKET, limit_price="95")
    hand.enter(SessionPhase.POST)
    force = ForceFill(venue_order_id=hand.id(1), ts=hand.now())
    assert told(hand.do(force)) == ["1 fill 10@100", "2 accepted"]
    assert hand.enter(SessionPhase.REGULAR) == ["2 new"]


def test_a_short_bracket_buys_back() -> None:
    hand = Hand(shorting=True)
    hand.submit(
        SELL,
        order_class=OrderClass.BRACKET,
        take_profit_limit_price="90",
        stop_loss_stop_price="110",
    )
    assert hand.held == -10 and hand.engine.qty_available("AAA") == 0
    assert hand.quote(89) == ["2 fill 10@89", "3 canceled"]
    assert hand.engine.account.realized_pnl == 110


def test_an_oto_has_one_leg_that_works_alone() -> None:
    hand = Hand()
    oto = {"order_class": OrderClass.OTO, "stop_loss_stop_price": "90"}
    assert hand.submit(**oto)[-1] == "2 new"
    assert hand.quote(90) == ["2 fill 10@90"]
    assert hand.submit(order_class=OrderClass.OTO, take_profit_limit_price="95")[-1] == "4 new"


def test_an_oco_is_its_own_take_profit() -> None:
    hand = Hand()
    hand.submit()
    assert hand.submit(SELL, **OCO) == ["2 pending_new", "3 held", "2 new"]
    assert hand.engine.qty_available("AAA") == 0
    assert hand.quote(110) == ["2 fill 10@110", "3 canceled"]


def test_the_stop_of_an_oco_cancels_it() -> None:
    hand = Hand()
    hand.submit()
    hand.submit(SELL, **OCO)
    assert hand.quote(90) == ["3 new", "3 fill 10@90", "2 canceled"]


def test_a_forced_fill_arms_an_oco_that_has_not_reached_the_market() -> None:
    hand = Hand()
    hand.submit()
    hand.send(SELL, **OCO)
    hand.do(ForceFill(venue_order_id=hand.id(2), qty=D(4), ts=hand.now()))
    assert hand.order(3).activated and hand.order(3).ticket.qty == 6
    assert hand.quote(90)[-1] == "2 canceled"


def test_a_leg_that_is_being_canceled_may_still_be_armed_and_filled() -> None:
    hand = Hand()
    hand.submit(**BRACKET, limit_price="95")
    hand.request_cancel(2)
    assert hand.quote(94) == ["1 fill 10@94"]
    assert hand.quote(110) == ["2 fill 10@110", "3 canceled"]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"take_profit_limit_price": "110"}, "bracket orders require stop_loss.stop_price"),
        ({"stop_loss_stop_price": "90"}, "bracket orders require take_profit.limit_price"),
        (BRACKET | {"qty": "1.5", "time_in_force": TimeInForce.DAY}, "fractional orders must be simple"),
        (BRACKET | {"take_profit_limit_price": "80"}, "take_profit.limit_price must be > stop_loss"),
        (BRACKET | {"take_profit_limit_price": "99"}, "take_profit.limit_price must be > base_price"),
        (BRACKET | {"limit_price": "112"}, "take_profit.limit_price must be > base_price"),
        (BRACKET | {"limit_price": "89"}, "stop_loss.stop_price must be < base_price"),
        (BRACKET | {"time_in_force": TimeInForce.IOC}, "bracket orders must be DAY or GTC"),
        (BRACKET | {"order_class": OrderClass.OTO}, "oto orders require one of"),
        (BRACKET | {"order_class": OrderClass.OCO}, "oco orders must be limit orders"),
        (OCO | {"limit_price": "90", "stop_loss_stop_price": "110"}, "oco orders must be exit orders"),
    ],
)
def test_exits_that_make_no_sense_are_refused_in_words(fields: dict[str, str], words: str) -> None:
    refused = Hand().refused(**({"order_class": OrderClass.BRACKET} | fields))  # type: ignore[arg-type]
    assert refused.reason is RefusalReason.BAD_TICKET
    assert words in refused.detail


def test_a_bracket_must_open_and_its_stop_lie_behind_the_market() -> None:
    hand = Hand()
    hand.submit()
    bracket = {
        "order_class": OrderClass.BRACKET,
        "take_profit_limit_price": "90",
        "stop_loss_stop_price": "110",
    }
    assert hand.refused(SELL, **bracket).detail == "bracket orders must be entry orders"
    late = BRACKET | {"stop_loss_stop_price": "101"}
    assert hand.refused(**late).reason is RefusalReason.STOP_ON_WRONG_SIDE


def test_legs_count_among_the_open_orders() -> None:
    hand = Hand(max_open_orders=2)
    assert hand.refused(**BRACKET).reason is RefusalReason.TOO_MANY_OPEN_ORDERS
