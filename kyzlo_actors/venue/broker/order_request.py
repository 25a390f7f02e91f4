"""The bodies of `POST` and `PATCH /v2/orders`, checked top-down as the broker does: a wish, or its refusal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any, Final

from kyzlo_actors.domain.order import ZERO, OrderTicket
from kyzlo_actors.domain.values import OrderType, TimeInForce
from kyzlo_actors.venue.broker.order_request_checks import RequestContext, draft_fault, id_fault
from kyzlo_actors.venue.broker.order_request_draft import Draft, decimal_field, read_draft
from kyzlo_actors.venue.broker.refusal import Refusal, bad_field, not_processable
from kyzlo_actors.venue.scenario import Scenario

_WITH_LIMIT: Final = (OrderType.LIMIT, OrderType.STOP_LIMIT)
_WITH_STOP: Final = (OrderType.STOP, OrderType.STOP_LIMIT)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplaceWish:
    """What a `PATCH` wants to be different; None = as it is."""

    client_order_id: str
    qty: Decimal | None
    time_in_force: TimeInForce | None
    limit_price: Decimal | None
    stop_price: Decimal | None
    trail: Decimal | None


def read_order(
    body: Mapping[str, Any], scenario: Scenario, context: RequestContext, *, fallback_id: str
) -> OrderTicket | Refusal:
    """The ticket that `body` asks for; `fallback_id` is for an order without a client_order_id."""
    symbol = str(body.get("symbol"))
    part = scenario.symbol(symbol)
    if part is None:
        return not_processable(f'asset "{symbol[:64]}" not found')
    if not part.active:
        return not_processable(f'asset "{symbol}" is not active')
    if not part.tradable:
        return not_processable(f'asset "{symbol}" is not tradable')
    try:
        draft = read_draft(body, part)
        client_order_id = _client_order_id(body) or fallback_id
    except ValueError as fault:
        return bad_field(str(fault))
    return draft_fault(draft, client_order_id, context) or _ticket(draft, client_order_id)


def read_replace(
    body: Mapping[str, Any], ticket: OrderTicket, context: RequestContext, *, fallback_id: str
) -> ReplaceWish | Refusal:
    """What `body` wants to change of `ticket`. Prices are rounded, as the broker does here and only here."""
    try:
        qty = decimal_field(body, "qty")
        limit_price, stop_price = _tick(body, "limit_price"), _tick(body, "stop_price")
        trail = decimal_field(body, "trail")
        client_order_id = _client_order_id(body) or fallback_id
    except ValueError as fault:
        return bad_field(str(fault))
    word = body.get("time_in_force")
    time_in_force = next((kind for kind in TimeInForce if kind == word), None)
    if word and time_in_force is None:
        return bad_field("invalid time_in_force")
    kind = ticket.order_type
    for name, value, allowed in (
        ("limit price", limit_price, kind in _WITH_LIMIT),
        ("stop price", stop_price, kind in _WITH_STOP),
        ("trail", trail, kind is OrderType.TRAILING_STOP),
    ):
        if value is not None and not allowed:
            return bad_field(f"{str(kind).replace('_', ' ')} orders require no {name}")
        if value is not None and value <= 0:
            return bad_field(f"{name} must be > 0")
    if qty is not None and (qty <= 0 or qty % 1):
        return bad_field("qty must be > 0" if qty <= 0 else "qty must be a whole number of shares")
    return id_fault(client_order_id, context) or ReplaceWish(
        client_order_id=client_order_id,
        qty=qty,
        time_in_force=time_in_force,
        limit_price=limit_price,
        stop_price=stop_price,
        trail=trail,
    )


def _ticket(draft: Draft, client_order_id: str) -> OrderTicket:
    # The checks have named whatever is missing.
    assert draft.side is not None and draft.order_type is not None and draft.time_in_force is not None
    return OrderTicket(
        client_order_id=client_order_id,
        symbol=draft.part.symbol,
        side=draft.side,
        qty=draft.qty or ZERO,
        order_type=draft.order_type,
        time_in_force=draft.time_in_force,
        limit_price=draft.limit_price,
        extended_hours=draft.extended_hours,
        stop_price=draft.stop_price,
        trail_price=draft.trail_price,
        trail_percent=draft.trail_percent,
        notional=draft.notional,
        order_class=draft.order_class,
        take_profit_limit_price=draft.take_profit_limit_price,
        stop_loss_stop_price=draft.stop_loss_stop_price,
        stop_loss_limit_price=draft.stop_loss_limit_price,
        position_intent=draft.position_intent,
    )


def _client_order_id(body: Mapping[str, Any]) -> str:
    value = body.get("client_order_id")
    if value is None:
        return ""
    if not isinstance(value, str):
        raise ValueError("client_order_id must be a string")
    return value


def _tick(body: Mapping[str, Any], name: str) -> Decimal | None:
    price = decimal_field(body, name)
    if price is None:
        return None
    return price.quantize(Decimal("0.01") if price >= 1 else Decimal("0.0001"), ROUND_HALF_EVEN)
