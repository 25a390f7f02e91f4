"""The account as Alpaca shows it: cash, equity, margins, buying powers and flags."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from kyzlo_actors.domain.order import ZERO
from kyzlo_actors.venue.broker.desk import Desk
from kyzlo_actors.venue.broker.json_shapes import Json, account_id, money, number
from kyzlo_actors.venue.timestamps import new_york_date, rfc3339

_OPTIONS_LEVEL: Final = 0
_REGT_MULTIPLIER: Final = Decimal(2)
_INITIAL_MARGIN: Final = Decimal("0.5")
_MAINTENANCE_MARGIN: Final = Decimal("0.3")


def account_json(desk: Desk) -> Json:
    """`GET /v2/account`; money in USD."""
    account, flags = desk.engine.account, desk.flags
    longs, shorts = desk.market_values()
    exposed = longs - shorts
    equity = account.cash + longs + shorts
    initial, maintenance = _margin(exposed, account.multiplier, _INITIAL_MARGIN, _MAINTENANCE_MARGIN)
    buying_power = max(ZERO, desk.engine.buying_power)
    excess = max(ZERO, equity - initial)
    regt = min(buying_power, excess * min(_REGT_MULTIPLIER, account.multiplier))
    return {
        "id": account_id(desk.account_number),
        "account_number": desk.account_number,
        "status": flags.status,
        "crypto_status": "INACTIVE",
        "currency": "USD",
        "cash": money(account.cash),
        "buying_power": money(buying_power),
        "regt_buying_power": money(regt),
        "non_marginable_buying_power": money(max(ZERO, min(account.cash, excess, buying_power))),
        "options_buying_power": "0",
        "portfolio_value": money(equity),
        "equity": money(equity),
        "last_equity": money(desk.day.last_equity),
        "long_market_value": money(longs),
        "short_market_value": money(shorts),
        "initial_margin": money(initial),
        "maintenance_margin": money(maintenance),
        "last_maintenance_margin": money(maintenance),
        "sma": money(excess),
        "multiplier": number(account.multiplier),
        "accrued_fees": "0",
        "intraday_adjustments": "0",
        "balance_asof": new_york_date(desk.now_ns()).isoformat(),
        "trading_blocked": flags.trading_blocked,
        "transfers_blocked": flags.transfers_blocked,
        "account_blocked": flags.account_blocked,
        "trade_suspended_by_user": flags.trade_suspended_by_user,
        "shorting_enabled": flags.may_short,
        "options_approved_level": _OPTIONS_LEVEL,
        "options_trading_level": _OPTIONS_LEVEL,
        "created_at": rfc3339(desk.started_ns),
    }


def _margin(
    exposed: Decimal, multiplier: Decimal, initial: Decimal, maintenance: Decimal
) -> tuple[Decimal, Decimal]:
    """What positions worth `exposed` bind; a cash account binds all of it."""
    if multiplier <= 1:
        return exposed, exposed
    return exposed * initial, exposed * maintenance
