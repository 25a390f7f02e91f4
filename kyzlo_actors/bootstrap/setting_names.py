"""The owner's names of the top-level settings, other names that are accepted for them, and picking them out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, get_args

from pydantic import SecretStr

from kyzlo_actors.bootstrap.environment import Found
from kyzlo_actors.bootstrap.problems import Words
from kyzlo_actors.bootstrap.settings_model import Settings
from kyzlo_actors.domain.errors import BadInput


@dataclass(frozen=True, slots=True, kw_only=True)
class TopLevelName:
    """One top-level setting: its attribute in `Settings`, whether it is secret, and other names it goes by."""

    attribute: str
    secret: bool
    others: tuple[str, ...] = ()


_OTHERS: Final = {
    "ALPACA_API_KEY": ("APCA_API_KEY_ID",),
    "ALPACA_API_SECRET": ("APCA_API_SECRET_KEY",),
    "POLYGON_API_KEY": ("MASSIVE_API_KEY",),
}


def _is_secret(kind: Any) -> bool:
    """Whether SecretStr is in a type such as `Annotated[SecretStr, …] | None`."""
    return kind is SecretStr or any(_is_secret(part) for part in get_args(kind))


TOP_LEVEL_NAMES: Final[Mapping[str, TopLevelName]] = {
    field.alias: TopLevelName(
        attribute=attribute, secret=_is_secret(field.annotation), others=_OTHERS.get(field.alias, ())
    )
    for attribute, field in Settings.model_fields.items()
    if field.alias is not None
}


def pick(
    source: Mapping[str, Any], origin: str, problems: list[BadInput], *, only_secret: bool = False
) -> dict[str, Found]:
    """The top-level settings in `source`, by the owner's names; empty text counts as not given.

    Two names of one setting with different values are a problem.
    """
    found: dict[str, Found] = {}
    for name, about in TOP_LEVEL_NAMES.items():
        if only_secret and not about.secret:
            continue
        for given in (name, *about.others):
            value = source.get(given, "")
            if value == "":
                continue
            if name not in found:
                found[name] = Found(value=value, origin=origin if given == name else f"{origin} as {given}")
            elif found[name].value != value:
                cure = f"it is {name} by another name with a different value ({origin}): give only one"
                problems.append(BadInput(given, Words("a second value"), cure))
    return found


def other_fields(source: Mapping[str, Any]) -> dict[str, Any]:
    """What `pick` has no eye for: tables, and fields that nobody knows."""
    picked = {given for name, about in TOP_LEVEL_NAMES.items() for given in (name, *about.others)}
    return {key: value for key, value in source.items() if key not in picked}
