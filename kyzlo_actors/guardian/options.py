"""What bootstrap hands to the guardian beside the registry, and what the guardian wants of a tree."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

from kyzlo_actors.actors.registry import Registry
from kyzlo_actors.guardian.proof import HaltSettings

# Carries a resume over a re-exec, as JSON {"by": …, "reason": …}. Nobody else sets it: a resume needs a latch anyway.
RESUME_VARIABLE: Final = "KYZLO_GUARDIAN_RESUME"


class RunningTree(Protocol):
    """The actor tree as the guardian sees it (see actors/tree.py)."""

    def ping(self, timeout_seconds: float) -> bool:
        """Whether RootActor answered in time. Blocks; from one thread only."""

    def pids(self) -> dict[str, int]:
        """Every living process by name: actors, `admin`, `logger-…`."""

    def kill(self) -> None:
        """SIGKILL them all and wait, for a bounded time, until they are gone."""


def launch_tree(registry: Registry) -> RunningTree:
    """The real tree. Raises: Fatal: the actor system does not start."""
    from kyzlo_actors.actors.tree import Tree

    return Tree.launch(registry)


def become(environment: Mapping[str, str]) -> None:
    """Replace this process by a new one of the same command line; returns never. Raises: OSError."""
    os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], dict(environment))


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardianOptions:
    """`halt`: times and bounds of a halt. `environment`: what a re-exec starts with, before what was popped from it
    (bootstrap gives its own copy when it removes secrets from `os.environ`). `settings_path`, `live`: what it was
    started with. `check_settings`: why what stands in that file now cannot be taken, "" when it can; it may block, for
    a bounded time. The rest is for tests."""

    halt: HaltSettings = field(default_factory=HaltSettings)
    environment: Mapping[str, str] | None = None
    settings_path: Path | None = None
    live: bool = False
    check_settings: Callable[[], str] | None = None
    launch: Callable[[Registry], RunningTree] = launch_tree
    reexec: Callable[[Mapping[str, str]], None] = become
    handle_signals: bool = True
