"""Canned frames: what a scenario has ready for whoever subscribes to a channel, with its placeholders filled in."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from typing import Any, Final, Literal

from kyzlo_actors.domain.errors import BadInput
from kyzlo_actors.domain.values import NS_PER_MILLISECOND
from kyzlo_actors.venue.scenario import FramePart
from kyzlo_actors.venue.timestamps import rfc3339

Event = Mapping[str, Any]
Frames = tuple[tuple[Event, ...], ...]
_NOW_DIGITS: Final = 9
_PLACEHOLDER: Final = re.compile(r"\$(symbol|now_ms|now_ns|now|seq)(?:([+-])(\d{1,18}))?")


class CannedFrames:
    """The frames of one stream, by channel; `$seq` grows over all that is ever sent from here."""

    def __init__(self, parts: Sequence[FramePart], stream: Literal["polygon", "data"]) -> None:
        """Raises: BadInput: a text begins with `$` and is no placeholder."""
        self._numbers = count(1)
        self._frames: dict[str, Frames] = {}
        for part in parts:
            if part.stream == stream:
                _check(part.frames)
                self._frames[part.channel] = self._frames.get(part.channel, ()) + part.frames

    def frames_for(self, channel: str) -> Frames:
        """As the scenario says them, placeholders and all; empty for a channel without any."""
        return self._frames.get(channel, ())

    def play(self, channel: str, symbol: str, now_ns: int) -> list[list[dict[str, Any]]]:
        """The frames of `channel` for `symbol`, ready to be sent: each inner list is one frame."""
        return canned(self.frames_for(channel), symbol, now_ns, numbers=self._numbers)


def canned(
    frames: Frames, symbol: str, now_ns: int, *, numbers: Iterator[int] | None = None
) -> list[list[dict[str, Any]]]:
    """`frames` with their placeholders filled in; `now_ns` is the same for all, `numbers` gives `$seq`."""
    values: dict[str, Any] = {
        "symbol": symbol,
        "now_ms": now_ns // NS_PER_MILLISECOND,
        "now_ns": now_ns,
        "now": now_ns,
        "seq": numbers or count(1),
    }
    return [[_filled(event, values) for event in frame] for frame in frames]


def _filled(value: Any, values: Mapping[str, Any]) -> Any:
    if isinstance(value, Mapping):
        return {name: _filled(part, values) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_filled(part, values) for part in value]
    found = _PLACEHOLDER.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        return value
    name, sign, digits = found.groups()
    if name == "symbol":
        return values[name]
    base = next(values[name]) if name == "seq" else values[name]
    moved = base + int(f"{sign or '+'}{digits or 0}")
    return rfc3339(moved, _NOW_DIGITS) if name == "now" else moved


def _check(value: Any) -> None:
    if isinstance(value, Mapping):
        for part in value.values():
            _check(part)
    elif isinstance(value, (list, tuple)):
        for part in value:
            _check(part)
    elif isinstance(value, str) and value.startswith("$"):
        found = _PLACEHOLDER.fullmatch(value)
        if found is None or (found[1] == "symbol" and found[2]):
            cure = "use $symbol, $now_ms, $now_ns, $now or $seq; to all but $symbol a number may be added"
            raise BadInput("frames", value, cure)
