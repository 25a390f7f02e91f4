"""Scripts: commands for the back door, each some time after the one before it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final

from pydantic import Field

from kyzlo_actors.domain.errors import BadInput, Recoverable
from kyzlo_actors.venue.control.act import Arguments

MAX_SCRIPTS: Final = 20
MAX_STEPS: Final = 1_000
_MAX_FAILURES: Final = 20
_MS_PER_SECOND: Final = 1_000

Do = Callable[[Mapping[str, Any]], Awaitable[None]]


class Step(Arguments):
    """`after_ms` counts from the end of the step before it."""

    after_ms: Annotated[int, Field(ge=0, le=86_400_000)] = 0
    do: Annotated[dict[str, Any], Field(min_length=1)]


Steps = Annotated[list[Step], Field(min_length=1, max_length=MAX_STEPS)]


@dataclass(slots=True, eq=False)
class _Running:
    number: int
    left: list[Step]
    task: asyncio.Task[None] | None = None


class Scripts:
    """Runs them side by side. A step that cannot be done ends its script, and is listed as a failure."""

    def __init__(self, do: Do) -> None:
        self._do = do
        self._count = 0
        self._running: dict[int, _Running] = {}
        self._failures: deque[dict[str, object]] = deque(maxlen=_MAX_FAILURES)

    def start(self, steps: list[Step]) -> None:
        """Begin a script.

        Raises: BadInput: a script starts scripts, or there are too many already.
        """
        if any("script" in step.do for step in steps):
            raise BadInput("script", "script", "a script starts no scripts")
        if len(self._running) >= MAX_SCRIPTS:
            raise BadInput("script", len(steps), f"{MAX_SCRIPTS} scripts are the most at once")
        self._count += 1
        running = _Running(self._count, list(steps))
        self._running[running.number] = running
        running.task = asyncio.get_running_loop().create_task(self._run(running))

    def cancel(self) -> None:
        """End all of them."""
        for running in tuple(self._running.values()):
            if running.task is not None:
                running.task.cancel()
        self._running.clear()

    def as_json(self) -> dict[str, object]:
        """What runs and what failed."""
        running = [
            {
                "script": each.number,
                "steps_left": len(each.left),
                "next": each.left[0].do if each.left else None,
            }
            for each in self._running.values()
        ]
        return {"running": running, "failures": list(self._failures)}

    async def _run(self, running: _Running) -> None:
        try:
            while running.left:
                step = running.left[0]
                await asyncio.sleep(step.after_ms / _MS_PER_SECOND)
                await self._do(step.do)
                running.left.pop(0)
        except (BadInput, Recoverable) as fault:
            self._failures.append({"script": running.number, "do": running.left[0].do, "error": str(fault)})
        finally:
            self._running.pop(running.number, None)
