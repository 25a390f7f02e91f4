"""The running actor tree as the guardian sees it: launch it, ping it, know its processes, kill it."""

from __future__ import annotations

import os
import time
from typing import Any, Final

from kyzlo_actors.actors import registry as registry_module
from kyzlo_actors.actors.control import Ping, Pong, StartTree
from kyzlo_actors.actors.layout import ROOT
from kyzlo_actors.actors.processes import children_of, is_alive, kill, parent_of
from kyzlo_actors.actors.registry import Registry
from kyzlo_actors.actors.root import RootActor
from kyzlo_actors.actors.system import (
    ask,
    main_thread_only,
    patch_thespian,
    start_actor_system,
)
from kyzlo_actors.actors.wire import codec
from kyzlo_actors.infrastructure.mailbox.board import Board

_KEY_BYTES: Final = 32
_KILL_SECONDS: Final = 2.0
_POLL_SECONDS: Final = 0.02


class Tree:
    """Launch from the main thread, before any other thread runs: the Admin and with it the whole tree is forked."""

    def __init__(self, system: Any, root: Any, registry: Registry) -> None:
        self._system = system
        self._root = root
        self._board = Board.open(registry.layout.board, registry.layout.actors)
        self._pings = 0
        self._admin_pid = 0
        self._logger_pids: list[int] = []

    @classmethod
    def launch(cls, registry: Registry) -> Tree:
        """Start a hardened ActorSystem and tell RootActor to start the rest; returns before they are ready.

        Raises: Fatal: the actor system does not start.
        """
        main_thread_only("launching the tree")
        registry_module.freeze(registry)
        codec().prepare()  # every actor inherits it: no life of them begins with making it
        patch_thespian(os.urandom(_KEY_BYTES), registry.layout.thespian_log)
        system = start_actor_system()
        root = system.createActor(RootActor)
        system.tell(root, StartTree(guardian_pid=os.getpid()))
        return cls(system, root, registry)

    def ping(self, timeout_seconds: float) -> bool:
        """Whether RootActor answered in time. From one thread only; it blocks that thread."""
        self._pings += 1
        try:
            answer = ask(self._system, self._root, Ping(number=self._pings), timeout_seconds)
        except Exception:  # Thespian raises whatever its transport meets; all of it means "no answer"
            return False
        return isinstance(answer, Pong) and answer.number == self._pings

    def pids(self) -> dict[str, int]:
        """Every living process of the tree by name."""
        self._find_admin()
        found = {row.name: row.pid for row in self._board.snapshot() if row.pid and is_alive(row.pid)}
        if self._admin_pid and is_alive(self._admin_pid):
            found["admin"] = self._admin_pid
        for number, pid in enumerate(self._logger_pids):
            if is_alive(pid):
                found[f"logger-{number}"] = pid
        return found

    def kill(self) -> None:
        """SIGKILL every process of the tree, from the top, and wait (at most 2 s) until they are gone."""
        deadline = time.monotonic() + _KILL_SECONDS
        while (pids := self.pids()) and time.monotonic() < deadline:
            for name in sorted(pids, key=lambda name: (name != "admin", name != ROOT)):
                kill(pids[name])
            time.sleep(_POLL_SECONDS)

    def _find_admin(self) -> None:
        """The Admin is RootActor's parent; its other child is Thespian's logger."""
        root_pid = self._board.row(ROOT).snapshot().pid
        if self._admin_pid or not root_pid:
            return
        parent = parent_of(root_pid)
        if parent is not None and parent > 1:
            self._admin_pid = parent
            self._logger_pids = [pid for pid in children_of(parent) if pid != root_pid]
