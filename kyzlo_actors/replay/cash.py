"""Cash that moves without a trade, and trades that are broken or corrected afterwards."""

from __future__ import annotations

from decimal import Decimal

from kyzlo_actors.domain.order import ZERO
from kyzlo_actors.domain.values import Side
from kyzlo_actors.replay.ends import end
from kyzlo_actors.replay.floor import Floor
from kyzlo_actors.replay.matching_messages import BustFill, CashBooked, Fill, FillBusted
from kyzlo_actors.replay.venue_order import VenueOrder, VenueStatus


def book_cash(floor: Floor, *, kind: str, amount: Decimal, symbol: str | None, ts: int) -> None:
    """Book `amount` (signed USD), and tell it with the running cash."""
    floor.account.book_cash(amount)
    entry = CashBooked(
        sequence=len(floor.cash_entries) + 1,
        kind=kind,
        amount=amount,
        cash=floor.account.cash,
        symbol=symbol,
        ts=ts,
    )
    floor.cash_entries.append(entry)
    floor.tell(entry)


def bust_fill(floor: Floor, event: BustFill) -> None:
    """Break a trade or correct its price: cash, cost and P&L follow, the order stays as it is, fees stay booked.

    Nothing for an unknown execution or one that is broken already. Orders that no longer fit the position are
    canceled: those that would close more than is left, and those that would open on its other side.
    """
    fill = next((fill for fill in floor.fills if fill.execution_id == event.execution_id), None)
    if fill is None:
        return
    prices = {bust.fill.execution_id: bust.price for bust in floor.busts}
    known = prices.get(fill.execution_id, fill.price)
    if known is None or known == event.price:
        return
    cash_change = fill.side.sign * fill.qty * (known - (event.price or ZERO))
    prices[fill.execution_id] = event.price
    position_qty = floor.account.rebook(
        fill.symbol, list(_executions(floor.fills, fill.symbol, prices)), cash_change
    )
    told = FillBusted(fill=fill, price=event.price, position_qty=position_qty, ts=event.ts)
    floor.busts.append(told)
    floor.tell(told)
    _cancel_what_no_longer_fits(floor, fill.symbol, event.ts)


def _executions(
    fills: list[Fill], symbol: str, prices: dict[str, Decimal | None]
) -> list[tuple[Side, Decimal, Decimal]]:
    """The symbol's trades as they stand now."""
    made = ((fill, prices.get(fill.execution_id, fill.price)) for fill in fills if fill.symbol == symbol)
    return [(fill.side, fill.qty, price) for fill, price in made if price is not None]


def _cancel_what_no_longer_fits(floor: Floor, symbol: str, ts: int) -> None:
    held = floor.account.held_qty(symbol)
    for order in floor.book.open_orders(symbol):
        if not order.closes and held * order.ticket.side.sign < 0:
            end(floor, order, VenueStatus.CANCELED, ts)
    for side in Side:
        closing = [order for order in floor.book.open_orders(symbol) if order.ticket.side is side]
        for order in reversed(closing):
            if order.closes and floor.available_qty(symbol, side) < 0:
                end(floor, _root(floor, order), VenueStatus.CANCELED, ts)


def _root(floor: Floor, order: VenueOrder) -> VenueOrder:
    """The order that must go for this one to go: legs that wait are nothing without their parent."""
    if order.awaits_replace and order.replaces is not None:
        order = floor.book.orders[order.replaces]
    if order.parent_id is not None and not order.activated:
        return floor.book.orders[order.parent_id]
    return order
