"""The journal: what an actor consumed and decided, appended before it acts. One writer a directory.

Bounds: the size limit and low room are told by `accepts_entries` (the caller then refuses *new* orders and
still records); `JournalFull` comes only when the ballast is spent too. At most four segments wait for their
flush; the next append then flushes itself. A group flush starts within 5 ms.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from enum import Enum
from pathlib import Path
from threading import Condition, Lock, Thread
from typing import Final

from kyzlo_actors.domain.errors import BadInput, Fatal
from kyzlo_actors.domain.values import NS_PER_SECOND
from kyzlo_actors.infrastructure.files import fsync_directory, write_all
from kyzlo_actors.infrastructure.journal_reader import JournalFollower, prune, read_journal, sync_segments
from kyzlo_actors.infrastructure.journal_room import JournalRoom, is_out_of_room
from kyzlo_actors.infrastructure.journal_segment import (
    HEADER,
    JournalBroken,
    JournalCorrupt,
    JournalFull,
    JournalRecord,
    RecordTooLarge,
    first_seqs,
    framed,
    record_at,
    record_bytes,
    segment_name,
)
from kyzlo_actors.ports.clock import Clock

__all__ = [
    "JournalBroken",
    "JournalCorrupt",
    "JournalFollower",
    "JournalFull",
    "JournalRecord",
    "JournalWriter",
    "RecordTooLarge",
    "SyncPolicy",
    "prune",
    "read_journal",
    "sync_segments",
]

DEFAULT_LIMIT_BYTES: Final = 256 << 20
_LINGER_SECONDS: Final = 0.005
_CLOSE_SECONDS: Final = 10.0
_RETIRED_SEGMENTS: Final = 4
_MEASURE_NS: Final = NS_PER_SECOND
# What opening a journal cut off its end lies under this name beside the segments.
CUT_NAME: Final = "cut.bin"


class SyncPolicy(Enum):
    """When a record survives a power cut. It survives the death of processes as soon as `append` returns."""

    NONE = "none"
    """Another process flushes (`sync_segments`), or this one calls `sync`."""
    GROUP = "group"
    """A thread of the writer flushes within about 5 ms, many records at once."""
    STRICT = "strict"
    """`append` returns after the flush."""


class JournalWriter:
    """Appends records. Make it after forking: it holds a lock and may own threads. Any thread may call it."""

    def __init__(
        self,
        directory: Path,
        *,
        clock: Clock,
        segment_bytes: int = 1 << 20,
        limit_bytes: int = DEFAULT_LIMIT_BYTES,
        sync: SyncPolicy = SyncPolicy.GROUP,
    ) -> None:
        """Open or make the journal (0700) in `directory`; a torn tail is zeroed, the numbering carries on.

        Raises: Fatal: another writer has it. JournalFull, JournalBroken: the disk. BadInput: limit too small.
        """
        if limit_bytes < 2 * segment_bytes:
            cure = f"it must hold two segments of {segment_bytes} bytes"
            raise BadInput("journal limit", limit_bytes, cure)
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.cut_bytes = 0
        """Bytes of a torn record that were zeroed at opening."""
        self._directory = directory
        self._clock = clock
        self._policy = sync
        self._segment_bytes = segment_bytes
        self._changed = Condition()
        self._flushing = Lock()
        self._error: Fatal | None = None
        self._closing = self._urgent = self._syncer_idle = False
        self._retired: list[int] = []
        self._name_is_new = True
        self._last_seq = self._last_tx_time = self._durable_seq = 0
        self._fd, self._position, self._capacity = -1, 0, 0
        self._lock_fd = _locked(directory)
        try:
            self._room = JournalRoom(
                directory,
                segment_bytes=segment_bytes,
                limit_bytes=limit_bytes,
                flush=sync is not SyncPolicy.NONE,
            )
            with self._changed:
                self._open_newest()
        except BaseException:
            os.close(self._lock_fd)
            raise
        self._measured_ns = clock.monotonic_ns()
        self._fits = self._room.within_limit()
        self._syncer: Thread | None = None
        if sync is SyncPolicy.GROUP:
            self._syncer = Thread(target=self._sync_loop, name="journal-sync", daemon=True)
            self._syncer.start()

    @property
    def last_seq(self) -> int:
        """Sequence of the newest record; 0 in a new journal."""
        return self._last_seq

    @property
    def durable_seq(self) -> int:
        """Newest sequence that this writer knows to be flushed."""
        return self._durable_seq

    @property
    def accepts_entries(self) -> bool:
        """False when the journal is over its limit, the disk nearly full, or the writer broken: no new orders.

        Looked at anew when a segment is begun, and once a second while False. Exits may still be recorded.
        """
        if self._error is not None:
            return False
        if self._fits and not self._room.is_low:
            return True
        now_ns = self._clock.monotonic_ns()
        if now_ns - self._measured_ns >= _MEASURE_NS:
            with self._changed:
                self._measured_ns = now_ns
                self._fits = self._room.within_limit()
        return self._fits and not self._room.is_low

    def append(self, body: bytes, *, tx_time: int | None = None) -> int:
        """Write one record and return its gapless sequence.

        `tx_time` (ns UTC; the clock's by default) is raised to one more than the last one's where needed.
        Raises: RecordTooLarge; JournalFull: nothing was written; JournalBroken: this writer is finished.
        """
        size = HEADER.size + len(body)
        if size > self._segment_bytes:
            room = self._segment_bytes - HEADER.size
            raise RecordTooLarge(f"a record of {len(body)} bytes; a segment has room for {room}")
        if len(self._retired) >= _RETIRED_SEGMENTS:
            self._flush()
        with self._changed:
            self._check()
            if self._position + size > self._capacity:
                self._roll()
            seq = self._last_seq + 1
            stamp = max(self._clock.now_ns() if tx_time is None else tx_time, self._last_tx_time + 1)
            self._write(framed(seq, stamp, body))
            self._last_seq, self._last_tx_time = seq, stamp
            if self._position * 2 >= self._capacity:
                self._room.prepare_spare()
            if self._syncer_idle:
                self._changed.notify_all()
        if self._policy is SyncPolicy.STRICT:
            self._flush()
        return seq

    def sync(self) -> None:
        """Flush everything appended so far. Raises: JournalBroken: it failed, now or before."""
        self._check()
        self._flush()

    def wait_durable(self, seq: int, timeout_seconds: float) -> bool:
        """Wait until record `seq` is flushed; False when the time ran out. Raises: JournalBroken.

        Under NONE and STRICT there is nobody to wait for: it flushes here.
        """
        if self._policy is not SyncPolicy.GROUP:
            if self._durable_seq < seq:
                self.sync()
            return self._durable_seq >= seq
        with self._changed:
            if self._durable_seq < seq:
                self._urgent = True
                self._changed.notify_all()
                self._changed.wait_for(lambda: self._durable_seq >= seq or self._error, timeout_seconds)
            if self._durable_seq < seq:
                self._check()
            return self._durable_seq >= seq

    def close(self) -> None:
        """Flush (unless another process does that), end the threads, let go of the directory."""
        with self._changed:
            if self._fd < 0:
                return
            self._closing = True
            self._changed.notify_all()
        if self._syncer is not None:
            self._syncer.join(_CLOSE_SECONDS)
        if self._policy is not SyncPolicy.NONE and self._error is None:
            self._flush()
        self._room.close()
        with self._changed:
            self._error = self._error or Fatal(f"{self._directory}: the journal was closed")
            for fd in (*self._retired, self._fd, self._lock_fd):
                os.close(fd)
            self._retired.clear()
            self._fd = -1

    def _check(self) -> None:
        if self._error is not None:
            raise self._error

    def _write(self, data: bytes) -> None:
        try:
            try:
                write_all(self._fd, data, self._position)
            except OSError as error:
                # Copy-on-write file systems can be full even where zeros already stand.
                if not is_out_of_room(error):
                    raise
                if not self._room.spend_ballast():
                    raise JournalFull(f"{self._directory}: {error}") from error
                write_all(self._fd, data, self._position)
        except OSError as error:
            if is_out_of_room(error):
                raise JournalFull(f"{self._directory}: {error}") from error
            raise self._broken(error) from error
        self._position += len(data)

    def _roll(self) -> None:
        # Taken first: when there is no room nothing has changed, and a later append may try again.
        fd = self._room.take_segment(self._last_seq + 1)
        if self._fd >= 0:
            self._retired.append(self._fd)
        self._fd, self._position, self._capacity = fd, 0, self._segment_bytes
        self._name_is_new = True
        self._fits = self._room.within_limit()

    def _flush(self) -> None:
        with self._flushing:
            with self._changed:
                # A writer whose flush failed once must never flush again: it would "succeed" over lost pages.
                self._check()
                target, name_is_new = self._last_seq, self._name_is_new
                retired = list(self._retired)
                fds = [*retired, self._fd]
                self._name_is_new = False
            try:
                for fd in fds:
                    os.fdatasync(fd)
                if name_is_new:
                    fsync_directory(self._directory)
            except OSError as error:
                with self._changed:
                    raise self._broken(error) from error
            with self._changed:
                for fd in retired:
                    self._retired.remove(fd)
                    os.close(fd)
                self._durable_seq = max(self._durable_seq, target)
                self._changed.notify_all()

    def _broken(self, error: OSError) -> JournalBroken:
        broken = JournalBroken(f"{self._directory}: {error}")
        self._error = broken
        self._changed.notify_all()
        return broken

    def _sync_loop(self) -> None:
        while True:
            with self._changed:
                self._syncer_idle = True
                self._changed.wait_for(lambda: self._closing or self._last_seq > self._durable_seq)
                self._syncer_idle = False
                if self._closing or self._error is not None:
                    return
                if not self._urgent:
                    self._changed.wait_for(lambda: self._closing or self._urgent, _LINGER_SECONDS)
                self._urgent = False
            try:
                self._flush()
            except Fatal:
                # Kept in `_error`: the next call of the owner raises it.
                return

    def _open_newest(self) -> None:
        seqs = first_seqs(self._directory)
        if not seqs:
            self._roll()
            return
        # The newest segment may still be empty; the one before it then knows the last time.
        for first_seq in seqs[-2:]:
            self._scan(first_seq)
        self._fd = os.open(self._directory / segment_name(seqs[-1]), os.O_RDWR | os.O_CLOEXEC)
        self._zero_tail()

    def _scan(self, first_seq: int) -> None:
        fd = os.open(self._directory / segment_name(first_seq), os.O_RDONLY | os.O_CLOEXEC)
        try:
            self._last_seq, self._position = first_seq - 1, 0
            while (record := record_at(fd, self._position, self._last_seq + 1)) is not None:
                self._last_seq, self._last_tx_time = record.seq, record.tx_time
                self._position += record_bytes(record)
        finally:
            os.close(fd)

    def _zero_tail(self) -> None:
        """Zero what a dead writer left behind its last whole record, so that it can never parse later."""
        size = os.fstat(self._fd).st_size
        tail = os.pread(self._fd, max(0, size - self._position), self._position)
        self._capacity = max(size, self._segment_bytes)
        self.cut_bytes = len(tail.rstrip(b"\0"))
        if self.cut_bytes:
            self._keep_aside(tail[: self.cut_bytes])
        if self.cut_bytes or size < self._segment_bytes:
            position = self._position
            self._write(bytes(self._capacity - position))
            self._position = position

    def _keep_aside(self, tail: bytes) -> None:
        """Behind a damaged record sound ones may follow: a person may want them. Only the newest cut is kept."""
        with suppress(OSError):  # no room for it is no reason not to start
            (self._directory / CUT_NAME).write_bytes(tail)


def _locked(directory: Path) -> int:
    fd = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(fd)
        raise Fatal(f"{directory} already has a writer: a journal takes one") from error
    return fd
