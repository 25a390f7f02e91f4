"""The shell of a core: one work thread that journals each input, lets the core decide, journals that, then acts.

The thread owns the core and its state. Any exception in it ends the process (crash-only): nothing is retried in
place, a supervisor starts a clean process that recovers from the journal.
"""

from __future__ import annotations

import logging
import os
import threading
from collections import deque
from typing import Any, Final

from kyzlo_actors.actors.frames import Frames
from kyzlo_actors.actors.outbox import Outbox
from kyzlo_actors.actors.recovery import (
    Core,
    CrashMarker,
    SnapshotFile,
    decision_record,
    input_record,
    replay,
    skip_record,
)
from kyzlo_actors.actors.registry import Registry
from kyzlo_actors.actors.timers import Timers
from kyzlo_actors.domain.effects import Alert, Effect, Record, Schedule, Send
from kyzlo_actors.domain.messages import Received, Started, TimerDue
from kyzlo_actors.domain.values import NS_PER_SECOND, Severity
from kyzlo_actors.infrastructure.journal import JournalWriter, SyncPolicy
from kyzlo_actors.infrastructure.mailbox.board import BoardSlot
from kyzlo_actors.infrastructure.mailbox.events import EventMailbox

SNAPSHOT_EVERY_INPUTS: Final = 5_000
SNAPSHOT_EVERY_NS: Final = 60 * NS_PER_SECOND
# What is behind a snapshot may be pruned: a full journal must not wait a minute for its next one.
SNAPSHOT_FULL_NS: Final = 5 * NS_PER_SECOND
_STOP_SECONDS: Final = 1.0
LEVELS: Final = {
    Severity.INFO: logging.INFO,
    Severity.WARNING: logging.WARNING,
    Severity.CRITICAL: logging.CRITICAL,
}


class CoreShell:
    """Subclasses say what to do in each turn (`on_turn`) and how to carry out their own effects (`carry_out`)."""

    def __init__(self, name: str, core: Core, registry: Registry, row: BoardSlot, sync: SyncPolicy) -> None:
        self.name = name
        self.core = core
        self.registry = registry
        self.row = row
        self.clock = registry.clock
        self.log = logging.getLogger("kyzlo")
        self.timers = Timers()
        self._frames = Frames(self.log)
        self.outbox = Outbox(name, registry.layout, registry.clock)
        self.beat_seconds = registry.supervision.beat_seconds / 2
        self._sync = sync
        self._snapshot = SnapshotFile(registry.layout.snapshots, name)
        self._inputs_since_snapshot = 0
        self._snapshot_ns = 0
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"{name}-work", daemon=True)
        self.mailbox: EventMailbox
        self.journal: JournalWriter

    # --- for the actor (main thread) -----------------------------------------------------------------------------

    def start(self) -> None:
        """Start the work thread."""
        self._thread.start()

    def stop(self) -> None:
        """Ask the work thread to end and wait for it, at most a second."""
        self._stopping.set()
        self._thread.join(_STOP_SECONDS)

    # --- for subclasses (work thread) ----------------------------------------------------------------------------

    def open(self) -> None:
        """Open what the thread owns besides mailbox and journal."""

    def on_started(self) -> None:
        """The core knows that it lives anew; nothing else has reached it yet."""

    def before(self, message: Any) -> None:
        """Just before a message is given to the core: what must be known by then."""

    def on_turn(self, now_ns: int) -> None:
        """After the mailbox was read: market data, gate, board …"""

    def carry_out(self, effect: Effect) -> None:
        """Carry out an effect that only this actor knows."""
        raise NotImplementedError(f"{self.name} cannot carry out {type(effect).__name__}")

    def instead_of(self, effect: Send) -> Any:
        """With a full journal: the input to take instead of sending an entry; None lets it pass."""
        return None

    def observe_replay(self, event: Any) -> None:
        """Sees each input of the journal while it is replayed."""

    def snapshot_extra(self) -> dict[str, Any]:
        """What to keep beside the core's state."""
        return {}

    def restore(self, state: Any, extra: dict[str, Any]) -> None:
        """Give the core the state of a snapshot."""
        self.core.state = state  # type: ignore[misc]

    def on_stopping(self) -> None:
        """The last chance to process something; the snapshot is taken after it."""

    def close(self) -> None:
        """Close what `open` opened."""

    def process(self, event: Any) -> None:
        """Take one input: journal it, decide, journal the decision, act. Refused sends come back as inputs."""
        waiting: deque[Any] = deque((event,))
        while waiting:
            current = waiting.popleft()
            self.journal.append(input_record(current))
            effects = self.core.handle(current)
            self._inputs_since_snapshot += 1
            if effects:
                self.journal.append(decision_record(effects))
            for effect in effects:
                refused = self._act(effect)
                if refused is not None:
                    waiting.append(refused)

    # --- the loop ------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        self._begin()
        while not self._stopping.is_set():
            self._turn()
        self._end()

    def _begin(self) -> None:
        layout = self.registry.layout
        plan = self.registry.journal
        # The mailbox first: what the others send during the recovery waits in it.
        self.mailbox = EventMailbox(layout.mailbox(self.name))
        directory = layout.journal(self.name)
        self.journal = JournalWriter(
            directory,
            clock=self.clock,
            segment_bytes=plan.segment_bytes,
            limit_bytes=plan.limit_bytes,
            sync=self._sync,
        )
        self._recover()
        self.open()
        incarnation = getattr(self.core.state, "incarnation", 0) + 1
        self.outbox.incarnation = incarnation
        self.row.start(os.getpid(), incarnation)
        self._beat()
        self.process(Started(incarnation=incarnation, now_ns=self.clock.now_ns()))
        self.on_started()
        CrashMarker(directory).end()

    def _recover(self) -> None:
        directory = self.registry.layout.journal(self.name)
        from_sequence = 1
        loaded = self._snapshot.load()
        if loaded is not None:
            sequence, state, extra = loaded
            self.restore(state, extra)
            from_sequence = sequence + 1
        recovered = replay(
            self.core,
            directory,
            from_sequence=from_sequence,
            beat=self._beat,
            observe=self.observe_replay,
            log=self.log,
        )
        self._check_tail(from_sequence - 1)
        if recovered.skipped_sequence is not None:
            self.journal.append(skip_record(recovered.skipped_sequence))
        self.log.info(
            "recovered: snapshot through %d, %d inputs replayed", from_sequence - 1, recovered.replayed
        )

    def _check_tail(self, snapshot_sequence: int) -> None:
        """What a power cut or a bad disk took off the journal's end is told, and is not mistaken for what follows."""
        if self.journal.cut_bytes:
            self.log.critical(
                "%d bytes behind the journal's last whole record were cut and laid aside",
                self.journal.cut_bytes,
            )
        if self.journal.last_seq < snapshot_sequence:
            # The numbers up to the snapshot's are given out again: a recovery from it would leave those inputs out.
            self.log.critical(
                "the journal ends at %d, before its snapshot at %d",
                self.journal.last_seq,
                snapshot_sequence,
            )
            self._take_snapshot(self.clock.now_ns())

    def _turn(self) -> None:
        payloads = self.mailbox.poll(self._timeout_seconds())
        now_ns = self.clock.now_ns()
        self._beat()
        for payload in payloads:
            self._receive(payload)
        self.on_turn(now_ns)
        for name, due_ns in self.timers.pop_due(self.clock.now_ns()):
            self.on_timer(name, due_ns)
        self._snapshot_if_due(now_ns)

    def on_timer(self, name: str, due_ns: int) -> None:
        """A timer ran out; the core gets it unless a subclass keeps its own."""
        self.process(TimerDue(name=name, due_ns=due_ns, now_ns=self.clock.now_ns()))

    def _receive(self, payload: bytes) -> None:
        envelope = self._frames.decode(payload)
        if envelope is None:
            return
        now_ns = self.clock.now_ns()
        if envelope.deadline_ns and now_ns > envelope.deadline_ns:
            # The core refuses it by its own deadline and says so to the sender; here it is only counted.
            self.log.warning("%s from %s came late", type(envelope.message).__name__, envelope.sender)
        self.before(envelope.message)
        self.process(Received(message=envelope.message, sender=envelope.sender, now_ns=now_ns))

    def _act(self, effect: Effect) -> Any:
        match effect:
            case Send():
                instead = None if self.journal.accepts_entries else self.instead_of(effect)
                return self.outbox.send(effect) if instead is None else instead
            case Record():
                return None  # it is in the decision's journal entry
            case Schedule():
                self.timers.set(effect.name, effect.due_ns)
                return None
            case Alert():
                self.log.log(LEVELS[effect.severity], "%s: %s", effect.code, effect.text)
                return None
            case _:
                self.carry_out(effect)
                return None

    def _timeout_seconds(self) -> float:
        next_ns = self.timers.next_ns
        if next_ns is None:
            return self.beat_seconds
        wait = (next_ns - self.clock.now_ns()) / NS_PER_SECOND
        return min(max(wait, 0.0), self.beat_seconds)

    def _beat(self) -> None:
        self.row.beat(self.clock.monotonic_ns())

    def _snapshot_if_due(self, now_ns: int) -> None:
        if self._inputs_since_snapshot == 0:
            return
        patience_ns = SNAPSHOT_EVERY_NS if self.journal.accepts_entries else SNAPSHOT_FULL_NS
        if self._inputs_since_snapshot >= SNAPSHOT_EVERY_INPUTS or now_ns - self._snapshot_ns > patience_ns:
            self._take_snapshot(now_ns)

    def _take_snapshot(self, now_ns: int) -> None:
        try:
            self._snapshot.save(self.journal.last_seq, self.core.state, self.snapshot_extra())
        except OSError as error:
            # A full disk: the old snapshot stands, the journal behind it is whole, only a recovery takes longer.
            self.log.critical("%s: no snapshot can be written, trying again later: %s", self.name, error)
        self._inputs_since_snapshot = 0
        self._snapshot_ns = now_ns

    def _end(self) -> None:
        self.on_stopping()
        self._take_snapshot(self.clock.now_ns())
        self.close()
        self.journal.close()
        self.mailbox.close()
        self.outbox.close()
