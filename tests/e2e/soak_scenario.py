"""The scenario of the soak: 20 symbols, and so much money that no limit of a day ends the session."""

from __future__ import annotations

import json
from importlib import resources
from typing import Any

SYMBOLS = 20
CASH = "100000000"


def soak_scenario() -> dict[str, Any]:
    """The shipped scenario `market` with more money."""
    file = resources.files("kyzlo_actors.venue") / "scenarios" / "market.json"
    scenario: dict[str, Any] = json.loads(file.read_text("utf-8"))
    assert len(scenario["symbols"]) == SYMBOLS
    scenario["account"]["cash"] = CASH
    return scenario
