"""The board: one row of shared memory for each actor, read by supervisors, guardian, status and table.

Each field has exactly one writing process and is one 8-byte word, so there is no lock; two fields of one
snapshot may be of different instants. Bounds: as many rows as names, all made at the start.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypedDict, Unpack

from kyzlo_actors.domain.errors import Fatal
from kyzlo_actors.infrastructure.mailbox.mapped_file import HEADER_BYTES, MappedFile

# A zero-filled row has no signal; the word holds signal + 2.
NO_SIGNAL: Final = -2
# `state` of a symbol's row once its supervisor gave it up.
QUARANTINED: Final = 2
_LAYOUT: Final = "board 1"
_ROW_WORDS: Final = 16

_PID: Final = 0
_INCARNATION: Final = 1
_BEAT: Final = 2
_SIGNAL: Final = 3
_READY: Final = 4
_INTEGERS: Final = {
    "signal": _SIGNAL,
    "ready": _READY,
    "restarts": 5,
    "bar_count": 6,
    "sequence": 7,
    "state": 8,
    "paused": 13,
}
_FLOATS: Final = {"position": 9, "realized_pnl": 10, "unrealized_pnl": 11, "last_price": 12}


class BoardFields(TypedDict, total=False):
    """What `publish` takes; the actor writes all but `restarts` (supervisor), `sequence` (broker) and `paused`
    (risk)."""

    restarts: int
    position: float
    realized_pnl: float
    unrealized_pnl: float
    last_price: float
    signal: int
    bar_count: int
    sequence: int
    state: int
    paused: int
    ready: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardRow:
    """One row as it was read. `beat_ns` is what the actor passed to `beat`; pid 0: it never started.

    `signal` is the sign of the target position, or NO_SIGNAL. Money in dollars, position in signed shares.
    `sequence` is the symbol's newest fill sequence at the broker actor. `paused`: the gate denies its entries because a
    person said so.
    """

    name: str
    pid: int
    incarnation: int
    beat_ns: int
    restarts: int
    position: float
    realized_pnl: float
    unrealized_pnl: float
    last_price: float
    signal: int
    bar_count: int
    sequence: int
    state: int
    ready: int
    paused: int = 0


class BoardSlot:
    """One actor's row; the same object writes and reads."""

    __slots__ = ("_base", "_floats", "_words", "name")

    def __init__(self, name: str, file: MappedFile, base: int) -> None:
        self.name = name
        self._words = file.words
        self._floats = file.floats
        self._base = base

    def start(self, pid: int, incarnation: int) -> None:
        """A new life of the actor: not ready, no beat yet. The pid comes last: who sees it sees the rest."""
        self._words[self._base + _READY] = 0
        self._words[self._base + _BEAT] = 0
        self._words[self._base + _INCARNATION] = incarnation
        self._words[self._base + _PID] = pid

    def beat(self, now_ns: int) -> None:
        """The work thread is alive at `now_ns` (which clock is the caller's choice: monotonic)."""
        self._words[self._base + _BEAT] = now_ns

    def publish(self, **fields: Unpack[BoardFields]) -> None:
        """Write the named fields. Raises: Fatal: no such field."""
        for name, value in fields.items():
            if (word := _INTEGERS.get(name)) is not None:
                assert isinstance(value, int)
                self._words[self._base + word] = value - NO_SIGNAL if word == _SIGNAL else value
            elif (word := _FLOATS.get(name)) is not None:
                assert isinstance(value, int | float)
                self._floats[self._base + word] = float(value)
            else:
                raise Fatal(f"the board has no field {name!r}")

    def snapshot(self) -> BoardRow:
        """Every field as it is now."""
        words, floats, base = self._words, self._floats, self._base
        return BoardRow(
            name=self.name,
            pid=words[base + _PID],
            incarnation=words[base + _INCARNATION],
            beat_ns=words[base + _BEAT],
            signal=words[base + _SIGNAL] + NO_SIGNAL,
            ready=words[base + _READY],
            restarts=words[base + _INTEGERS["restarts"]],
            bar_count=words[base + _INTEGERS["bar_count"]],
            sequence=words[base + _INTEGERS["sequence"]],
            state=words[base + _INTEGERS["state"]],
            paused=words[base + _INTEGERS["paused"]],
            position=floats[base + _FLOATS["position"]],
            realized_pnl=floats[base + _FLOATS["realized_pnl"]],
            unrealized_pnl=floats[base + _FLOATS["unrealized_pnl"]],
            last_price=floats[base + _FLOATS["last_price"]],
        )


class Board:
    """All rows. The order of `names` is the identity: both sides pass the same sequence."""

    def __init__(self, file: MappedFile, names: Sequence[str]) -> None:
        self._file = file
        self.names = tuple(names)
        self._slots = {
            name: BoardSlot(name, file, HEADER_BYTES // 8 + index * _ROW_WORDS)
            for index, name in enumerate(names)
        }

    @classmethod
    def create(cls, path: Path, names: Sequence[str]) -> Board:
        """Make the board (0600), all zero.

        Once, before the tree starts: an old pid must not be killed for silence. Raises: Fatal.
        """
        size = _size(names)
        file = MappedFile.create(path, _LAYOUT, names, size)
        file.memory[HEADER_BYTES:size] = bytes(size - HEADER_BYTES)
        return cls(file, names)

    @classmethod
    def open(cls, path: Path, names: Sequence[str]) -> Board:
        """Map it for writing and reading. Raises: Fatal: missing, or made for other names."""
        return cls(MappedFile.open(path, _LAYOUT, names, _size(names), writable=True), names)

    def row(self, name: str) -> BoardSlot:
        """The row of one actor. Raises: Fatal: it has none."""
        slot = self._slots.get(name)
        if slot is None:
            raise Fatal(f"the board has no row {name!r}")
        return slot

    def snapshot(self) -> tuple[BoardRow, ...]:
        """All rows, in the order of the names."""
        return tuple(slot.snapshot() for slot in self._slots.values())

    def close(self) -> None:
        """Unmap it."""
        self._file.close()


def _size(names: Sequence[str]) -> int:
    return HEADER_BYTES + len(names) * _ROW_WORDS * 8
