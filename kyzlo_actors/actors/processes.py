"""Processes as the kernel shows them: whose child, whether alive, and how to end one."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from pathlib import Path

_DEAD = ("Z", "X")


def children_of(pid: int) -> list[int]:
    """Pids of the direct children of all threads of `pid`; none when it is gone."""
    found: list[int] = []
    with suppress(OSError, ValueError):  # it ended while we looked
        for task in Path(f"/proc/{pid}/task").iterdir():
            found += [int(child) for child in (task / "children").read_text().split()]
    return found


def parent_of(pid: int) -> int | None:
    """Parent pid, or None when `pid` is gone."""
    about = _state_and_parent(pid)
    return None if about is None else about[1]


def is_alive(pid: int) -> bool:
    """Whether `pid` runs; a zombie does not."""
    about = _state_and_parent(pid)
    return about is not None and about[0] not in _DEAD


def is_living_child(pid: int, parent: int) -> bool:
    """Whether `pid` runs and is a child of `parent`: pids are used again."""
    about = _state_and_parent(pid)
    return about is not None and about[0] not in _DEAD and about[1] == parent


def kill(pid: int) -> None:
    """SIGKILL, if it is there."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def _state_and_parent(pid: int) -> tuple[str, int] | None:
    try:
        # The name in parentheses may hold anything, parentheses too: what counts comes after the last one.
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].decode().split()
    except OSError:
        return None
    return fields[0], int(fields[1])
