"""`kyzlo`: one command for each module beside this one. They import what they need only when they run."""

from __future__ import annotations

import errno
import io
import os
import sys
import traceback
from types import TracebackType
from typing import Annotated, NoReturn

import typer

from kyzlo_actors.cli import (
    config,
    doctor,
    halt,
    init,
    journal,
    orders,
    paper,
    positions,
    resume,
    run,
    status,
    strategy,
    symbols,
    top,
    venue,
)
from kyzlo_actors.cli.exit_codes import ExitCode
from kyzlo_actors.domain.errors import BadInput, KyzloError

app = typer.Typer(
    help="KYZLO, an actor-model trading runtime.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.add_typer(config.app, name="config")
app.add_typer(strategy.app, name="strategy")
app.add_typer(symbols.app, name="symbols")
app.command("doctor")(doctor.doctor)
app.command("halt")(halt.halt)
app.command("init")(init.init)
app.command("journal")(journal.journal)
app.command("orders")(orders.orders)
app.command("paper")(paper.paper)
app.command("positions")(positions.positions)
app.command("resume")(resume.resume)
app.command("run")(run.run)
app.command("status")(status.status)
app.command("top")(top.top)
app.command("venue", epilog="Example: kyzlo venue --port 8080 --replay 2026-11-20.csv.gz --speed 60")(
    venue.venue
)


def main() -> None:
    """Run the command line and leave with its exit code; people see lines, never tracebacks."""
    # Nothing is caught but what we raise ourselves: a defect ends the process as ever, only in one line.
    sys.excepthook = _tell_defect
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal that cannot show a character shows `?`: no reason to fail, least of all in a halt.
            stream.reconfigure(errors="replace")
    try:
        # Called through `app` itself, Typer would put a hook of its own in this place, and boxes around its errors.
        code = typer.main.get_command(app)(prog_name="kyzlo", standalone_mode=False)
        if sys.stdout is not None:
            sys.stdout.flush()  # what cannot be written should be told here, not at the interpreter's end
    except typer.TyperException as error:
        _leave(_usage(error), ExitCode.BAD_INPUT)
    except typer.Abort:
        sys.exit(ExitCode.FAILED)
    except BadInput as problem:
        _leave(str(problem), ExitCode.BAD_INPUT)
    except KyzloError as error:
        _leave(str(error), ExitCode.FAILED)
    except OSError as error:
        if not (lacking := _lacking(error)):
            raise
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), 1)  # what is still in the buffer would fail once more
        _leave(lacking, ExitCode.FAILED)
    # What a command returns is its own affair: only an exit has a number.
    sys.exit(code if isinstance(code, int) else ExitCode.OK)


@app.callback(invoke_without_command=True)
def options(
    version: Annotated[bool, typer.Option("--version", help="Print the version and leave.")] = False,
) -> None:
    """KYZLO, an actor-model trading runtime."""
    if version:
        from importlib.metadata import version as installed_version

        print(f"kyzlo {installed_version('kyzlo-actors')}")
        raise typer.Exit(ExitCode.OK)


def _usage(error: typer.TyperException) -> str:
    """One line on how the command was called; empty when its help was shown in place of it."""
    said = " ".join(error.format_message().split()).rstrip(".")
    context: typer.Context | None = getattr(error, "ctx", None)
    path = context.command_path if context else "kyzlo"
    return f"{said}; see {path} --help" if said else ""


def _lacking(error: OSError) -> str:
    """What this machine lacks, in one line; empty when the error may be a defect of ours."""
    if error.errno == errno.ENOSPC:
        return f"{error.filename or 'what is printed'} cannot be written: {error.strerror}"
    try:
        os.getcwd()
    except FileNotFoundError:
        return "the present directory was removed: change to one that is there"
    return ""


def _leave(message: str, code: ExitCode) -> NoReturn:
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
