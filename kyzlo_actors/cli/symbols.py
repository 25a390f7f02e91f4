"""`kyzlo symbols`: which symbols are traded; take one out of the market, let it in again, add and remove one."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from kyzlo_actors.cli.admin_client import (
    RuntimeOption,
    StateOption,
    ask_status,
    checked_reason,
    find_directories,
    symbol_rows,
)
from kyzlo_actors.cli.complete import strategy_names, symbol_names
from kyzlo_actors.cli.config import JsonOption, SettingsOption
from kyzlo_actors.cli.symbol_service import command, running_status, state_of
from kyzlo_actors.cli.text_table import text_table
from kyzlo_actors.domain.errors import BadInput, Recoverable

_POLL_SECONDS: Final = 0.3
_COLUMNS: Final = ("symbol", "strategy", "quantity", "max position", "state")

app = typer.Typer(help="Which symbols are traded: list, add, remove, pause, release.", no_args_is_help=True)

SymbolArgument = Annotated[str, typer.Argument(metavar="SYMBOL", autocompletion=symbol_names)]
WaitOption = Annotated[
    float, typer.Option(min=1, max=3600, metavar="SECONDS", help="How long it may take to trade (again).")
]
NoRestartOption = Annotated[
    bool, typer.Option("--no-restart", help="Only write the file: a running service takes it when it starts.")
]
LiveOption = Annotated[bool, typer.Option("--live", help="The settings trade real money (no service runs).")]


@app.command("list")
def list_symbols(
    runtime_dir: RuntimeOption = None, settings: SettingsOption = None, as_json: JsonOption = False
) -> None:
    """Every symbol of the settings and of the running service, and how it stands.

    Example: kyzlo symbols list
    """
    _, runtime = find_directories(None, runtime_dir, settings=settings)
    status = running_status(runtime)
    written = _written_symbols(settings, status)
    running = symbol_rows(status) if status else {}
    rows = []
    for symbol in sorted({*written, *running}):
        table = written.get(symbol, {})
        rows.append(
            {
                "symbol": symbol,
                "strategy": table.get("strategy"),
                "quantity": table.get("quantity"),
                "max_position": table.get("max_position"),
                "state": state_of(running.get(symbol), status),
            }
        )
    if as_json:
        print(json.dumps({"symbols": rows}, default=str))
        return
    cells = [tuple("-" if value is None else str(value) for value in row.values()) for row in rows]
    for line in text_table([_COLUMNS, *cells], left=(0, 1, 4)):
        print(line)


@app.command()
def pause(
    symbol: SymbolArgument,
    reason: Annotated[str, typer.Option(help="Why, for the records.")] = "no reason given",
    runtime_dir: RuntimeOption = None,
    settings: SettingsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Deny every entry of a symbol from now on, through all restarts; what closes its position goes on.

    An order that works already is not canceled.

    Example: kyzlo symbols pause AAPL --reason "earnings tonight"
    """
    _, runtime = find_directories(None, runtime_dir, settings=settings)
    answer = command(runtime, "pause", symbol.upper(), checked_reason(reason))
    _tell(answer, "paused: its entries are denied, exits go on", as_json)


@app.command()
def release(
    symbol: SymbolArgument,
    reason: Annotated[str, typer.Option(help="Why, for the records.")] = "no reason given",
    wait: WaitOption = 30,
    runtime_dir: RuntimeOption = None,
    settings: SettingsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Lift the pause or the quarantine of a symbol, and wait until its actor is ready. Exit 1 when it is not.

    Example: kyzlo symbols release AAPL --reason "the defect is repaired"
    """
    _, runtime = find_directories(None, runtime_dir, settings=settings)
    answer = command(runtime, "release", symbol.upper(), checked_reason(reason))
    deadline = time.monotonic() + wait
    while True:
        status = ask_status(runtime)
        state = state_of(symbol_rows(status).get(symbol.upper()), status)
        if state in ("trading", "halted"):
            break
        if time.monotonic() >= deadline:
            raise Recoverable(f"{symbol.upper()} is released, but {state}: see `kyzlo status` and the log")
        time.sleep(_POLL_SECONDS)
    _tell({**answer, "state": state}, state, as_json)


@app.command()
def add(
    symbol: SymbolArgument,
    strategy: Annotated[
        str,
        typer.Option(metavar="NAME", help="A name, or module:Class.", autocompletion=strategy_names),
    ],
    quantity: Annotated[str, typer.Option(metavar="Q", help="Shares a signal trades.")],
    max_position: Annotated[str, typer.Option(metavar="M", help="Largest position, in shares.")],
    bar_seconds: Annotated[int | None, typer.Option(metavar="N", help="Length of its bars.")] = None,
    param: Annotated[
        list[str] | None, typer.Option("--param", metavar="K=V", help="A parameter of its strategy.")
    ] = None,
    no_restart: NoRestartOption = False,
    wait: WaitOption = 120,
    live: LiveOption = False,
    runtime_dir: RuntimeOption = None,
    settings: SettingsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write a symbol into the settings file and have a running service trade it.

    The service starts anew for that: every symbol is without its actor for some seconds; orders and positions stand.

    Example: kyzlo symbols add MSFT --strategy golden_cross --quantity 5 --max-position 10 --param fast=5
    """
    from kyzlo_actors.bootstrap.symbol_edit import toml_value, with_symbol
    from kyzlo_actors.cli.symbol_change import SymbolChange, carry_out

    name = symbol.upper()
    table: dict[str, Any] = {"strategy": strategy}
    table |= {"quantity": toml_value(quantity), "max_position": toml_value(max_position)}
    if bar_seconds is not None:
        table["bar_seconds"] = bar_seconds
    if param:
        table["parameters"] = dict(_parameter(each) for each in param)
    _, runtime = find_directories(None, runtime_dir, settings=settings)
    change = SymbolChange(
        symbol=name,
        is_traded=True,
        edit=lambda text: with_symbol(text, name, table),
        runtime=runtime,
        settings=settings,
        no_restart=no_restart,
        live=live,
        wait_seconds=wait,
    )
    result, words = carry_out(change, _say(as_json))
    _tell(result, words, as_json)


@app.command()
def remove(
    symbol: SymbolArgument,
    no_restart: NoRestartOption = False,
    wait: WaitOption = 120,
    live: LiveOption = False,
    state_dir: StateOption = None,
    runtime_dir: RuntimeOption = None,
    settings: SettingsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take a symbol out of the settings file and out of a running service. Exit 1 while it has a position or an order.

    The service starts anew for that: every symbol is without its actor for some seconds; orders and positions stand.

    Example: kyzlo symbols remove MSFT
    """
    from kyzlo_actors.bootstrap.symbol_edit import without_symbol
    from kyzlo_actors.cli.symbol_change import SymbolChange, carry_out, check_nothing_left

    name = symbol.upper()
    state, runtime = find_directories(state_dir, runtime_dir, settings=settings)
    check_nothing_left(name, state, runtime, no_restart=no_restart)
    change = SymbolChange(
        symbol=name,
        is_traded=False,
        edit=lambda text: without_symbol(text, name),
        runtime=runtime,
        settings=settings,
        no_restart=no_restart,
        live=live,
        wait_seconds=wait,
    )
    result, words = carry_out(change, _say(as_json))
    _tell(result, words, as_json)


def _written_symbols(settings: Path | None, status: Mapping[str, Any] | None) -> dict[str, Any]:
    from kyzlo_actors.bootstrap.environment import DEFAULT_PATH
    from kyzlo_actors.bootstrap.toml_file import read_toml

    served = Path(status["settings"]) if status and status.get("settings") else None
    path = settings or served or DEFAULT_PATH
    if settings is None and not os.access(path, os.R_OK):
        return {}
    symbols = read_toml(path, cure="name the settings file").get("symbols", {})
    if not isinstance(symbols, dict):
        return {}
    return {name: table for name, table in symbols.items() if isinstance(table, dict)}


def _parameter(text: str) -> tuple[str, Any]:
    from kyzlo_actors.bootstrap.symbol_edit import toml_value

    name, equals, value = text.partition("=")
    if not name.strip() or not equals:
        raise BadInput("--param", text, "write it as name=value")
    return name.strip(), toml_value(value.strip())


def _say(as_json: bool) -> Callable[[str], None]:
    """Where news on the way go: beside JSON they are for the person who waits."""
    return lambda text: print(text, file=sys.stderr if as_json else sys.stdout, flush=True)


def _tell(answer: Mapping[str, Any], words: str, as_json: bool) -> None:
    print(json.dumps(answer) if as_json else f"{answer['symbol']}: {words}")
