"""What must hold for the matching engine whatever is asked of it."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from kyzlo_actors.domain.order import OrderTicket
from kyzlo_actors.domain.values import OrderType, Side, TimeInForce
from kyzlo_actors.replay.fill_plan import FillPlan
from kyzlo_actors.replay.matching import MatchingEngine
from kyzlo_actors.replay.matching_messages import (
    ActivateOrder,
    ConfirmCancel,
    EnterSession,
    HoldFills,
    MatchEvent,
    MatchInput,
    OrderExecuted,
    OrderMoved,
    Quote,
    RequestCancel,
    SessionPhase,
    SubmitOrder,
)
from kyzlo_actors.replay.terms import AccountTerms
from kyzlo_actors.replay.venue_order import VenueOrder

D = Decimal
CASH = D("100000")
SYMBOLS = ("AAA", "BBB")
prices = st.integers(1_00, 300_00).map(lambda cents: D(cents) / 100)
quantities = st.one_of(st.integers(1, 400).map(D), st.integers(1, 10**9).map(lambda n: D(n).scaleb(-9)))

commands = st.one_of(
    st.tuples(
        st.just("submit"),
        st.sampled_from(SYMBOLS),
        st.sampled_from(Side),
        quantities,
        st.one_of(st.none(), prices),
        st.sampled_from((TimeInForce.DAY, TimeInForce.GTC)),
        st.integers(0, 40),
    ),
    st.tuples(st.sampled_from(("activate", "cancel", "confirm")), st.integers(0, 30)),
    st.tuples(st.just("quote"), st.sampled_from(SYMBOLS), prices, st.integers(0, 50)),
    st.tuples(st.sampled_from(("open", "close", "hold", "release"))),
)
scripts = st.lists(commands, max_size=60)


def to_input(command: tuple, engine: MatchingEngine, ts: int) -> MatchInput | None:  # type: ignore[type-arg]
    """The script's line as an input; orders are named by their position in the engine's list."""
    match command:
        case ("submit", symbol, side, qty, limit, tif, number):
            return SubmitOrder(
                ticket=OrderTicket(
                    client_order_id=f"c{number}",
                    symbol=symbol,
                    side=side,
                    qty=qty,
                    order_type=OrderType.MARKET if limit is None else OrderType.LIMIT,
                    time_in_force=tif,
                    limit_price=limit,
                ),
                ts=ts,
            )
        case ("quote", symbol, price, spread):
            return Quote(symbol, float(price), float(price + D(spread) / 100), float(price), ts)
        case ("open",):
            return EnterSession(phase=SessionPhase.REGULAR, ts=ts)
        case ("close",):
            return EnterSession(phase=SessionPhase.CLOSED, ts=ts)
        case ("hold",):
            return HoldFills(held=True, ts=ts)
        case ("release",):
            return HoldFills(held=False, ts=ts)
    ids = list(engine.orders)
    if not ids:
        return None
    kind, number = command
    made = {"activate": ActivateOrder, "cancel": RequestCancel, "confirm": ConfirmCancel}[kind]
    return made(venue_order_id=ids[number % len(ids)], ts=ts)


def check(engine: MatchingEngine) -> None:
    account = engine.account
    assert account.cash + account.cost == CASH + account.realized_pnl
    assert account.cost == sum((holding.cost for holding in account.holdings.values()), D(0))
    for symbol in SYMBOLS:
        signed = sum((fill.qty * fill.side.sign for fill in engine.fills if fill.symbol == symbol), D(0))
        assert account.held_qty(symbol) == signed >= 0
        assert engine.qty_available(symbol) >= 0
    for order in engine.orders.values():
        booked = [fill for fill in engine.fills if fill.venue_order_id == order.venue_order_id]
        assert order.filled_qty == sum((fill.qty for fill in booked), D(0)) <= order.ticket.qty
        assert order.filled_notional == sum((fill.qty * fill.price for fill in booked), D(0))
        assert [fill.cum_qty for fill in booked] == sorted(fill.cum_qty for fill in booked)
        assert (order.status == "filled") == (order.filled_qty == order.ticket.qty)
        assert engine.by_client_order_id(order.ticket.client_order_id) == order
    open_orders = engine.open_orders()
    assert {o.venue_order_id for o in open_orders} == {
        o.venue_order_id for o in engine.orders.values() if not o.status.is_terminal
    }
    reserved = sum((order.reserved for order in open_orders), D(0))
    assert engine.buying_power == account.buying_power(reserved)


@settings(max_examples=150, deadline=None)
@given(script=scripts, percent=st.sampled_from((0, 50, 100)))
def test_the_books_always_balance(script: list[tuple], percent: int) -> None:  # type: ignore[type-arg]
    engine = MatchingEngine(AccountTerms(cash=CASH), FillPlan(seed=1, partial_percent=percent))
    ended: dict[str, VenueOrder] = {}
    for ts, command in enumerate(script, start=1):
        event = to_input(command, engine, ts)
        if event is None:
            continue
        results = engine.handle(event)
        if (
            isinstance(event, SubmitOrder)
            and isinstance(results[0], OrderMoved)
            and event.ticket.side is Side.BUY
        ):
            assert engine.buying_power >= 0, "accepting an order never overdraws"
        for key, order in ended.items():
            assert engine.orders[key] == order, "an ended order never changes again"
        for result in results:
            if isinstance(result, (OrderMoved, OrderExecuted)) and result.order.status.is_terminal:
                ended[result.order.venue_order_id] = result.order
        check(engine)


@settings(max_examples=40, deadline=None)
@given(script=scripts)
def test_the_same_inputs_give_the_same_events(script: list[tuple]) -> None:  # type: ignore[type-arg]
    def run() -> list[list[MatchEvent]]:
        engine = MatchingEngine(AccountTerms(cash=CASH, id_salt="s"), FillPlan(seed=1, partial_percent=50))
        made = (to_input(command, engine, ts) for ts, command in enumerate(script))
        return [engine.handle(event) for event in made if event is not None]

    assert run() == run()
