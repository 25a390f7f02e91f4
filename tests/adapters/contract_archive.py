"""What every `Archive` must do, in memory or on disk: the same tests run on each."""

from __future__ import annotations

import pytest

from kyzlo_actors.domain.errors import Fatal
from kyzlo_actors.ports.persistence import Archive, StoredRecord


def records(first: int, last: int, writer_id: str = "risk") -> list[StoredRecord]:
    return [
        StoredRecord(writer_id=writer_id, sequence=number, tx_time=number, body=b"body %d" % number)
        for number in range(first, last + 1)
    ]


class ArchiveContract:
    """Inherit and give an `archive` fixture and `stored(archive)`."""

    def stored(self, archive: Archive) -> list[StoredRecord]:
        raise NotImplementedError

    def test_a_new_one_knows_nobody(self, archive: Archive) -> None:
        assert archive.offsets() == {}

    def test_records_and_offsets_go_together(self, archive: Archive) -> None:
        archive.store([*records(1, 3), *records(7, 8, "broker")], {"risk": 3, "broker": 8})
        archive.store(records(4, 4), {"risk": 4})
        assert archive.offsets() == {"risk": 4, "broker": 8}
        assert self.stored(archive) == [*records(1, 3), *records(7, 8, "broker"), *records(4, 4)]

    def test_a_repeated_step_stores_nothing_twice(self, archive: Archive) -> None:
        archive.store(records(1, 3), {"risk": 3})
        archive.store(records(1, 3), {"risk": 3})
        archive.store(records(2, 5), {"risk": 5})
        assert self.stored(archive) == records(1, 5)

    def test_a_gap_is_refused_and_nothing_changes(self, archive: Archive) -> None:
        archive.store(records(1, 3), {"risk": 3})
        for wrong, offsets in ((records(5, 6), {"risk": 6}), (records(4, 5), {"risk": 4}), ([], {"risk": 2})):
            with pytest.raises(Fatal):
                archive.store(wrong, offsets)
        assert archive.offsets() == {"risk": 3}
        assert self.stored(archive) == records(1, 3)
        archive.store(records(4, 4), {"risk": 4})

    def test_an_empty_step_is_nothing(self, archive: Archive) -> None:
        archive.store([], {})
        assert self.stored(archive) == []
