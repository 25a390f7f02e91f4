"""Changing the settings file, and having a running service take it: whole, or the file is as it was."""

from __future__ import annotations

import fcntl
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from kyzlo_actors.bootstrap.settings_text import check_text
from kyzlo_actors.bootstrap.toml_file import MAX_BYTES
from kyzlo_actors.cli.admin_client import ask_guardian, statuses
from kyzlo_actors.domain.errors import BadInput, Recoverable
from kyzlo_actors.infrastructure.files import replace_durable

# The guardian's own bound is 45 s.
_CHECK_SECONDS: Final = 60.0
_STEADY: Final = ("trading", "shut")
_BOM: Final = "\ufeff"


@contextmanager
def changing(path: Path) -> Iterator[None]:
    """From the look at the file to the service's start with it, nobody else changes it by this module.

    Else two would each write what they read, and one of the changes would be lost; or one that is refused would be
    kept by the other. Raises: Recoverable: somebody is at it. BadInput: its directory cannot be read.
    """
    directory = Path(os.path.realpath(path)).parent
    try:
        # The file itself is replaced: a lock on it would be one on the old file.
        fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        cure = f"{error.strerror}: name the settings file; `kyzlo init` writes a first one"
        raise BadInput("--settings", str(path), cure) from None
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Recoverable(
                f"{path}: somebody else is changing it: nothing is written, try again"
            ) from None
        yield
    finally:
        os.close(fd)


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsChange:
    """`before` and `after` are the texts of the file at `path`; `after` was judged."""

    path: Path
    before: str
    after: str

    def write(self) -> None:
        """Put the new text there. Raises: BadInput: it cannot be written. Recoverable: somebody else was faster."""
        if read_text(self.path) != self.before:
            raise Recoverable(f"{self.path} was changed meanwhile: nothing is written, try again")
        _write(self.path, self.after)

    def take_back(self) -> None:
        """Put the old text back, unless somebody has changed the file since."""
        if read_text(self.path) == self.after:
            _write(self.path, self.before)


def prepare_change(
    path: Path, change: Callable[[str], str], environ: Mapping[str, str], *, live: bool
) -> SettingsChange:
    """What `change` makes of the file's text, judged before it is written.

    Raises: BadInput: the file is missing, or what comes out cannot be used.
    """
    before = read_text(path)
    mark = _BOM if before.startswith(_BOM) else ""
    text = change(before.removeprefix(mark))
    for key in check_text(path, text, environ, live=live):
        print(f"kyzlo: note: {key} cannot be seen from here and was not judged", file=sys.stderr)
    return SettingsChange(path=path, before=before, after=mark + text)


def read_text(path: Path) -> str:
    """The file. Raises: BadInput: it is missing, too large, not text, or not ours to read."""
    try:
        if path.exists() and not path.is_file():
            raise BadInput("--settings", str(path), "it is not a file: name the settings file")
        with open(path, "rb") as file:
            data = file.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise BadInput("--settings", str(path), f"settings are below {MAX_BYTES >> 20} MiB")
        return data.decode()
    except OSError as error:
        cure = f"{error.strerror}: name the settings file; `kyzlo init` writes a first one"
        raise BadInput("--settings", str(path), cure) from None
    except UnicodeDecodeError:
        raise BadInput("--settings", str(path), "save it as UTF-8") from None


def check_same_file(status: Mapping[str, Any], path: Path) -> None:
    """Raises: BadInput: the running service was started with another file."""
    own = status.get("settings")
    if not own or os.path.realpath(own) != os.path.realpath(path):
        cure = f"the running service was started with {own}: name that one with --settings"
        raise BadInput("--settings", str(path), cure)


def have_it_taken(change: SettingsChange, runtime: Path, status: Mapping[str, Any]) -> dict[str, Any]:
    """Write the change and have the running service start anew with it; the guardian's answer.

    Raises: Recoverable: it refuses (then the file is as it was), or does not answer.
    """
    change.write()
    request = {"cmd": "renew", "settings": status["settings"], "reason": "kyzlo symbols"}
    try:
        answer = ask_guardian(runtime, request, timeout_seconds=_CHECK_SECONDS)
    except Recoverable as error:
        # It may have begun: the file must stay what it will read.
        raise Recoverable(
            f"{error}; {change.path} is changed, `kyzlo status` tells what came of it"
        ) from None
    if not answer.get("ok"):
        change.take_back()
        raise Recoverable(f"nothing is changed: {answer.get('error')}")
    return answer


def wait_for_start(
    runtime: Path, is_done: Callable[[dict[str, Any]], bool], *, timeout_seconds: float
) -> dict[str, Any]:
    """The status once the new tree is up and `is_done`. Raises: Recoverable: it is not, in time."""
    deadline = time.monotonic() + timeout_seconds
    last: dict[str, Any] = {}
    for last in statuses(runtime, deadline):
        if last.get("state") == "halted":
            raise Recoverable(
                "the new settings are written, but it was halted meanwhile: a resume starts with them"
            )
        if last.get("state") in _STEADY and is_done(last):
            return last
    state = last.get("state") or "not answering"
    raise Recoverable(
        f"the new settings are written, but the service is not through its start: it is {state}"
    )


def _write(path: Path, text: str) -> None:
    try:
        replace_durable(path, text.encode())
    except OSError as error:
        cure = f"it must be possible to write it and its directory ({error.strerror})"
        raise BadInput("--settings", str(path), cure) from None
