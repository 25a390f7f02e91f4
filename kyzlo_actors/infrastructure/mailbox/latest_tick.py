"""The latest-tick mailbox: per symbol one slot with the newest tick, and a ring of closed bars.

One writer process (the feed), any number of reading processes, no lock and no queue. The slot is a seqlock:
its sequence is odd while it is being written, and a reader that saw it change reads again.

Bounds: the slot holds one tick, so a slow reader skips ticks and never reads an old one. The ring holds the
last `bar_capacity - 1` readable bars; a reader who comes later is told how many it missed. A read tries
1,000 times.
"""

from __future__ import annotations

import hashlib
import os
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from kyzlo_actors.domain.errors import Fatal
from kyzlo_actors.domain.market import Bar, Tick
from kyzlo_actors.infrastructure.mailbox.mapped_file import HEADER_BYTES, MappedFile

TRADE_ID_BYTES: Final = 32
_READ_ATTEMPTS: Final = 1_000
_HAS_TICK: Final = 1
_HAS_RUNNING: Final = 2

# interval_ns start_ns | open high low close volume | trade_count revision repaired ts_init
_BAR: Final = struct.Struct("@qqdddddqqqq")
# flags | price size | ts_event ts_init exchange trf | trade id and its length | running bar; the sequence
# is before
_BODY: Final = struct.Struct("@qddqqqq32sq" + "qqdddddqqqq")
# sequence, body, and on a word of its own the count of bars ever appended; whole cache lines
_SLOT_BYTES: Final = 256
_COUNT_WORD: Final = 31
_NO_BAR: Final = (0, 0, 0.0, 0.0, 0.0, 0.0, 0.0, 0, 0, 0, 0)
_NO_TICK: Final = (0.0, 0.0, 0, 0, 0, 0, b"", 0)


@dataclass(slots=True)
class SlotView:
    """What one read found. `version` grows with every write; the light record is a value by convention."""

    version: int
    tick: Tick | None
    running: Bar | None


@dataclass(slots=True)
class BarRead:
    """Closed bars in order; read on from `next_position`. `missed` bars were overwritten before this read."""

    bars: list[Bar]
    next_position: int
    missed: int


class TickSlots:
    """The slots and rings of `symbols`; `index` is a symbol's place in that sequence."""

    def __init__(
        self, file: MappedFile, symbols: Sequence[str], bar_capacity: int, *, writable: bool
    ) -> None:
        self._file = file
        self._memory = file.memory
        self._words = file.words
        self._symbols = tuple(symbols)
        self._capacity = bar_capacity
        self._rings = HEADER_BYTES + len(self._symbols) * _SLOT_BYTES
        self._writable = writable

    @classmethod
    def create(cls, path: Path, symbols: Sequence[str], *, bar_capacity: int = 256) -> TickSlots:
        """The writer's side: make the file (0600), or carry on with the one of an earlier writer.

        A slot whose writer died inside a write is emptied; versions, bars and their positions carry on.
        Raises: Fatal.
        """
        layout, size = _layout(symbols, bar_capacity)
        slots = cls(MappedFile.create(path, layout, symbols, size), symbols, bar_capacity, writable=True)
        slots._recover()
        return slots

    @classmethod
    def open(cls, path: Path, symbols: Sequence[str], bar_capacity: int = 256) -> TickSlots:
        """The readers' side, mapped read-only.

        Raises: Fatal: missing, or made for other symbols or capacity.
        """
        layout, size = _layout(symbols, bar_capacity)
        file = MappedFile.open(path, layout, symbols, size, writable=False)
        return cls(file, symbols, bar_capacity, writable=False)

    @property
    def symbols(self) -> tuple[str, ...]:
        """The symbols, in the order of their indexes."""
        return self._symbols

    def write(self, index: int, tick: Tick, running: Bar | None) -> None:
        """Replace the slot. A trade id that is not at most 32 ASCII bytes is cut (see `cut_trade_id`)."""
        self._store(
            index,
            _HAS_TICK if running is None else _HAS_TICK | _HAS_RUNNING,
            tick.price,
            tick.size,
            tick.ts_event,
            tick.ts_init,
            tick.exchange,
            tick.trf,
            *_encoded_trade_id(tick.trade_id),
            *(_NO_BAR if running is None else _bar_values(running)),
        )

    def version(self, index: int) -> int:
        """The slot's sequence: changed means "read"; the cheapest question there is. Odd during a write."""
        return self._words[self._slot_word(index)]

    def read(self, index: int) -> SlotView | None:
        """The newest tick and running bar.

        None when nothing was ever written or no consistent copy was had in 1,000 attempts: the writer died
        inside a write (its successor repairs that) or is held up there (its wake-up comes when it is done).
        """
        words = self._words
        word = self._slot_word(index)
        offset = word * 8 + 8
        for _ in range(_READ_ATTEMPTS):
            version = words[word]
            if version == 0:
                return None
            if version & 1:
                os.sched_yield()
                continue
            values = _BODY.unpack_from(self._memory, offset)
            if words[word] == version:
                return self._view(index, version, values)
        return None

    def append_bar(self, index: int, bar: Bar) -> None:
        """Put a closed (or revised) bar into the ring, over the oldest one when it is full."""
        self._check_writable()
        count_word = self._slot_word(index) + _COUNT_WORD
        count = self._words[count_word]
        _BAR.pack_into(self._memory, self._bar_offset(index, count), *_bar_values(bar))
        self._words[count_word] = count + 1

    def bar_count(self, index: int) -> int:
        """Bars ever appended: the position behind the newest one."""
        return self._words[self._slot_word(index) + _COUNT_WORD]

    def bars_from(self, index: int, position: int) -> BarRead:
        """The bars at `position` and after it.

        A position behind the end (kept from an earlier file) starts over at the oldest bar.
        """
        count = self.bar_count(index)
        position = max(position, 0) if position <= count else max(0, count - self._capacity + 1)
        first = max(position, count - self._capacity + 1)
        bars = [self._bar(index, place) for place in range(first, count)]
        # Whatever the writer overwrote meanwhile, or may be overwriting now, was not read safely.
        safe = max(first, self.bar_count(index) - self._capacity + 1)
        return BarRead(bars[safe - first :], max(count, safe), safe - position)

    def close(self) -> None:
        """Unmap the file."""
        self._file.close()

    def _store(self, index: int, flags: int, *values: float | bytes) -> None:
        self._check_writable()
        word = self._slot_word(index)
        offset = word * 8 + 8
        # Packed first: a value that does not fit must not leave the slot odd.
        body = _BODY.pack(flags, *values)
        # `| 1`: a predecessor may have died inside a write and left it odd.
        writing = self._words[word] | 1
        self._words[word] = writing
        self._memory[offset : offset + _BODY.size] = body
        self._words[word] = writing + 1

    def _recover(self) -> None:
        for index in range(len(self._symbols)):
            if self.version(index) & 1:
                self._store(index, 0, *_NO_TICK, *_NO_BAR)

    def _view(self, index: int, version: int, values: tuple[Any, ...]) -> SlotView:
        flags, price, size, ts_event, ts_init, exchange, trf, trade_id, length, *bar = values
        symbol = self._symbols[index]
        tick = None
        if flags & _HAS_TICK:
            name = trade_id[:length].decode()
            tick = Tick(symbol, price, size, ts_event, ts_init, exchange, trf, name)
        return SlotView(version, tick, _bar_from(symbol, bar) if flags & _HAS_RUNNING else None)

    def _bar(self, index: int, place: int) -> Bar:
        return _bar_from(self._symbols[index], _BAR.unpack_from(self._memory, self._bar_offset(index, place)))

    def _slot_word(self, index: int) -> int:
        if not 0 <= index < len(self._symbols):
            raise IndexError(f"no symbol has index {index}")
        return (HEADER_BYTES + index * _SLOT_BYTES) // 8

    def _bar_offset(self, index: int, place: int) -> int:
        return self._rings + (index * self._capacity + place % self._capacity) * _BAR.size

    def _check_writable(self) -> None:
        if not self._writable:
            raise Fatal("the slots were opened for reading: only the feed writes them")


def cut_trade_id(trade_id: str) -> str:
    """The id as it comes out of a slot: itself if at most 32 ASCII bytes, else 16 of its bytes and a hash.

    A hash, because two long ids with the same beginning are two trades.
    """
    if len(trade_id) <= TRADE_ID_BYTES and trade_id.isascii():
        return trade_id
    head = trade_id[:16].encode("ascii", "replace").decode()
    return head + hashlib.blake2b(trade_id.encode(), digest_size=8).hexdigest()


def _encoded_trade_id(trade_id: str) -> tuple[bytes, int]:
    encoded = cut_trade_id(trade_id).encode()
    return encoded, len(encoded)


def _layout(symbols: Sequence[str], bar_capacity: int) -> tuple[str, int]:
    if bar_capacity < 2:
        raise Fatal(f"a bar ring needs room for at least 2 bars, not {bar_capacity}")
    size = HEADER_BYTES + len(symbols) * (_SLOT_BYTES + bar_capacity * _BAR.size)
    return f"ticks 1 {bar_capacity}", size


def _bar_values(bar: Bar) -> tuple[float, ...]:
    return (
        bar.interval_ns,
        bar.start_ns,
        bar.open,
        bar.high,
        bar.low,
        bar.close,
        bar.volume,
        bar.trade_count,
        bar.revision,
        bar.repaired,
        bar.ts_init,
    )


def _bar_from(symbol: str, values: Sequence[Any]) -> Bar:
    interval, start, open_, high, low, close, volume, count, revision, repaired, ts_init = values
    return Bar(
        symbol, interval, start, open_, high, low, close, volume, count, revision, bool(repaired), ts_init
    )
