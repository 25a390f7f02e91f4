"""`kyzlo init`: the first settings file, with its comments, and what to do next."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from kyzlo_actors.cli.complete import strategy_names
from kyzlo_actors.cli.config import JsonOption, SettingsOption


def init(
    settings: SettingsOption = None,
    symbols: Annotated[str, typer.Option(metavar="A,B,…", help="What is to be traded.")] = "AAPL",
    strategy: Annotated[
        str,
        typer.Option(
            metavar="NAME", help="Their strategy: a name, or module:Class.", autocompletion=strategy_names
        ),
    ] = "golden_cross",
    secrets: Annotated[bool, typer.Option("--secrets", help="Write secrets.toml for the keys too.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace a settings file that is there.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Write a settings file in which everything is explained, and tell what comes next. Asks nothing.

    Example: kyzlo init --symbols AAPL,MSFT --strategy golden_cross --secrets
    """
    from kyzlo_actors.bootstrap.first_settings import write_first_settings
    from kyzlo_actors.bootstrap.settings import DEFAULT_PATH

    path = settings or DEFAULT_PATH
    names = [name.strip() for name in symbols.split(",") if name.strip()]
    written = write_first_settings(
        path, symbols=names, strategy=strategy, with_secrets=secrets, replace=force
    )
    steps = _next_steps(path, is_default=path == DEFAULT_PATH, has_secrets=secrets)
    if as_json:
        files = [str(file) for file in written]
        print(json.dumps({"written": files, "symbols": names, "strategy": strategy, "next": steps}))
        return
    for file in written:
        print(f"written: {file}")
    print(f"symbols {', '.join(names)} with {strategy}; next:")
    for number, step in enumerate(steps, 1):
        print(f"  {number}. {step}")


def _next_steps(path: Path, *, is_default: bool, has_secrets: bool) -> list[str]:
    option = "" if is_default else f" --settings {path}"
    secrets = path.with_name("secrets.toml")
    exported = "" if has_secrets else "export ALPACA_API_KEY, ALPACA_API_SECRET and POLYGON_API_KEY, or "
    keys = f"{exported}write your keys in {secrets}"
    return [
        f"{keys} (without keys: kyzlo paper)",
        f"kyzlo config check{option}",
        f"kyzlo doctor{option}",
        f"kyzlo run{option}",
    ]
