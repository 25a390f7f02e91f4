"""The archive's file format: frames of records and offsets, each proven by its checksum. No policy here.

A frame is `KYZF`, the payload's length (u32), its CRC-32 (u32), the payload; all numbers are little-endian.
The payload: number of offsets (u32), each writer's name (u16 length, UTF-8) and sequence (u64); number of
records (u32), each writer's name, sequence (u64), tx_time (i64), body (u32 length).
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import BinaryIO, Final

from kyzlo_actors.domain.errors import Fatal
from kyzlo_actors.ports.persistence import StoredRecord

MAX_PAYLOAD_BYTES: Final = 64 << 20
_MAGIC: Final = b"KYZF"
_HEADER: Final = struct.Struct("<4sII")
_COUNT: Final = struct.Struct("<I")
_NAME: Final = struct.Struct("<H")
_SEQUENCE: Final = struct.Struct("<Q")
_RECORD: Final = struct.Struct("<QqI")
_SEARCH_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """What was stored in one step; `end` is the offset in the file of the first byte after it."""

    records: tuple[StoredRecord, ...]
    offsets: dict[str, int]
    end: int


def encode_frame(records: Sequence[StoredRecord], offsets: Mapping[str, int]) -> bytes:
    """One frame. Raises: Fatal: it would be larger than `MAX_PAYLOAD_BYTES`."""
    parts = [_COUNT.pack(len(offsets))]
    for writer_id, sequence in offsets.items():
        parts += (_name(writer_id), _SEQUENCE.pack(sequence))
    parts.append(_COUNT.pack(len(records)))
    for record in records:
        head = _RECORD.pack(record.sequence, record.tx_time, len(record.body))
        parts += (_name(record.writer_id), head, record.body)
    payload = b"".join(parts)
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise Fatal(f"{len(payload)} bytes in one step: the archive takes {MAX_PAYLOAD_BYTES}, store fewer")
    return _HEADER.pack(_MAGIC, len(payload), zlib.crc32(payload)) + payload


def read_frames(file: BinaryIO) -> Iterator[Frame]:
    """Frames from the file's position up to the first that is not whole and sound."""
    while True:
        payload = _read_payload(file)
        if payload is None:
            return
        records, offsets = _decode(payload)
        yield Frame(records=records, offsets=offsets, end=file.tell())


def sound_frame_after(file: BinaryIO, start: int) -> int | None:
    """Where a sound frame begins behind `start`, or None. One behind a bad frame means damage, not a torn tail."""
    position = start + 1
    while True:
        file.seek(position)
        chunk = file.read(_SEARCH_BYTES)
        found = chunk.find(_MAGIC)
        if found < 0:
            if len(chunk) < _SEARCH_BYTES:
                return None
            position += len(chunk) - len(_MAGIC) + 1
            continue
        file.seek(position + found)
        if _read_payload(file) is not None:
            return position + found
        position += found + 1


def _read_payload(file: BinaryIO) -> bytes | None:
    header = file.read(_HEADER.size)
    if len(header) < _HEADER.size:
        return None
    magic, length, checksum = _HEADER.unpack(header)
    if magic != _MAGIC or length > MAX_PAYLOAD_BYTES:
        return None
    payload = file.read(length)
    if len(payload) < length or zlib.crc32(payload) != checksum:
        return None
    return payload


def _decode(payload: bytes) -> tuple[tuple[StoredRecord, ...], dict[str, int]]:
    """Raises: Fatal: the checksum holds but the content does not: another program wrote it."""
    try:
        reader = _Reader(payload)
        offsets = {reader.name(): reader.unpack(_SEQUENCE)[0] for _ in range(reader.unpack(_COUNT)[0])}
        records = tuple(reader.record() for _ in range(reader.unpack(_COUNT)[0]))
    except (struct.error, UnicodeDecodeError) as error:
        raise Fatal(f"the archive holds a frame of another format: {error}") from error
    return records, offsets


class _Reader:
    """Takes one value after the other out of a payload."""

    def __init__(self, payload: bytes) -> None:
        self._payload = payload
        self._at = 0

    def unpack(self, layout: struct.Struct) -> tuple[int, ...]:
        values = layout.unpack_from(self._payload, self._at)
        self._at += layout.size
        return values

    def take(self, length: int) -> bytes:
        taken = self._payload[self._at : self._at + length]
        if len(taken) < length:
            raise struct.error("the payload is too short")
        self._at += length
        return taken

    def name(self) -> str:
        return self.take(self.unpack(_NAME)[0]).decode()

    def record(self) -> StoredRecord:
        writer_id = self.name()
        sequence, tx_time, length = self.unpack(_RECORD)
        return StoredRecord(writer_id=writer_id, sequence=sequence, tx_time=tx_time, body=self.take(length))


def _name(writer_id: str) -> bytes:
    encoded = writer_id.encode()
    return _NAME.pack(len(encoded)) + encoded
