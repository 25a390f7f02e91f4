"""Where a session is shown: a live table in a terminal, a line every two seconds anywhere else."""

from __future__ import annotations

import os
import time
from types import TracebackType
from typing import Final, Self

from rich.console import Console
from rich.live import Live

from kyzlo_actors.cli.live_table import live_table, status_line
from kyzlo_actors.cli.session_view import SessionPicture

_TABLE_SECONDS: Final = 0.25
_LINE_SECONDS: Final = 2.0


class Stage:
    """A context; `say` prints above the table, `show` renews it as often as is good for people."""

    def __init__(self, console: Console) -> None:
        self.started = time.monotonic()
        self._console = console
        # A build server may call itself a terminal: nobody watches a table there.
        is_watched = console.is_terminal and not console.is_dumb_terminal and not os.environ.get("CI")
        self._live = Live(console=console, auto_refresh=False) if is_watched else None
        self._next = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def seconds(self) -> float:
        """Since the beginning."""
        return time.monotonic() - self.started

    def say(self, text: str) -> None:
        """One line, or some."""
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)

    def show(self, picture: SessionPicture, note: str = "") -> None:
        """Renew the table, or print a line, if it is time to."""
        if time.monotonic() < self._next:
            return
        if self._live is None:
            self._next = time.monotonic() + _LINE_SECONDS
            self.say(status_line(picture, seconds=self.seconds))
            return
        self._next = time.monotonic() + _TABLE_SECONDS
        self._live.start()
        width = self._console.width
        self._live.update(live_table(picture, seconds=self.seconds, width=width, note=note), refresh=True)

    def close(self) -> None:
        """Leave the last table standing; what is said from now on follows it."""
        if self._live is not None:
            self._live.stop()
            self._live = None
            self._next = float("inf")
