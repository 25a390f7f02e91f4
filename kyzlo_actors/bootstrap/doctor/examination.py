"""The whole examination, in its order. Nothing is traded, nothing is written, and every wait has a bound."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path

from kyzlo_actors.bootstrap.doctor.at_broker import broker_findings
from kyzlo_actors.bootstrap.doctor.at_vendor import vendor_findings
from kyzlo_actors.bootstrap.doctor.finding import (
    MODE,
    SETTINGS,
    STRATEGIES,
    Finding,
    Outcome,
    counted,
    of_problem,
    ok,
    outcome,
)
from kyzlo_actors.bootstrap.doctor.on_machine import machine_findings
from kyzlo_actors.bootstrap.instance import running_instance
from kyzlo_actors.bootstrap.plugins import check_strategies
from kyzlo_actors.bootstrap.settings import LoadedSettings, load_settings
from kyzlo_actors.bootstrap.venue_check import check_venue
from kyzlo_actors.bootstrap.wiring import open_desk, open_history
from kyzlo_actors.domain.errors import BadInput
from kyzlo_actors.ports.clock import Clock


def examine(path: Path | None, environ: Mapping[str, str], clock: Clock, *, live: bool) -> Iterator[Finding]:
    """Every finding as soon as it is there. After settings that cannot be used nothing else is looked at: who knows
    whose keys they name."""
    try:
        loaded = load_settings(path, environ)
    except BadInput as problem:
        yield from of_problem(SETTINGS, problem)
        return
    yield ok(SETTINGS, f"{loaded.path}, {counted(len(loaded.settings.symbols), 'symbol')}")
    about_settings = list(_usable(loaded, live=live))
    yield from about_settings
    if outcome(about_settings) is not Outcome.READY:
        return
    try:
        pid = running_instance(loaded.settings.paths.state_directory)
    except OSError:
        pid = None  # what is wrong with the directory is told below
    yield from machine_findings(loaded, clock, pid=pid)
    with closing(open_desk(loaded.settings)) as desk:
        yield from broker_findings(loaded.settings, desk, clock, live=live, is_running=pid is not None)
    with closing(open_history(loaded.settings)) as history:
        yield from vendor_findings(loaded.settings, history, clock, is_running=pid is not None)


def _usable(loaded: LoadedSettings, *, live: bool) -> Iterator[Finding]:
    settings = loaded.settings
    try:
        check_strategies(settings, settings_file=loaded.path)
        names = sorted({table.strategy for table in settings.symbols.values()})
        yield ok(STRATEGIES, f"{', '.join(names)} and all parameters")
    except BadInput as problem:
        yield from of_problem(STRATEGIES, problem)
    try:
        check_venue(settings, live=live)
        yield ok(MODE, f"{'live' if live else 'paper'} at {settings.alpaca_base_url}")
    except BadInput as problem:
        yield from of_problem(MODE, problem)
