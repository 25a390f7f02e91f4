"""`kyzlo status`: what the guardian knows, as a table or as JSON."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from kyzlo_actors.cli.admin_client import RuntimeOption, ask_guardian, find_directories
from kyzlo_actors.cli.exit_codes import ExitCode
from kyzlo_actors.domain.errors import Recoverable

_COLUMNS = ("actor", "pid", "life", "restarts", "beat", "ready", "position", "realized", "unrealized")


def status(
    runtime_dir: RuntimeOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """State, latch and every actor. Exit 3 when it is halted, 1 when it does not run."""
    _, runtime = find_directories(None, runtime_dir)
    answer = ask_guardian(runtime, {"cmd": "status"})
    if not answer.get("ok"):
        raise Recoverable(f"the guardian refuses: {answer.get('error')}")
    print(json.dumps(answer) if as_json else status_text(answer))
    if answer.get("gate") == "halted":
        raise typer.Exit(ExitCode.HALTED)


def status_text(answer: dict[str, Any]) -> str:
    """The answer for people."""
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
    rows = [_COLUMNS, *(_row(actor) for actor in answer["actors"])]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_COLUMNS))]
    for row in rows:
        first, *others = (
            cell.ljust(width) if not index else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        lines.append("  ".join((first, *others)))
    return "\n".join(lines)


def _row(actor: dict[str, Any]) -> tuple[str, ...]:
    age = actor["beat_age_seconds"]
    return (
        actor["actor"],
        str(actor["pid"] or "-"),
        str(actor["incarnation"]),
        str(actor["restarts"]),
        "-" if age is None else f"{age:.1f} s",
        "yes" if actor["ready"] else "no",
        f"{actor['position']:g}",
        f"{actor['realized_pnl']:.2f}",
        f"{actor['unrealized_pnl']:.2f}",
    )
