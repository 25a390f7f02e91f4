"""Room for the journals."""

from __future__ import annotations

from typing import Final

from kyzlo_actors.bootstrap.doctor.finding import Finding, fail, ok, warn

DISK: Final = "disk"
# What one actor's journal keeps at least: the segment it writes, the next one, and the reserve.
_SEGMENTS: Final = 3
_MIB: Final = 1 << 20


def disk_finding(*, free_bytes: int, actors: int, segment_bytes: int, limit_bytes: int) -> Finding:
    """`limit_bytes` and `segment_bytes` are those of one actor's journal."""
    least, most = actors * _SEGMENTS * segment_bytes, actors * limit_bytes
    text = f"{free_bytes // _MIB} MiB free"
    if free_bytes < least:
        cure = f"{actors} actors need {least // _MIB} MiB to begin: make room, or name another [paths]"
        return fail(DISK, text, cure)
    if free_bytes < most:
        cure = f"journals could come to {most // _MIB} MiB: make room, or lower [journal] limit_mib"
        return warn(DISK, text, cure)
    return ok(DISK, f"{text}; the journals of {actors} actors take {most // _MIB} MiB at the very most")
