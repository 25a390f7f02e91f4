"""The one base class of every actor: Thespian's side of it. It answers the supervisor, and dies of any error.

An exception that escaped `receiveMessage` would make Thespian run the same message again and repeat every send
made before it: a doubled order. So nothing escapes: the process ends, and its supervisor starts a new one.
"""

from __future__ import annotations

import logging
import os
import threading
import time
import traceback
from typing import Any, Final

from thespian.actors import Actor, ActorExitRequest, ThespianWatch, WatchMessage

from kyzlo_actors.actors.control import StartActor
from kyzlo_actors.actors.registry import Registry, current
from kyzlo_actors.actors.system import harden_process, take_back_logging
from kyzlo_actors.infrastructure import logs
from kyzlo_actors.infrastructure.mailbox.board import Board, BoardSlot

EXIT_CRASHED: Final = 70
_LINGER_SECONDS: Final = 0.05


class KyzloActor(Actor):
    """Override `on_start`, `on_message`, `on_readable`, `on_exit`. `log`, `registry` and `supervisor` (who
    sent StartActor) exist from `on_start` on."""

    name: str = "unnamed"
    supervisor: Any = None
    registry: Registry
    board: Board
    row: BoardSlot
    log: logging.Logger

    def __init__(self) -> None:
        harden_process()
        super().__init__()
        self._watched: list[int] = []
        self._has_begun = False

    def receiveMessage(self, message: Any, sender: Any) -> Any:
        """Thespian's entry. The watch is replaced after every message, so it is returned on every path."""
        try:
            self._dispatch(message, sender)
        except Exception:  # the one broad except of the shells: crash-only, see the head of this file
            crash(
                self.log if self._has_begun else None, f"{self.name}: a control message could not be handled"
            )
        return ThespianWatch(self._watched) if self._watched else None

    def on_start(self, message: StartActor) -> None:
        """The actor has its name; start what it does."""

    def on_message(self, message: Any, sender: Any) -> None:
        """Any other control message."""

    def on_readable(self, descriptors: list[int]) -> None:
        """A watched descriptor is readable (level-triggered: read it, or it comes again)."""

    def on_exit(self) -> None:
        """The actor was asked to end: bounded work only, the guardian kills what lingers."""

    def watch(self, descriptor: int) -> None:
        """Have `on_readable` called when `descriptor` is readable."""
        self._watched.append(descriptor)

    def _dispatch(self, message: Any, sender: Any) -> None:
        if isinstance(message, StartActor):
            self.supervisor = sender
            self._begin(message)
        elif isinstance(message, WatchMessage):
            self.on_readable([fd for fd in message.ready if fd in self._watched])
        elif isinstance(message, ActorExitRequest):
            self.on_exit()
        else:
            self.on_message(message, sender)

    def _begin(self, message: StartActor) -> None:
        self.registry = current()
        self.name = message.name
        take_back_logging()
        logs.configure(self.name, level=self.registry.log_level, secrets=self.registry.secrets)
        threading.excepthook = end_with_thread
        self.log = logging.getLogger("kyzlo")
        self._has_begun = True
        layout = self.registry.layout
        self.board = Board.open(layout.board, layout.actors)
        self.row = self.board.row(self.name)
        self.row.start(os.getpid(), message.restarts)
        self.row.publish(restarts=message.restarts)
        self.beat()
        self.on_start(message)

    def beat(self) -> None:
        """Tell the supervisor that this actor is alive (monotonic clock: it is the same in every process)."""
        self.row.beat(self.registry.clock.monotonic_ns())


def end_with_thread(hook: threading.ExceptHookArgs) -> None:
    """A thread that dies takes its process with it: half an actor would look alive."""
    exc_info = (hook.exc_type, hook.exc_value, hook.exc_traceback)
    name = hook.thread.name if hook.thread else "a thread"
    logging.getLogger("kyzlo").critical("%s failed; the process ends", name, exc_info=exc_info)  # type: ignore[arg-type]
    time.sleep(_LINGER_SECONDS)
    os._exit(EXIT_CRASHED)


def crash(log: logging.Logger | None, what: str) -> None:
    """Log the present exception and end the process: a supervisor starts a clean one."""
    if log is None:
        # Before `logs.configure`; nothing is known yet that could be secret.
        traceback.print_exc()
    else:
        log.critical("%s; the process ends", what, exc_info=True)
    time.sleep(_LINGER_SECONDS)  # let the line reach the journal's pipe
    os._exit(EXIT_CRASHED)
