"""The rules of the risk gate: each is a function that returns None or a denial with its code and its numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from kyzlo_actors.domain.market import Mark
from kyzlo_actors.domain.order import OrderTicket
from kyzlo_actors.domain.risk.book import RiskBook
from kyzlo_actors.domain.risk.limits import RiskLimits
from kyzlo_actors.domain.session import SessionCalendar
from kyzlo_actors.domain.values import NS_PER_MILLISECOND, NS_PER_SECOND, TradingState

# A mark stamped later than our own clock by more than this is a skewed clock, not a fresh price.
MAX_FUTURE_NS: Final = 500 * NS_PER_MILLISECOND


@dataclass(frozen=True, slots=True, kw_only=True)
class Denial:
    """Why an order may not go: a stable code, one line, and the figures that were compared."""

    code: str
    detail: str
    numbers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One proposal with everything the rules may look at. `closing`: it can only shrink the position."""

    ticket: OrderTicket
    mark: Mark
    deadline_ns: int
    now_ns: int
    closing: bool
    limits: RiskLimits
    book: RiskBook
    calendar: SessionCalendar
    trading_state: TradingState
    blocked: Mapping[str, str]
    quarantined: frozenset[str]
    order_times: tuple[int, ...]
    recent: Mapping[str, int]
    daily_pnl: Decimal
    synced: bool
    paused: Mapping[str, str] = field(default_factory=dict)


Rule = Callable[[Question], Denial | None]


def order_price(question: Question) -> Decimal:
    """The price an order is judged at: its limit, else the mark it was decided on."""
    limit = question.ticket.limit_price
    return Decimal(repr(question.mark.price)) if limit is None else limit


def intent_key(ticket: OrderTicket, *, closing: bool) -> str:
    """What makes two orders "the same again" within the duplicate window.

    A reversal sells twice the same quantity, once to close and once to open: these are not the same.
    """
    purpose = "close" if closing else "open"
    return f"{ticket.symbol}|{ticket.side}|{ticket.qty}|{ticket.limit_price}|{purpose}"


def halted(q: Question) -> Denial | None:
    """Nothing passes while halted."""
    if q.trading_state is TradingState.HALTED:
        return Denial(code="HALTED", detail="trading is halted")
    return None


def unsynced(q: Question) -> Denial | None:
    """Without the broker actor's book nothing can be judged."""
    if not q.synced:
        return Denial(code="NOT_SYNCED", detail="the broker's book is not known yet")
    return None


def reducing(q: Question) -> Denial | None:
    """REDUCING and blocked entries let through only what shrinks a position."""
    if q.closing:
        return None
    if q.trading_state is TradingState.REDUCING:
        return Denial(code="REDUCING", detail="only orders that reduce a position are allowed")
    if q.blocked:
        code, detail = next(iter(q.blocked.items()))
        return Denial(code="ENTRIES_BLOCKED", detail=f"{code}: {detail}", numbers={"reason": code})
    return None


def quarantined(q: Question) -> Denial | None:
    """A symbol that crashed too often is out."""
    if q.ticket.symbol in q.quarantined:
        return Denial(code="QUARANTINED", detail=f"{q.ticket.symbol} crashed too often and is quarantined")
    return None


def paused(q: Question) -> Denial | None:
    """A person paused it: what shrinks its position goes on, nothing else."""
    reason = q.paused.get(q.ticket.symbol)
    if reason is None or q.closing:
        return None
    return Denial(code="PAUSED", detail=f"{q.ticket.symbol} is paused: {reason}")


def expired(q: Question) -> Denial | None:
    """The proposal is older than its own deadline."""
    if q.now_ns >= q.deadline_ns:
        numbers = {"late_ns": str(q.now_ns - q.deadline_ns)}
        return Denial(code="DEADLINE", detail="the proposal came after its deadline", numbers=numbers)
    return None


def stale_price(q: Question) -> Denial | None:
    """The price it was decided on must be young, by the exchange's time as well as by ours."""
    age_ns = q.now_ns - min(q.mark.ts_event, q.mark.ts_init)
    numbers = {"age_ns": str(age_ns), "limit_ns": str(q.limits.max_price_age_ns)}
    if age_ns > q.limits.max_price_age_ns:
        return Denial(code="STALE_PRICE", detail="the price is too old", numbers=numbers)
    if age_ns < -MAX_FUTURE_NS:
        return Denial(code="CLOCK_SKEW", detail="the price is from the future", numbers=numbers)
    return None


def session_closed(q: Question) -> Denial | None:
    """Orders only while the broker's calendar says that the session is open."""
    if q.calendar.is_open(q.now_ns) or q.ticket.extended_hours:
        return None
    numbers = {"now_ns": str(q.now_ns), "next_open_ns": str(q.calendar.next_open_ns(q.now_ns))}
    return Denial(code="SESSION_CLOSED", detail="the market is closed", numbers=numbers)


def unknown_order(q: Question) -> Denial | None:
    """An order whose fate is unknown blocks its own symbol, and only that."""
    for reservation in q.book.reservations.values():
        if reservation.symbol == q.ticket.symbol and reservation.unknown:
            numbers = {"client_order_id": reservation.client_order_id}
            return Denial(code="UNKNOWN_ORDER", detail="an earlier order's fate is unknown", numbers=numbers)
    return None


def price_collar(q: Question) -> Denial | None:
    """The order's price may not be far from the gate's own newest price."""
    own = q.book.marks.get(q.ticket.symbol)
    if own is None:
        return Denial(code="NO_MARK", detail="the gate has seen no price of this symbol")
    reference = Decimal(repr(own.price))
    price = order_price(q)
    # Comparing a NaN raises: it must be refused before.
    if not (reference.is_finite() and price.is_finite()) or reference <= 0 or price <= 0:
        return Denial(
            code="BAD_PRICE", detail="a price is not a positive number", numbers={"price": str(price)}
        )
    distance = abs(price - reference) / reference
    if distance > q.limits.price_collar:
        numbers = {
            "price": str(price),
            "reference": str(reference),
            "distance": f"{distance:.6f}",
            "limit": str(q.limits.price_collar),
        }
        return Denial(code="PRICE_COLLAR", detail="the price is too far from the market", numbers=numbers)
    return None


def order_notional(q: Question) -> Denial | None:
    """Dollars of one order."""
    notional = q.ticket.qty * order_price(q)
    if q.closing or notional <= q.limits.max_order_notional:
        return None
    numbers = {"notional": str(notional), "limit": str(q.limits.max_order_notional)}
    return Denial(code="MAX_ORDER_NOTIONAL", detail="the order is too large", numbers=numbers)


def symbol_position(q: Question) -> Denial | None:
    """Shares of one symbol, if everything that works fills."""
    if q.closing:
        return None
    limit = q.limits.max_position.get(q.ticket.symbol, Decimal(0))
    worst = q.book.worst_position(q.ticket.symbol, q.ticket.side, q.ticket.qty)
    if worst <= limit:
        return None
    numbers = {"worst_position": str(worst), "limit": str(limit)}
    return Denial(code="MAX_POSITION", detail="the position could exceed its limit", numbers=numbers)


def gross_notional(q: Question) -> Denial | None:
    """Dollars over all symbols, if everything that works fills."""
    if q.closing:
        return None
    gross = q.book.gross_notional(q.ticket.symbol, q.ticket.side, q.ticket.qty, order_price(q))
    if gross <= q.limits.max_gross_notional:
        return None
    numbers = {"gross_notional": str(gross), "limit": str(q.limits.max_gross_notional)}
    return Denial(code="MAX_GROSS_NOTIONAL", detail="the portfolio could exceed its limit", numbers=numbers)


def order_rate(q: Question) -> Denial | None:
    """Orders in any 60 s; closes may use a tenth more."""
    allowed = q.limits.max_orders_per_minute + (q.limits.max_orders_per_minute // 10 + 1 if q.closing else 0)
    recent = sum(1 for ts in q.order_times if q.now_ns - ts < 60 * NS_PER_SECOND)
    if recent < allowed:
        return None
    numbers = {"orders": str(recent), "limit": str(allowed)}
    return Denial(code="ORDER_RATE", detail="too many orders in a minute", numbers=numbers)


def duplicate(q: Question) -> Denial | None:
    """The same id again, or the same order again within the window."""
    if q.ticket.client_order_id in q.book.reservations or q.ticket.client_order_id in q.recent:
        return Denial(code="DUPLICATE_ID", detail="this intent was judged before")
    last = q.recent.get(intent_key(q.ticket, closing=q.closing))
    if last is not None and q.now_ns - last < q.limits.duplicate_window_ns:
        numbers = {"since_ns": str(q.now_ns - last), "window_ns": str(q.limits.duplicate_window_ns)}
        return Denial(code="DUPLICATE_INTENT", detail="the same order again too soon", numbers=numbers)
    return None


def open_orders(q: Question) -> Denial | None:
    """Working orders of one symbol."""
    count = q.book.open_orders(q.ticket.symbol)
    if count < q.limits.max_open_orders_per_symbol:
        return None
    numbers = {"open_orders": str(count), "limit": str(q.limits.max_open_orders_per_symbol)}
    return Denial(code="MAX_OPEN_ORDERS", detail="too many working orders", numbers=numbers)


def daily_loss(q: Question) -> Denial | None:
    """Entries stop at the day's loss limit (the kill switch decides about a halt)."""
    if q.closing:
        return None
    unpriced = q.book.unpriced(q.limits.max_position)
    if unpriced:
        names = {"symbols": ",".join(unpriced)}
        return Denial(code="LOSS_UNMEASURED", detail="a position has no price yet", numbers=names)
    if q.daily_pnl > -q.limits.daily_loss:
        return None
    numbers = {"pnl": str(q.daily_pnl), "limit": str(q.limits.daily_loss)}
    return Denial(code="DAILY_LOSS", detail="the day's loss limit is reached", numbers=numbers)


def bad_quantity(q: Question) -> Denial | None:
    """A quantity must be a positive number."""
    if q.ticket.qty.is_finite() and q.ticket.qty > 0:
        return None
    return Denial(code="BAD_QUANTITY", detail="qty must be > 0", numbers={"qty": str(q.ticket.qty)})


# Order matters only for which code is told when several rules are broken: the gravest first.
RULES: Final[tuple[Rule, ...]] = (
    halted,
    unsynced,
    expired,
    bad_quantity,
    duplicate,
    quarantined,
    paused,
    unknown_order,
    reducing,
    session_closed,
    stale_price,
    price_collar,
    daily_loss,
    open_orders,
    order_rate,
    order_notional,
    symbol_position,
    gross_notional,
)


def judge(question: Question) -> Denial | None:
    """The first denial, or None when every rule is content."""
    for rule in RULES:
        denial = rule(question)
        if denial is not None:
            return denial
    return None
