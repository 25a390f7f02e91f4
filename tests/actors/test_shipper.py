"""The shipper of PersistenceActor: every record once and in order, whatever the store and the journals do."""

from __future__ import annotations

import errno
import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import orjson
import pytest

from kyzlo_actors.actors import persistence
from kyzlo_actors.actors.layout import PERSISTENCE, Layout
from kyzlo_actors.actors.persistence import RETRY_SECONDS, Shipper
from kyzlo_actors.actors.recovery import SnapshotFile
from kyzlo_actors.adapters.persistence.archive import FileArchive
from kyzlo_actors.domain.errors import Recoverable
from kyzlo_actors.domain.symbol_core import SymbolState
from kyzlo_actors.domain.values import NS_PER_SECOND
from kyzlo_actors.infrastructure.journal import JournalWriter, SyncPolicy
from kyzlo_actors.infrastructure.journal_segment import first_seqs, segment_name
from kyzlo_actors.infrastructure.mailbox.board import Board
from kyzlo_actors.ports.persistence import Archive
from tests.actors.shell_bench import Bench
from tests.fakes.archive import MemoryArchive

SEGMENT_BYTES = 1 << 12


class Scene:
    """Journals of a few actors, a store in memory, and the shipper between them."""

    def __init__(self, bench: Bench) -> None:
        self.layout: Layout = bench.layout
        self.clock = bench.clock
        self.archive = MemoryArchive()
        self.board: Board = bench.board
        self._writers: dict[str, JournalWriter] = {}
        self.open_archive: Callable[[], Archive] = lambda: self.archive
        self._registry = replace(bench.registry, open_archive=lambda: self.open_archive())
        self.shipper = self.new_life()

    def new_life(self) -> Shipper:
        self.shipper = Shipper(self._registry, self.board.row(PERSISTENCE))
        return self.shipper

    def write(self, writer: str, count: int, size: int = 20) -> None:
        if writer not in self._writers:
            self._writers[writer] = JournalWriter(
                self.layout.journal(writer),
                clock=self.clock,
                segment_bytes=SEGMENT_BYTES,
                limit_bytes=1 << 20,
                sync=SyncPolicy.NONE,
            )
        for _ in range(count):
            number = self._writers[writer].last_seq + 1
            self._writers[writer].append(orjson.dumps({"n": number, "pad": "x" * size}))

    def ship(self) -> None:
        """Until there is nothing left."""
        for _ in range(100):
            if self.shipper.turn() != 0.0:
                return
        raise AssertionError("the shipper finds no end")

    def stored(self, writer: str) -> list[int]:
        return [record.sequence for record in self.archive.records if record.writer_id == writer]

    def close(self) -> None:
        for writer in self._writers.values():
            writer.close()


@pytest.fixture
def scene() -> Iterator[Scene]:
    bench = Bench()
    made = Scene(bench)
    yield made
    made.close()
    bench.end()


def test_every_record_is_stored_once_and_in_order(scene: Scene) -> None:
    scene.write("risk", 5)
    scene.write("symbol-AAA", 300)
    scene.ship()
    scene.write("risk", 2)
    scene.write("symbol-BBB", 1)
    scene.ship()
    assert scene.stored("risk") == [1, 2, 3, 4, 5, 6, 7]
    assert scene.stored("symbol-AAA") == list(range(1, 301))
    assert scene.stored("symbol-BBB") == [1]
    assert scene.board.row(PERSISTENCE).snapshot().sequence == 308


def test_a_batch_is_bounded(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(persistence, "BATCH_RECORDS", 7)
    scene.write("risk", 20)
    assert scene.shipper.turn() == 0.0
    assert len(scene.archive.records) == 7
    scene.ship()
    assert scene.stored("risk") == list(range(1, 21))


def test_a_store_that_is_away_costs_nothing_but_time(scene: Scene) -> None:
    scene.write("risk", 3)
    scene.archive.down = True
    assert scene.shipper.turn() == RETRY_SECONDS
    scene.write("risk", 3)
    assert scene.shipper.turn() == RETRY_SECONDS
    scene.archive.down = False
    scene.ship()
    assert scene.stored("risk") == [1, 2, 3, 4, 5, 6]


def test_a_store_that_holds_a_lock_is_let_go_before_it_is_opened_again(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.open_archive = lambda: FileArchive(scene.layout.archive, scene.clock)
    scene.write("risk", 3)

    def refuse(*_: object) -> None:
        raise Recoverable("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(FileArchive, "store", refuse)
        assert scene.shipper.turn() == RETRY_SECONDS
        assert scene.shipper.turn() == RETRY_SECONDS
    scene.ship()
    scene.shipper.close()
    archive = FileArchive(scene.layout.archive, scene.clock)
    assert archive.offsets() == {"risk": 3}
    archive.close()


def test_a_store_that_cannot_be_opened_is_tried_again(scene: Scene) -> None:
    def no_room() -> MemoryArchive:
        raise OSError(errno.ENOSPC, "no space left on device")

    scene.write("risk", 3)
    scene.open_archive = no_room
    assert scene.shipper.turn() == RETRY_SECONDS
    scene.open_archive = lambda: scene.archive
    scene.ship()
    assert scene.stored("risk") == [1, 2, 3]


def test_the_next_life_goes_on_behind_what_is_stored(scene: Scene) -> None:
    scene.write("risk", 3)
    scene.ship()
    scene.write("risk", 2)
    scene.new_life()
    scene.ship()
    assert scene.stored("risk") == [1, 2, 3, 4, 5]


def test_only_what_is_stored_and_behind_the_snapshot_is_pruned(scene: Scene) -> None:
    directory = scene.layout.journal("risk")
    scene.write("risk", 400)
    scene.ship()
    assert first_seqs(directory)[0] == 1  # no snapshot yet
    SnapshotFile(scene.layout.snapshots, "risk").save(150, SymbolState(), {})
    scene.clock.advance(31 * NS_PER_SECOND)
    scene.ship()
    kept = first_seqs(directory)
    assert 1 < kept[0] <= 151
    scene.archive.down = True
    scene.write("risk", 200)
    SnapshotFile(scene.layout.snapshots, "risk").save(600, SymbolState(), {})
    scene.clock.advance(31 * NS_PER_SECOND)
    scene.shipper.turn()
    assert first_seqs(directory)[0] <= 401  # what is not stored stays
    scene.archive.down = False
    scene.ship()
    assert scene.stored("risk") == list(range(1, 601))


def test_a_damaged_journal_stops_itself_and_nobody_else(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    scene.write("risk", 200)
    damage(scene.layout.journal("risk"), record_number=10)
    scene.write("symbol-AAA", 5)
    with caplog.at_level(logging.CRITICAL):
        scene.ship()
        scene.write("symbol-AAA", 5)
        scene.write("risk", 5)
        scene.ship()
    assert scene.stored("risk") == list(range(1, 10))
    assert scene.stored("symbol-AAA") == list(range(1, 11))
    assert len([record for record in caplog.records if "damaged" in record.message]) == 1


def damage(directory: Path, record_number: int) -> None:
    """Turn over one byte of a record's text in the first segment."""
    path = directory / segment_name(1)
    content = bytearray(path.read_bytes())
    place = content.index(b'{"n":%d,' % record_number)
    content[place + 6] ^= 0xFF
    path.write_bytes(content)
