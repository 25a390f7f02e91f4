"""Troubles the venue can be told to make. Counters say how often a fault still strikes; 0 is none."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Final

from kyzlo_actors.domain.errors import BadInput

_MAX_DELAY_MS: Final = 60_000
_MAX_COUNT: Final = 1_000_000


@dataclass(slots=True)
class Faults:
    """What goes wrong at present."""

    # The order is taken (`after`) or not even read (`before`), then the connection is cut without a reply.
    drop_after_post: int = 0
    drop_before_post: int = 0
    # 500 instead of a reply: the order was not taken, or (`_taken`) it was.
    fail_post_5xx: int = 0
    fail_post_5xx_taken: int = 0
    delay_post_reply_ms: int = 0
    # 429 to the next requests, whatever they are.
    rate_limit: int = 0
    delay_events_ms: int = 0
    drop_events: int = 0
    duplicate_events: int = 0
    # Connected but silent.
    mute_stream: bool = False
    mute_polygon: bool = False
    hold_fills: bool = False

    def set(self, name: str, value: object) -> None:
        """Set one fault.

        Raises: BadInput: no such fault, or a value it cannot have; nothing changed.
        """
        if name not in {field.name for field in fields(self)}:
            raise BadInput(name, value, "no such fault")
        current = getattr(self, name)
        if isinstance(current, bool):
            if not isinstance(value, bool):
                raise BadInput(name, value, "give true or false")
        else:
            top = _MAX_DELAY_MS if name.endswith("_ms") else _MAX_COUNT
            if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= top:
                raise BadInput(name, value, f"give a whole number from 0 to {top}")
        setattr(self, name, value)

    def strikes(self, name: str) -> bool:
        """Whether the counted fault strikes now; uses up one."""
        left = int(getattr(self, name))
        if left > 0:
            setattr(self, name, left - 1)
        return left > 0

    def as_json(self) -> dict[str, object]:
        """All of them, by name."""
        return asdict(self)
