"""An `Archive` in memory, with the same promises as the real one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kyzlo_actors.domain.errors import Fatal, Recoverable
from kyzlo_actors.ports.persistence import StoredRecord


class MemoryArchive:
    """`records` is all that was stored. While `down`, every step is refused and nothing changes."""

    def __init__(self) -> None:
        self.records: list[StoredRecord] = []
        self.down = False
        self._offsets: dict[str, int] = {}

    def offsets(self) -> dict[str, int]:
        return dict(self._offsets)

    def store(self, records: Sequence[StoredRecord], offsets: Mapping[str, int]) -> None:
        if self.down:
            raise Recoverable("the archive is down")
        fresh = [record for record in records if record.sequence > self._offsets.get(record.writer_id, 0)]
        reached = dict(self._offsets)
        for record in fresh:
            before = reached.get(record.writer_id, record.sequence - 1)
            if record.sequence != before + 1:
                raise Fatal(f"{record.writer_id} goes from {before} to {record.sequence}")
            reached[record.writer_id] = record.sequence
        for name, value in offsets.items():
            if value < self._offsets.get(name, 0):
                raise Fatal(f"the offset of {name} would go back to {value}")
        if any(offsets.get(record.writer_id, 0) != reached[record.writer_id] for record in fresh):
            raise Fatal("records end elsewhere than their offset")
        self.records += fresh
        self._offsets.update(offsets)

    def close(self) -> None:
        return None
