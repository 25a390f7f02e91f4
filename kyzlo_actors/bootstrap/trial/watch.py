"""What a strategy asks of the machine while it decides: Python's audit events, which it cannot hide from."""

from __future__ import annotations

import os
import sys
import sysconfig
import zoneinfo
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Final

_PREFIXES: Final = ("socket.", "subprocess.", "os.", "shutil.", "tempfile.", "glob.", "ctypes.", "mmap.")
_NAMES: Final = frozenset(
    {
        "open",
        "time.sleep",
        "_thread.start_new_thread",
        "_thread.start_joinable_thread",
        "sqlite3.connect",
        "urllib.Request",
        "builtins.input",
        "fcntl.flock",
        "syslog.syslog",
    }
)
_WRITING: Final = os.O_WRONLY | os.O_RDWR
_MAX_EVENTS: Final = 20


class Watch:
    """`during` a strategy's callbacks events are noted: what happened, and its place in the strategy's own files.

    Reading Python's own files (a module imported at the first call, a time zone) is not the strategy's doing.
    """

    def __init__(self, files: frozenset[str]) -> None:
        self.events: dict[str, str] = {}
        self._files = files
        self._is_on = False
        self._own = tuple(
            {sys.prefix, sys.base_prefix, sysconfig.get_path("stdlib"), *zoneinfo.TZPATH} - {"/"}
        )
        sys.addaudithook(self._on_event)

    @contextmanager
    def during(self) -> Iterator[None]:
        """Note what happens inside."""
        self._is_on = True
        try:
            yield
        finally:
            self._is_on = False

    def _on_event(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self._is_on or (event not in _NAMES and not event.startswith(_PREFIXES)):
            return
        if event == "open" and self._is_pythons_own(arguments):
            return
        place = self._place()
        if place is None or len(self.events) >= _MAX_EVENTS:
            return
        about = f" {arguments[0]!r}"[:80] if arguments and isinstance(arguments[0], str | bytes) else ""
        self.events.setdefault(f"{event}{about}", place)

    def _is_pythons_own(self, arguments: tuple[Any, ...]) -> bool:
        path, flags = arguments[0], arguments[2]
        is_read = not (isinstance(flags, int) and flags & _WRITING)
        return is_read and isinstance(path, str) and path.startswith(self._own)

    def _place(self) -> str | None:
        """The innermost line of the strategy; "" when there is none on the way; None for an import."""
        frame: FrameType | None = sys._getframe(2)
        place = ""
        while frame is not None:
            name = frame.f_code.co_filename
            if name.startswith("<frozen importlib"):
                return None
            if not place and name in self._files:
                place = f"{name}:{frame.f_lineno}"
            frame = frame.f_back
        return place
