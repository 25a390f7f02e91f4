"""Reading a journal: once through, or following it while it grows; and pruning what was stored elsewhere.

Readers take no lock and never write. Bounds: `poll` returns at most what was asked for; memory holds one
record at a time beside the answer.
"""

from __future__ import annotations

import os
from bisect import bisect_right
from collections.abc import Iterator
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

from kyzlo_actors.infrastructure.files import fsync_directory
from kyzlo_actors.infrastructure.journal_segment import (
    JournalCorrupt,
    JournalRecord,
    first_seqs,
    record_at,
    record_bytes,
    segment_name,
)

_READ_BATCH = 256


def read_journal(directory: Path, from_seq: int = 1) -> Iterator[JournalRecord]:
    """Every record from `from_seq` on, up to the unwritten (or torn) tail. `from_seq=1`: the oldest kept.

    Raises: JournalCorrupt: a record before the tail is missing or damaged, or `from_seq` > 1 was pruned.
    """
    if from_seq <= 1:
        from_seq = next(iter(first_seqs(directory)), 1)
    follower = JournalFollower(directory, from_seq)
    try:
        while records := follower.poll(_READ_BATCH):
            yield from records
    finally:
        follower.close()


def follow_from_end(directory: Path) -> JournalFollower:
    """A follower of what is written from now on. It reads at most the newest segment for that.

    Raises: JournalCorrupt, OSError.
    """
    follower = JournalFollower(directory, next(reversed(first_seqs(directory)), 1))
    while follower.poll(_READ_BATCH):
        pass
    return follower


class JournalFollower:
    """Reads on from `next_seq` each time it is asked; keeps its place in the open segment.

    Whoever stores records elsewhere must call `sync_segments` first: a power cut may take unsynced records,
    and their sequences would be given out a second time.
    """

    def __init__(self, directory: Path, next_seq: int) -> None:
        self.next_seq = max(1, next_seq)
        self._directory = directory
        self._fd: int | None = None
        self._first_seq = 0
        self._offset = 0

    def poll(self, max_records: int) -> list[JournalRecord]:
        """At most `max_records` records that were not returned before, in order; empty at the tail.

        Raises: JournalCorrupt: the very next record is damaged, or was pruned before it was read.
        """
        records: list[JournalRecord] = []
        while len(records) < max_records:
            try:
                record = self._next() if self._fd is not None or self._open() else None
            except JournalCorrupt:
                if not records:
                    raise
                break  # what is sound before the damage is not lost with it; the next call raises
            if record is None:
                break
            records.append(record)
        return records

    def close(self) -> None:
        """Close the segment."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def _next(self) -> JournalRecord | None:
        if (record := self._take()) is not None:
            return record
        later = [seq for seq in first_seqs(self._directory) if seq > self._first_seq]
        if not later:
            return None
        # The writer moved on since the look above, so what it wrote here is complete now: look again.
        if (record := self._take()) is not None:
            return record
        if later[0] != self.next_seq:
            raise JournalCorrupt(f"{self._directory}: record {self.next_seq} is missing or damaged")
        self.close()
        return self._take() if self._open() else None

    def _take(self) -> JournalRecord | None:
        assert self._fd is not None
        record = record_at(self._fd, self._offset, self.next_seq)
        if record is not None:
            self.next_seq += 1
            self._offset += record_bytes(record)
        return record

    def _open(self) -> bool:
        """Open the segment that holds `next_seq` and go there; False while there is nothing to read."""
        seqs = first_seqs(self._directory)
        if not seqs:
            return False
        place = bisect_right(seqs, self.next_seq) - 1
        if place < 0:
            raise JournalCorrupt(
                f"{self._directory}: record {self.next_seq} is gone, the oldest kept is {seqs[0]}"
            )
        path = self._directory / segment_name(seqs[place])
        try:
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError as error:
            raise JournalCorrupt(f"{path} was pruned before record {self.next_seq} was read") from error
        return self._go_to(fd, seqs[place], is_closed=place < len(seqs) - 1)

    def _go_to(self, fd: int, first_seq: int, *, is_closed: bool) -> bool:
        offset = 0
        for seq in range(first_seq, self.next_seq):
            record = record_at(fd, offset, seq)
            if record is None:
                os.close(fd)
                # In the newest segment it may just not be written yet.
                if is_closed:
                    raise JournalCorrupt(f"{self._directory}: record {seq} is missing or damaged")
                return False
            offset += record_bytes(record)
        self._fd, self._first_seq, self._offset = fd, first_seq, offset
        return True


def prune(directory: Path, through_seq: int) -> int:
    """Delete the closed segments whose records are all <= `through_seq`; returns how many. Raises OSError.

    The newest segment always stays: it carries the numbering on.
    """
    seqs = first_seqs(directory)
    done = [seq for seq, following in pairwise(seqs) if following - 1 <= through_seq]
    # Oldest first: a crash in between leaves no gap.
    for seq in done:
        with suppress(FileNotFoundError):
            os.unlink(directory / segment_name(seq))
    return len(done)


def sync_segments(directory: Path, from_seq: int = 1) -> None:
    """Flush every segment that may hold `from_seq` or later, for writers that do not sync themselves.

    Raises: OSError: after a failed flush nothing of it may be believed; do not try again.
    """
    seqs = first_seqs(directory)
    for seq in seqs[max(0, bisect_right(seqs, from_seq) - 1) :]:
        fd = os.open(directory / segment_name(seq), os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fdatasync(fd)
        finally:
            os.close(fd)
    if seqs:
        fsync_directory(directory)
