"""The matching engine, case by case."""

from __future__ import annotations

from decimal import Decimal

import pytest

from kyzlo_actors.domain.order import OrderTicket
from kyzlo_actors.domain.values import OrderType, Side, TimeInForce
from kyzlo_actors.replay.fill_plan import FillPlan
from kyzlo_actors.replay.matching import MatchingEngine
from kyzlo_actors.replay.matching_messages import (
    ActivateOrder,
    CancelRefused,
    ConfirmCancel,
    EnterSession,
    HoldFills,
    MatchEvent,
    OrderExecuted,
    OrderMoved,
    OrderRefused,
    Quote,
    RefusalReason,
    RequestCancel,
    SessionPhase,
    SubmitOrder,
)
from kyzlo_actors.replay.terms import AccountTerms

D = Decimal


def ticket(
    client_order_id: str,
    side: Side = Side.BUY,
    qty: str = "10",
    limit: str | None = None,
    tif: TimeInForce = TimeInForce.DAY,
) -> OrderTicket:
    return OrderTicket(
        client_order_id=client_order_id,
        symbol="AAA",
        side=side,
        qty=D(qty),
        order_type=OrderType.LIMIT if limit else OrderType.MARKET,
        time_in_force=tif,
        limit_price=D(limit) if limit else None,
    )


def quote(bid: float, ask: float, ts: int = 1) -> Quote:
    return Quote("AAA", bid, ask, (bid + ask) / 2, ts)


def engine(cash: str = "10000", plan: FillPlan | None = None, max_open_orders: int = 100) -> MatchingEngine:
    made = MatchingEngine(AccountTerms(cash=D(cash), max_open_orders=max_open_orders), plan)
    made.handle(quote(99.9, 100.1))
    return made


def submit(made: MatchingEngine, order_ticket: OrderTicket, *, activate: bool = True) -> str:
    (taken,) = made.handle(SubmitOrder(ticket=order_ticket, ts=2))
    assert isinstance(taken, OrderMoved), taken
    if activate:
        made.handle(ActivateOrder(venue_order_id=taken.order.venue_order_id, ts=3))
    return taken.order.venue_order_id


def refusal(made: MatchingEngine, order_ticket: OrderTicket) -> OrderRefused:
    (refused,) = made.handle(SubmitOrder(ticket=order_ticket, ts=2))
    assert isinstance(refused, OrderRefused), refused
    return refused


def words(events: list[MatchEvent]) -> list[str]:
    return [str(event.order.status) for event in events if isinstance(event, (OrderMoved, OrderExecuted))]


def test_a_market_buy_lives_pending_new_new_filled_at_the_ask() -> None:
    made = engine()
    taken = made.handle(SubmitOrder(ticket=ticket("a"), ts=2))
    assert words(taken) == ["pending_new"]
    venue_order_id = made.open_orders()[0].venue_order_id
    events = made.handle(ActivateOrder(venue_order_id=venue_order_id, ts=3))
    assert words(events) == ["new", "filled"]
    order = made.orders[venue_order_id]
    assert (order.filled_qty, order.filled_avg_price, order.filled_ns) == (D(10), D("100.1"), 3)
    assert made.account.cash == D("8999.0")
    assert made.account.held_qty("AAA") == 10
    assert made.buying_power == made.account.cash


def test_a_limit_order_waits_until_it_is_marketable() -> None:
    made = engine()
    venue_order_id = submit(made, ticket("a", limit="99.50"))
    assert made.handle(quote(99.6, 99.8)) == []
    (executed,) = made.handle(quote(99.2, 99.4, ts=9))
    assert isinstance(executed, OrderExecuted)
    assert executed.fill.price == D("99.4"), "it gets the better price"
    assert made.orders[venue_order_id].status == "filled"


def test_a_sell_limit_fills_at_the_bid() -> None:
    made = engine()
    submit(made, ticket("a"))
    submit(made, ticket("b", Side.SELL, limit="101"))
    (executed,) = made.handle(quote(101.5, 101.7))
    assert isinstance(executed, OrderExecuted)
    assert executed.fill.price == D("101.5")
    assert made.account.realized_pnl == D("14.0")
    assert not made.account.holdings


def test_a_planned_partial_fill_is_finished_by_the_next_quote() -> None:
    made = engine(plan=FillPlan(partial_percent=100))
    venue_order_id = submit(made, ticket("a", qty="7"))
    assert made.orders[venue_order_id].status == "partially_filled"
    made.handle(quote(100.0, 101.1))
    order = made.orders[venue_order_id]
    assert [fill.cum_qty for fill in made.fills] == [3, 7]
    assert order.filled_notional == 3 * D("100.1") + 4 * D("101.1")


def test_the_fill_plan_splits_about_its_share_and_depends_on_the_order_alone() -> None:
    plan = FillPlan(seed=5, partial_percent=10)
    split = {index for index in range(1000) if plan.next_qty(ticket(f"id-{index}"), D(0), D(10)) < 10}
    assert 60 < len(split) < 140
    assert split == {index for index in range(1000) if plan.next_qty(ticket(f"id-{index}"), D(0), D(10)) < 10}
    assert plan.next_qty(ticket("one", qty="1"), D(0), D(1)) == 1


def test_a_client_order_id_is_unique_for_ever() -> None:
    made = engine()
    venue_order_id = submit(made, ticket("a", limit="50"))
    made.handle(RequestCancel(venue_order_id=venue_order_id, ts=4))
    made.handle(ConfirmCancel(venue_order_id=venue_order_id, ts=5))
    assert made.orders[venue_order_id].status == "canceled"
    assert refusal(made, ticket("a")).reason is RefusalReason.DUPLICATE_CLIENT_ORDER_ID


def test_open_buys_reserve_buying_power_until_they_end() -> None:
    made = engine(cash="1000")
    first = submit(made, ticket("a", limit="90"))
    assert made.buying_power == 100
    refused = refusal(made, ticket("b", qty="2", limit="90"))
    assert refused.reason is RefusalReason.INSUFFICIENT_BUYING_POWER
    assert refused.numbers == {"buying_power": D(100), "cost_basis": D(180)}
    made.handle(RequestCancel(venue_order_id=first, ts=4))
    assert made.buying_power == 100, "a requested cancel frees nothing yet"
    made.handle(ConfirmCancel(venue_order_id=first, ts=5))
    assert made.buying_power == 1000


def test_a_market_buy_reserves_three_percent_more_than_the_ask() -> None:
    made = engine(cash="1031")
    assert refusal(made, ticket("a")).numbers["cost_basis"] == D("1031.030")


def test_sells_are_limited_by_what_no_working_sell_claims() -> None:
    made = engine()
    submit(made, ticket("a", qty="5"))
    working = submit(made, ticket("b", Side.SELL, qty="4", limit="120"))
    refused = refusal(made, ticket("c", Side.SELL, qty="2"))
    assert refused.reason is RefusalReason.INSUFFICIENT_QTY
    assert refused.numbers == {"available": D(1), "existing_qty": D(5), "held_for_orders": D(4)}
    assert refused.related_order_ids == (working,)
    assert refusal(engine(), ticket("x", Side.SELL)).reason is RefusalReason.INSUFFICIENT_QTY


def test_trading_against_our_own_working_order_is_refused() -> None:
    made = engine()
    submit(made, ticket("a"))
    submit(made, ticket("b", limit="90"))
    assert refusal(made, ticket("c", Side.SELL)).reason is RefusalReason.WASH_TRADE
    assert refusal(made, ticket("d", Side.SELL, limit="89")).reason is RefusalReason.WASH_TRADE
    submit(made, ticket("e", Side.SELL, limit="120"))
    assert refusal(made, ticket("f", limit="121", qty="1")).reason is RefusalReason.WASH_TRADE


def test_a_fill_can_win_against_a_requested_cancel() -> None:
    made = engine()
    venue_order_id = submit(made, ticket("a", limit="99"))
    made.handle(RequestCancel(venue_order_id=venue_order_id, ts=4))
    assert made.orders[venue_order_id].status == "pending_cancel"
    assert words(made.handle(quote(98.0, 98.5))) == ["filled"]
    assert made.handle(ConfirmCancel(venue_order_id=venue_order_id, ts=6)) == []
    assert made.orders[venue_order_id].status == "filled"


def test_a_partial_fill_does_not_revive_an_order_that_is_being_canceled() -> None:
    made = engine(plan=FillPlan(partial_percent=100))
    venue_order_id = submit(made, ticket("a", limit="99"))
    made.handle(RequestCancel(venue_order_id=venue_order_id, ts=4))
    assert words(made.handle(quote(98.0, 98.5))) == ["pending_cancel"]
    made.handle(ConfirmCancel(venue_order_id=venue_order_id, ts=6))
    order = made.orders[venue_order_id]
    assert (order.status, order.filled_qty) == ("canceled", D(5))


def test_cancels_that_find_nothing_are_refused_with_the_status() -> None:
    made = engine()
    venue_order_id = submit(made, ticket("a"))
    assert made.handle(RequestCancel(venue_order_id=venue_order_id, ts=4)) == [
        CancelRefused(venue_order_id=venue_order_id, status=made.orders[venue_order_id].status)
    ]
    assert made.handle(RequestCancel(venue_order_id="nobody", ts=4)) == [
        CancelRefused(venue_order_id="nobody", status=None)
    ]
    waiting = submit(made, ticket("b", limit="1"))
    made.handle(RequestCancel(venue_order_id=waiting, ts=4))
    (again,) = made.handle(RequestCancel(venue_order_id=waiting, ts=4))
    assert isinstance(again, CancelRefused) and again.status == "pending_cancel"


def test_a_cancel_may_overtake_the_activation() -> None:
    made = engine()
    venue_order_id = submit(made, ticket("a", limit="1"), activate=False)
    made.handle(RequestCancel(venue_order_id=venue_order_id, ts=3))
    assert made.handle(ActivateOrder(venue_order_id=venue_order_id, ts=4)) == []
    assert words(made.handle(ConfirmCancel(venue_order_id=venue_order_id, ts=5))) == ["canceled"]
    assert made.handle(ActivateOrder(venue_order_id=venue_order_id, ts=6)) == []


def test_day_orders_expire_at_the_close_and_gtc_orders_live_on() -> None:
    made = engine()
    day = submit(made, ticket("a", limit="50"))
    gtc = submit(made, ticket("b", limit="50", tif=TimeInForce.GTC))
    assert words(made.handle(EnterSession(phase=SessionPhase.CLOSED, ts=7))) == ["expired"]
    assert (made.orders[day].status, made.orders[gtc].status) == ("expired", "new")
    assert made.handle(quote(40.0, 41.0)) == [], "nothing trades while the session is shut"
    assert words(made.handle(EnterSession(phase=SessionPhase.REGULAR, ts=9))) == ["filled"]


def test_an_order_given_while_shut_waits_accepted_for_the_open() -> None:
    made = engine()
    made.handle(EnterSession(phase=SessionPhase.CLOSED, ts=1))
    venue_order_id = submit(made, ticket("a"))
    assert made.orders[venue_order_id].status == "accepted"
    assert words(made.handle(EnterSession(phase=SessionPhase.REGULAR, ts=9))) == ["new", "filled"]


def test_held_fills_leave_orders_new_until_released() -> None:
    made = engine()
    made.handle(HoldFills(held=True, ts=1))
    venue_order_id = submit(made, ticket("a"))
    made.handle(quote(99.0, 99.2))
    assert made.orders[venue_order_id].status == "new"
    assert words(made.handle(HoldFills(held=False, ts=5))) == ["filled"]


def test_a_symbol_without_a_price_takes_limit_orders_only() -> None:
    made = MatchingEngine(AccountTerms(cash=D(1000)))
    assert refusal(made, ticket("a")).reason is RefusalReason.NO_PRICE
    venue_order_id = submit(made, ticket("b", limit="10"))
    assert made.orders[venue_order_id].status == "new"
    assert made.handle(quote(0.0, 0.0)) == [], "a side without a price is no quote"


def test_open_orders_are_bounded() -> None:
    made = engine(max_open_orders=1)
    submit(made, ticket("a", limit="1"))
    assert refusal(made, ticket("b", limit="1")).reason is RefusalReason.TOO_MANY_OPEN_ORDERS


@pytest.mark.parametrize(
    ("order_type", "limit", "qty", "tif", "reason"),
    [
        (OrderType.STOP, None, "1", TimeInForce.DAY, RefusalReason.BAD_TICKET),
        (OrderType.TRAILING_STOP, None, "1", TimeInForce.OPG, RefusalReason.BAD_TICKET),
        (OrderType.MARKET, None, "1.5", TimeInForce.GTC, RefusalReason.BAD_TICKET),
        (OrderType.MARKET, "1", "1", TimeInForce.DAY, RefusalReason.BAD_TICKET),
        (OrderType.LIMIT, None, "1", TimeInForce.DAY, RefusalReason.BAD_TICKET),
        (OrderType.LIMIT, "0", "1", TimeInForce.DAY, RefusalReason.BAD_TICKET),
        (OrderType.MARKET, None, "0", TimeInForce.DAY, RefusalReason.BAD_TICKET),
    ],
)
def test_bad_tickets_are_refused(
    order_type: OrderType, limit: str | None, qty: str, tif: TimeInForce, reason: RefusalReason
) -> None:
    bad = OrderTicket(
        client_order_id="x",
        symbol="AAA",
        side=Side.BUY,
        qty=D(qty),
        order_type=order_type,
        time_in_force=tif,
        limit_price=D(limit) if limit else None,
    )
    made = engine()
    assert refusal(made, bad).reason is reason
    assert made.orders == {}


def test_the_multiplier_lends_and_positions_use_it_up() -> None:
    made = MatchingEngine(AccountTerms(cash=D(1000), multiplier=D(2)))
    made.handle(quote(100.0, 100.0))
    assert made.buying_power == 2000
    submit(made, ticket("a", qty="15"))
    assert (made.account.cash, made.buying_power) == (D("-500.0"), D("500.0"))
