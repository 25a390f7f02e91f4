"""Frames that no careful server would send: what a stream may yet put on the wire on a bad day."""

from __future__ import annotations

from typing import Any, Final, Literal, assert_never, get_args

import orjson

Malformed = Literal[
    "cut", "not_json", "html", "empty", "list", "null", "no_data", "wrong_types", "unknown_stream", "huge"
]
MALFORMED: Final[tuple[str, ...]] = get_args(Malformed)
# Larger than what a client usually takes in one frame (alpaca-py: 32 KiB by its own word, websockets: 1 MiB).
_HUGE_BYTES: Final = 2 * 1024 * 1024


def malformed(kind: Malformed, message: dict[str, Any]) -> bytes:
    """`message` (an envelope `{"stream": …, "data": {…}}` or any object) broken in that way, as bytes of a frame."""
    whole = orjson.dumps(message)
    match kind:
        case "cut":
            return whole[: len(whole) // 2]
        case "not_json":
            return b"\x00\xff{]"
        case "html":
            return b"<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>"
        case "empty":
            return b""
        case "list":
            return b"[1,2,3]"
        case "null":
            return b"null"
        case "no_data":
            return orjson.dumps({name: value for name, value in message.items() if name != "data"})
        case "wrong_types":
            return orjson.dumps(_twisted(message))
        case "unknown_stream":
            return orjson.dumps({**message, "stream": "brand_new_stream"})
        case "huge":
            return orjson.dumps({**message, "padding": "x" * _HUGE_BYTES})
        case _:
            assert_never(kind)


def _twisted(value: Any) -> Any:
    """The same shape with a wrong type at every end; the envelope's `stream` stays, so that it is read at all."""
    if isinstance(value, dict):
        return {name: part if name == "stream" else _twisted(part) for name, part in value.items()}
    if isinstance(value, list):
        return {"0": value}
    return [value] if isinstance(value, str) else "?"
