"""`kyzlo status`: what the guardian knows, as a table or as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import typer

from kyzlo_actors.cli.admin_client import RuntimeOption, ask_status, find_directories
from kyzlo_actors.cli.config import JsonOption, SettingsOption
from kyzlo_actors.cli.exit_codes import ExitCode
from kyzlo_actors.cli.text_table import text_table

_COLUMNS = ("actor", "pid", "life", "restarts", "beat", "ready", "position", "realized", "unrealized")


def status(
    runtime_dir: RuntimeOption = None, settings: SettingsOption = None, as_json: JsonOption = False
) -> None:
    """State, latch and every actor. Exit 3 when it is halted, 1 when it does not run.

    Example: kyzlo status --json
    """
    _, runtime = find_directories(None, runtime_dir, settings=settings)
    answer = ask_status(runtime)
    print(json.dumps(answer) if as_json else status_text(answer))
    if answer.get("gate") == "halted":
        raise typer.Exit(ExitCode.HALTED)


def status_text(answer: dict[str, Any]) -> str:
    """The answer for people."""
    rows = [_COLUMNS, *(_row(actor) for actor in answer["actors"])]
    return "\n".join([*state_lines(answer), *text_table(rows)])


def state_lines(answer: Mapping[str, Any]) -> list[str]:
    """What concerns the whole instance: state, gate, latch, a halt under way, a resume that was refused."""
    lines = [
        f"{answer['state']}, gate {answer['gate']}, guardian pid {answer['pid']}, run {answer['run_id']}"
    ]
    if answer["state"] == "trading" and answer.get("entries_allowed") is False:
        lines.append("entries: blocked (see the log)")
    if latch := answer.get("latch"):
        lines.append(f"latched by {latch['by']} [{latch['code']}]: {latch['reason']} ({latch['halt_id']})")
    if halt := answer.get("halt"):
        proven = (
            "proven"
            if halt["proven"]
            else f"not proven, open: {', '.join(halt['open_orders']) or 'none known'}"
        )
        lines.append(f"{halt['kind']} {halt['halt_id']}: {halt['step']}, {proven}")
    if refused := answer.get("resume_refused"):
        lines.append(f"the last resume was refused: {refused}")
    return lines


def readiness(actor: Mapping[str, Any]) -> str:
    """What keeps an actor from trading, if anything does."""
    if actor.get("quarantined"):
        return "quarantined"
    if actor.get("paused"):
        return "paused"
    return "yes" if actor["ready"] else "no"


def _row(actor: dict[str, Any]) -> tuple[str, ...]:
    age = actor["beat_age_seconds"]
    return (
        actor["actor"],
        str(actor["pid"] or "-"),
        str(actor["incarnation"]),
        str(actor["restarts"]),
        "-" if age is None else f"{age:.1f} s",
        readiness(actor),
        f"{actor['position']:g}",
        f"{actor['realized_pnl']:.2f}",
        f"{actor['unrealized_pnl']:.2f}",
    )
