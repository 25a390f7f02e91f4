"""Segment files of a journal: how a record is framed, how files are named, and the journal's errors.

A record is `[len u32][crc32 u32][seq u64][tx_time i64][body]`, little endian; the checksum covers everything
else. A segment is a zero-filled file named after its first sequence: what does not parse is not written.
"""

from __future__ import annotations

import os
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from kyzlo_actors.domain.errors import Fatal

HEADER: Final = struct.Struct("<IIQq")
_CHECKED: Final = struct.Struct("<IQq")
SUFFIX: Final = ".seg"


class JournalFull(Fatal):
    """Not even the reserve has room: nothing was written."""


class JournalBroken(Fatal):
    """The disk failed a write or a flush.

    A flush is never tried again: the kernel may have dropped the pages.
    """


class JournalCorrupt(Fatal):
    """A record that must be there is missing or damaged."""


class RecordTooLarge(Fatal):
    """A record must fit into one segment."""


@dataclass(frozen=True, slots=True)
class JournalRecord:
    """One entry: gapless `seq` from 1, `tx_time` (ns UTC, strictly rising), and the encoded body."""

    seq: int
    tx_time: int
    body: bytes


def framed(seq: int, tx_time: int, body: bytes) -> bytes:
    """The bytes of one record."""
    crc = zlib.crc32(body, zlib.crc32(_CHECKED.pack(len(body), seq, tx_time)))
    return HEADER.pack(len(body), crc, seq, tx_time) + body


def record_at(fd: int, offset: int, expected_seq: int) -> JournalRecord | None:
    """The whole record `expected_seq` at `offset`; None when nothing complete is there."""
    head = os.pread(fd, HEADER.size, offset)
    if len(head) < HEADER.size:
        return None
    length, crc, seq, tx_time = HEADER.unpack(head)
    # A torn header may claim any length: the file's end bounds what is read.
    if seq != expected_seq or offset + HEADER.size + length > os.fstat(fd).st_size:
        return None
    body = os.pread(fd, length, offset + HEADER.size)
    if len(body) < length or zlib.crc32(body, zlib.crc32(_CHECKED.pack(length, seq, tx_time))) != crc:
        return None
    return JournalRecord(seq, tx_time, body)


def record_bytes(record: JournalRecord) -> int:
    """Bytes the record takes in its segment."""
    return HEADER.size + len(record.body)


def segment_name(first_seq: int) -> str:
    """File name of the segment that begins with `first_seq`; names sort as their sequences do."""
    return f"{first_seq:020d}{SUFFIX}"


def first_seqs(directory: Path) -> list[int]:
    """First sequences of all segments in `directory`, ascending; empty when there are none."""
    try:
        names = os.listdir(directory)
    except FileNotFoundError:
        return []
    stems = (name.removesuffix(SUFFIX) for name in names if name.endswith(SUFFIX))
    return sorted(int(stem) for stem in stems if stem.isdecimal())
