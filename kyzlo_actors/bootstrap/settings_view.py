"""Settings for people: each value with its origin and secrets masked, and the README's table of all of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from kyzlo_actors.bootstrap.problems import masked
from kyzlo_actors.bootstrap.setting_names import TOP_LEVEL_NAMES
from kyzlo_actors.bootstrap.settings import LoadedSettings
from kyzlo_actors.bootstrap.settings_model import Settings
from kyzlo_actors.bootstrap.settings_tables import SymbolTable, Table


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingRow:
    """One setting as a person may see it: no secret in it. `value` is None when it is not set."""

    name: str
    value: str | None
    origin: str


def setting_rows(loaded: LoadedSettings) -> list[SettingRow]:
    """Every setting in the order of the model."""
    return [
        SettingRow(name=name, value=_shown(value), origin=loaded.origin(name))
        for name, value in _flat(loaded.settings, "")
    ]


def settings_table() -> str:
    """A markdown table of every setting: name, default, meaning."""
    lines = ["| setting | default | meaning |", "| --- | --- | --- |"]
    for name, field in Settings.model_fields.items():
        table = field.annotation
        if field.alias is not None:
            lines.append(_line(field.alias, field))
        elif isinstance(table, type) and issubclass(table, Table):
            lines += [_line(f"[{name}] {inner}", about) for inner, about in table.model_fields.items()]
        else:
            lines += [
                _line(f"[{name}.X] {inner}", about) for inner, about in SymbolTable.model_fields.items()
            ]
    return "\n".join(lines) + "\n"


def _flat(value: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, BaseModel):
        fields = type(value).model_fields
        pairs = [(field.alias or name, getattr(value, name)) for name, field in fields.items()]
    elif isinstance(value, Mapping):
        pairs = list(value.items())
    else:
        yield prefix, value
        return
    for name, inner in pairs:
        yield from _flat(inner, f"{prefix}.{name}" if prefix else name)


def _shown(value: Any) -> str | None:
    if isinstance(value, SecretStr):
        return str(masked(value.get_secret_value()))
    if isinstance(value, Decimal):
        return f"{value:f}"
    return None if value is None else str(value)


def _line(name: str, field: FieldInfo) -> str:
    about = TOP_LEVEL_NAMES.get(name)
    others = f" (also `{'`, `'.join(about.others)}`)" if about and about.others else ""
    kind = " (secret)" if about and about.secret else ""
    return f"| `{name}` | {_default(field)} | {field.description}{kind}{others} |"


def _default(field: FieldInfo) -> str:
    if field.is_required():
        # The two directories have defaults, only not fixed ones: their meaning says which.
        return "see right" if "unset:" in (field.description or "") else "**required**"
    if field.default is PydanticUndefined or field.default is None:
        return "–"
    return f"`{_shown(field.default)}`"
