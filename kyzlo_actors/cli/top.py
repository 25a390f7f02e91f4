"""`kyzlo top`: the running service, once a second: a live table in a terminal, a line of JSON anywhere else."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from kyzlo_actors.cli.admin_client import RuntimeOption, ask_status, find_directories
from kyzlo_actors.cli.config import JsonOption, SettingsOption
from kyzlo_actors.domain.errors import Recoverable

if TYPE_CHECKING:
    from kyzlo_actors.cli.top_view import TopView

_SECOND: Final = 1.0


def top(
    count: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="End after so many looks; Ctrl-C ends it too.")
    ] = None,
    runtime_dir: RuntimeOption = None,
    settings: SettingsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Watch state, gate, latch, every symbol and every actor, once a second. It asks and reads, and changes nothing.

    Example: kyzlo top --json --count 1
    """
    _, runtime = find_directories(None, runtime_dir, settings=settings)
    watch = _Watch(runtime)
    try:
        watch.look()  # where nothing answers at the beginning there is nothing to watch
        if as_json or not _is_watched():
            _print_lines(watch, count)
        else:
            _show_table(watch, count)
    except KeyboardInterrupt:
        return  # the way to end it
    finally:
        watch.close()


def _is_watched() -> bool:
    # A build server may call itself a terminal: nobody watches a table there.
    return os.isatty(1) and os.environ.get("TERM") != "dumb" and not os.environ.get("CI")


class _Watch:
    """One look after the other; a guardian that does not answer for a while is shown as that."""

    def __init__(self, runtime: Path) -> None:
        self._runtime = runtime
        self._view: TopView | None = None

    def look(self) -> dict[str, Any]:
        """The status, and in it what files tell: `price` of symbols, `seen` since the beginning.

        Raises: Recoverable: the guardian does not answer.
        """
        from kyzlo_actors.cli.top_view import TopView

        status = ask_status(self._runtime)
        if self._view is None or not self._view.is_of(status):
            self.close()
            self._view = TopView(status)
        self._view.poll()
        self._view.add_to(status)
        return status

    def close(self) -> None:
        """Let go of memory and files."""
        if self._view is not None:
            self._view.close()
            self._view = None


def _print_lines(watch: _Watch, count: int | None) -> None:
    looks = 0
    while True:
        try:
            line = watch.look()
        except Recoverable as error:
            line = {"ok": False, "error": str(error)}
        print(json.dumps(line), flush=True)
        looks += 1
        if looks == count:
            return
        time.sleep(_SECOND)


def _show_table(watch: _Watch, count: int | None) -> None:
    from rich.console import Console
    from rich.live import Live

    from kyzlo_actors.cli.top_table import silent_text, top_table

    console = Console()
    looks = 0
    with Live(console=console, auto_refresh=False, vertical_overflow="crop") as live:
        while True:
            try:
                live.update(top_table(watch.look(), width=console.width, height=console.height), refresh=True)
            except Recoverable as error:
                live.update(silent_text(str(error)), refresh=True)
            looks += 1
            if looks == count:
                return
            time.sleep(_SECOND)
