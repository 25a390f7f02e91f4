"""Rubbish made of real replies: JSON with parts missing, mistyped, unknown or doubled, and bytes that are no JSON."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import orjson
from hypothesis import strategies as st

# What stands where something else should: each has been the end of some parser.
ODD_VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1.5, -0.0, 1e308, 1e-320, 2**53, 2**63 - 1, -(2**63), 2**64 - 1,
    "", " ", "0", "-1", "nan", "NaN", "inf", "-Infinity", "1e400", "1e-400", "1_000", "٣", "0x10", "true", "null",
    "None", "N" * 300, "\x00", "é\u2028", "<html>", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00+23:59",
    "2026-11-20T25:61:61Z", "2026-02-30", "24:00", "09:30+25:00", "99:99",
    "http://[", "//", "?", "https://127.0.0.1:99999/x?cursor=%", "9" * 70,
    [], {}, [[]], [None], {"": None}, {"id": {}}, [0] * 50,
)  # fmt: skip
_GONE = object()
HTML = b"<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>nginx</body>\r\n</html>\r\n"
NO_JSON: tuple[bytes, ...] = (
    b"", b" ", HTML, b"\xff\xfe\x00", b"\xc3\x28",
    b"\xef\xbb\xbf{}", b"NaN", b"[1,", b'{"a":', b'"\\ud800"', b"\x00" * 64,
    b"[" * 100_000, b'{"a":' * 50_000, b"9" * 100_000, b"-", b"1e99999", b'{"a":1}{"a":1}', b"[]x",
)  # fmt: skip


def paths(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a JSON value, the outermost first."""
    found = [at]
    if isinstance(value, dict):
        for key, part in value.items():
            found += paths(part, (*at, key))
    elif isinstance(value, list):
        for index, part in enumerate(value):
            found += paths(part, (*at, index))
    return found


def each_part_spoilt(value: Any) -> Iterator[Any]:
    """The value with one part left out, and with one part replaced by each odd value: all of them."""
    for path in paths(value)[1:]:
        for odd in (*ODD_VALUES, _GONE):
            spoilt = copy.deepcopy(value)
            parent = spoilt
            for step in path[:-1]:
                parent = parent[step]
            if odd is _GONE:
                del parent[path[-1]]
            else:
                parent[path[-1]] = copy.deepcopy(odd)
            yield spoilt


@st.composite
def damaged(draw: st.DrawFn, samples: list[Any]) -> Any:
    """One of the values with up to four of its parts damaged."""
    value = copy.deepcopy(draw(st.sampled_from(samples)))
    for _ in range(draw(st.integers(0, 4))):
        value = _damage(draw, value, draw(st.sampled_from(paths(value))))
    return value


@st.composite
def damaged_bytes(draw: st.DrawFn, samples: list[Any]) -> bytes:
    """One of the values, damaged, as it might come over a wire: cut, in another encoding, or no JSON at all."""
    kind = draw(st.sampled_from(("whole", "whole", "cut", "flipped", "utf-16", "latin-1", "foreign")))
    if kind == "foreign":
        return draw(st.one_of(st.sampled_from(NO_JSON), st.binary(max_size=200)))
    data = orjson.dumps(draw(damaged(samples)))
    if kind == "cut":
        return data[: draw(st.integers(0, len(data)))]
    if kind == "flipped" and data:
        place = draw(st.integers(0, len(data) - 1))
        return data[:place] + bytes([draw(st.integers(0, 255))]) + data[place + 1 :]
    if kind in ("utf-16", "latin-1"):
        return data.decode().encode(kind, "replace")
    return data


def _damage(draw: st.DrawFn, value: Any, path: tuple[Any, ...]) -> Any:
    odd = draw(st.one_of(st.sampled_from(ODD_VALUES), st.text(max_size=20), st.floats(allow_nan=False)))
    if not path:
        # Mostly inside: rubbish as a whole is soon told.
        return odd if draw(st.integers(0, 9)) == 0 else value
    parent = value
    for step in path[:-1]:
        parent = parent[step]
    last, act = path[-1], draw(st.sampled_from(("set", "set", "drop", "add", "double")))
    if act == "set":
        parent[last] = copy.deepcopy(odd)
    elif act == "drop":
        del parent[last]
    elif isinstance(parent, dict):
        parent["unheard_of" if act == "add" else f"{last}_too"] = copy.deepcopy(odd)
    else:
        parent.append(copy.deepcopy(parent[last] if act == "double" else odd))
    return value
