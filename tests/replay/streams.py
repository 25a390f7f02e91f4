"""Random streams of every input that the matching engine knows, and what must hold after each of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from decimal import Decimal
from random import Random

from kyzlo_actors.domain.order import ZERO, OrderTicket
from kyzlo_actors.domain.values import OrderClass, OrderType, PositionIntent, Side, TimeInForce
from kyzlo_actors.replay.fill_plan import FillPlan, FillRule
from kyzlo_actors.replay.filling import match_symbol
from kyzlo_actors.replay.matching import MatchingEngine
from kyzlo_actors.replay.matching_messages import (
    ActivateOrder,
    BookCash,
    BustFill,
    ConfirmCancel,
    ConfirmReplace,
    EndOrder,
    EnterSession,
    Fill,
    FillBusted,
    ForceFill,
    HaltSymbol,
    HoldFills,
    MatchEvent,
    MatchInput,
    OrderExecuted,
    OrderMoved,
    Quote,
    RefuseCancel,
    RequestCancel,
    RequestReplace,
    SessionPhase,
    SubmitOrder,
)
from kyzlo_actors.replay.terms import AccountTerms
from kyzlo_actors.replay.venue_order import VenueOrder, VenueStatus

D = Decimal
STARTS = {"AAA": 100.0, "BBB": 40.0}
_DAY_NS = 86_400_000_000_000


class EagerEngine(MatchingEngine):
    """An engine that looks at every quote: what `Watch` saves must change nothing."""

    def _quote(self, quote: Quote) -> list[MatchEvent]:
        events: list[MatchEvent] = []
        self._floor.events = events
        match_symbol(self._floor, quote.symbol, quote.ts)
        return events


def random_terms(rng: Random) -> AccountTerms:
    """Any account."""
    return AccountTerms(
        cash=D(rng.choice((4_000, 100_000))),
        id_salt="s",
        multiplier=D(rng.choice((1, 2, 4))),
        max_open_orders=rng.choice((4, 12, 1_000)),
        shorting=rng.random() < 0.7,
        shortable=rng.choice((None, None, frozenset({"AAA"}))),
        fee_per_share_sold=rng.choice((D(0), D("0.000119"))),
        day_order_end=rng.choice(("expired", "canceled")),
        replaced_filled_qty=rng.choice(("zero", "carried")),
        gtc_done_for_day=rng.random() < 0.3,
        gtc_days=rng.choice((1, 90)),
        reuse_ended_ids=rng.random() < 0.3,
    )


def random_plan(rng: Random) -> FillPlan:
    """Any way to fill."""
    rules = (
        FillRule(
            symbol="BBB",
            side=rng.choice((None, Side.BUY)),
            quantities=tuple(D(rng.randint(1, 9)) for _ in range(rng.randint(0, 2))),
            then=rng.choice(("fill", "wait")),
        ),
    )
    return FillPlan(
        seed=rng.randint(0, 9),
        partial_percent=rng.choice((0, 30, 100)),
        rules=rules if rng.random() < 0.3 else (),
    )


def random_input(rng: Random, engine: MatchingEngine, ts: int, *, quotes: int = 30) -> MatchInput:
    """The next thing that happens to `engine`: prices, orders often, trouble sometimes. `quotes`: how many of ~90."""
    makers: list[tuple[int, Callable[[Random, MatchingEngine, int], MatchInput | None]]] = [
        (quotes, _quote),
        (22, _submit),
        (18, _activate),
        (7, lambda r, e, t: RequestCancel(venue_order_id=_order_id(r, e), ts=t)),
        (5, lambda r, e, t: ConfirmCancel(venue_order_id=_order_id(r, e, "pending_cancel"), ts=t)),
        (9, _replace),
        (7, lambda r, e, t: ConfirmReplace(venue_order_id=_order_id(r, e, "pending_new"), ts=t)),
        (2, lambda r, e, t: RefuseCancel(venue_order_id=_order_id(r, e), ts=t)),
        (4, lambda r, e, t: EnterSession(phase=r.choice(_PHASES), ts=t)),
        (3, lambda r, e, t: HaltSymbol(symbol=r.choice(_SYMBOLS), halted=r.random() < 0.4, ts=t)),
        (2, lambda r, e, t: HoldFills(held=r.random() < 0.3, ts=t)),
        (5, _force),
        (2, lambda r, e, t: EndOrder(venue_order_id=_order_id(r, e), status=r.choice(_ENDS), ts=t)),
        (1, _cash),
        (2, _bust),
    ]
    weights, choices = zip(*makers, strict=True)
    made = rng.choices(choices, weights)[0](rng, engine, ts)
    return made if made is not None else _quote(rng, engine, ts)


_SYMBOLS = tuple(STARTS)
_PHASES = (*[SessionPhase.REGULAR] * 4, *SessionPhase)
_ENDS = (VenueStatus.REJECTED, VenueStatus.EXPIRED, VenueStatus.CANCELED, VenueStatus.DONE_FOR_DAY)


def _order_id(rng: Random, engine: MatchingEngine, status: str = "") -> str:
    """An order that is in `status` most of the time, or open, or any."""
    wanted = [order for order in engine.open_orders() if not status or order.status == status]
    pool = wanted if wanted and rng.random() < 0.9 else list(engine.orders.values())
    return rng.choice(pool).venue_order_id if pool else "nobody"


def _quote(rng: Random, engine: MatchingEngine, ts: int) -> Quote:
    symbol = rng.choice(_SYMBOLS)
    known = engine.quotes.get(symbol)
    price = known.last if known and rng.random() < 0.9 else STARTS[symbol]
    price = round(max(0.5, price * (1 + rng.choice((0.002, 0.01, 0.05)) * rng.uniform(-1, 1))), 2)
    if rng.random() < 0.02:
        return Quote(symbol, 0.0, 0.0, price, ts)
    spread = rng.randint(0, 20) / 100
    return Quote(symbol, round(price - spread, 2), round(price + spread, 2), price, ts)


def _price(rng: Random, engine: MatchingEngine, symbol: str) -> Decimal:
    quote = engine.quotes.get(symbol)
    near = quote.last if quote else STARTS[symbol]
    return D(str(round(near * (1 + rng.uniform(-0.03, 0.03)), 2)))


def _submit(rng: Random, engine: MatchingEngine, ts: int) -> SubmitOrder:
    symbol, side = rng.choice(_SYMBOLS), rng.choice(list(Side))
    kind = rng.choice(list(OrderType))
    tif = rng.choice((*[TimeInForce.DAY] * 4, *[TimeInForce.GTC] * 3, *TimeInForce))
    held = abs(engine.account.held_qty(symbol))
    qty = held if held and rng.random() < 0.3 else D(rng.randint(1, 60))
    ticket = OrderTicket(
        client_order_id=f"c{rng.randint(0, 200)}",
        symbol=symbol,
        side=side,
        qty=qty,
        order_type=kind,
        time_in_force=tif,
        limit_price=_price(rng, engine, symbol) if "limit" in kind else None,
        stop_price=_price(rng, engine, symbol) if kind in ("stop", "stop_limit") else None,
        extended_hours=rng.random() < 0.15,
        position_intent=rng.choice((*[None] * 9, *PositionIntent)),
    )
    if kind is OrderType.TRAILING_STOP:
        trail = D(rng.randint(1, 4))
        price, percent = (trail, None) if rng.random() < 0.5 else (None, trail)
        ticket = replace(ticket, trail_price=price, trail_percent=percent)
    if rng.random() < 0.15:
        worth = max(1, int(held * _price(rng, engine, symbol))) if rng.random() < 0.5 else 4_000
        dollars = D(rng.randint(1, worth))
        fraction = D(rng.randint(1, 10**10)).scaleb(-9)
        by_notional = rng.random() < 0.5
        ticket = replace(
            ticket,
            qty=D(0) if by_notional else fraction,
            notional=dollars if by_notional else None,
            time_in_force=TimeInForce.DAY,
        )
    if rng.random() < 0.35:
        ticket = _with_exits(rng, ticket, engine)
    return SubmitOrder(ticket=ticket, ts=ts)


def _with_exits(rng: Random, ticket: OrderTicket, engine: MatchingEngine) -> OrderTicket:
    order_class = rng.choice((OrderClass.BRACKET, OrderClass.OCO, OrderClass.OCO, OrderClass.OTO))
    is_oco = order_class is OrderClass.OCO
    base = ticket.limit_price or ticket.stop_price or _price(rng, engine, ticket.symbol)
    sign = ticket.side.sign * (-1 if is_oco else 1)
    profit = base + sign * D(rng.randint(1, 300)) / 100
    stop = base - sign * D(rng.randint(1, 300)) / 100
    if is_oco:
        ticket = replace(ticket, order_type=OrderType.LIMIT, limit_price=profit, stop_price=None)
        ticket = replace(ticket, trail_price=None, trail_percent=None)
    leave_out = rng.choice(("profit", "stop")) if order_class is OrderClass.OTO else ""
    return replace(
        ticket,
        order_class=order_class,
        extended_hours=False,
        time_in_force=rng.choice((TimeInForce.DAY, TimeInForce.GTC)),
        take_profit_limit_price=None if is_oco or leave_out == "profit" else profit,
        stop_loss_stop_price=None if leave_out == "stop" else stop,
        stop_loss_limit_price=stop - sign * D("0.10") if rng.random() < 0.3 and leave_out != "stop" else None,
    )


def _activate(rng: Random, engine: MatchingEngine, ts: int) -> ActivateOrder:
    return ActivateOrder(venue_order_id=_order_id(rng, engine, "pending_new"), ts=ts)


def _replace(rng: Random, engine: MatchingEngine, ts: int) -> RequestReplace:
    wanted = _order_id(rng, engine, rng.choice(("new", "partially_filled", "held")))
    order = engine.orders.get(wanted)
    symbol = order.ticket.symbol if order else "AAA"
    limited = order is not None and order.ticket.limit_price is not None
    stopped = order is not None and order.ticket.stop_price is not None
    trails = order is not None and order.ticket.order_type is OrderType.TRAILING_STOP
    return RequestReplace(
        venue_order_id=wanted,
        client_order_id=f"r{rng.randint(0, 10_000)}",
        ts=ts,
        qty=D(rng.randint(1, 80)) if rng.random() < 0.4 else None,
        limit_price=_price(rng, engine, symbol) if limited == (rng.random() < 0.9) else None,
        stop_price=_price(rng, engine, symbol) if stopped and rng.random() < 0.8 else None,
        trail=D(rng.randint(1, 5)) if trails else None,
        time_in_force=rng.choice((None, None, None, TimeInForce.DAY, TimeInForce.GTC)),
    )


def _force(rng: Random, engine: MatchingEngine, ts: int) -> ForceFill:
    wanted = _order_id(rng, engine)
    order = engine.orders.get(wanted)
    price = _price(rng, engine, order.ticket.symbol) if order and rng.random() < 0.5 else None
    qty = D(rng.randint(1, 20)) if rng.random() < 0.7 else None
    return ForceFill(venue_order_id=wanted, ts=ts, qty=qty, price=price)


def _cash(rng: Random, engine: MatchingEngine, ts: int) -> BookCash:
    return BookCash(
        kind=rng.choice(("FEE", "DIV", "CSD", "INT")), amount=D(rng.randint(-900, 900)) / 100, ts=ts
    )


def _bust(rng: Random, engine: MatchingEngine, ts: int) -> BustFill | None:
    if not engine.fills:
        return None
    fill = rng.choice(engine.fills)
    price = _price(rng, engine, fill.symbol) if rng.random() < 0.5 else None
    return BustFill(execution_id=fill.execution_id, price=price, ts=ts)


@dataclass
class Auditor:
    """Follows one engine by its events alone, and compares."""

    engine: MatchingEngine
    told: dict[str, VenueOrder] = field(default_factory=dict)
    positions: dict[str, Decimal] = field(default_factory=dict)
    first_qty: dict[str, Decimal] = field(default_factory=dict)
    sold_qty: Decimal = ZERO

    def follow(self, event: MatchInput, events: list[MatchEvent], power_before: Decimal) -> None:
        """Check everything after `event` gave `events`."""
        for result in events:
            self._take(result)
        self._check_acceptance(event, events, power_before)
        self._check_money()
        self._check_orders()
        self._check_indexes()
        self._check_exits()

    def _take(self, result: MatchEvent) -> None:
        if isinstance(result, (OrderMoved, OrderExecuted)):
            order = result.order
            known = self.told.get(order.venue_order_id)
            assert known is None or not known.status.is_terminal, "no event after the end"
            self.told[order.venue_order_id] = order
            self.first_qty.setdefault(order.venue_order_id, order.ticket.qty)
        if isinstance(result, OrderExecuted):
            self._take_fill(result.fill)
        if isinstance(result, FillBusted):
            self.positions[result.fill.symbol] = result.position_qty

    def _take_fill(self, fill: Fill) -> None:
        before = self.positions.get(fill.symbol, D(0))
        assert fill.position_qty == before + fill.side.sign * fill.qty
        assert before * fill.position_qty >= 0, "no fill crosses zero"
        self.positions[fill.symbol] = fill.position_qty
        self.sold_qty += fill.qty if fill.side is Side.SELL else D(0)

    def _check_acceptance(self, event: MatchInput, events: list[MatchEvent], before: Decimal) -> None:
        if not isinstance(event, (SubmitOrder, RequestReplace)) or not isinstance(events[0], OrderMoved):
            return
        assert len(events) == (2 if isinstance(event, RequestReplace) else 1 + len(events[0].order.legs)), (
            "the answer, and the other orders that come with it"
        )
        # Prices, losses and fees can overdraw; what was overdrawn before may still be closed, or replaced by less.
        eases = events[0].order.closes or isinstance(event, RequestReplace)
        assert self.engine.buying_power >= (min(before, ZERO) if eases else 0)

    def _check_money(self) -> None:
        engine, account = self.engine, self.engine.account
        assert account.cash + account.cost == engine.terms.cash + account.realized_pnl + account.booked
        assert account.cost == sum((held.cost for held in account.holdings.values()), D(0))
        assert account.gross_cost == sum((abs(held.cost) for held in account.holdings.values()), D(0))
        assert account.booked == sum((entry.amount for entry in engine.cash_entries), D(0))
        prices = {bust.fill.execution_id: bust.price for bust in engine.busts}
        flow, positions = D(0), dict.fromkeys(STARTS, D(0))
        for fill in engine.fills:
            price = prices.get(fill.execution_id, fill.price)
            if price is not None:
                flow -= fill.side.sign * fill.qty * price
                positions[fill.symbol] += fill.side.sign * fill.qty
        assert account.cash == engine.terms.cash + flow + account.booked
        for symbol, qty in positions.items():
            assert account.held_qty(symbol) == qty == self.positions.get(symbol, D(0))
            available = engine.qty_available(symbol)
            assert 0 <= abs(available) <= abs(qty) and available * qty >= 0
        fees = [entry.amount for entry in engine.cash_entries if entry.kind == "FEE" and entry.symbol]
        assert sum(fees, D(0)) == -self.sold_qty * engine.terms.fee_per_share_sold
        assert [entry.sequence for entry in engine.cash_entries] == list(
            range(1, len(engine.cash_entries) + 1)
        )

    def _check_orders(self) -> None:
        filled: dict[str, Decimal] = {}
        cost: dict[str, Decimal] = {}
        for fill in self.engine.fills:
            filled[fill.venue_order_id] = filled.get(fill.venue_order_id, D(0)) + fill.qty
            cost[fill.venue_order_id] = cost.get(fill.venue_order_id, D(0)) + fill.qty * fill.price
        assert self.told.keys() == self.engine.orders.keys()
        for order in self.engine.orders.values():
            told = self.told[order.venue_order_id]
            assert order.status is told.status
            if order.status.is_terminal:
                assert order == told, "an ended order never changes"
            own = filled.get(order.venue_order_id, D(0))
            assert order.own_filled_qty == own
            if not order.carries:
                assert order.filled_notional == cost.get(order.venue_order_id, D(0))
            if order.ticket.notional is None:
                assert order.filled_qty <= order.ticket.qty
                assert (order.status == "filled") == (order.filled_qty == order.ticket.qty)
            else:
                assert order.filled_notional <= order.ticket.notional or order.ticket.qty == 0

    def _check_indexes(self) -> None:
        engine, book = self.engine, self.engine._floor.book
        alive = {o.venue_order_id for o in engine.orders.values() if not o.status.is_terminal}
        assert {order.venue_order_id for order in engine.open_orders()} == alive
        assert book.open_count == len(alive) <= engine.terms.max_open_orders
        assert all(book.open_ids.values()), "no empty groups stay behind"
        assert engine.reserved == sum((order.reserved for order in engine.open_orders()), D(0))
        assert engine.buying_power == engine.account.buying_power(engine.reserved)
        openers = {(o.ticket.symbol, o.ticket.side) for o in engine.open_orders() if not o.closes}
        assert len(openers) == len({symbol for symbol, _ in openers}), (
            "all openers of a symbol are on one side"
        )
        for order in engine.open_orders():
            successor = book.successor(order)
            if successor is not None:
                full = successor.reserve_price * successor.leaves_qty
                assert order.reserved + successor.reserved == max(order.reserved, full), "once for both"
            assert (order.status == "pending_replace") == (book.successor(order) is not None)
            assert (order.status_before is None) == (
                order.status not in (VenueStatus.PENDING_CANCEL, VenueStatus.PENDING_REPLACE)
            )

    def _check_exits(self) -> None:
        engine = self.engine
        for parent in engine.orders.values():
            if not parent.legs or parent.replaced_by is not None:
                continue
            legs = engine.legs_of(parent)
            is_oco = parent.ticket.order_class is OrderClass.OCO
            exits = [parent, *legs] if is_oco else legs
            done = sum((order.chain_qty + order.own_filled_qty for order in exits), D(0))
            entered = parent.chain_qty + parent.own_filled_qty
            if is_oco:
                entered = self._first_qty(parent)
            assert done <= entered, "the exits close what was opened, once"
            assert len({order.status.is_terminal for order in exits}) == 1, "exits end together"
            over = parent.status.is_terminal and parent.status != "filled"
            if over:
                assert all(leg.status.is_terminal for leg in legs), "the parent's end is the legs' end"

    def _first_qty(self, order: VenueOrder) -> Decimal:
        while order.replaces is not None:
            order = self.engine.orders[order.replaces]
        return self.first_qty[order.venue_order_id]


def run_stream(rng: Random, steps: int) -> MatchingEngine:
    """One random stream, checked after every step. An engine that looks at every quote does the same."""
    terms, plan = random_terms(rng), random_plan(rng)
    engine, eager = MatchingEngine(terms, plan), EagerEngine(terms, plan)
    auditor = Auditor(engine)
    ts, quotes = _DAY_NS, rng.choice((30, 30, 250))
    for _ in range(steps):
        ts += rng.choice((1, 1_000_000_000, 1_000_000_000, _DAY_NS // 50))
        event = random_input(rng, engine, ts, quotes=quotes)
        power_before = engine.buying_power
        events = engine.handle(event)
        assert eager.handle(event) == events, "skipping quotes changes nothing"
        auditor.follow(event, events, power_before)
    assert list(eager.orders.items()) == list(engine.orders.items())
    return engine
