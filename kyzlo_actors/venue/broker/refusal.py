"""The broker's words for what it refuses: HTTP status, code, message, and the amounts that decided."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from kyzlo_actors.domain.order import OrderTicket
from kyzlo_actors.domain.values import Side
from kyzlo_actors.replay.matching_messages import OrderRefused, RefusalReason, ReplaceRefused
from kyzlo_actors.replay.venue_order import VenueStatus
from kyzlo_actors.venue.broker.json_shapes import number
from kyzlo_actors.venue.control.behaviour import Behaviour

BAD_FIELD: Final = 40010001
NOT_PROCESSABLE: Final = 42210000
FORBIDDEN: Final = 40310000
NOT_FOUND: Final = 40410000
_NOT_SENT_YET: Final = (VenueStatus.PENDING_NEW, VenueStatus.ACCEPTED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """An error reply: HTTP status, the broker's code, its words, and more fields."""

    status: int
    code: int
    message: str
    extras: dict[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """The body."""
        return {"code": self.code, "message": self.message, **self.extras}


def bad_field(message: str) -> Refusal:
    """A field that cannot be used."""
    return Refusal(status=422, code=BAD_FIELD, message=message)


def not_processable(message: str, **extras: str) -> Refusal:
    """A well-formed wish that makes no sense."""
    return Refusal(status=422, code=NOT_PROCESSABLE, message=message, extras=extras)


def forbidden(message: str, **extras: Any) -> Refusal:
    """A sensible wish that this account may not have."""
    return Refusal(status=403, code=FORBIDDEN, message=message, extras=extras)


def duplicate_id(behaviour: Behaviour) -> Refusal:
    """The client_order_id was used before."""
    return Refusal(status=422, code=behaviour.duplicate_id_code, message="client_order_id must be unique")


def refusal_of(refused: OrderRefused, ticket: OrderTicket, behaviour: Behaviour) -> Refusal:
    """The broker's words for a refusal by the matching engine."""
    numbers = {name: number(value) for name, value in refused.numbers.items()}
    match refused.reason:
        case RefusalReason.DUPLICATE_CLIENT_ORDER_ID:
            return duplicate_id(behaviour)
        case RefusalReason.INSUFFICIENT_BUYING_POWER:
            return forbidden("insufficient buying power", **numbers)
        case RefusalReason.INSUFFICIENT_QTY:
            return _too_few_shares(refused, ticket, numbers)
        case RefusalReason.WASH_TRADE:
            return _wash_trade(refused, behaviour)
        case RefusalReason.STOP_ON_WRONG_SIDE:
            way = "less" if ticket.side is Side.SELL else "greater"
            return not_processable(f"stop price must be {way} than current price", **numbers)
        case RefusalReason.NOT_SHORTABLE:
            says = forbidden if refused.detail.startswith("account") else not_processable
            return says(refused.detail)
        case RefusalReason.FRACTIONAL_SHORT:
            return not_processable("fractional orders cannot be sold short")
        case RefusalReason.INTENT_MISMATCH:
            return not_processable(refused.detail)
        case RefusalReason.AUCTION_WINDOW | RefusalReason.OPPOSITE_OPEN:
            return forbidden(refused.detail)
        case RefusalReason.TOO_MANY_OPEN_ORDERS:
            return forbidden("too many open orders")
        case RefusalReason.NO_PRICE:
            return not_processable(f'no market price for "{ticket.symbol}"')
        case _:
            return bad_field(refused.detail)


def replace_refusal_of(refused: ReplaceRefused, ticket: OrderTicket, behaviour: Behaviour) -> Refusal:
    """The broker's words for a replace of `ticket` that was not taken."""
    if refused.refusal is not None:
        return refusal_of(refused.refusal, ticket, behaviour)
    if refused.status is None:
        return Refusal(status=404, code=NOT_FOUND, message=f"order not found for {refused.venue_order_id}")
    if refused.unchanged:
        return forbidden("order parameters are not changed")
    if refused.status in _NOT_SENT_YET:
        return bad_field("unable to replace order, order isn't sent to exchange yet")
    if refused.detail:
        return bad_field(refused.detail)
    return not_processable("unable to replace order, order is not open")


def _too_few_shares(refused: OrderRefused, ticket: OrderTicket, numbers: dict[str, str]) -> Refusal:
    asked = f"(requested: {number(ticket.qty)}, available: {numbers['available']})"
    return forbidden(
        f"insufficient qty available for order {asked}",
        **numbers,
        symbol=ticket.symbol,
        related_orders=list(refused.related_order_ids),
    )


def _wash_trade(refused: OrderRefused, behaviour: Behaviour) -> Refusal:
    related = list(refused.related_order_ids)
    return Refusal(
        status=behaviour.wash_trade_status,
        code=FORBIDDEN if behaviour.wash_trade_status == 403 else NOT_PROCESSABLE,
        message="potential wash trade detected. use complex orders",
        extras={"reject_reason": refused.detail} | ({"existing_order_id": related[0]} if related else {}),
    )
