"""Files that survive a power cut: write, flush, and make the *name* durable too."""

from __future__ import annotations

import os
import stat
from pathlib import Path


def fsync_directory(directory: Path) -> None:
    """Make the names in `directory` durable. Raises OSError."""
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def write_durable(path: Path, data: bytes, *, mode: int = 0o600) -> None:
    """Write `data` into a new or emptied file at `path` and flush it to the disk. Raises OSError."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
    try:
        write_all(fd, data, 0)
        os.fsync(fd)
    finally:
        os.close(fd)


def replace_durable(path: Path, data: bytes) -> None:
    """Put `data` in the place of the file at `path`, whole or not at all; mode and owner stay. Raises OSError."""
    real = Path(os.path.realpath(path))  # a link stays one
    about = os.stat(real)
    draft = real.with_name(f".{real.name}.{os.getpid()}.new")
    try:
        write_durable(draft, data)
        if (about.st_uid, about.st_gid) != (os.geteuid(), os.getegid()):
            os.chown(draft, about.st_uid, about.st_gid)
        os.chmod(draft, stat.S_IMODE(about.st_mode))
        os.replace(draft, real)
    except OSError:
        draft.unlink(missing_ok=True)
        raise
    fsync_directory(real.parent)


def write_all(fd: int, data: bytes, offset: int) -> None:
    """`pwrite` all of `data` at `offset`; the kernel may take it in pieces. Raises OSError."""
    view = memoryview(data)
    while view:
        written = os.pwrite(fd, view, offset)
        view = view[written:]
        offset += written
