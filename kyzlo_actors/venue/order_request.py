"""The body of `POST /v2/orders`, checked top-down as the broker does: a ticket, or the broker's refusal."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from kyzlo_actors.domain.order import OrderTicket
from kyzlo_actors.domain.values import OrderType, Side, TimeInForce
from kyzlo_actors.replay.matching_messages import OrderRefused, RefusalReason
from kyzlo_actors.replay.ticket_checks import unsupported
from kyzlo_actors.venue.alpaca_json import number
from kyzlo_actors.venue.scenario import Scenario, SymbolPart

BAD_FIELD: Final = 40010001
NOT_PROCESSABLE: Final = 42210000
FORBIDDEN: Final = 40310000
_MAX_ID_LENGTH: Final = 128
_MAX_QTY: Final = Decimal(1_000_000_000)
_ORDER_CLASSES: Final = ("bracket", "oto", "oco", "mleg")
_STOPS: Final = (OrderType.STOP, OrderType.STOP_LIMIT)
_LIMITS: Final = (OrderType.LIMIT, OrderType.STOP_LIMIT)


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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Draft:
    """The body's fields as far as they could be read; None = absent."""

    body: Mapping[str, Any]
    part: SymbolPart
    qty: Decimal | None
    notional: Decimal | None
    limit_price: Decimal | None
    stop_price: Decimal | None
    order_type: OrderType | None
    time_in_force: TimeInForce | None
    side: Side | None

    @property
    def fractional(self) -> bool:
        return self.notional is not None or (self.qty is not None and self.qty % 1 != 0)


def read_order(
    body: Mapping[str, Any], scenario: Scenario, *, is_taken: Callable[[str], bool], fallback_id: str
) -> OrderTicket | Refusal:
    """The ticket that `body` asks for. `is_taken` knows ids of old; `fallback_id` is for an order without."""
    symbol = str(body.get("symbol"))
    part = scenario.symbol(symbol)
    if part is None:
        return Refusal(status=422, code=NOT_PROCESSABLE, message=f'asset "{symbol}" not found')
    if not part.active:
        return Refusal(status=422, code=NOT_PROCESSABLE, message=f'asset "{symbol}" is not active')
    if not part.tradable:
        return Refusal(status=422, code=NOT_PROCESSABLE, message=f'asset "{symbol}" is not tradable')
    try:
        draft = _draft(body, part)
    except (ArithmeticError, ValueError) as fault:
        return _bad_field(str(fault))
    client_order_id = str(body.get("client_order_id") or fallback_id)
    refusal = (
        _amount_fault(draft)
        or _price_fault(draft)
        or _id_fault(client_order_id, is_taken)
        or _tick_fault(draft)
        or _fraction_fault(draft)
        or _session_fault(draft)
    )
    if refusal:
        return refusal
    return _ticket(draft, client_order_id)


def refusal_of(refused: OrderRefused, ticket: OrderTicket) -> Refusal:
    """The broker's words for a refusal by the matching engine."""
    numbers = {name: number(value) for name, value in refused.numbers.items()}
    related = list(refused.related_order_ids)
    match refused.reason:
        case RefusalReason.DUPLICATE_CLIENT_ORDER_ID:
            return _bad_field("client_order_id must be unique")
        case RefusalReason.INSUFFICIENT_BUYING_POWER:
            return Refusal(status=403, code=FORBIDDEN, message="insufficient buying power", extras=numbers)
        case RefusalReason.INSUFFICIENT_QTY:
            asked = f"(requested: {number(ticket.qty)}, available: {numbers['available']})"
            return Refusal(
                status=403,
                code=FORBIDDEN,
                message=f"insufficient qty available for order {asked}",
                extras={**numbers, "symbol": ticket.symbol, "related_orders": related},
            )
        case RefusalReason.WASH_TRADE:
            return Refusal(
                status=403,
                code=FORBIDDEN,
                message="potential wash trade detected. use complex orders",
                extras={"reject_reason": refused.detail, "existing_order_id": related[0]},
            )
        case RefusalReason.TOO_MANY_OPEN_ORDERS:
            return Refusal(status=403, code=FORBIDDEN, message="too many open orders")
        case RefusalReason.NO_PRICE:
            return _refused(f'no market price for "{ticket.symbol}"')
        case RefusalReason.UNSUPPORTED:
            return _refused(f"{refused.detail} is not supported by this venue")
        case RefusalReason.BAD_TICKET:
            return _bad_field(refused.detail)
        case _:
            return _refused(refused.detail)


def _draft(body: Mapping[str, Any], part: SymbolPart) -> _Draft:
    return _Draft(
        body=body,
        part=part,
        qty=_decimal(body, "qty"),
        notional=_decimal(body, "notional"),
        limit_price=_decimal(body, "limit_price"),
        stop_price=_decimal(body, "stop_price"),
        order_type=next((kind for kind in OrderType if kind == body.get("type")), None),
        time_in_force=next((kind for kind in TimeInForce if kind == body.get("time_in_force")), None),
        side=next((kind for kind in Side if kind == body.get("side")), None),
    )


def _amount_fault(draft: _Draft) -> Refusal | None:
    if draft.qty is None and draft.notional is None:
        return _bad_field("qty or notional is required")
    if draft.qty is not None and draft.notional is not None:
        return _bad_field("only one of qty or notional is accepted")
    if draft.qty is not None and draft.qty <= 0:
        return _bad_field("qty must be > 0")
    if draft.qty is not None and (draft.qty > _MAX_QTY or _decimals(draft.qty) > 9):
        return _bad_field("qty must be at most 1000000000 with at most 9 decimal places")
    if draft.limit_price is not None and draft.limit_price <= 0:
        return _bad_field("limit price must be > 0")
    return None


def _price_fault(draft: _Draft) -> Refusal | None:
    kind, limit, stop = draft.order_type, draft.limit_price, draft.stop_price
    if kind is OrderType.LIMIT and limit is None:
        return _bad_field("limit orders require a limit price")
    if kind is OrderType.STOP and stop is None:
        return _bad_field("stop orders require a stop price")
    if kind is OrderType.STOP_LIMIT and (stop is None or limit is None):
        return _bad_field("stop limit orders require both stop and limit price")
    if kind is OrderType.MARKET and (stop is not None or limit is not None):
        return _bad_field("market orders require no stop or limit price")
    trails = [draft.body.get(name) is not None for name in ("trail_price", "trail_percent")]
    if kind is OrderType.TRAILING_STOP and sum(trails) != 1:
        return _bad_field("trailing stop orders must specify one of trail_price or trail_percent")
    if kind is None:
        return _bad_field("invalid order type")
    if draft.time_in_force is None:
        return _bad_field("invalid time_in_force")
    return _bad_field("invalid side") if draft.side is None else None


def _id_fault(client_order_id: str, is_taken: Callable[[str], bool]) -> Refusal | None:
    if len(client_order_id) > _MAX_ID_LENGTH:
        return _bad_field(f"client_order_id must be no more than {_MAX_ID_LENGTH} characters")
    return _bad_field("client_order_id must be unique") if is_taken(client_order_id) else None


def _tick_fault(draft: _Draft) -> Refusal | None:
    used = [("limit_price", draft.limit_price)] if draft.order_type in _LIMITS else []
    used += [("stop_price", draft.stop_price)] if draft.order_type in _STOPS else []
    for name, price in used:
        if price is not None and _decimals(price) > (2 if price >= 1 else 4):
            why = "sub-penny increment does not fulfill minimum pricing criteria"
            return _refused(f"invalid {name} {number(price)}. {why}")
    return None


def _fraction_fault(draft: _Draft) -> Refusal | None:
    if not draft.fractional:
        return None
    if draft.time_in_force is not TimeInForce.DAY:
        return _refused("fractional orders must be DAY orders")
    if draft.body.get("order_class") in _ORDER_CLASSES:
        return _refused("fractional orders must be simple orders")
    if draft.notional is not None and draft.notional < 1:
        return _refused("notional must be >= 1.00")
    if not draft.part.fractionable:
        message = f'asset "{draft.part.symbol}" is not fractionable'
        return Refusal(status=403, code=FORBIDDEN, message=message)
    return None


def _session_fault(draft: _Draft) -> Refusal | None:
    lasting = draft.time_in_force in (TimeInForce.DAY, TimeInForce.GTC)
    if draft.body.get("extended_hours") and not (draft.order_type is OrderType.LIMIT and lasting):
        return _refused("extended hours order must be DAY or GTC limit orders")
    return None


def _ticket(draft: _Draft, client_order_id: str) -> OrderTicket | Refusal:
    order_class = draft.body.get("order_class") or "simple"
    if order_class != "simple":
        return _unsupported(f"order_class {order_class}")
    if draft.qty is None or draft.order_type is None or draft.time_in_force is None or draft.side is None:
        return _unsupported("notional")
    ticket = OrderTicket(
        client_order_id=client_order_id,
        symbol=draft.part.symbol,
        side=draft.side,
        qty=draft.qty,
        order_type=draft.order_type,
        time_in_force=draft.time_in_force,
        limit_price=draft.limit_price,
        extended_hours=bool(draft.body.get("extended_hours")),
    )
    missing = unsupported(ticket)
    return _unsupported(missing) if missing else ticket


def _decimal(body: Mapping[str, Any], name: str) -> Decimal | None:
    value = body.get(name)
    if value is None or value == "":
        return None
    try:
        made = Decimal(str(value))
    except InvalidOperation as fault:
        raise ValueError(f"{name} is not a number") from fault
    if not made.is_finite() or abs(made.adjusted()) > 30:
        raise ValueError(f"{name} is not a usable number")
    return made


def _decimals(value: Decimal) -> int:
    exponent = value.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def _bad_field(message: str) -> Refusal:
    return Refusal(status=422, code=BAD_FIELD, message=message)


def _refused(message: str) -> Refusal:
    return Refusal(status=422, code=NOT_PROCESSABLE, message=message)


def _unsupported(what: str) -> Refusal:
    return _refused(f"{what} is not supported by this venue")
