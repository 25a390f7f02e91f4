"""One instance: its two directories, the lock on the state directory, and the account it belongs to."""

from __future__ import annotations

import fcntl
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import orjson

from kyzlo_actors.bootstrap.problems import Words
from kyzlo_actors.domain.errors import BadInput
from kyzlo_actors.infrastructure.files import fsync_directory, write_durable

LOCK_NAME: Final = "instance.lock"
ACCOUNT_NAME: Final = "account.json"
PRIVATE_NAME: Final = "private"
_STATE: Final = "paths.state_directory"
_RUNTIME: Final = "paths.runtime_directory"
_MAX_ACCOUNT_BYTES: Final = 4_096


@dataclass(slots=True, kw_only=True)
class InstanceLock:
    """Holds the state directory (and the runtime directory) until `release` or the end of the last process that
    inherited it: no second tree starts while a process of the first is alive."""

    state_directory: Path
    account_number: str
    live: bool
    _fds: list[int]

    def release(self) -> None:
        """Give the directories free, for forked children too. May be called twice."""
        while self._fds:
            fd = self._fds.pop()
            fcntl.flock(fd, fcntl.LOCK_UN)
            os.close(fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def claim_instance(
    state_directory: Path, account_number: str, live: bool, *, runtime_directory: Path | None = None
) -> InstanceLock:
    """Lock the state directory and bind it to one account, paper or live, for ever.

    Makes what directories are missing (see `make_directories`). With `runtime_directory` that one is locked too.
    Raises: BadInput: another instance runs on it, it belongs to another account, or it cannot be used.
    """
    make_directories(state_directory, runtime_directory)
    fds = []
    try:
        fds.append(_lock(state_directory, _STATE))
        if runtime_directory is not None:
            fds.append(_lock(runtime_directory / PRIVATE_NAME, _RUNTIME))
        _bind(state_directory, account_number, live)
    except BaseException:
        for fd in fds:
            os.close(fd)
        raise
    return InstanceLock(state_directory=state_directory, account_number=account_number, live=live, _fds=fds)


def make_directories(state_directory: Path, runtime_directory: Path | None) -> None:
    """Make the state directory (0700), the runtime directory (0750) and `private/` in it (0700) where missing.

    One that exists keeps what its owner allows the group, but loses what it allows to everybody.
    Raises: BadInput: it is somebody else's, a link or a file, or it cannot be made.
    """
    _make(state_directory, 0o700, _STATE)
    if runtime_directory is not None:
        _make(runtime_directory, 0o750, _RUNTIME)
        _make(runtime_directory / PRIVATE_NAME, 0o700, _RUNTIME, keep_group=False)


def check_binding(state_directory: Path, account_number: str, live: bool) -> bool:
    """Whether the state directory is bound to this account; False when it is to none yet. Writes nothing.

    Raises: BadInput: it belongs to another account, or it cannot be told.
    """
    wanted = {"account_number": account_number, "live": live}
    found = _read_account(state_directory / ACCOUNT_NAME)
    if found not in (None, wanted):
        assert found is not None
        cure = (
            f"it belongs to account {_named(found)}, and this is account {_named(wanted)}: "
            "name another directory in [paths], or use the keys of the first account"
        )
        raise BadInput(_STATE, str(state_directory), cure)
    return found is not None


def running_instance(state_directory: Path) -> str | None:
    """The pid of the instance that runs on the directory ("unknown" if it does not say), None when none does.

    It takes the lock as a reader for an instant, and writes nothing. Raises: OSError: the lock cannot be read.
    """
    try:
        fd = os.open(state_directory / LOCK_NAME, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return os.pread(fd, 32, 0).decode(errors="replace").strip() or "unknown"
    finally:
        os.close(fd)
    return None


def _make(directory: Path, mode: int, field: str, *, keep_group: bool = True) -> None:
    try:
        directory.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.mkdir(directory, mode)
            os.chmod(directory, mode)  # whatever the umask says
        except FileExistsError:
            _adopt(directory, field, keep_group)
    except OSError as error:
        cure = "name a directory that you may make and write"
        raise BadInput(field, Words(f"{directory} ({error.strerror})"), cure) from None


def _adopt(directory: Path, field: str, keep_group: bool) -> None:
    # In /tmp anybody may have made it first, to listen on our sockets: it must be a directory of our own.
    about = os.lstat(directory)
    if not stat.S_ISDIR(about.st_mode):
        raise BadInput(field, str(directory), "it is a file or a link: remove it, or name another directory")
    if about.st_uid != os.geteuid():
        cure = f"it belongs to user {about.st_uid}, not to {os.geteuid()}: name a directory of your own"
        raise BadInput(field, str(directory), cure)
    mode = stat.S_IMODE(about.st_mode)
    wanted = mode & (0o770 if keep_group else 0o700)
    if wanted != mode:
        os.chmod(directory, wanted)


def _lock(directory: Path, field: str) -> int:
    path = directory / LOCK_NAME
    try:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        cure = "name a directory that you may write"
        raise BadInput(field, Words(f"{path} ({error.strerror})"), cure) from None
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.ftruncate(fd, 0)
        os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
    except BlockingIOError:
        owner = os.pread(fd, 32, 0).decode(errors="replace").strip() or "unknown"
        os.close(fd)
        cure = (
            f"another instance (pid {owner}) runs on it: stop that one, or name another directory in [paths]"
        )
        raise BadInput(field, str(directory), cure) from None
    except BaseException:
        os.close(fd)
        raise
    return fd


def _bind(directory: Path, account_number: str, live: bool) -> None:
    if check_binding(directory, account_number, live):
        return
    path = directory / ACCOUNT_NAME
    # A name appears only with its content: half a file after a power cut would lock everybody out.
    fresh = path.with_suffix(".new")
    write_durable(fresh, orjson.dumps({"account_number": account_number, "live": live}))
    os.rename(fresh, path)
    fsync_directory(directory)


def _read_account(path: Path) -> dict[str, object] | None:
    try:
        with open(path, "rb") as file:
            found = orjson.loads(file.read(_MAX_ACCOUNT_BYTES))
    except FileNotFoundError:
        return None
    except (OSError, orjson.JSONDecodeError):
        found = None
    if not isinstance(found, dict):
        cure = (
            "it cannot be read: find out whose state this is, then restore the file or name another directory"
        )
        raise BadInput(_STATE, str(path), cure)
    return found


def _named(account: dict[str, object]) -> str:
    return f"{account.get('account_number')} ({'live' if account.get('live') else 'paper'})"
