"""`kyzlo doctor`: is everything ready to trade? One line a check; nothing is traded, nothing is written."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from typing import TYPE_CHECKING

import typer

from kyzlo_actors.cli.config import JsonOption, LiveOption, SettingsOption
from kyzlo_actors.cli.exit_codes import ExitCode

if TYPE_CHECKING:
    from kyzlo_actors.bootstrap.doctor.finding import Finding


def doctor(settings: SettingsOption = None, live: LiveOption = False, as_json: JsonOption = False) -> None:
    """Look at settings, keys, account, clock, calendar, symbols, market data, book, disk and directories.

    Exit 0: ready (warnings allowed), 1: a check failed, 2: the settings cannot be used, 3: halted.

    Example: kyzlo doctor && kyzlo run
    """
    from kyzlo_actors.bootstrap.doctor.examination import examine
    from kyzlo_actors.bootstrap.doctor.finding import Outcome, outcome
    from kyzlo_actors.infrastructure.clock import SystemClock

    found = []
    for finding in examine(settings, os.environ, SystemClock(), live=live):
        found.append(finding)
        if not as_json:
            print(_line(finding), flush=True)
    result = outcome(found)
    if as_json:
        print(json.dumps({"outcome": result, "checks": [asdict(finding) for finding in found]}))
    else:
        print(f"{result}: {_counted(found)}")
    codes = {
        Outcome.READY: ExitCode.OK,
        Outcome.FAILED: ExitCode.FAILED,
        Outcome.UNUSABLE: ExitCode.BAD_INPUT,
        Outcome.HALTED: ExitCode.HALTED,
    }
    raise typer.Exit(codes[result])


def _line(finding: Finding) -> str:
    cure = f" → {finding.cure}" if finding.cure else ""
    return f"{finding.verdict:<7} {finding.check:<18} {finding.finding}{cure}"


def _counted(found: list[Finding]) -> str:
    verdicts = [str(finding.verdict) for finding in found]
    return ", ".join(f"{verdicts.count(verdict)} {verdict}" for verdict in dict.fromkeys(verdicts))
