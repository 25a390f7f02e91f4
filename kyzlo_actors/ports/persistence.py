"""Port to the memory: journal records go in with their offsets, atomically."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRecord:
    """One journal entry: who wrote it, its gapless sequence there, when (ns UTC), and the encoded body."""

    writer_id: str
    sequence: int
    tx_time: int
    body: bytes


class Archive(Protocol):
    """Stores every record exactly once: records and offsets change together or not at all."""

    def offsets(self) -> dict[str, int]:
        """Highest stored sequence of each writer."""

    def store(self, records: Sequence[StoredRecord], offsets: Mapping[str, int]) -> None:
        """Store the records and the new offsets in one atomic step.

        Raises: Recoverable: nothing was stored, try again. Fatal: the store is broken.
        """

    def close(self) -> None:
        """Release it."""
