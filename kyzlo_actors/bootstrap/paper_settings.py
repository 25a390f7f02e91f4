"""The settings of a paper session: a settings.toml of its own, and an environment that names the venue and its keys."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

import toml

from kyzlo_actors.bootstrap.environment import RUN_ID_VARIABLE
from kyzlo_actors.bootstrap.paper_choice import PaperChoice
from kyzlo_actors.bootstrap.setting_names import TOP_LEVEL_NAMES
from kyzlo_actors.venue.scenario import Scenario

ORDER_DOLLARS: Final = 2_500
MAX_ORDER_DOLLARS: Final = 5_000
# Bought in lots that the gate refuses, so that people see it at work.
_TOO_LARGE: Final = 7_000
_ON_TICKS: Final = 2
# Of the account's cash, a day: then the session halts by itself.
_LOSS_SHARE: Final = Decimal("0.01")
# What would lead the service to other places or keys than those of this session.
_FOREIGN: Final = (
    "STATE_DIRECTORY",
    "RUNTIME_DIRECTORY",
    "CREDENTIALS_DIRECTORY",
    "NOTIFY_SOCKET",
    "WATCHDOG_PID",
    "WATCHDOG_USEC",
)


def settings_text(
    scenario: Scenario, *, state_directory: str, runtime_directory: str, choice: PaperChoice
) -> str:
    """settings.toml for the scenario's symbols, or those of the choice, with its strategy on all of them.

    Without one: golden cross on bars, on ticks for two of them, and the last symbol's orders larger than the limit on
    purpose.
    """
    traded = [part for part in scenario.symbols if part.tradable and part.active]
    chosen = [part for part in traded if part.symbol in choice.symbols] if choice.symbols else traded
    symbols: dict[str, Any] = {}
    for place, part in enumerate(chosen):
        is_shown = choice.strategy is None and len(traded) > 1 and place == len(traded) - 1
        quantity = max(1, round((_TOO_LARGE if is_shown else ORDER_DOLLARS) / part.start_price))
        is_on_ticks = 0 < place <= _ON_TICKS
        symbols[part.symbol] = {
            "strategy": choice.strategy or "golden_cross",
            "quantity": quantity,
            "max_position": quantity,
            "bar_seconds": choice.bar_seconds,
            "parameters": (
                dict(choice.parameters)
                if choice.strategy
                else {"fast": 5, "slow": 20, "on": "ticks" if is_on_ticks else "bars"}
            ),
        }
    return toml.dumps(
        {
            "RISK_DAILY_LOSS_LIMIT": max(1, int(scenario.account.cash * _LOSS_SHARE)),
            "RISK_MAX_NOTIONAL": 50_000,
            "risk": {"max_order_notional": MAX_ORDER_DOLLARS},
            "paths": {"state_directory": state_directory, "runtime_directory": runtime_directory},
            "symbols": symbols,
        }
    )


def service_environment(
    environ: Mapping[str, str], *, run_id: str, addresses: Mapping[str, Any], scenario: Scenario
) -> dict[str, str]:
    """The service's environment: the owner's variables name the venue, and nobody's real keys come along."""
    kept = child_environment(environ, run_id=run_id)
    return kept | {
        "ALPACA_BASE_URL": str(addresses["rest"]),
        "ALPACA_API_KEY": scenario.keys.alpaca_key,
        "ALPACA_API_SECRET": scenario.keys.alpaca_secret,
        "POLYGON_WEBSOCKET_URL": str(addresses["polygon_ws"]),
        "POLYGON_BASE_URL": str(addresses["polygon_rest"]),
        "POLYGON_API_KEY": scenario.keys.polygon_key,
    }


def child_environment(environ: Mapping[str, str], *, run_id: str) -> dict[str, str]:
    """`environ` without any setting of KYZLO, and with the session's run id."""
    ours = {name for name, about in TOP_LEVEL_NAMES.items() for name in (name, *about.others)}
    kept = {name: value for name, value in environ.items() if name not in ours and name not in _FOREIGN}
    # Loopback must not go through a proxy, whatever this machine is set up for.
    for name in ("NO_PROXY", "no_proxy"):
        kept[name] = ",".join(filter(None, (kept.get(name), "127.0.0.1", "localhost")))
    return kept | {RUN_ID_VARIABLE: run_id, "PYTHONUNBUFFERED": "1"}
