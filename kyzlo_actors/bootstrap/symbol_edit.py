"""Adding a symbol to the text of a settings file, and taking one out. Everything else stays, comments above all.

Tables are put in and cut out by lines, which leaves every comment where a person put it; where symbols are written in
another way (inline, dotted) tomlkit changes its document. Either result must parse to what is wanted, and nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import tomlkit
from tomlkit.exceptions import TOMLKitError

from kyzlo_actors.bootstrap.problems import Words
from kyzlo_actors.bootstrap.setting_types import symbol_name
from kyzlo_actors.domain.errors import BadInput

_HEADER: Final = re.compile(r"^\s*\[[^\[].*\]\s*(#.*)?$")
_SYMBOLS: Final = "symbols"


def toml_value(text: str) -> Any:
    """What a person gave on the command line as TOML has it: a number, true, a list …; else the text itself."""
    try:
        value = tomlkit.value(text).unwrap()
    except (TOMLKitError, ValueError):
        return text
    # nan is unlike itself: no setting can take it, and no text would parse to what is wanted.
    return value if value == value else text


def with_symbol(text: str, symbol: str, table: Mapping[str, Any]) -> str:
    """The text with `[symbols.<symbol>]` at its end; `table` may hold the table `parameters`.

    Raises: BadInput: no symbol has that name, it is there already, or the text is not TOML.
    """
    try:
        symbol_name(symbol)
    except ValueError as error:
        raise BadInput("SYMBOL", symbol, str(error)) from None
    wanted = _parsed(text)
    symbols = wanted.setdefault(_SYMBOLS, {})
    if not isinstance(symbols, dict):
        raise BadInput(_SYMBOLS, Words("what is not a table"), "write each symbol as a table: [symbols.AAPL]")
    if symbol in symbols:
        raise BadInput("SYMBOL", symbol, "it is in the settings already: change it there, or remove it first")
    symbols[symbol] = dict(table)
    added = tomlkit.document()
    part = tomlkit.table(is_super_table=True)
    part[symbol] = dict(table)
    added[_SYMBOLS] = part
    changed = f"{text.rstrip()}\n\n{tomlkit.dumps(added).strip()}\n".lstrip()
    if _parses_to(changed, wanted):
        return changed
    document: Any = tomlkit.parse(text)
    document.setdefault(_SYMBOLS, tomlkit.table(is_super_table=True))[symbol] = dict(table)
    return _checked(tomlkit.dumps(document), wanted)


def without_symbol(text: str, symbol: str) -> str:
    """The text without `[symbols.<symbol>]` and the tables in it.

    Raises: BadInput: it is not there, or the text is not TOML.
    """
    wanted = _parsed(text)
    symbols = wanted.get(_SYMBOLS, {})
    if not isinstance(symbols, dict) or symbol not in symbols:
        known = ", ".join(symbols) if isinstance(symbols, dict) else ""
        raise BadInput("SYMBOL", symbol, f"it is not in the settings; there are: {known or 'none'}")
    del symbols[symbol]
    if not symbols:
        raise BadInput("SYMBOL", symbol, "it is the only one: add another first, or stop the service")
    changed = _without_tables(text, symbol)
    if _parses_to(changed, wanted):
        return changed
    document: Any = tomlkit.parse(text)
    del document[_SYMBOLS][symbol]
    return _checked(tomlkit.dumps(document), wanted)


def _without_tables(text: str, symbol: str) -> str:
    kept: list[str] = []
    section: list[str] | None = None
    for line in text.splitlines(keepends=True):
        if _HEADER.match(line):
            kept += _trailing_comments(section)
            section = [] if _is_of(line, symbol) else None
        (kept if section is None else section).append(line)
    return "".join([*kept, *_trailing_comments(section)])


def _trailing_comments(section: list[str] | None) -> list[str]:
    """Comments behind the last value of a table that goes: they speak of what follows."""
    trailing: list[str] = []
    for line in reversed(section or []):
        if line.strip() and not line.lstrip().startswith("#"):
            break
        trailing.insert(0, line)
    first = next((place for place, line in enumerate(trailing) if line.strip()), len(trailing))
    return trailing[first:]


def _is_of(header: str, symbol: str) -> bool:
    try:
        table: Any = tomlkit.parse(header).unwrap()
    except TOMLKitError:
        return False
    return isinstance(table.get(_SYMBOLS), dict) and symbol in table[_SYMBOLS]


def _parsed(text: str) -> dict[str, Any]:
    try:
        return tomlkit.parse(text).unwrap()
    except TOMLKitError as error:
        line = f" (line {error.line})" if hasattr(error, "line") else ""
        cure = "`kyzlo config check` says what is wrong with it"
        raise BadInput("settings", Words(f"text that is not TOML{line}"), cure) from None


def _parses_to(text: str, wanted: Mapping[str, Any]) -> bool:
    try:
        return tomlkit.parse(text).unwrap() == wanted
    except TOMLKitError:
        return False


def _checked(text: str, wanted: Mapping[str, Any]) -> str:
    if not _parses_to(text, wanted):
        raise BadInput("settings", Words("a file that is written unusually"), "change it by hand")
    return text
