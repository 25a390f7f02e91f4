"""A symbol comes or goes: what must be true before, the settings file, and a running service that takes it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from kyzlo_actors.bootstrap.environment import DEFAULT_PATH
from kyzlo_actors.bootstrap.symbol_leftovers import leftovers
from kyzlo_actors.cli.admin_client import symbol_rows
from kyzlo_actors.cli.book import load_book
from kyzlo_actors.cli.settings_change import (
    SettingsChange,
    changing,
    check_same_file,
    have_it_taken,
    prepare_change,
    wait_for_start,
)
from kyzlo_actors.cli.symbol_service import command, running_status, state_of
from kyzlo_actors.domain.errors import KyzloError, Recoverable

_REMOVING: Final = "to be removed"


@dataclass(frozen=True, slots=True, kw_only=True)
class SymbolChange:
    """One symbol comes (`is_traded`) or goes, by `edit` of the settings' text. The rest is how it was asked for."""

    symbol: str
    is_traded: bool
    edit: Callable[[str], str]
    runtime: Path
    settings: Path | None
    no_restart: bool
    live: bool
    wait_seconds: float


def carry_out(change: SymbolChange, say: Callable[[str], None]) -> tuple[dict[str, Any], str]:
    """Judge the change, write it, and have the service take it, if one runs and it is wanted.

    Returns the result as plain data, and its last words. Raises: BadInput: the settings would not be usable; the file
    is untouched. Recoverable: the service refuses (then the file is as it was), or is not through its start in time; or
    somebody else is changing the file.
    """
    with changing(change.settings or DEFAULT_PATH):
        return _carry_out(change, say)


def _carry_out(change: SymbolChange, say: Callable[[str], None]) -> tuple[dict[str, Any], str]:
    symbol, path = change.symbol, change.settings or DEFAULT_PATH
    status = None if change.no_restart else running_status(change.runtime)
    if status is not None:
        check_same_file(status, path)
    live = change.live if status is None else bool(status["live"])
    prepared = prepare_change(path, change.edit, os.environ, live=live)
    done = f"{'added to' if change.is_traded else 'removed from'} {path}"
    result = {"ok": True, "symbol": symbol, "settings": str(path)}
    if status is None:
        prepared.write()
        return {**result, "state": "not running"}, f"{done}; a running service takes it when it starts anew"
    answer = _taken(change, prepared, status)
    if answer.get("state") == "halted":
        return {**result, "state": "halted"}, f"{done}; {answer.get('detail')}"
    say(f"{symbol}: {done}; every symbol is without its actor until the new start is through …")
    status = wait_for_start(
        change.runtime, lambda status: _is_through(status, change), timeout_seconds=change.wait_seconds
    )
    state = state_of(symbol_rows(status).get(symbol), status)
    return {**result, "state": state}, state


def _taken(change: SymbolChange, prepared: SettingsChange, status: Mapping[str, Any]) -> dict[str, Any]:
    paused_by_us = not change.is_traded and _paused_for_removal(change.symbol, change.runtime, status)
    try:
        return have_it_taken(prepared, change.runtime, status)
    except KyzloError:
        if paused_by_us:
            # If nobody hears it, the symbol stays paused: `symbols list` shows that.
            with suppress(Recoverable):
                command(change.runtime, "release", change.symbol, "it is not removed")
        raise


def _is_through(status: Mapping[str, Any], change: SymbolChange) -> bool:
    row = symbol_rows(status).get(change.symbol)
    return bool(row and row["ready"]) if change.is_traded else row is None


def _paused_for_removal(symbol: str, runtime: Path, status: Mapping[str, Any]) -> bool:
    """From the last look at its orders to the end of its actor nothing new may begin."""
    row = symbol_rows(status).get(symbol)
    if row is None or row.get("paused") or status["state"] not in ("trading", "shut"):
        return False
    command(runtime, "pause", symbol, _REMOVING)
    return True


def check_nothing_left(symbol: str, state: Path, runtime: Path, *, no_restart: bool) -> None:
    """Raises: Recoverable: the symbol has a position or an order, or nobody can say."""
    status = running_status(runtime)
    if status is not None:
        state = Path(status["state_directory"])
    elif not state.exists():
        return  # nothing ever ran here
    try:
        left = leftovers(load_book(state), symbol)
    except Recoverable:
        if status is None or no_restart:
            raise
        return  # not ours to read: the service itself looks before it takes the new settings
    if left:
        cure = f"kyzlo symbols pause {symbol}, close that, then remove it"
        raise Recoverable(f"{symbol} is not removed, it still has {', '.join(left)}: {cure}")
