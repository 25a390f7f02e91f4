"""The account behind the keys: may it trade, and is it the one that the state directory belongs to?"""

from __future__ import annotations

from typing import Final

from kyzlo_actors.bootstrap.doctor.finding import Finding, fail, of_problem, ok, warn
from kyzlo_actors.domain.broker import BrokerAccount
from kyzlo_actors.domain.errors import BadInput

ACCOUNT: Final = "account"
BINDING: Final = "account binding"


def account_finding(account: BrokerAccount) -> Finding:
    """ACTIVE, not blocked in any of the broker's three ways, and with money to buy."""
    blocks = {
        "trading_blocked": account.trading_blocked,
        "account_blocked": account.account_blocked,
        "trade_suspended_by_user": account.trade_suspended_by_user,
    }
    text = f"{account.account_number} is {account.status}"
    if not account.may_trade:
        said = ", ".join(name for name, is_set in blocks.items() if is_set)
        return fail(ACCOUNT, f"{text}{f', {said}' if said else ''}", "clear it up with the broker")
    text = f"{text}, equity {account.equity:f} {account.currency}"
    if account.buying_power <= 0:
        return warn(ACCOUNT, f"{text}, no buying power", "every purchase will be rejected: close or deposit")
    return ok(ACCOUNT, f"{text}, buying power {account.buying_power:f}")


def binding_findings(problem: BadInput | None, *, is_bound: bool, number: str) -> list[Finding]:
    """`problem`: why the state directory does not fit this account; `is_bound`: it belongs to one already."""
    if problem is not None:
        return of_problem(BINDING, problem)
    if not is_bound:
        return [ok(BINDING, f"the state directory is new; the first start binds it to {number}")]
    return [ok(BINDING, f"the state directory belongs to {number}")]
