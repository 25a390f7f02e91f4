"""Loading the settings: every source in its order, every value with its origin, every problem in one go."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from kyzlo_actors.bootstrap.environment import DEFAULT_PATH, Found, directory_defaults
from kyzlo_actors.bootstrap.problems import MISSING, Words, raise_problems
from kyzlo_actors.bootstrap.secrets import SECRETS_FILE_NAME, from_credentials, from_secrets_file
from kyzlo_actors.bootstrap.setting_names import TOP_LEVEL_NAMES, other_fields, pick
from kyzlo_actors.bootstrap.settings_model import Settings
from kyzlo_actors.bootstrap.toml_file import parse_toml, read_toml
from kyzlo_actors.bootstrap.translate import translate
from kyzlo_actors.domain.errors import BadInput

__all__ = ["DEFAULT_PATH", "LoadedSettings", "Settings", "load_settings"]

_SYMBOL: Final = "RISK_MAX_POSITION_SYMBOL"
_QUANTITY: Final = "RISK_MAX_POSITION_QUANTITY"


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedSettings:
    """Settings and, for each dotted name (`ALPACA_API_KEY`, `risk.max_order_notional`, `symbols.AAPL.quantity`) that
    is not a default, where its value came from. `notes` are lines to show though nothing is wrong."""

    path: Path
    settings: Settings
    origins: Mapping[str, str]
    notes: tuple[str, ...] = ()

    def origin(self, name: str) -> str:
        """Where the value of a dotted name came from; "default" when nobody set it."""
        return self.origins.get(name, "default")


def load_settings(
    path: Path | None, environ: Mapping[str, str], *, text: str | None = None
) -> LoadedSettings:
    """Load `path` (default `config/settings.toml`), its neighbour `secrets.toml`, systemd credentials and `environ`.

    Environment beats credentials, they beat secrets.toml, that beats settings.toml, that beats the default. An empty
    value counts as not given. With `text` that is judged as if it stood in the file.
    Raises: BadInput: one thing is wrong. SettingsProblems (a BadInput): several are, and it tells all of them.
    """
    path = path or DEFAULT_PATH
    problems: list[BadInput] = []
    cure = "`kyzlo init` writes one, or name another with --settings"
    written = read_toml(path, cure=cure) if text is None else parse_toml(path, text)
    in_file = pick(written, str(path), problems)
    raw = other_fields(written)
    origins = {name: str(path) for name in _dotted(raw)}
    found = {
        **in_file,
        **from_secrets_file(path.with_name(SECRETS_FILE_NAME), problems),
        **from_credentials(environ, problems),
        **pick(environ, "environment", problems),
    }
    for name, value in found.items():
        raw[name] = value.value
        origins[name] = value.origin
    _fill_paths(raw, origins, directory_defaults(environ, os.getuid()))
    _join_dotted_symbols(raw, problems)
    overridden = _override_position(raw, origins, found, problems)
    settings = _validate(raw, origins, problems, overridden)
    return LoadedSettings(path=path, settings=settings, origins=origins, notes=_notes(path, in_file))


def _validate(
    raw: dict[str, Any], origins: Mapping[str, str], problems: list[BadInput], overridden: str | None
) -> Settings:
    settings = None
    try:
        settings = Settings.model_validate(raw)
    except ValidationError as error:
        told = translate(error, origins)
        # A bad override is one problem, not one here and one more where it was to be put.
        twice = overridden if any(problem.field == _QUANTITY for problem in told) else None
        problems += [_explained(problem, origins, overridden) for problem in told if problem.field != twice]
    raise_problems(problems)
    assert settings is not None  # no problem, so it was made
    return settings


def _explained(problem: BadInput, origins: Mapping[str, str], overridden: str | None) -> BadInput:
    """Who looks into the file finds another max_position there than the one that does not fit: say whence it is."""
    if overridden is None or overridden != f"{problem.field}.max_position":
        return problem
    cure = f"{problem.cure} (max_position is from {origins[overridden]})"
    return BadInput(problem.field, problem.value, cure)


def _dotted(table: Mapping[str, Any], prefix: str = "") -> list[str]:
    names = []
    for key, value in table.items():
        names += _dotted(value, f"{prefix}{key}.") if isinstance(value, Mapping) else [f"{prefix}{key}"]
    return names


def _fill_paths(raw: dict[str, Any], origins: dict[str, str], defaults: Mapping[str, Found]) -> None:
    paths = raw.setdefault("paths", {})
    if not isinstance(paths, dict):
        return  # the model says what is wrong with it
    for name, default in defaults.items():
        if not paths.get(name):
            paths[name] = default.value
            origins[f"paths.{name}"] = default.origin


def _join_dotted_symbols(raw: dict[str, Any], problems: list[BadInput]) -> None:
    """[symbols.BRK.B] is a table in a table to TOML: say how to write it, and go on as if it had been right."""
    symbols = raw.get("symbols")
    if not isinstance(symbols, dict):
        return
    for name, table in list(symbols.items()):
        inner = {k: v for k, v in table.items() if isinstance(v, dict)} if isinstance(table, dict) else {}
        inner.pop("parameters", None)
        if not inner:
            continue
        for part, values in inner.items():
            cure = f'names with a dot need quotes: [symbols."{name}.{part}"]'
            problems.append(BadInput(f"symbols.{name}.{part}", Words("a table in a table"), cure))
            symbols[f"{name}.{part}"] = values
            del table[part]
        if not table:
            del symbols[name]


def _override_position(
    raw: dict[str, Any], origins: dict[str, str], found: Mapping[str, Found], problems: list[BadInput]
) -> str | None:
    """Put RISK_MAX_POSITION_QUANTITY where it belongs; returns the dotted name of the setting it replaces."""
    symbol, quantity = found.get(_SYMBOL), found.get(_QUANTITY)
    if symbol is None or quantity is None:
        if symbol is not None or quantity is not None:
            absent, given = (_SYMBOL, _QUANTITY) if symbol is None else (_QUANTITY, _SYMBOL)
            problems.append(BadInput(absent, MISSING, f"{given} is set: set both, or neither"))
        return None
    symbols = raw.get("symbols")
    table = symbols.get(symbol.value) if isinstance(symbols, dict) and isinstance(symbol.value, str) else None
    if not isinstance(table, dict):
        known = ", ".join(sorted(symbols)) if isinstance(symbols, dict) else ""
        problems.append(BadInput(_SYMBOL, symbol.value, f"name one of the symbols in [symbols]: {known}"))
        return None
    table["max_position"] = quantity.value
    name = f"symbols.{symbol.value}.max_position"
    origins[name] = f"{quantity.origin} as {_QUANTITY}"
    return name


def _notes(path: Path, in_file: Mapping[str, Found]) -> tuple[str, ...]:
    secret = sorted(name for name in in_file if TOP_LEVEL_NAMES[name].secret)
    if not secret:
        return ()
    return (
        f"{path} holds {', '.join(secret)}: {path.with_name(SECRETS_FILE_NAME)} (mode 0600) is their place",
    )
