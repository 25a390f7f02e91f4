"""What the one account may do at present: flags the broker sets, and settings its owner may change."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from decimal import Decimal
from typing import Any, Final, get_args

from kyzlo_actors.domain.errors import BadInput
from kyzlo_actors.venue.broker.json_shapes import number
from kyzlo_actors.venue.scenario import AccountPart

STATUSES: Final[tuple[str, ...]] = get_args(AccountPart.model_fields["status"].annotation)
_MULTIPLIERS: Final = ("1", "2", "4")
_EMAILS: Final = ("all", "none")


@dataclass(slots=True, kw_only=True)
class AccountFlags:
    """Start as the scenario says and change while it runs (`/_ctl`, or the owner's own settings)."""

    status: str
    shorting_enabled: bool
    trading_blocked: bool
    account_blocked: bool
    trade_suspended_by_user: bool
    liquidation_only: bool
    transfers_blocked: bool = False
    no_shorting: bool = False
    fractional_trading: bool = True

    @property
    def may_short(self) -> bool:
        """Neither broker nor owner forbids it."""
        return self.shorting_enabled and not self.no_shorting

    def set(self, name: str, value: object) -> None:
        """Change one flag.

        Raises: BadInput: no such flag, or a value it cannot have; nothing changed.
        """
        known = [part.name for part in fields(self)]
        if name not in known:
            raise BadInput(f"account.{name}", value, f"known flags: {', '.join(known)}")
        if name == "status" and value not in STATUSES:
            raise BadInput("account.status", value, f"give one of {', '.join(STATUSES)}")
        if name != "status" and not isinstance(value, bool):
            raise BadInput(f"account.{name}", value, "give true or false")
        setattr(self, name, value)

    def as_json(self) -> dict[str, Any]:
        """All of them, by name."""
        return asdict(self)


def flags_of(part: AccountPart) -> AccountFlags:
    """The flags a scenario starts with."""
    return AccountFlags(
        status=part.status,
        shorting_enabled=part.shorting_enabled,
        trading_blocked=part.trading_blocked,
        account_blocked=part.account_blocked,
        trade_suspended_by_user=part.trade_suspended_by_user,
        liquidation_only=part.liquidation_only,
    )


class Configurations:
    """`/v2/account/configurations`: what the owner may set. Some of it has no meaning here and is only kept."""

    def __init__(self, flags: AccountFlags, multiplier: Decimal) -> None:
        self._flags = flags
        self._kept: dict[str, Any] = {
            "max_margin_multiplier": number(multiplier),
            "trade_confirm_email": "all",
            "ptp_no_exception_entry": False,
            "max_options_trading_level": None,
        }

    def as_json(self) -> dict[str, Any]:
        """The whole of it."""
        return {
            **self._kept,
            "fractional_trading": self._flags.fractional_trading,
            "no_shorting": self._flags.no_shorting,
            "suspend_trade": self._flags.trade_suspended_by_user,
        }

    def change(self, body: dict[str, Any]) -> str | None:
        """Change what `body` names; the name of a field that cannot be used, or None. Unknown fields are ignored."""
        current = self.as_json()
        known = {name: value for name, value in body.items() if name in current}
        for name, value in known.items():
            if not _fits(name, value, current[name]):
                return name
        for name, value in known.items():
            match name:
                case "suspend_trade":
                    self._flags.trade_suspended_by_user = value
                case "no_shorting" | "fractional_trading":
                    self._flags.set(name, value)
                case _:
                    self._kept[name] = value
        return None


def _fits(name: str, value: object, current: object) -> bool:
    match name:
        case "max_margin_multiplier":
            return value in _MULTIPLIERS
        case "trade_confirm_email":
            return value in _EMAILS
        case "max_options_trading_level":
            return value is None or (
                isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 3
            )
        case _:
            return isinstance(value, type(current))
