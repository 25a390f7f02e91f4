"""Where a paper session lives: one directory of its own, the oldest ones removed, none of a living session touched."""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from kyzlo_actors.bootstrap.setting_types import MAX_RUNTIME_PATH_BYTES
from kyzlo_actors.domain.errors import BadInput, Recoverable
from kyzlo_actors.domain.values import NS_PER_SECOND

KEPT_SESSIONS: Final = 5
_ALWAYS: Final = "/tmp"
_LOCK: Final = "session.lock"
_ATTEMPTS: Final = 100


@dataclass(slots=True, kw_only=True)
class PaperPlaces:
    """`home` holds everything of one session and is kept; `runtime_directory` in it is removed by `leave`."""

    run_id: str
    home: Path
    _lock_fd: int

    @property
    def state_directory(self) -> Path:
        """Journals, certificates, archive."""
        return self.home / "state"

    @property
    def runtime_directory(self) -> Path:
        """Sockets and shared memory."""
        return self.home / "run"

    @property
    def settings_file(self) -> Path:
        """The settings of the service."""
        return self.home / "settings.toml"

    @property
    def service_log(self) -> Path:
        """What the service says."""
        return self.home / "service.log"

    @property
    def venue_log(self) -> Path:
        """What the venue says, beside its ready line."""
        return self.home / "venue.log"

    def leave(self) -> None:
        """Remove the runtime directory and let go of the session. May be called twice."""
        shutil.rmtree(self.runtime_directory, ignore_errors=True)
        if self._lock_fd >= 0:
            os.close(self._lock_fd)
            self._lock_fd = -1


def make_places(environ: Mapping[str, str], *, now_ns: int) -> PaperPlaces:
    """A new session's directory in `${TMPDIR:-/tmp}/kyzlo-demo-<uid>`; all but the newest few old ones are removed.

    Raises: BadInput: the directory is somebody else's or cannot be made. Recoverable: no name is free.
    """
    parent = _parent(environ)
    _make_parent(parent)
    _forget_old(parent)
    stamp = datetime.fromtimestamp(now_ns / NS_PER_SECOND, UTC).strftime("%Y%m%d-%H%M%S")
    for attempt in range(_ATTEMPTS):
        # The pid tells two that start in one second apart; the attempt, two machines that share the directory.
        run_id = f"{stamp}-{os.getpid()}" + (f"-{attempt}" if attempt else "")
        home = parent / run_id
        try:
            home.mkdir(mode=0o700)
        except FileExistsError:
            continue
        except OSError as error:
            raise BadInput(
                "TMPDIR", str(home), f"it must be possible to write there: {error.strerror}"
            ) from None
        lock_fd = _try_lock(home)
        if lock_fd is not None:
            return PaperPlaces(run_id=run_id, home=home, _lock_fd=lock_fd)
    raise Recoverable(f"no free name for a session in {parent}")


def _parent(environ: Mapping[str, str]) -> Path:
    """The first place whose socket names are short enough."""
    name = f"kyzlo-demo-{os.getuid()}"
    parent = Path(environ.get("TMPDIR") or _ALWAYS, name)
    longest = parent / "20260101-000000-4194304-99" / "run"
    if not parent.is_absolute() or len(os.fsencode(longest)) > MAX_RUNTIME_PATH_BYTES:
        return Path(_ALWAYS, name)
    return parent


def _make_parent(parent: Path) -> None:
    try:
        parent.mkdir(mode=0o700, exist_ok=True)
        about = os.lstat(parent)
    except OSError as error:
        raise BadInput("TMPDIR", str(parent), f"it cannot be made: {error.strerror}") from None
    if not stat.S_ISDIR(about.st_mode) or about.st_uid != os.getuid():
        # In /tmp anybody may have made it first, to read what we write.
        raise BadInput("TMPDIR", str(parent), "it is not a directory of yours: remove it, or set TMPDIR")
    os.chmod(parent, 0o700)


def _forget_old(parent: Path) -> None:
    """Keep room for one more; a session that still runs holds its lock and stays, whatever its age."""
    homes = sorted((home for home in parent.iterdir() if home.is_dir()), reverse=True)
    for place, home in enumerate(homes):
        fd = _try_lock(home)
        if fd is None:
            continue
        try:
            # One that was killed could not do this itself.
            shutil.rmtree(home / "run", ignore_errors=True)
            if place >= KEPT_SESSIONS - 1:
                shutil.rmtree(home, ignore_errors=True)
        finally:
            os.close(fd)


def _try_lock(home: Path) -> int | None:
    """The session's lock, or None while its owner lives."""
    try:
        fd = os.open(home / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError:
        return None
    with suppress(BlockingIOError):
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return fd
    os.close(fd)
    return None
