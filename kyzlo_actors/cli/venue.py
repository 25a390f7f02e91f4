"""`kyzlo venue`: a paper venue on this machine, for demos and tests."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def venue(
    port: Annotated[int, typer.Option(min=0, max=65_535, help="Port on 127.0.0.1; 0 picks a free one.")] = 0,
    scenario: Annotated[
        str, typer.Option(metavar="NAME", help="A built-in scenario, or a JSON file.")
    ] = "demo",
    seed: Annotated[int, typer.Option(help="The same seed plays the same market.")] = 1,
    account_number: Annotated[
        str | None, typer.Option(help="Account number; the scenario's if not given.")
    ] = None,
) -> None:
    """Serve a paper market that speaks Alpaca and Polygon, until SIGTERM or Ctrl-C."""
    from kyzlo_actors.venue.options import VenueOptions
    from kyzlo_actors.venue.server import run

    file = Path(scenario) if scenario.endswith(".json") else scenario
    run(VenueOptions(port=port, scenario=file, seed=seed, account_number=account_number))
