"""The trading day: phases, auctions, what waits and what ends."""

from __future__ import annotations

from kyzlo_actors.domain.values import Side, TimeInForce
from kyzlo_actors.replay.matching_messages import EnterSession, HaltSymbol, RefusalReason, SessionPhase
from tests.replay.engine_hand import Hand, told

T = TimeInForce
BUY, SELL = Side.BUY, Side.SELL
P = SessionPhase


def test_an_order_without_extended_hours_waits_for_the_regular_session() -> None:
    hand = Hand(phase=P.PRE)
    assert hand.submit() == ["1 pending_new", "1 accepted"]
    assert hand.quote(101) == []
    assert hand.enter(P.REGULAR) == ["1 new", "1 fill 10@101"]


def test_an_extended_limit_order_trades_before_and_after_the_session() -> None:
    for phase in (P.PRE, P.POST, P.OVERNIGHT):
        hand = Hand(phase=phase)
        order = hand.submit(limit_price="100", extended_hours=True)
        assert order == ["1 pending_new", "1 new", "1 fill 10@100"]
    closed = Hand(phase=P.CLOSED)
    assert closed.submit(limit_price="100", extended_hours=True)[-1] == "1 accepted"
    assert closed.enter(P.PRE) == ["1 new", "1 fill 10@100"]


def test_day_orders_end_with_the_session_and_extended_ones_with_the_day() -> None:
    hand = Hand()
    hand.submit(limit_price="90")
    hand.submit(limit_price="90", extended_hours=True)
    hand.submit(limit_price="90", time_in_force=T.GTC)
    assert hand.enter(P.POST) == ["1 expired"]
    assert hand.enter(P.CLOSED) == ["2 expired"]
    assert hand.status(1, 2, 3) == ["expired", "expired", "new"]


def test_a_day_order_given_after_the_close_is_for_the_next_session() -> None:
    hand = Hand(phase=P.POST)
    hand.submit(limit_price="90")
    for phase in (P.OVERNIGHT, P.PRE):
        assert hand.enter(phase) == []
    assert hand.enter(P.REGULAR) == ["1 new"]
    assert hand.enter(P.CLOSED) == ["1 expired"]


def test_an_extended_order_given_overnight_lives_through_the_day() -> None:
    hand = Hand(phase=P.OVERNIGHT)
    hand.submit(limit_price="90", extended_hours=True)
    assert [hand.enter(phase) for phase in (P.PRE, P.REGULAR, P.POST)] == [[], [], []]
    assert hand.enter(P.OVERNIGHT) == ["1 expired"]


def test_an_order_on_its_way_at_the_close_waits_for_the_next_session() -> None:
    hand = Hand()
    hand.send(limit_price="90")
    assert hand.enter(P.POST) == []
    assert hand.activate(1) == ["1 accepted"]


def test_day_orders_can_end_canceled_and_gtc_orders_rest() -> None:
    hand = Hand(day_order_end="canceled", gtc_done_for_day=True)
    hand.submit(limit_price="90")
    hand.submit(limit_price="90", time_in_force=T.GTC)
    assert hand.enter(P.POST) == ["1 canceled", "2 done_for_day"]
    assert hand.quote(80) == []
    assert hand.enter(P.REGULAR) == ["2 new", "2 fill 10@80"]


def test_gtc_orders_age_out() -> None:
    hand = Hand(gtc_days=1)
    hand.submit(limit_price="90", time_in_force=T.GTC)
    expires_ns = hand.order(1).expires_ns
    assert expires_ns == hand.order(1).submitted_ns + 86_400 * 10**9
    assert told(hand.do(EnterSession(phase=P.POST, ts=expires_ns - 1))) == []
    assert told(hand.do(EnterSession(phase=P.CLOSED, ts=expires_ns))) == ["1 expired"]


def test_opg_orders_meet_the_opening_auction_or_expire() -> None:
    hand = Hand(phase=P.PRE)
    hand.submit(time_in_force=T.OPG)
    hand.submit(limit_price="99", time_in_force=T.OPG)
    hand.send(time_in_force=T.OPG)
    assert hand.quote(101, ask=102) == []
    assert hand.enter(P.REGULAR) == ["1 new", "2 new", "1 fill 10@101", "2 expired"]
    assert hand.activate(3) == ["3 expired"], "it comes too late"
    assert hand.refused(time_in_force=T.OPG).reason is RefusalReason.AUCTION_WINDOW


def test_opg_orders_of_a_halted_symbol_meet_the_reopening_auction() -> None:
    hand = Hand(phase=P.PRE)
    hand.submit(time_in_force=T.OPG)
    hand.do(HaltSymbol(symbol="AAA", halted=True, ts=hand.now()))
    assert hand.enter(P.REGULAR) == ["1 new"]
    hand.quote(103)
    assert told(hand.do(HaltSymbol(symbol="AAA", halted=False, ts=hand.now()))) == ["1 fill 10@103"]


def test_cls_orders_meet_the_closing_auction_or_expire() -> None:
    hand = Hand()
    hand.submit(time_in_force=T.CLS)
    hand.submit(limit_price="99", time_in_force=T.CLS)
    assert hand.quote(98, ask=98) == [], "no quote fills them"
    hand.quote(102, bid=101, ask=103)
    assert hand.enter(P.POST) == ["1 fill 10@102", "2 expired"]


def test_ioc_orders_left_over_at_the_close_are_canceled() -> None:
    hand = Hand()
    hand.do(HaltSymbol(symbol="AAA", halted=True, ts=hand.now()))
    hand.submit(time_in_force=T.IOC)
    assert hand.enter(P.POST) == ["1 canceled"]


def test_entering_the_same_phase_again_means_nothing() -> None:
    hand = Hand()
    hand.submit(limit_price="90")
    assert hand.enter(P.REGULAR) == []
    assert (hand.engine.phase, hand.engine.session_open) == (P.REGULAR, True)


def test_an_order_meets_quotes_again_after_the_night() -> None:
    hand = Hand()
    hand.submit(limit_price="90", time_in_force=T.GTC)
    hand.enter(P.CLOSED)
    assert hand.quote(80) == []
    hand.quote(100)
    hand.enter(P.REGULAR)
    assert hand.quote(89) == ["1 fill 10@89"]
