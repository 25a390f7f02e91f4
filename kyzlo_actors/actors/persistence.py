"""PersistenceActor: follows every actor's journal and stores it exactly once; it never stands in anybody's way."""

from __future__ import annotations

import logging
import threading
from typing import Final

from kyzlo_actors.actors.base import KyzloActor
from kyzlo_actors.actors.control import StartActor
from kyzlo_actors.actors.recovery import SnapshotFile
from kyzlo_actors.actors.registry import Registry
from kyzlo_actors.domain.errors import Recoverable
from kyzlo_actors.domain.values import NS_PER_SECOND
from kyzlo_actors.infrastructure.journal_reader import JournalFollower, prune, sync_segments
from kyzlo_actors.infrastructure.journal_segment import JournalCorrupt
from kyzlo_actors.infrastructure.mailbox.board import BoardSlot
from kyzlo_actors.ports.persistence import Archive, StoredRecord

BATCH_RECORDS: Final = 2_000
IDLE_SECONDS: Final = 1.0
RETRY_SECONDS: Final = 1.0
PRUNE_EVERY_NS: Final = 30 * NS_PER_SECOND
_STOP_SECONDS: Final = 1.0


class PersistenceActor(KyzloActor):
    """One work thread; the store may be slow or away: journals grow meanwhile, nothing is lost."""

    def on_start(self, message: StartActor) -> None:
        self._shipper = Shipper(self.registry, self.row)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="shipper", daemon=True)
        self._thread.start()

    def on_exit(self) -> None:
        self._stopping.set()
        self._thread.join(_STOP_SECONDS)

    def _run(self) -> None:
        while not self._stopping.is_set():
            self.beat()
            self._stopping.wait(self._shipper.turn())
        self._shipper.turn()  # what was written until the end
        self._shipper.close()


class Shipper:
    """Reads the journals in turn, at most `BATCH_RECORDS` at a time, and stores records with their offsets."""

    def __init__(self, registry: Registry, row: BoardSlot) -> None:
        self._registry = registry
        self._row = row
        self._clock = registry.clock
        self._log = logging.getLogger("kyzlo")
        self._root = registry.layout.state_directory / "journal"
        self._archive: Archive | None = None
        self._followers: dict[str, JournalFollower] = {}
        self._offsets: dict[str, int] = {}
        self._damaged: set[str] = set()
        self._unstored: list[StoredRecord] = []
        self._next_prune_ns = 0
        self.stored = 0

    def turn(self) -> float:
        """One round; returns the seconds to wait before the next."""
        try:
            archive = self._opened()
            self._find_journals()
            count = self._ship(archive)
        except Recoverable as error:
            self._log.warning("the store does not take records now: %s", error)
            self.close()
            return RETRY_SECONDS
        self._prune()
        self._row.publish(ready=1, sequence=self.stored)
        return 0.0 if count else IDLE_SECONDS

    def close(self) -> None:
        """Close the store; the next turn opens it anew (which it could not while this one held it)."""
        if self._archive is not None:
            self._archive.close()
            self._archive = None

    def _opened(self) -> Archive:
        if self._archive is None:
            try:
                self._archive = self._registry.open_archive()
            except OSError as error:
                raise Recoverable(f"it cannot be opened: {error}") from error
            self._offsets = self._archive.offsets()
        return self._archive

    def _find_journals(self) -> None:
        """A journal that appears later (a symbol that was added) is found here; there are as many as actors."""
        if not self._root.is_dir():
            return
        for directory in sorted(self._root.iterdir()):
            writer = directory.name
            if writer not in self._followers and directory.is_dir():
                self._followers[writer] = JournalFollower(directory, self._offsets.get(writer, 0) + 1)

    def _ship(self, archive: Archive) -> int:
        if not self._unstored:
            self._unstored = self._gather()
        if not self._unstored:
            return 0
        self._sync(self._unstored)
        offsets = {**self._offsets}
        for record in self._unstored:
            offsets[record.writer_id] = record.sequence
        archive.store(self._unstored, offsets)
        # Only what is stored counts; a refused batch is kept and offered again.
        self._offsets = offsets
        count, self._unstored = len(self._unstored), []
        self.stored += count
        return count

    def _sync(self, batch: list[StoredRecord]) -> None:
        """Flush what is about to be stored: a power cut must not take entries whose numbers the store knows.

        Symbol journals have no sync thread of their own; this, once a second, is theirs.
        """
        first: dict[str, int] = {}
        for record in batch:
            first.setdefault(record.writer_id, record.sequence)
        for writer, sequence in first.items():
            sync_segments(self._root / writer, sequence)

    def _gather(self) -> list[StoredRecord]:
        batch: list[StoredRecord] = []
        for writer, follower in self._followers.items():
            room = BATCH_RECORDS - len(batch)
            if room <= 0:
                break
            if writer not in self._damaged:
                batch += self._read(writer, follower, room)
        return batch

    def _read(self, writer: str, follower: JournalFollower, room: int) -> list[StoredRecord]:
        """The writer's next records; none any more once its journal is found damaged: the others' go on."""
        try:
            records = follower.poll(room)
        except JournalCorrupt as error:
            self._damaged.add(writer)
            self._log.critical("the journal of %s is damaged and is stored no further: %s", writer, error)
            return []
        return [
            StoredRecord(writer_id=writer, sequence=r.seq, tx_time=r.tx_time, body=r.body) for r in records
        ]

    def _prune(self) -> None:
        """Drop what is stored *and* behind the actor's snapshot: recovery needs the rest."""
        now_ns = self._clock.monotonic_ns()
        if now_ns < self._next_prune_ns:
            return
        self._next_prune_ns = now_ns + PRUNE_EVERY_NS
        for writer in self._followers:
            snapshot = SnapshotFile(self._registry.layout.snapshots, writer)
            through = min(self._offsets.get(writer, 0), snapshot.sequence())
            if through > 0:
                prune(self._root / writer, through)
