"""One execution: the order, the position, the fees, and what else follows from it."""

from __future__ import annotations

from dataclasses import replace
from decimal import ROUND_FLOOR, Decimal
from typing import Final

from kyzlo_actors.domain.order import ZERO
from kyzlo_actors.domain.values import Side
from kyzlo_actors.replay import legs
from kyzlo_actors.replay.cash import book_cash
from kyzlo_actors.replay.ends import forsake_replace, refuse_replace
from kyzlo_actors.replay.floor import Floor
from kyzlo_actors.replay.matching_messages import Fill, OrderExecuted
from kyzlo_actors.replay.venue_order import VenueOrder, VenueStatus

_SHARE_STEP: Final = Decimal("0.000000001")
# An order of which a cancel or replace was asked stays so: the rest is still to be canceled.
_ASKED: Final = frozenset({VenueStatus.PENDING_CANCEL, VenueStatus.PENDING_REPLACE})


def open_qty(order: VenueOrder, price: Decimal) -> Decimal:
    """Shares that the order would still trade at `price`."""
    return _leaves_qty(order, ZERO, price)


def execute(floor: Floor, order: VenueOrder, qty: Decimal, price: Decimal, ts: int) -> VenueOrder:
    """`qty` > 0 shares of the order trade at `price`; the events are told. Returns the order after it."""
    leaves_qty = _leaves_qty(order, qty, price)
    asked = order.status in _ASKED
    status = order.status if asked else VenueStatus.PARTIALLY_FILLED
    traded = replace(
        order,
        filled_qty=order.filled_qty + qty,
        filled_notional=order.filled_notional + qty * price,
        updated_ns=ts,
        activated=True,
        status=status if leaves_qty else VenueStatus.FILLED,
        status_before=VenueStatus.PARTIALLY_FILLED if asked and leaves_qty else None,
        filled_ns=0 if leaves_qty else ts,
    )
    position_qty = floor.account.book(
        symbol=order.ticket.symbol, side=order.ticket.side, qty=qty, price=price
    )
    fill = _fill(floor, traded, qty, price, leaves_qty, position_qty)
    floor.fills.append(fill)
    floor.book.put(traded)
    floor.tell(OrderExecuted(order=traded, fill=fill))
    if order.ticket.side is Side.SELL and floor.terms.fee_per_share_sold:
        fee = -qty * floor.terms.fee_per_share_sold
        book_cash(floor, kind="FEE", amount=fee, symbol=order.ticket.symbol, ts=ts)
    _follow_replace(floor, traded, qty, price, ts)
    legs.after_fill(floor, traded, qty, ts)
    return floor.book.orders[order.venue_order_id]


def _leaves_qty(order: VenueOrder, qty: Decimal, price: Decimal) -> Decimal:
    """What is left for `price` when `qty` more shares have traded at it."""
    if order.ticket.notional is None:
        return order.leaves_qty - qty
    shares = ((order.leaves_notional - qty * price) / price).quantize(_SHARE_STEP, ROUND_FLOOR)
    return min(shares, order.leaves_qty - qty) if order.closes else shares


def _fill(
    floor: Floor,
    order: VenueOrder,
    qty: Decimal,
    price: Decimal,
    leaves_qty: Decimal,
    position_qty: Decimal,
) -> Fill:
    return Fill(
        execution_id=floor.make_id("fill", len(floor.fills) + 1),
        venue_order_id=order.venue_order_id,
        client_order_id=order.ticket.client_order_id,
        symbol=order.ticket.symbol,
        side=order.ticket.side,
        qty=qty,
        price=price,
        cum_qty=order.filled_qty,
        leaves_qty=leaves_qty,
        position_qty=position_qty,
        ts=order.updated_ns,
    )


def _follow_replace(floor: Floor, old: VenueOrder, qty: Decimal, price: Decimal, ts: int) -> None:
    """The old order traded while its replace was under way: so much less is left for the new one, or nothing."""
    successor = floor.book.successor(old)
    if successor is None:
        return
    if old.status is VenueStatus.FILLED:
        forsake_replace(floor, old, ts)
        return
    if qty >= successor.leaves_qty:
        refuse_replace(floor, successor, ts)
        return
    chain_qty, covered = successor.chain_qty + qty, old.reserved
    if successor.carries:
        floor.put(
            successor,
            chain_qty=chain_qty,
            covered=covered,
            filled_qty=successor.filled_qty + qty,
            filled_notional=successor.filled_notional + qty * price,
        )
    else:
        ticket = replace(successor.ticket, qty=successor.ticket.qty - qty)
        floor.put(successor, chain_qty=chain_qty, covered=covered, ticket=ticket)
