"""Named timers of one work thread: a later one of the same name replaces the earlier."""

from __future__ import annotations

from typing import Final

from kyzlo_actors.domain.errors import Fatal

MAX_TIMERS: Final = 100_000


class Timers:
    """Few timers per actor, so a dict is enough. Bound: `MAX_TIMERS`; more are a defect and end the actor."""

    def __init__(self) -> None:
        self._due_ns: dict[str, int] = {}
        self._next_ns: int | None = None

    def set(self, name: str, due_ns: int) -> None:
        """Set or move a timer. Raises: Fatal: too many."""
        if len(self._due_ns) >= MAX_TIMERS and name not in self._due_ns:
            raise Fatal(f"more than {MAX_TIMERS} timers")
        self._due_ns[name] = due_ns
        self._next_ns = min(self._due_ns.values())

    @property
    def next_ns(self) -> int | None:
        """When the first is due, or None."""
        return self._next_ns

    def pop_due(self, now_ns: int) -> list[tuple[str, int]]:
        """Take out every timer that is due, earliest first, as (name, due_ns)."""
        if self._next_ns is None or now_ns < self._next_ns:
            return []
        due = sorted((due_ns, name) for name, due_ns in self._due_ns.items() if due_ns <= now_ns)
        for _, name in due:
            del self._due_ns[name]
        self._next_ns = min(self._due_ns.values(), default=None)
        return [(name, due_ns) for due_ns, name in due]
