"""Where a session is shown: a live table in a terminal, a line every two seconds elsewhere, JSON for programs."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from dataclasses import asdict
from types import TracebackType
from typing import Any, Final, Self

from rich.console import Console
from rich.live import Live

from kyzlo_actors.cli.live_table import live_table, status_line
from kyzlo_actors.cli.session_view import Fill, SessionPicture, SymbolLine

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

    def say(self, text: str, *, event: str = "note", **fields: Any) -> None:
        """One line, or some. `event` and `fields` say the same to programs."""
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)

    def show(self, picture: SessionPicture, note: str = "", fills: Sequence[Fill] = ()) -> None:
        """Renew the table, or print a line, if it is time to. `fills` are those since the last call."""
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

    def end(self, code: int) -> None:
        """The session is over."""


class JsonStage(Stage):
    """For programs: one JSON line for each event and fill, and every two seconds one for how it stands."""

    def __init__(self) -> None:
        super().__init__(Console(quiet=True))

    def say(self, text: str, *, event: str = "note", **fields: Any) -> None:
        """One line."""
        self._print(event, **(fields or {"text": text.strip()}))

    def show(self, picture: SessionPicture, note: str = "", fills: Sequence[Fill] = ()) -> None:
        """Each fill at once, the picture when it is time to."""
        for fill in fills:
            self._print("fill", **asdict(fill))
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + _LINE_SECONDS
        symbols = {line.symbol: _symbol_fields(line) for line in picture.lines}
        self._print("state", state=picture.state, ticks=picture.ticks, bars=picture.bars, symbols=symbols)

    def end(self, code: int) -> None:
        """The last line."""
        self._print("end", exit_code=code)

    def _print(self, event: str, **fields: Any) -> None:
        print(json.dumps({"event": event, "seconds": round(self.seconds, 3), **fields}), flush=True)


def _symbol_fields(line: SymbolLine) -> dict[str, Any]:
    """What a table shows of a symbol; its bar is left out."""
    return {name: value for name, value in asdict(line).items() if name not in ("symbol", "bar")}
