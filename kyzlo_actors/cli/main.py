"""`kyzlo`: one command for each module beside this one. They import what they need only when they run."""

from __future__ import annotations

import os
import sys
import traceback
from types import TracebackType
from typing import Annotated

import typer

from kyzlo_actors.cli import config, doctor, halt, init, paper, resume, run, status, venue
from kyzlo_actors.cli.exit_codes import ExitCode
from kyzlo_actors.domain.errors import BadInput, KyzloError

app = typer.Typer(
    help="KYZLO, an actor-model trading runtime.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.add_typer(config.app, name="config")
app.command("doctor")(doctor.doctor)
app.command("halt")(halt.halt)
app.command("init")(init.init)
app.command("paper")(paper.paper)
app.command("resume")(resume.resume)
app.command("run")(run.run)
app.command("status")(status.status)
app.command("venue")(venue.venue)


def main() -> None:
    """Run the command line and leave with its exit code; people see lines, never tracebacks."""
    # Nothing is caught but what we raise ourselves: a defect ends the process as ever, only in one line.
    sys.excepthook = _tell_defect
    try:
        # Called through `app` itself, Typer would put a hook of its own in this place.
        typer.main.get_command(app)(prog_name="kyzlo")
    except BadInput as problem:
        _leave(str(problem), ExitCode.BAD_INPUT)
    except KyzloError as error:
        _leave(str(error), ExitCode.FAILED)


@app.callback(invoke_without_command=True)
def options(
    version: Annotated[bool, typer.Option("--version", help="Print the version and leave.")] = False,
) -> None:
    """KYZLO, an actor-model trading runtime."""
    if version:
        from importlib.metadata import version as installed_version

        print(f"kyzlo {installed_version('kyzlo-actors')}")
        raise typer.Exit(ExitCode.OK)


def _leave(message: str, code: ExitCode) -> None:
    for line in message.splitlines():
        print(f"kyzlo: {line}", file=sys.stderr)
    sys.exit(code)


def _tell_defect(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if os.environ.get("KYZLO_TRACEBACK"):
        traceback.print_exception(kind, error, trace)
    # The place, not the message: that may hold values, and among them secrets.
    frames = traceback.extract_tb(trace)
    place = f" at {frames[-1].filename}:{frames[-1].lineno}" if frames else ""
    line = f"internal error: {kind.__name__}{place} (KYZLO_TRACEBACK=1 shows all of it)"
    print(f"kyzlo: {line}", file=sys.stderr)
