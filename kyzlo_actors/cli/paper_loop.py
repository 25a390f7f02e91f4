"""Waiting in a paper session: looks, shows, and notices when a process of it is gone."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, TypeVar

from kyzlo_actors.bootstrap.paper import PaperSession
from kyzlo_actors.cli.session_view import Fill, SessionPicture, SessionView, open_view
from kyzlo_actors.cli.stage import Stage
from kyzlo_actors.domain.errors import KyzloError

POLL_SECONDS: Final = 0.1
START_SECONDS: Final = 60.0
_MANY_RESTARTS: Final = 3
Found = TypeVar("Found")


class SessionFailed(KyzloError):
    """The session cannot go on; the text says why in one line."""


class PaperLoop:
    """Turns of a tenth of a second. `fills` are those of the present turn."""

    def __init__(self, session: PaperSession, stage: Stage) -> None:
        self._session = session
        self._stage = stage
        self._view: SessionView | None = None
        self.fills: list[Fill] = []
        self.note = ""
        self._told: set[str] = set()

    @property
    def picture(self) -> SessionPicture:
        """The session now; only after `await_view`."""
        assert self._view is not None
        return self._view.picture()

    def await_view(self) -> None:
        """Wait for the service's shared memory. Raises: SessionFailed."""
        self._view = self.until(lambda: open_view(self._session.layout), START_SECONDS, "the actor tree")

    def until(self, found: Callable[[], Found | None], timeout_seconds: float, what: str) -> Found:
        """The first thing that `found` finds.

        Raises: SessionFailed: nothing within the time, or a process of the session ended.
        """
        deadline = time.monotonic() + timeout_seconds
        while True:
            self.turn()
            result = found()
            if result is not None:
                return result
            if time.monotonic() >= deadline:
                raise SessionFailed(f"{what}: not seen within {timeout_seconds:.0f} s")
            time.sleep(POLL_SECONDS)

    def turn(self) -> None:
        """Look once, and show it. Raises: SessionFailed: a process of the session ended."""
        for child in self._session.children:
            if child.exit_code is not None:
                raise SessionFailed(f"{child.name} ended with exit code {child.exit_code}")
        if self._view is not None:
            self.fills = self._view.poll()
            picture = self._view.picture()
            self._tell_crashes(picture)
            self._stage.show(picture, self.note, self.fills)

    def _tell_crashes(self, picture: SessionPicture) -> None:
        """Once for each symbol whose actor ends again and again: else a table without fills is all that is seen."""
        for line in picture.lines:
            if line.restarts < _MANY_RESTARTS or line.ready or line.symbol in self._told:
                continue
            self._told.add(line.symbol)
            why = "`kyzlo strategy check` and the logs say why"
            self._stage.say(f"{line.symbol}: its actor ended {line.restarts} times: {why}", event="crashes")

    def close(self) -> None:
        """Let go of the shared memory."""
        if self._view is not None:
            self._view.close()
            self._view = None
