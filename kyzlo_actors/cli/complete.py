"""What a shell is offered for an option's value. Light, because it runs at each press of Tab; it never fails."""

from __future__ import annotations

import os
from importlib import resources
from pathlib import Path
from typing import Final

_SETTINGS: Final = Path("config/settings.toml")
# Printed beside a failed completion it would spoil the person's line: no settings, no offers.
_TROUBLE: Final = (OSError, ValueError, TypeError, KeyError, IndexError, AttributeError)


def strategy_names(incomplete: str) -> list[str]:
    """Names of installed strategies."""
    from importlib.metadata import entry_points

    names = {point.name for point in entry_points(group="kyzlo_actors.strategies")}
    return sorted(name for name in names if name.startswith(incomplete))


def scenario_names(incomplete: str) -> list[str]:
    """Names of the venue's own scenarios."""
    folder = resources.files("kyzlo_actors.venue") / "scenarios"
    names = (file.name.removesuffix(".json") for file in folder.iterdir() if file.name.endswith(".json"))
    return sorted(name for name in names if name.startswith(incomplete))


def symbol_names(incomplete: str) -> list[str]:
    """The symbols of config/settings.toml; the last of several with commas between them."""
    import toml

    before, comma, begun = incomplete.rpartition(",")
    try:
        with open(_SETTINGS, encoding="utf-8") as file:
            if os.fstat(file.fileno()).st_size > 1 << 20:
                return []
            names = list(toml.loads(file.read())["symbols"])
    except _TROUBLE:
        return []
    return sorted(before + comma + name for name in names if name.startswith(begun.upper()))
