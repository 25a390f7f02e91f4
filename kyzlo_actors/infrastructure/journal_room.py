"""Room on the disk for one journal: zero-filled segments, a reserve (ballast), and the size limit."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import Final

from kyzlo_actors.infrastructure.files import fsync_directory, write_all
from kyzlo_actors.infrastructure.journal_segment import JournalBroken, JournalFull, first_seqs, segment_name

_ZEROS: Final = bytes(256 * 1024)
_OUT_OF_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT})


class JournalRoom:
    """Makes segments. `is_low` once the disk had no room for the next one: stop entering, keep recording.

    Segments are zero-filled before use, so that a flush writes data only and not also the file's size (the
    slowest appends drop from 135 to 12 ms). Bounds: one spare and one ballast file, each a segment in size.
    """

    def __init__(self, directory: Path, *, segment_bytes: int, limit_bytes: int, flush: bool) -> None:
        self.is_low = False
        self._directory = directory
        self._segment_bytes = segment_bytes
        self._limit_bytes = limit_bytes
        self._flush = flush
        self._spare = directory / "spare"
        self._ballast = directory / "ballast"
        self._maker: Thread | None = None
        with suppress(FileNotFoundError):
            os.unlink(directory / "spare.draft")
        self._restore_ballast()

    def take_segment(self, first_seq: int) -> int:
        """A new zero-filled segment under its name, as a descriptor; its name is not durable yet.

        Raises: JournalFull: no room even with the ballast. JournalBroken: the disk failed otherwise.
        """
        self._join()
        path = self._directory / segment_name(first_seq)
        try:
            if not self._spare.exists() and not self._make_spare():
                self.spend_ballast()
                if not self._make_spare():
                    raise JournalFull(f"{self._directory}: no room for a segment, and the ballast is spent")
            os.rename(self._spare, path)
            return os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except OSError as error:
            raise JournalBroken(f"{path}: {error}") from error

    def prepare_spare(self) -> None:
        """Make the next segment on a thread of its own, once the current one is half full."""
        if self._maker is None and not self._spare.exists():
            self._maker = Thread(target=self._make_spare, name="journal-spare", daemon=True)
            self._maker.start()

    def spend_ballast(self) -> bool:
        """Give the reserve back to the disk; False when it was spent before."""
        self.is_low = True
        try:
            os.unlink(self._ballast)
            # Some file systems hand freed blocks out again only after a commit.
            fsync_directory(self._directory)
        except FileNotFoundError:
            return False
        return True

    def within_limit(self) -> bool:
        """Whether the segments fit the limit; after low room also tries to get spare and ballast back."""
        if self.is_low:
            self._join()
            self.is_low = not (self._restore_ballast() and (self._spare.exists() or self._make_spare()))
        total = 0
        for seq in first_seqs(self._directory):
            # Pruned by another process in this very moment: nothing to count.
            with suppress(FileNotFoundError):
                total += os.stat(self._directory / segment_name(seq)).st_size
        return total <= self._limit_bytes

    def close(self) -> None:
        """Wait for the thread that makes the spare."""
        self._join()

    def _join(self) -> None:
        if self._maker is not None:
            self._maker.join()
            self._maker = None

    def _make_spare(self) -> bool:
        """False when there is no room (or the disk refuses: the roll that needs it will say so)."""
        draft = self._directory / "spare.draft"
        try:
            fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            try:
                for offset in range(0, self._segment_bytes, len(_ZEROS)):
                    write_all(fd, _ZEROS[: self._segment_bytes - offset], offset)
                if self._flush:
                    os.fsync(fd)
            finally:
                os.close(fd)
            os.rename(draft, self._spare)
        except OSError:
            self.is_low = True
            with suppress(OSError):
                os.unlink(draft)
            return False
        return True

    def _restore_ballast(self) -> bool:
        if self._ballast.exists():
            return True
        try:
            fd = os.open(self._ballast, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.posix_fallocate(fd, 0, self._segment_bytes)
            finally:
                os.close(fd)
        except OSError:
            self.is_low = True
            with suppress(OSError):
                os.unlink(self._ballast)
            return False
        return True


def is_out_of_room(error: OSError) -> bool:
    """Whether the disk (or a quota) is full, rather than broken."""
    return error.errno in _OUT_OF_ROOM
