"""`kyzlo venue`: a paper venue on this machine, for demos, tests and replays."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kyzlo_actors.cli.complete import scenario_names

_DEFAULT, _REPLAY_DEFAULT = "demo", "hours"


def venue(
    port: Annotated[int, typer.Option(min=0, max=65_535, help="Port on 127.0.0.1; 0 picks a free one.")] = 0,
    scenario: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            autocompletion=scenario_names,
            help=f"A built-in scenario, or a JSON file; {_DEFAULT}, for replays {_REPLAY_DEFAULT}, if not given.",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="The same seed plays the same market.")] = 1,
    account_number: Annotated[
        str | None, typer.Option(help="Account number; the scenario's if not given.")
    ] = None,
    replay: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="Play the trades of this file (.csv, .csv.gz); may be repeated."),
    ] = None,
    symbols: Annotated[
        str | None, typer.Option(metavar="A,B", help="Play only these symbols of the files.")
    ] = None,
    speed: Annotated[
        float | None,
        typer.Option(
            metavar="X", help="Venue seconds in one second; the scenario's, mostly 1, if not given."
        ),
    ] = None,
) -> None:
    """Serve a paper market that speaks Alpaca and Polygon, until SIGTERM or Ctrl-C. One JSON line says when it is
    ready, and where."""
    from kyzlo_actors.domain.errors import BadInput
    from kyzlo_actors.venue.clock import MAX_SPEED
    from kyzlo_actors.venue.options import MAX_SYMBOLS, VenueOptions
    from kyzlo_actors.venue.server import run

    if speed is not None and not 0 < speed <= MAX_SPEED:
        raise BadInput("--speed", speed, f"give a number above 0, at most {MAX_SPEED:g}")
    only = tuple(name.strip() for name in (symbols or "").split(",") if name.strip())
    if len(only) > MAX_SYMBOLS or (symbols is not None and not (only and replay)):
        raise BadInput("--symbols", symbols, f"give 1 to {MAX_SYMBOLS} symbols, and files with --replay")
    name = scenario or (_REPLAY_DEFAULT if replay else _DEFAULT)
    options = VenueOptions(
        port=port,
        scenario=Path(name) if name.endswith(".json") else name,
        seed=seed,
        account_number=account_number,
        clock_speed=speed,
        replay=tuple(replay or ()),
        symbols=only,
    )
    run(options)
