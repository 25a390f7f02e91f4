"""How Alpaca's websockets write their frames: JSON as text or binary, or MessagePack for who asks for it."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final

import msgpack
import orjson

from kyzlo_actors.domain.values import NS_PER_SECOND
from kyzlo_actors.venue.outlet import Frame
from kyzlo_actors.venue.timestamps import parse_rfc3339, rfc3339

# Largest frame that a client may send.
MAX_CLIENT_BYTES: Final = 64 * 1024
_TIME_DIGITS: Final = 9
_TIME_KEY: Final = "t"


class Wire(StrEnum):
    """How one connection wants its frames."""

    TEXT = "text"
    BINARY = "binary"
    MSGPACK = "msgpack"


def asks_for_msgpack(headers: Mapping[str, str]) -> bool:
    """Whether the upgrade request wants MessagePack."""
    return "msgpack" in headers.get("Content-Type", "").lower()


def packed(body: object, wire: Wire) -> Frame:
    """One frame. Nothing but what JSON knows goes in."""
    if wire is Wire.MSGPACK:
        frame: bytes = msgpack.packb(body)
        return frame
    text = orjson.dumps(body)
    return text if wire is Wire.BINARY else text.decode()


def packed_events(events: list[dict[str, Any]], wire: Wire) -> Frame:
    """One frame of market data: the time of an event (`t`, ns or RFC 3339) is a string, or MessagePack's timestamp."""
    if wire is Wire.MSGPACK:
        return packed([_with_timestamp(event) for event in events], wire)
    return packed([_with_text_time(event) for event in events], wire)


def unpacked(data: str | bytes) -> dict[str, Any]:
    """What a client sent, JSON or MessagePack, as text or binary; empty when it is no object."""
    try:
        command = orjson.loads(data)
    except orjson.JSONDecodeError:
        command = _from_msgpack(data)
    return command if isinstance(command, dict) else {}


def _from_msgpack(data: str | bytes) -> object:
    if isinstance(data, str):
        return None
    try:
        return msgpack.unpackb(data)
    except (ValueError, TypeError, OverflowError, msgpack.UnpackException):
        return None


def _with_timestamp(event: dict[str, Any]) -> dict[str, Any]:
    time = event.get(_TIME_KEY)
    if isinstance(time, str):
        try:
            time = parse_rfc3339(time)
        except ValueError:
            return event
    if not isinstance(time, int):
        return event
    return {**event, _TIME_KEY: msgpack.Timestamp(*divmod(time, NS_PER_SECOND))}


def _with_text_time(event: dict[str, Any]) -> dict[str, Any]:
    time = event.get(_TIME_KEY)
    return {**event, _TIME_KEY: rfc3339(time, _TIME_DIGITS)} if isinstance(time, int) else event
