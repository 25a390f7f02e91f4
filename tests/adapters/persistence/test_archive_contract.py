"""The archive contract in memory and on disk."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from kyzlo_actors.adapters.persistence.archive import FileArchive, read_archive
from kyzlo_actors.ports.persistence import Archive, StoredRecord
from tests.adapters.contract_archive import ArchiveContract
from tests.fakes.archive import MemoryArchive
from tests.fakes.clock import FakeClock


class TestMemoryArchive(ArchiveContract):
    @pytest.fixture
    def archive(self) -> MemoryArchive:
        return MemoryArchive()

    def stored(self, archive: Archive) -> list[StoredRecord]:
        assert isinstance(archive, MemoryArchive)
        return archive.records


class TestFileArchive(ArchiveContract):
    @pytest.fixture
    def archive(self, tmp_path: Path) -> Iterator[FileArchive]:
        self._directory = tmp_path
        made = FileArchive(tmp_path, FakeClock())
        yield made
        made.close()

    def stored(self, archive: Archive) -> list[StoredRecord]:
        return list(read_archive(self._directory))
