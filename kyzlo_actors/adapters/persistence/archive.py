"""The archive: journal records with their offsets in daily append-only files, each step one frame.

The first frame of each file carries the offsets of all writers, later ones those that moved, so the newest file
alone tells every offset.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from kyzlo_actors.adapters.persistence.archive_file import encode_frame, read_frames, sound_frame_after
from kyzlo_actors.domain.errors import Fatal, Recoverable
from kyzlo_actors.domain.values import NS_PER_SECOND
from kyzlo_actors.infrastructure.files import fsync_directory, write_all
from kyzlo_actors.ports.clock import Clock
from kyzlo_actors.ports.persistence import StoredRecord

_PATTERN: Final = "archive-????????.kyz"


class FileArchive:
    """`Archive` over `directory`; one process at a time (flock).

    A step is durable (fdatasync) before `store` returns. A tail torn by a crash is cut when the archive is
    opened (`cut_bytes`); damage before sound frames is never cut: opening raises Fatal. Records at or below
    a writer's offset are stored already and left out, so a repeated step stores nothing twice.
    """

    def __init__(self, directory: Path, clock: Clock) -> None:
        self.cut_bytes = 0
        self._directory = directory
        self._clock = clock
        self._broken = ""
        self._offsets: dict[str, int] = {}
        self._fd = -1
        self._path: Path | None = None
        self._end = 0
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock_fd = _lock(directory)
        try:
            self._open_newest()
        except (Fatal, OSError):
            self.close()
            raise

    def offsets(self) -> dict[str, int]:
        """Highest stored sequence of each writer."""
        return dict(self._offsets)

    def store(self, records: Sequence[StoredRecord], offsets: Mapping[str, int]) -> None:
        """Store the records and the new offsets in one atomic, durable step.

        Raises: Recoverable: nothing was stored (disk full), try again. Fatal: a gap, an offset that goes back,
        or a disk whose promise is in doubt; the archive refuses everything from then on.
        """
        if self._broken:
            raise Fatal(self._broken)
        fresh = [record for record in records if record.sequence > self._offsets.get(record.writer_id, 0)]
        moved = {name: value for name, value in offsets.items() if value != self._offsets.get(name, 0)}
        self._check(fresh, moved)
        if not fresh and not moved:
            return
        self._roll()
        is_first = self._end == 0
        self._append(encode_frame(fresh, {**self._offsets, **moved} if is_first else moved))
        self._offsets.update(moved)

    def close(self) -> None:
        """Release files and lock."""
        for fd in (self._fd, self._lock_fd):
            if fd >= 0:
                os.close(fd)
        self._fd = self._lock_fd = -1

    def _check(self, fresh: Sequence[StoredRecord], moved: Mapping[str, int]) -> None:
        for name, value in moved.items():
            if value < self._offsets.get(name, 0):
                raise Fatal(f"archive: the offset of {name} would go back to {value}")
        reached: dict[str, int] = {}
        for record in fresh:
            name = record.writer_id
            # A writer that is new here may begin anywhere: older segments of its journal may be gone.
            before = reached.get(name, self._offsets.get(name, record.sequence - 1))
            if record.sequence != before + 1:
                raise Fatal(f"archive: {name} goes from {before} to {record.sequence}")
            reached[name] = record.sequence
        for name, sequence in reached.items():
            if moved.get(name) != sequence:
                raise Fatal(f"archive: records of {name} end at {sequence}, its offset at {moved.get(name)}")

    def _open_newest(self) -> None:
        """Cut a torn tail and learn the offsets. A file whose very first frame is torn holds nothing: remove it."""
        for path in reversed(_files(self._directory)):
            end = self._scan(path)
            if end:
                self._fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
                self._path, self._end = path, end
                torn = os.fstat(self._fd).st_size - end
                if torn:
                    self.cut_bytes += torn
                    os.ftruncate(self._fd, end)
                    os.fsync(self._fd)
                return
            self.cut_bytes += path.stat().st_size
            path.unlink()
            fsync_directory(self._directory)

    def _scan(self, path: Path) -> int:
        """Take the offsets of all sound frames; where the last of them ends."""
        end = 0
        with path.open("rb") as file:
            for frame in read_frames(file):
                self._offsets.update(frame.offsets)
                end = frame.end
            damaged = sound_frame_after(file, end)
        if damaged is not None:
            raise Fatal(f"{path}: damaged at byte {end}, with sound frames from byte {damaged}")
        return end

    def _roll(self) -> None:
        """Begin the day's file. A clock that went back keeps the newest file."""
        path = self._directory / f"archive-{_day(self._clock)}.kyz"
        if self._path is not None and path.name <= self._path.name:
            return
        fd = -1
        try:
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            fsync_directory(self._directory)
        except OSError as error:
            if fd >= 0:
                os.close(fd)
                path.unlink(missing_ok=True)
            raise Recoverable(f"archive: cannot begin {path.name}: {error.strerror}") from error
        previous = self._fd
        self._fd, self._path, self._end = fd, path, 0
        if previous >= 0:
            os.close(previous)

    def _append(self, frame: bytes) -> None:
        try:
            write_all(self._fd, frame, self._end)
        except OSError as error:
            self._undo(error)
            raise Recoverable(f"archive: nothing stored: {error.strerror}") from error
        try:
            os.fdatasync(self._fd)
        except OSError as error:
            # After a failed sync nobody knows what is on the disk, and asking again may lie.
            self._broken = f"archive: the disk failed to sync: {error.strerror}"
            raise Fatal(self._broken) from error
        self._end += len(frame)

    def _undo(self, cause: OSError) -> None:
        try:
            os.ftruncate(self._fd, self._end)
        except OSError as error:
            self._broken = f"archive: half a step cannot be taken back: {error.strerror}"
            raise Fatal(self._broken) from cause


def read_archive(directory: Path) -> Iterator[StoredRecord]:
    """All stored records, in the order in which they were stored; also while the archive is being written.

    Raises: Fatal: damage before sound frames.
    """
    for path in _files(directory):
        with path.open("rb") as file:
            end = 0
            for frame in read_frames(file):
                yield from frame.records
                end = frame.end
            damaged = sound_frame_after(file, end)
        if damaged is not None:
            raise Fatal(f"{path}: damaged at byte {end}, with sound frames from byte {damaged}")


def _files(directory: Path) -> list[Path]:
    return sorted(directory.glob(_PATTERN))


def _day(clock: Clock) -> str:
    return f"{datetime.fromtimestamp(clock.now_ns() // NS_PER_SECOND, UTC):%Y%m%d}"


def _lock(directory: Path) -> int:
    fd = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(fd)
        raise Fatal(f"{directory}: another process writes this archive") from None
    return fd
