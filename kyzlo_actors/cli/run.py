"""`kyzlo run`: trade what the settings say, until told to stop."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer


def run(
    settings: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Settings file; config/settings.toml if not given.")
    ] = None,
    live: Annotated[bool, typer.Option("--live", help="Trade real money; needs the live URL too.")] = False,
) -> None:
    """Run the guardian and its actor tree. SIGTERM ends it in order, SIGUSR1 halts it.

    It logs JSON lines on standard error, or to the journal under systemd.

    Example: kyzlo run --settings config/settings.toml
    """
    from kyzlo_actors.bootstrap.run import run_instance
    from kyzlo_actors.bootstrap.settings import load_settings

    loaded = load_settings(settings, os.environ)
    raise typer.Exit(run_instance(loaded, live=live, environ=os.environ))
