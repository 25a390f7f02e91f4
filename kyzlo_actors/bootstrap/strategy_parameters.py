"""Parameters as people give them on the command line: `name=value`, the value as in TOML."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from dataclasses import MISSING, fields
from typing import Any

from kyzlo_actors.domain.errors import BadInput
from kyzlo_actors.domain.strategy.protocol import Strategy


def given_parameters(pairs: Iterable[str]) -> dict[str, Any]:
    """`["fast=5", "on=ticks"]` as `{"fast": 5, "on": "ticks"}`: what is no TOML value is text.

    Raises: BadInput: no `=`, no name, or a name given twice.
    """
    given: dict[str, Any] = {}
    for pair in pairs:
        name, mark, text = pair.partition("=")
        name = name.strip()
        if not mark or not name.isidentifier():
            raise BadInput("--param", pair, "give it as name=value")
        if name in given:
            raise BadInput("--param", pair, f"{name} is given twice: give it once")
        given[name] = _value(text.strip())
    return given


def declared_parameters(strategy: type[Strategy]) -> list[dict[str, Any]]:
    """Name, type and default of each, as plain values; a required one has no "default"."""
    rows = []
    for one in fields(strategy.Parameters):
        kind = one.type if isinstance(one.type, str) else getattr(one.type, "__name__", str(one.type))
        row: dict[str, Any] = {"name": one.name, "type": kind}
        if one.default is not MISSING:
            row["default"] = one.default
        elif one.default_factory is not MISSING:
            row["default"] = one.default_factory()
        rows.append(row)
    return rows


def _value(text: str) -> Any:
    try:
        read = tomllib.loads(f"value = {text}")
    except tomllib.TOMLDecodeError:
        return text
    # A line break could bring a second key along; the shell lets one through.
    return read["value"] if len(read) == 1 else text
