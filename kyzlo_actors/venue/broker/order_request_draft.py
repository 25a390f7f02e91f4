"""The fields of an order's JSON body as far as they could be read: strings or numbers, wrong types named."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Any, Final, TypeVar

from kyzlo_actors.domain.values import OrderClass, OrderType, PositionIntent, Side, TimeInForce
from kyzlo_actors.venue.scenario import SymbolPart

# Beyond it exact arithmetic on price x quantity would no longer be exact.
MAX_NUMBER: Final = Decimal(1_000_000_000)
_MAX_PLACES: Final = 9

Kind = TypeVar("Kind", bound=StrEnum)


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What was read; None = absent. `enum_fault` is the broker's word for the first word it does not know."""

    part: SymbolPart
    qty: Decimal | None
    notional: Decimal | None
    limit_price: Decimal | None
    stop_price: Decimal | None
    trail_price: Decimal | None
    trail_percent: Decimal | None
    take_profit_limit_price: Decimal | None
    stop_loss_stop_price: Decimal | None
    stop_loss_limit_price: Decimal | None
    order_type: OrderType | None
    time_in_force: TimeInForce | None
    side: Side | None
    order_class: OrderClass
    position_intent: PositionIntent | None
    extended_hours: bool
    enum_fault: str

    @property
    def fractional(self) -> bool:
        """Whether it is no whole number of shares."""
        return self.notional is not None or (self.qty is not None and self.qty % 1 != 0)


def read_draft(body: Mapping[str, Any], part: SymbolPart) -> Draft:
    """The fields of `body`.

    Raises: ValueError: one of them has a wrong type, or is a number nobody can use; its text is the broker's.
    """
    take_profit, stop_loss = _object(body, "take_profit"), _object(body, "stop_loss")
    order_type = _word(body, "type", OrderType)
    time_in_force = _word(body, "time_in_force", TimeInForce)
    side = _word(body, "side", Side)
    order_class = _word(body, "order_class", OrderClass) if body.get("order_class") else OrderClass.SIMPLE
    intent = _word(body, "position_intent", PositionIntent)
    faults = (
        "" if order_type else "invalid order type",
        "" if time_in_force else "invalid time_in_force",
        "" if side else "invalid side",
        "" if order_class else "invalid order_class",
        "" if intent or not body.get("position_intent") else "invalid position_intent",
    )
    limit_price = decimal_field(body, "limit_price")
    take_profit_limit_price = decimal_field(take_profit, "limit_price", "take_profit.limit_price")
    if order_class is OrderClass.OCO and order_type is OrderType.LIMIT:
        # The order itself is the take-profit, wherever its price stands.
        limit_price, take_profit_limit_price = take_profit_limit_price or limit_price, None
    return Draft(
        part=part,
        qty=decimal_field(body, "qty"),
        notional=decimal_field(body, "notional"),
        limit_price=limit_price,
        stop_price=decimal_field(body, "stop_price"),
        trail_price=decimal_field(body, "trail_price"),
        trail_percent=decimal_field(body, "trail_percent"),
        take_profit_limit_price=take_profit_limit_price,
        stop_loss_stop_price=decimal_field(stop_loss, "stop_price", "stop_loss.stop_price"),
        stop_loss_limit_price=decimal_field(stop_loss, "limit_price", "stop_loss.limit_price"),
        order_type=order_type,
        time_in_force=time_in_force,
        side=side,
        order_class=order_class or OrderClass.SIMPLE,
        position_intent=intent,
        extended_hours=_flag(body, "extended_hours"),
        enum_fault=next((fault for fault in faults if fault), ""),
    )


def decimal_field(body: Mapping[str, Any], name: str, label: str = "") -> Decimal | None:
    """A number given as a JSON number or a string, exact; None when absent, null or empty.

    Raises: ValueError: it is no number, or has more digits than money has.
    """
    value = body.get(name)
    if value is None or value == "":
        return None
    try:
        if isinstance(value, (bool, dict, list)):
            raise InvalidOperation
        made = Decimal(str(value))
    except InvalidOperation as fault:
        raise ValueError(f"{label or name} is not a number") from fault
    if not made.is_finite():
        raise ValueError(f"{label or name} is not a usable number")
    if abs(made) > MAX_NUMBER or decimals(made) > _MAX_PLACES:
        raise ValueError(f"{label or name} must be at most {MAX_NUMBER} with at most 9 decimal places")
    # "1e2" is a hundred: from here on a number has no exponent.
    return made.quantize(Decimal(1)) if made == made.to_integral_value() else made


def decimals(value: Decimal) -> int:
    """Digits behind the point that matter."""
    exponent = value.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def _word(body: Mapping[str, Any], name: str, kinds: type[Kind]) -> Kind | None:
    value = body.get(name)
    return next((kind for kind in kinds if kind == value), None)


def _object(body: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = body.get(name)
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise ValueError(f"{name} must be an object")
    return value


def _flag(body: Mapping[str, Any], name: str) -> bool:
    value = body.get(name)
    if value is None or isinstance(value, bool):
        return bool(value)
    if isinstance(value, str) and value.lower() in ("true", "false", ""):
        return value.lower() == "true"
    raise ValueError(f"{name} must be true or false")
