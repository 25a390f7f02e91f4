"""`kyzlo config`: are the settings usable, and where does each value come from?"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kyzlo_actors.cli.exit_codes import ExitCode
from kyzlo_actors.domain.errors import BadInput

if TYPE_CHECKING:
    from kyzlo_actors.bootstrap.settings_view import SettingRow

app = typer.Typer(help="Check and show the settings.", no_args_is_help=True)

SettingsOption = Annotated[
    Path | None,
    typer.Option("--settings", metavar="FILE", help="Settings file; config/settings.toml if not given."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
LiveOption = Annotated[bool, typer.Option("--live", help="Check for trading real money.")]


@app.command()
def check(settings: SettingsOption = None, live: LiveOption = False, as_json: JsonOption = False) -> None:
    """Say whether the settings can be used: one line for each problem, exit 2 if there is one.

    Example: kyzlo config check --live
    """
    from kyzlo_actors.bootstrap.plugins import check_strategies
    from kyzlo_actors.bootstrap.settings import load_settings
    from kyzlo_actors.bootstrap.venue_check import check_venue

    try:
        loaded = load_settings(settings, os.environ)
        check_venue(loaded.settings, live=live)
        check_strategies(loaded.settings, settings_file=loaded.path)
    except BadInput as problem:
        if not as_json:
            raise
        print(json.dumps({"ok": False, "problems": _problems(problem)}))
        raise typer.Exit(ExitCode.BAD_INPUT) from None
    if as_json:
        print(json.dumps({"ok": True, "problems": [], "notes": loaded.notes}))
        return
    _print_notes(loaded.notes)
    names = ", ".join(loaded.settings.symbols)
    print(f"{loaded.path}: ok, {'live' if live else 'paper'}, symbols {names}")


@app.command()
def show(settings: SettingsOption = None, as_json: JsonOption = False) -> None:
    """Print every setting, its value and where it comes from; of secrets only the length.

    Example: kyzlo config show --json
    """
    from kyzlo_actors.bootstrap.settings import load_settings
    from kyzlo_actors.bootstrap.settings_view import setting_rows

    loaded = load_settings(settings, os.environ)
    rows = setting_rows(loaded)
    if as_json:
        print(json.dumps({row.name: {"value": row.value, "origin": row.origin} for row in rows}, indent=2))
        return
    _print_notes(loaded.notes)
    _print_rows(rows)


def _problems(problem: BadInput) -> list[dict[str, str]]:
    several = getattr(problem, "problems", (problem,))
    return [{"field": one.field, "value": str(one.value), "cure": one.cure} for one in several]


def _print_notes(notes: tuple[str, ...]) -> None:
    for note in notes:
        print(f"kyzlo: note: {note}", file=sys.stderr)


def _print_rows(rows: list[SettingRow]) -> None:
    names = max(len(row.name) for row in rows)
    values = max(len(row.value or "–") for row in rows)
    for row in rows:
        print(f"{row.name:<{names}}  {row.value or '–':<{values}}  {row.origin}")
