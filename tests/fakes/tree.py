"""An actor tree without processes: it answers pings, reports itself on the board, and carries out halts."""

from __future__ import annotations

import threading
from collections.abc import Callable

from kyzlo_actors.actors.layout import BROKER, GUARDIAN, KILL_SWITCH
from kyzlo_actors.actors.registry import Registry
from kyzlo_actors.actors.wire import decode_envelope, encode_envelope
from kyzlo_actors.domain.messages import HaltAcknowledged, HaltFinished, HaltOrdered, Message
from kyzlo_actors.infrastructure.mailbox.board import Board
from kyzlo_actors.infrastructure.mailbox.events import EventMailbox, EventSender

# Above every real pid: nothing can be hit by mistake.
FAKE_PID = 1 << 30


class FakeTree:
    """`RunningTree` in memory. `graceful`: KillSwitchActor carries out halts, by `cancel`; else it is stuck.

    `answers`: pings are answered.
    """

    def __init__(
        self,
        registry: Registry,
        *,
        ready: bool = True,
        graceful: bool = True,
        cancel: Callable[[], object] | None = None,
    ) -> None:
        self.answers = True
        self.graceful = graceful
        self.kills = 0
        self.ordered: list[HaltOrdered] = []
        self._layout = registry.layout
        self._cancel = cancel
        self._lock = threading.Lock()
        self._pids = {
            name: FAKE_PID + number for number, name in enumerate(("admin", "logger-0", "root", "broker"))
        }
        board = Board.open(self._layout.board, self._layout.actors)
        board.row(BROKER).start(self._pids["broker"], 2)
        if ready:
            board.row(BROKER).publish(ready=1, restarts=2, state=1)
        self._mailbox = EventMailbox(self._layout.mailbox(KILL_SWITCH))
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._open = True
        self._thread.start()

    def ping(self, timeout_seconds: float) -> bool:
        return self.answers and "root" in self.pids()

    def pids(self) -> dict[str, int]:
        with self._lock:
            return dict(self._pids)

    def kill(self) -> None:
        self.kills += 1
        self.die("admin", "logger-0", "root", "broker")

    def die(self, *names: str) -> None:
        """These processes end."""
        with self._lock:
            for name in names:
                self._pids.pop(name, None)

    def close(self) -> None:
        """Stop listening."""
        self._open = False
        self._thread.join(5)
        self._mailbox.close()

    def _serve(self) -> None:
        sender = EventSender(self._layout.mailbox(GUARDIAN))
        while self._open:
            for payload in self._mailbox.poll(0.05):
                message = decode_envelope(payload).message
                if isinstance(message, HaltOrdered):
                    self.ordered.append(message)
                    if self.graceful and len(self.ordered) == 1:
                        self._halt(message, sender)
        sender.close()

    def _halt(self, order: HaltOrdered, sender: EventSender) -> None:
        stamp, halt_id = order.stamp, order.halt_id
        self._tell(sender, HaltAcknowledged(stamp=stamp, halt_id=halt_id, in_flight=(), open_orders=()))
        if self._cancel is not None:
            self._cancel()
        self._tell(
            sender, HaltFinished(stamp=stamp, halt_id=halt_id, clean=True, canceled=(), open_orders=())
        )
        self.die("broker", "root")

    def _tell(self, sender: EventSender, message: Message) -> None:
        payload = encode_envelope(sender=KILL_SWITCH, incarnation=0, deadline_ns=0, message=message)
        assert sender.send(payload)
