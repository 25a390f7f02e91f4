"""The scenario of the soak: 20 symbols, and so much money that no limit of a day ends the session."""

from __future__ import annotations

import json
from importlib import resources
from typing import Any

from kyzlo_actors.venue.scenario import shipped_scenarios

SYMBOLS = 20
CASH = "100000000"
MARKET = "market"


def soak_scenario() -> dict[str, Any]:
    """The shipped scenario `market` where it is, else the demo's symbols and more of their kind."""
    scenario = _shipped(MARKET if MARKET in shipped_scenarios() else "demo")
    known = scenario["symbols"]
    scenario["symbols"] = [_one_more(known, place) for place in range(SYMBOLS)]
    scenario["account"]["cash"] = CASH
    return scenario


def _one_more(known: list[dict[str, Any]], place: int) -> dict[str, Any]:
    again, index = divmod(place, len(known))
    part = json.loads(json.dumps(known[index]))
    if again:
        part["symbol"] = part["symbol"][:4] + "ZYXWV"[again]
        part["start_price"] = round(part["start_price"] * (1 + 0.03 * place), 1)
    return dict(part)


def _shipped(name: str) -> dict[str, Any]:
    file = resources.files("kyzlo_actors.venue") / "scenarios" / f"{name}.json"
    scenario: dict[str, Any] = json.loads(file.read_text("utf-8"))
    return scenario
