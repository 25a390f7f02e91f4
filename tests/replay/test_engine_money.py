"""Shorts, reservations, refusals for money's sake, fees, cash and broken trades."""

from __future__ import annotations

from decimal import Decimal

import pytest

from kyzlo_actors.domain.values import OrderClass, PositionIntent, Side
from kyzlo_actors.replay.matching_messages import (
    BookCash,
    BustFill,
    CashBooked,
    FillBusted,
    ForceFill,
    Quote,
    RefusalReason,
)
from kyzlo_actors.replay.terms import AccountTerms
from tests.replay.engine_hand import Hand

D = Decimal
BUY, SELL = Side.BUY, Side.SELL


def test_a_short_sale_brings_cash_and_a_negative_position() -> None:
    hand = Hand(shorting=True, cash="2000")
    assert hand.submit(SELL)[-1] == "1 fill 10@100"
    account = hand.engine.account
    assert (hand.held, account.cash, account.cost) == (-10, 3000, -1000)
    assert account.holdings["AAA"].avg_entry_price == 100
    assert hand.engine.buying_power == 1000, "a short binds what a long would"
    assert hand.engine.qty_available("AAA") == -10
    hand.submit(BUY, "4", limit_price="90")
    assert hand.engine.qty_available("AAA") == -6
    hand.quote(80)
    assert (hand.held, account.realized_pnl) == (-6, 80)


@pytest.mark.parametrize(
    ("fields", "reserve"),
    [
        ({"limit_price": "120"}, "1200"),
        ({"limit_price": "90"}, "1030"),
        ({}, "1030"),
        ({"stop_price": "95"}, "1030"),
    ],
)
def test_a_short_reserves_its_limit_or_a_little_more_than_the_ask(
    fields: dict[str, str], reserve: str
) -> None:
    hand = Hand(shorting=True)
    hand.send(SELL, **fields)
    assert hand.engine.reserved == D(reserve)


@pytest.mark.parametrize(
    ("fields", "reserve"),
    [
        ({"limit_price": "99"}, "990"),
        ({}, "1030"),
        ({"stop_price": "110"}, "1133"),
        ({"stop_price": "110", "limit_price": "111"}, "1110"),
        ({"trail_price": "10"}, "1133"),
        ({"trail_percent": "10"}, "1133"),
    ],
)
def test_a_buy_reserves_what_it_may_cost(fields: dict[str, str], reserve: str) -> None:
    hand = Hand()
    hand.send(BUY, **fields)
    assert hand.engine.reserved == D(reserve)
    hand.cancel(1)
    assert hand.engine.reserved == 0


def test_who_may_be_sold_short() -> None:
    nobody = Hand()
    assert nobody.refused(SELL).reason is RefusalReason.INSUFFICIENT_QTY
    open_short = nobody.refused(SELL, position_intent=PositionIntent.SELL_TO_OPEN)
    assert (open_short.reason, open_short.detail) == (
        RefusalReason.NOT_SHORTABLE,
        "account is not allowed to short",
    )
    others = Hand(shorting=True, shortable=frozenset({"BBB"}))
    assert others.refused(SELL).detail == 'asset "AAA" cannot be sold short'
    assert Hand(shorting=True).refused(SELL, "1.5").reason is RefusalReason.FRACTIONAL_SHORT
    assert AccountTerms(cash=D(1), shorting=True).may_short("AAA")


def test_an_intent_must_be_the_one_that_follows_from_the_position() -> None:
    hand = Hand(shorting=True)
    refused = hand.refused(SELL, position_intent=PositionIntent.SELL_TO_CLOSE)
    assert refused.detail == "position intent mismatch, inferred: sell_to_open, specified: sell_to_close"
    hand.submit(SELL, position_intent=PositionIntent.SELL_TO_OPEN)
    assert hand.order(1).intent is PositionIntent.SELL_TO_OPEN
    assert hand.engine.intent_of("AAA", BUY) is PositionIntent.BUY_TO_CLOSE
    assert (
        hand.refused(BUY, position_intent=PositionIntent.BUY_TO_OPEN).reason is RefusalReason.INTENT_MISMATCH
    )


def test_no_order_crosses_zero() -> None:
    hand = Hand(shorting=True)
    hand.submit(SELL, "5")
    refused = hand.refused(BUY, "6")
    assert refused.reason is RefusalReason.INSUFFICIENT_QTY
    assert refused.numbers == {"available": D(5), "existing_qty": D(5), "held_for_orders": D(0)}
    assert hand.submit(BUY, "5")[-1] == "2 fill 5@100"


def test_openers_on_both_sides_are_refused() -> None:
    hand = Hand(shorting=True)
    hand.submit(BUY, limit_price="90")
    refused = hand.refused(SELL, limit_price="110")
    assert refused.reason is RefusalReason.OPPOSITE_OPEN
    assert refused.detail == "cannot open a short sell while a long buy order is open"
    hand.cancel(1)
    hand.submit(SELL, limit_price="110")
    assert hand.refused(BUY, limit_price="90").detail.startswith("cannot open a long buy")


@pytest.mark.parametrize(
    ("working", "words"),
    [
        ({"limit_price": "101"}, "opposite side limit order exists"),
        ({"stop_price": "90"}, "opposite side stop order exists"),
        ({"trail_price": "5"}, "opposite side stop order exists"),
    ],
)
def test_trading_against_ourselves_is_refused(working: dict[str, str], words: str) -> None:
    hand = Hand()
    hand.submit()
    hand.submit(SELL, **working)
    refused = hand.refused(BUY, "1")
    assert (refused.reason, refused.detail) == (RefusalReason.WASH_TRADE, words)
    assert refused.related_order_ids == (hand.id(2),)


def test_a_bracket_does_not_trade_against_itself() -> None:
    hand = Hand()
    bracket = {
        "order_class": OrderClass.BRACKET,
        "limit_price": "95",
        "take_profit_limit_price": "110",
        "stop_loss_stop_price": "90",
    }
    hand.submit(BUY, **bracket)
    assert hand.submit(BUY, "1", limit_price="96")[-1] == "4 new", "its legs are not at the market yet"
    hand.quote(95)
    assert hand.refused(BUY, "1").reason is RefusalReason.WASH_TRADE, "now they are"


def test_fees_are_booked_for_what_is_sold() -> None:
    hand = Hand(fee_per_share_sold=D("0.01"))
    hand.submit()
    hand.submit(SELL, "4")
    (fee,) = hand.engine.cash_entries
    assert (fee.kind, fee.amount, fee.symbol, fee.sequence) == ("FEE", D("-0.04"), "AAA", 1)
    assert fee.cash == hand.engine.account.cash == D("99399.96")


def test_cash_comes_and_goes_without_trades() -> None:
    hand = Hand(cash="100")
    (told,) = hand.do(BookCash(kind="CSD", amount=D("50.5"), ts=7))
    assert told == CashBooked(sequence=1, kind="CSD", amount=D("50.5"), cash=D("150.5"), symbol=None, ts=7)
    hand.do(BookCash(kind="DIV", amount=D("-1"), ts=8, symbol="AAA"))
    assert hand.engine.account.cash == D("149.5") == hand.engine.buying_power
    assert [entry.sequence for entry in hand.engine.cash_entries] == [1, 2]


def test_a_broken_trade_is_undone() -> None:
    hand = Hand()
    hand.submit()
    order, fill = hand.order(1), hand.engine.fills[0]
    (told,) = hand.do(BustFill(execution_id=fill.execution_id, ts=hand.now()))
    assert isinstance(told, FillBusted) and (told.position_qty, told.price) == (0, None)
    assert hand.engine.account.cash == 100000 and hand.held == 0
    assert hand.order(1) == order, "the order stays as it is"
    assert hand.engine.busts == [told]
    assert hand.do(BustFill(execution_id=fill.execution_id, ts=hand.now())) == []
    assert hand.do(BustFill(execution_id="nobody", ts=hand.now())) == []


def test_a_price_can_be_corrected_more_than_once() -> None:
    hand = Hand()
    hand.submit()
    hand.submit(SELL, "5")
    bought = hand.engine.fills[0].execution_id
    hand.do(BustFill(execution_id=bought, price=D("90"), ts=hand.now()))
    account = hand.engine.account
    assert (account.cash, account.cost, account.realized_pnl) == (99600, 450, 50)
    assert hand.do(BustFill(execution_id=bought, price=D("90"), ts=hand.now())) == []
    hand.do(BustFill(execution_id=bought, price=D("110"), ts=hand.now()))
    assert (account.cash, account.cost, account.realized_pnl) == (99400, 550, -50)


def test_a_bust_cancels_what_would_close_more_than_is_left() -> None:
    hand = Hand()
    hand.submit(qty="6")
    hand.submit(qty="4")
    hand.submit(SELL, "5", limit_price="120")
    hand.submit(SELL, "5", limit_price="121")
    hand.do(BustFill(execution_id=hand.engine.fills[1].execution_id, ts=hand.now()))
    assert hand.status(3, 4) == ["new", "canceled"]
    assert (hand.held, hand.engine.qty_available("AAA")) == (6, 1)


def test_a_bust_of_shares_already_sold_leaves_a_short_that_can_be_bought_back() -> None:
    hand = Hand()
    hand.submit()
    hand.submit(SELL)
    hand.submit(BUY, "3", limit_price="90")
    hand.do(BustFill(execution_id=hand.engine.fills[0].execution_id, ts=hand.now()))
    assert hand.held == -10
    assert hand.status(3) == ["canceled"], "it meant to open"
    assert hand.submit(BUY)[-1] == "4 fill 10@100"
    assert hand.held == 0


def test_a_broken_fill_of_a_bracket_that_still_fills_ends_it_whole() -> None:
    hand = Hand()
    hand.submit(
        order_class=OrderClass.BRACKET,
        limit_price="95",
        take_profit_limit_price="110",
        stop_loss_stop_price="90",
    )
    hand.do(ForceFill(venue_order_id=hand.id(1), qty=D(3), ts=hand.now()))
    hand.do(BustFill(execution_id=hand.engine.fills[0].execution_id, ts=hand.now()))
    assert hand.status(1, 2, 3) == ["canceled"] * 3


def test_an_id_may_be_used_again_if_the_terms_say_so() -> None:
    for allowed in (False, True):
        hand = Hand(reuse_ended_ids=allowed)
        hand.submit(limit_price="90", client_order_id="mine")
        hand.cancel(1)
        if not allowed:
            reason = hand.refused(client_order_id="mine").reason
            assert reason is RefusalReason.DUPLICATE_CLIENT_ORDER_ID
            continue
        hand.submit(client_order_id="mine")
        found = hand.engine.by_client_order_id("mine")
        assert found is not None and found.status == "filled"
        assert hand.refused(client_order_id="mine").reason is RefusalReason.DUPLICATE_CLIENT_ORDER_ID


def test_terms_and_plan_can_change_while_it_runs() -> None:
    hand = Hand()
    hand.engine.terms = AccountTerms(cash=D(100000), shorting=True)
    hand.engine.plan = hand.engine.plan
    assert hand.submit(SELL)[-1] == "1 fill 10@100"
    assert hand.engine.handle(Quote("BBB", 1.0, 1.0, 1.0, 9)) == []
