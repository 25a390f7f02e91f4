"""A commented settings.toml and secrets.toml, made from the settings model: its texts exist once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import MISSING, fields
from decimal import Decimal
from typing import Any, Final

import orjson
from pydantic.fields import FieldInfo

from kyzlo_actors.bootstrap.setting_names import TOP_LEVEL_NAMES
from kyzlo_actors.bootstrap.settings_model import Settings
from kyzlo_actors.bootstrap.settings_tables import SymbolTable, Table

EXAMPLE_SYMBOLS: Final = ("AAPL", "BRK.B")
EXAMPLE_STRATEGY: Final = "golden_cross"
_WIDTH: Final = 120
_HEAD: Final = """\
# Settings of KYZLO. `kyzlo config check` says what is wrong with them, `kyzlo doctor` whether trading can begin.
#
# An exported variable of the same name beats an upper-case setting here. Keys have better places than this file:
# secrets.toml beside it (mode 0600), the environment, or systemd credentials.
# Needed: {needed};
# not needed: {others}.
# What stands here is the default, except for what has none: the RISK limits and the symbols.
"""
_SECRETS_HEAD: Final = """\
# Keys of KYZLO, for config/secrets.toml: git ignores it, and nobody else may read it (chmod 600).
# What stays empty counts as not given. The environment and systemd credentials beat this file.
"""

# A line of TOML without its comment, and the comment.
_Entry = tuple[str, str]


def settings_template(symbols: Sequence[str], strategy: str, parameters: type[Any]) -> str:
    """settings.toml for `symbols`, each with `strategy` and the defaults of its `parameters` (a dataclass)."""
    settable = {name: about for name, about in TOP_LEVEL_NAMES.items() if not about.secret}
    top = [_entry(name, Settings.model_fields[about.attribute]) for name, about in settable.items()]
    needed, others = (", ".join(_secrets(needed=is_needed)) for is_needed in (True, False))
    blocks = [_HEAD.format(needed=needed, others=others).splitlines(), _aligned(top)]
    for name, field in Settings.model_fields.items():
        table = field.annotation
        if field.alias is None and isinstance(table, type) and issubclass(table, Table):
            entries = [_entry(inner, about) for inner, about in table.model_fields.items()]
            blocks.append([f"# {table.__doc__}", f"[{name}]", *_aligned(entries)])
    for place, symbol in enumerate(symbols):
        blocks += _symbol_blocks(symbol, strategy, parameters, is_first=place == 0)
    return "\n\n".join("\n".join(block) for block in blocks) + "\n"


def secrets_template() -> str:
    """secrets.toml with every secret empty."""
    blocks = [_SECRETS_HEAD.splitlines()]
    for names in (_secrets(needed=True), _secrets(needed=False)):
        found = {name: Settings.model_fields[TOP_LEVEL_NAMES[name].attribute] for name in names}
        blocks.append(_aligned([(f'{name} = ""', field.description or "") for name, field in found.items()]))
    blocks[-1].insert(0, "# Not needed")
    return "\n\n".join("\n".join(block) for block in blocks) + "\n"


def toml_value(value: Any) -> str | None:
    """A plain value as TOML; None when TOML has no word for it (None)."""
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, list | tuple):
        parts = [toml_value(part) for part in value]
        return f"[{', '.join(part for part in parts if part is not None)}]"
    if isinstance(value, bool | int | float):
        return str(value).lower()
    # Text in TOML's basic strings is written as in JSON.
    return None if value is None else orjson.dumps(str(value)).decode()


def _secrets(*, needed: bool) -> list[str]:
    return [
        name
        for name, about in TOP_LEVEL_NAMES.items()
        if about.secret and Settings.model_fields[about.attribute].is_required() is needed
    ]


def _entry(name: str, field: FieldInfo) -> _Entry:
    """Its default; its example when there is none, and as a comment when it may be left unset."""
    default = None if field.is_required() else field.get_default(call_default_factory=True)
    value = toml_value(default)
    if value is None:
        value = toml_value((field.examples or [""])[0])
        if not field.is_required() or "unset:" in (field.description or ""):
            name = f"# {name}"
    return f"{name} = {value}", field.description or ""


def _symbol_blocks(symbol: str, strategy: str, parameters: type[Any], *, is_first: bool) -> list[list[str]]:
    table = f"symbols.{symbol}" if "." not in symbol else f'symbols."{symbol}"'
    about = {name: field for name, field in SymbolTable.model_fields.items() if name != "parameters"}
    entries = [
        (f'strategy = "{strategy}"', field.description or "") if name == "strategy" else _entry(name, field)
        for name, field in about.items()
    ]
    own = _parameter_entries(parameters)
    if is_first:
        head = [f"# {SymbolTable.__doc__}", f"[{table}]", *_aligned(entries)]
        comment = f"  # {SymbolTable.model_fields['parameters'].description}"
    else:
        head, comment = [f"[{table}]", *(code for code, _ in entries)], ""
    blocks = [head]
    if own:
        blocks.append([f"[{table}.parameters]{comment}", *_aligned(own)])
    return blocks


def _parameter_entries(parameters: type[Any]) -> list[_Entry]:
    entries = []
    for field in fields(parameters):
        has_factory = field.default_factory is not MISSING
        default = field.default_factory() if field.default_factory is not MISSING else field.default
        if default is MISSING and not has_factory:
            entries.append((f"# {field.name} =", f"{field.type}; it has no default: give one"))
            continue
        value = toml_value(default)
        code = f"{field.name} = {value}" if value is not None else f"# {field.name} ="
        entries.append((code, "" if value is not None else f"{field.type}; unset"))
    return entries


def _aligned(entries: Sequence[_Entry]) -> list[str]:
    """Comments stand right of the values in one column; one that is too long stands above its line."""
    short = [code for code, comment in entries if comment and len(code) + 4 + len(comment) <= _WIDTH]
    column = max(map(len, short), default=0)
    lines = []
    for code, comment in entries:
        beside = f"{code:<{column}}  # {comment}"
        if not comment:
            lines.append(code)
        elif len(beside) <= _WIDTH:
            lines.append(beside)
        else:
            lines += [f"# {comment}", code]
    return lines
