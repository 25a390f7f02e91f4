"""Watching over the tree from threads of its own: Thespian's calls block, and the guardian's loop may not."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Event, Thread
from typing import Final

from kyzlo_actors.actors.layout import ROOT
from kyzlo_actors.guardian.halt_events import TreeAnswered, TreeDied, TreeEnded, TreeKilled
from kyzlo_actors.guardian.moment import Moment
from kyzlo_actors.guardian.options import RunningTree
from kyzlo_actors.ports.clock import Clock

PING_SECONDS: Final = 1.0
PING_TIMEOUT_SECONDS: Final = 2.0
_ENDING_POLL_SECONDS: Final = 0.1
_VITAL: Final = ("admin", ROOT)

TreeEvent = TreeAnswered | TreeDied | TreeEnded | TreeKilled


class TreeWatch:
    """Posts TreeAnswered for each ping, TreeDied once when Admin or RootActor is gone, TreeEnded when all actors are.

    Silence is judged by the core: a ping that hangs inside Thespian cannot report itself.
    """

    def __init__(self, tree: RunningTree, clock: Clock, post: Callable[[TreeEvent], None]) -> None:
        self._tree = tree
        self._clock = clock
        self._post = post
        self._ending = Event()
        self._closed = False
        self._vital: set[str] = set()
        self._told_death = False
        Thread(target=self._run, name="tree-watch", daemon=True).start()

    def expect_end(self) -> None:
        """The tree is to end: stop pinging, look often whether it is gone."""
        self._ending.set()

    def kill(self) -> None:
        """Kill the tree on a thread of its own (this one may hang in a ping); TreeKilled is posted."""
        self._ending.set()
        Thread(target=self._kill, name="tree-kill", daemon=True).start()

    def close(self) -> None:
        """Stop watching."""
        self._closed = True
        self._ending.set()

    def _run(self) -> None:
        while not self._closed:
            if not self._ending.is_set() and self._tree.ping(PING_TIMEOUT_SECONDS):
                self._post(TreeAnswered(at=Moment.of(self._clock)))
            if not self._look():
                return
            if self._ending.wait(PING_SECONDS):
                time.sleep(_ENDING_POLL_SECONDS)

    def _look(self) -> bool:
        """Compare the living with those who must live; False when there is nothing left to watch."""
        pids = self._tree.pids()
        gone = self._vital - pids.keys()
        self._vital |= {name for name in _VITAL if name in pids}
        if gone and not self._told_death and not self._ending.is_set():
            self._told_death = True
            self._post(TreeDied(at=Moment.of(self._clock), what=f"{' and '.join(sorted(gone))} died"))
        actors = [name for name in pids if name != "admin" and not name.startswith("logger")]
        if self._vital and not actors:
            self._post(TreeEnded(at=Moment.of(self._clock)))
            return False
        return True

    def _kill(self) -> None:
        killed = self._tree.pids()
        self._tree.kill()
        left = self._tree.pids()
        self._post(
            TreeKilled(
                at=Moment.of(self._clock),
                killed=tuple(sorted(killed.items())),
                left=tuple(sorted(left.items())),
            )
        )
