"""Acts on orders, fills, cash and the account: what the market or the broker does by itself, whenever it is told to."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Final, Literal

from pydantic import Field

from kyzlo_actors.domain.errors import BadInput
from kyzlo_actors.replay.matching_messages import (
    BookCash,
    BustFill,
    ConfirmCancel,
    EndOrder,
    ForceFill,
    RefuseCancel,
)
from kyzlo_actors.replay.venue_order import VenueOrder, VenueStatus
from kyzlo_actors.venue.broker.desk import Desk
from kyzlo_actors.venue.broker.trade_updates import TradeUpdates
from kyzlo_actors.venue.control.act import Act, Arguments, Name
from kyzlo_actors.venue.timestamps import rfc3339

_DIGITS: Final = 9
_PENDING: Final = (VenueStatus.PENDING_CANCEL, VenueStatus.PENDING_REPLACE)
Amount = Annotated[Decimal, Field(gt=0, le=1_000_000_000, allow_inf_nan=False)]


class FillOrder(Arguments):
    """`order` is an id or client_order_id; without `qty` all that is left, without `price` the touch."""

    order: Name
    qty: Amount | None = None
    price: Amount | None = None


class EmitEvent(Arguments):
    """Any event name; `set` is laid over the order, `data` over the event."""

    order: Name
    event: Name
    set: Annotated[dict[str, Any], Field(default_factory=dict)]
    data: Annotated[dict[str, Any], Field(default_factory=dict)]


class EndTheOrder(Arguments):
    """How the market ends it."""

    order: Name
    status: Literal["rejected", "expired", "canceled", "done_for_day"]


class MoveCash(Arguments):
    """`kind` is an activity type, `amount` signed USD."""

    kind: Annotated[str, Field(pattern=r"^[A-Z]{2,6}$")]
    amount: Annotated[Decimal, Field(ge=-1_000_000_000, le=1_000_000_000, allow_inf_nan=False)]
    symbol: Name | None = None


class BreakFill(Arguments):
    """Without `price` the trade never happened, with it the trade happened at that price."""

    execution_id: Name
    price: Amount | None = None


class OrderActs:
    """See `acts`."""

    def __init__(self, desk: Desk, updates: TradeUpdates) -> None:
        self._desk = desk
        self._updates = updates

    def acts(self) -> list[Act]:
        """All of them."""
        return [
            Act(
                name="fill_order",
                takes=FillOrder,
                run=self._fill,
                help="fill an order now: {order, qty?, price?}",
            ),
            Act(
                name="emit_event",
                takes=EmitEvent,
                run=self._emit,
                help="send an event with the order as it stands, whatever is true: {order, event, set?, data?}",
            ),
            Act(
                name="end_order",
                takes=EndTheOrder,
                run=self._end,
                help="end an order: {order, status: rejected|expired|canceled|done_for_day}",
            ),
            Act(
                name="refuse_cancel",
                takes=Name,
                run=self._refuse_cancel,
                help="a pending cancel or replace loses its race: an order's id",
            ),
            Act(
                name="confirm_cancel",
                takes=Name,
                run=self._confirm_cancel,
                help="a pending (stuck) cancel comes through: an order's id",
            ),
            Act(
                name="book_cash",
                takes=MoveCash,
                run=self._book_cash,
                help="fee, dividend, transfer: {kind: FEE|DIV|CSD|CSW|..., amount, symbol?}",
            ),
            Act(
                name="bust_fill",
                takes=BreakFill,
                run=self._bust,
                help="break a fill of ours, or correct its price: {execution_id, price?}",
            ),
            Act(
                name="account",
                takes=dict[str, Any],
                run=self._account,
                help="set flags of the account: {trading_blocked: true, status: ...}",
            ),
        ]

    def _fill(self, given: FillOrder) -> None:
        order = self._open("fill_order.order", given.order)
        if given.qty is not None and given.qty > order.leaves_qty:
            raise BadInput("fill_order.qty", str(given.qty), f"{order.leaves_qty} shares are left")
        self._desk.handle(
            ForceFill(
                venue_order_id=order.venue_order_id, ts=self._desk.now_ns(), qty=given.qty, price=given.price
            )
        )

    def _emit(self, given: EmitEvent) -> None:
        order = self._desk.order_json(self._order("emit_event.order", given.order), digits=_DIGITS)
        self._updates.publish(
            {
                "event": given.event,
                "timestamp": rfc3339(self._desk.now_ns(), _DIGITS),
                **given.data,
                "order": {**order, **given.set},
            }
        )

    def _end(self, given: EndTheOrder) -> None:
        order = self._open("end_order.order", given.order)
        self._desk.handle(
            EndOrder(
                venue_order_id=order.venue_order_id,
                status=VenueStatus(given.status),
                ts=self._desk.now_ns(),
            )
        )

    def _refuse_cancel(self, name: str) -> None:
        order = self._pending("refuse_cancel", name)
        self._desk.handle(RefuseCancel(venue_order_id=order.venue_order_id, ts=self._desk.now_ns()))

    def _confirm_cancel(self, name: str) -> None:
        order = self._pending("confirm_cancel", name)
        self._desk.handle(ConfirmCancel(venue_order_id=order.venue_order_id, ts=self._desk.now_ns()))

    def _book_cash(self, given: MoveCash) -> None:
        self._desk.handle(
            BookCash(kind=given.kind, amount=given.amount, symbol=given.symbol, ts=self._desk.now_ns())
        )

    def _bust(self, given: BreakFill) -> None:
        if all(fill.execution_id != given.execution_id for fill in self._desk.engine.fills):
            raise BadInput("bust_fill.execution_id", given.execution_id, "GET /_ctl/fills lists the fills")
        self._desk.handle(
            BustFill(execution_id=given.execution_id, price=given.price, ts=self._desk.now_ns())
        )

    def _account(self, flags: dict[str, Any]) -> None:
        for name, value in flags.items():
            self._desk.flags.set(name, value)

    def _order(self, field: str, name: str) -> VenueOrder:
        engine = self._desk.engine
        order = engine.orders.get(name) or engine.by_client_order_id(name)
        if order is None:
            raise BadInput(field, name, "no such order; give its id or client_order_id")
        return order

    def _open(self, field: str, name: str) -> VenueOrder:
        order = self._order(field, name)
        if order.status.is_terminal:
            raise BadInput(field, name, f"give an order that is open; this one is {order.status}")
        return order

    def _pending(self, field: str, name: str) -> VenueOrder:
        order = self._order(field, name)
        if order.status not in _PENDING:
            raise BadInput(
                field, name, f"give an order with a cancel or replace pending; it is {order.status}"
            )
        return order
