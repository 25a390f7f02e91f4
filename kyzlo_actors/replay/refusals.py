"""Why an order is not taken, in the order in which a broker checks."""

from __future__ import annotations

from decimal import ROUND_FLOOR, Decimal
from typing import Final

from kyzlo_actors.domain.order import ZERO, OrderTicket
from kyzlo_actors.domain.values import PositionIntent, Side, TimeInForce
from kyzlo_actors.replay.floor import Floor
from kyzlo_actors.replay.legs import leg_tickets
from kyzlo_actors.replay.matching_messages import OrderRefused, RefusalReason, SessionPhase
from kyzlo_actors.replay.prices import last, reserve_price, touch
from kyzlo_actors.replay.ticket_checks import is_fractional, kind_words, ticket_fault, would_cross
from kyzlo_actors.replay.venue_order import CLOSING, VenueOrder, VenueStatus

_SHARE_STEP: Final = Decimal("0.000000001")
_ENDED_UNFILLED: Final = frozenset({VenueStatus.CANCELED, VenueStatus.EXPIRED, VenueStatus.REJECTED})


def refusal_of(
    floor: Floor, ticket: OrderTicket, instead_of: VenueOrder | None = None
) -> OrderRefused | None:
    """The first reason not to take `ticket`, or None. `instead_of`: the order that it shall replace."""
    reason, detail = _plain_reason(floor, ticket, instead_of)
    if reason is not None:
        return OrderRefused(client_order_id=ticket.client_order_id, reason=reason, detail=detail)
    return (
        (_exits_refusal(floor, ticket) if instead_of is None else None)
        or _stop_refusal(floor, ticket, instead_of)
        or _auction_refusal(floor, ticket)
        or (_intent_refusal(floor, ticket) if instead_of is None else None)
        or _funds_refusal(floor, ticket, instead_of)
        or _qty_refusal(floor, ticket, instead_of)
        or _wash_refusal(floor, ticket, instead_of)
        or _opposite_refusal(floor, ticket, instead_of)
    )


def intent_of(floor: Floor, ticket: OrderTicket, instead_of: VenueOrder | None = None) -> PositionIntent:
    """What the order does to the position; the order that replaces another does what that did."""
    return floor.intent_of(ticket.symbol, ticket.side) if instead_of is None else instead_of.intent


def reserve_of(floor: Floor, ticket: OrderTicket, intent: PositionIntent) -> Decimal:
    """What one share (one dollar of a notional order) holds back; nothing for what closes a position."""
    if intent in CLOSING:
        return ZERO
    return reserve_price(ticket, floor.quotes.get(ticket.symbol)) or ZERO


def claim_of(floor: Floor, ticket: OrderTicket, intent: PositionIntent) -> Decimal:
    """Shares that the order closes at most: of a notional order as many as its dollars are worth now."""
    if intent not in CLOSING:
        return ZERO
    if ticket.notional is None:
        return ticket.qty
    price = touch(ticket.side, floor.quotes.get(ticket.symbol))
    return (ticket.notional / price).quantize(_SHARE_STEP, ROUND_FLOOR) if price else ZERO


def _plain_reason(
    floor: Floor, ticket: OrderTicket, instead_of: VenueOrder | None
) -> tuple[RefusalReason | None, str]:
    fault = ticket_fault(ticket) if instead_of is None or not instead_of.is_exit else ""
    if fault:
        return RefusalReason.BAD_TICKET, fault
    earlier = floor.book.by_client_order_id(ticket.client_order_id)
    reusable = floor.terms.reuse_ended_ids and earlier is not None and earlier.status in _ENDED_UNFILLED
    if earlier is not None and not reusable:
        return RefusalReason.DUPLICATE_CLIENT_ORDER_ID, ""
    orders = 1 if instead_of is not None else 1 + len(leg_tickets(ticket))
    if floor.book.open_count + orders > floor.terms.max_open_orders:
        return RefusalReason.TOO_MANY_OPEN_ORDERS, ""
    intent, quote = intent_of(floor, ticket, instead_of), floor.quotes.get(ticket.symbol)
    if intent in CLOSING and ticket.notional is None:
        return None, ""
    price = touch(ticket.side, quote) if intent in CLOSING else reserve_price(ticket, quote)
    return (RefusalReason.NO_PRICE if price is None else None), ""


def _exits_refusal(floor: Floor, ticket: OrderTicket) -> OrderRefused | None:
    """The take-profit of an entry without a price of its own must lie beyond the market."""
    market_price, profit = last(floor.quotes.get(ticket.symbol)), ticket.take_profit_limit_price
    own_price = ticket.limit_price or ticket.stop_price
    if market_price is None or profit is None or own_price is not None:
        return None
    if (profit - market_price) * ticket.side.sign > 0:
        return None
    words = ">" if ticket.side is Side.BUY else "<"
    return _refused(ticket, RefusalReason.BAD_TICKET, f"take_profit.limit_price must be {words} base_price")


def _stop_refusal(floor: Floor, ticket: OrderTicket, instead_of: VenueOrder | None) -> OrderRefused | None:
    """A stop on the wrong side of the market would trigger at once."""
    market_price = last(floor.quotes.get(ticket.symbol))
    if market_price is None or (instead_of is not None and instead_of.triggered):
        return None
    legs = [] if instead_of is not None else leg_tickets(ticket)
    # The exits of an entry with a price of its own were measured against that.
    priced = ticket.limit_price is not None and legs and legs[0].side is not ticket.side
    for stop in (ticket, *([] if priced else legs)):
        if stop.stop_price is None or (stop.stop_price - market_price) * stop.side.sign > 0:
            continue
        words = "greater" if stop.side is Side.BUY else "less"
        return OrderRefused(
            client_order_id=ticket.client_order_id,
            reason=RefusalReason.STOP_ON_WRONG_SIDE,
            detail=f"stop price must be {words} than current price",
            numbers={"market_price": market_price, "stop_price": stop.stop_price},
        )
    return None


def _auction_refusal(floor: Floor, ticket: OrderTicket) -> OrderRefused | None:
    if ticket.time_in_force is not TimeInForce.OPG or floor.phase is not SessionPhase.REGULAR:
        return None
    detail = "opg orders must be submitted before the opening auction"
    return _refused(ticket, RefusalReason.AUCTION_WINDOW, detail)


def _intent_refusal(floor: Floor, ticket: OrderTicket) -> OrderRefused | None:
    inferred, specified = floor.intent_of(ticket.symbol, ticket.side), ticket.position_intent
    opens_short = inferred is PositionIntent.SELL_TO_OPEN
    if specified is not None and specified is not inferred:
        detail = f"position intent mismatch, inferred: {inferred}, specified: {specified}"
        return _refused(ticket, RefusalReason.INTENT_MISMATCH, detail)
    wanted = floor.terms.shorting or specified is PositionIntent.SELL_TO_OPEN
    if opens_short and wanted and not floor.terms.may_short(ticket.symbol):
        allowed = floor.terms.shorting
        detail = (
            f'asset "{ticket.symbol}" cannot be sold short' if allowed else "account is not allowed to short"
        )
        return _refused(ticket, RefusalReason.NOT_SHORTABLE, detail)
    if opens_short and wanted and is_fractional(ticket):
        return _refused(ticket, RefusalReason.FRACTIONAL_SHORT, "fractional orders cannot be sold short")
    legs = leg_tickets(ticket)
    is_entry = bool(legs) and legs[0].side is not ticket.side
    if legs and is_entry is (inferred in CLOSING):
        kind = "entry" if is_entry else "exit"
        return _refused(
            ticket, RefusalReason.BAD_TICKET, f"{ticket.order_class} orders must be {kind} orders"
        )
    return None


def _funds_refusal(floor: Floor, ticket: OrderTicket, instead_of: VenueOrder | None) -> OrderRefused | None:
    intent = intent_of(floor, ticket, instead_of)
    if intent in CLOSING or not _may_open(floor, intent):
        return None
    amount = ticket.qty if ticket.notional is None else ticket.notional
    cost = reserve_of(floor, ticket, intent) * amount
    buying_power = floor.buying_power + (instead_of.reserved if instead_of is not None else ZERO)
    if cost <= buying_power:
        return None
    return OrderRefused(
        client_order_id=ticket.client_order_id,
        reason=RefusalReason.INSUFFICIENT_BUYING_POWER,
        numbers={"buying_power": max(ZERO, buying_power), "cost_basis": cost},
    )


def _qty_refusal(floor: Floor, ticket: OrderTicket, instead_of: VenueOrder | None) -> OrderRefused | None:
    intent = intent_of(floor, ticket, instead_of)
    # An exit's replace asks for no more shares, and its sibling holds the same ones.
    if (instead_of is not None and instead_of.is_exit) or (
        intent not in CLOSING and _may_open(floor, intent)
    ):
        return None
    symbol, side = ticket.symbol, ticket.side
    available = floor.available_qty(symbol, side)
    wanted = claim_of(floor, ticket, intent) if intent in CLOSING else ticket.qty
    if instead_of is not None:
        wanted -= instead_of.leaves_qty
    if intent in CLOSING and wanted <= available:
        return None
    existing = max(ZERO, -side.sign * floor.account.held_qty(symbol))
    working = [order for order in floor.book.open_orders(symbol) if order.ticket.side is side]
    return OrderRefused(
        client_order_id=ticket.client_order_id,
        reason=RefusalReason.INSUFFICIENT_QTY,
        numbers={
            "available": available,
            "existing_qty": existing,
            "held_for_orders": existing - available,
        },
        related_order_ids=tuple(order.venue_order_id for order in working),
    )


def _wash_refusal(floor: Floor, ticket: OrderTicket, instead_of: VenueOrder | None) -> OrderRefused | None:
    crossing = [
        order
        for order in floor.book.open_orders(ticket.symbol)
        # Legs that wait for their parent are not at the market.
        if would_cross(ticket, order.ticket) and (order.parent_id is None or order.activated)
    ]
    if not crossing:
        return None
    return OrderRefused(
        client_order_id=ticket.client_order_id,
        reason=RefusalReason.WASH_TRADE,
        detail=f"opposite side {kind_words(crossing[0].ticket)} order exists",
        related_order_ids=tuple(order.venue_order_id for order in crossing),
    )


def _opposite_refusal(
    floor: Floor, ticket: OrderTicket, instead_of: VenueOrder | None
) -> OrderRefused | None:
    intent = intent_of(floor, ticket, instead_of)
    if intent in CLOSING:
        return None
    opposite = [
        order
        for order in floor.book.open_orders(ticket.symbol)
        if not order.closes and order.ticket.side is not ticket.side
    ]
    if not opposite:
        return None
    opens_long = ticket.side is Side.BUY
    detail = (
        "cannot open a long buy while a short sell order is open"
        if opens_long
        else "cannot open a short sell while a long buy order is open"
    )
    return OrderRefused(
        client_order_id=ticket.client_order_id,
        reason=RefusalReason.OPPOSITE_OPEN,
        detail=detail,
        related_order_ids=tuple(order.venue_order_id for order in opposite),
    )


def _may_open(floor: Floor, intent: PositionIntent) -> bool:
    """Without shorting a sale can only be of what is held: it is short of shares, not of money."""
    return intent is PositionIntent.BUY_TO_OPEN or floor.terms.shorting


def _refused(ticket: OrderTicket, reason: RefusalReason, detail: str) -> OrderRefused:
    return OrderRefused(client_order_id=ticket.client_order_id, reason=reason, detail=detail)
