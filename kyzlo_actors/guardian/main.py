"""The main process of the service: owns latch and gate, starts the tree, watches it, halts it, and proves the halt.

Not an actor, and it never waits: what blocks (pings, kills, the broker) runs on threads that post events to its loop.
"""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Mapping
from typing import Final, assert_never

from kyzlo_actors.actors.layout import BROKER, GUARDIAN, KILL_SWITCH
from kyzlo_actors.actors.registry import Registry
from kyzlo_actors.actors.wire import decode_envelope, encode_envelope
from kyzlo_actors.domain.effects import Alert
from kyzlo_actors.domain.errors import Fatal
from kyzlo_actors.domain.identity import event_id
from kyzlo_actors.domain.messages import HaltAcknowledged, HaltFinished, HaltOrdered, HaltProgressed
from kyzlo_actors.domain.operator import SymbolRestricted, one_line
from kyzlo_actors.domain.stamp import Stamp
from kyzlo_actors.domain.values import NS_PER_SECOND, TradingState
from kyzlo_actors.guardian.admin_socket import AdminSocket, Answer, Held, Peer
from kyzlo_actors.guardian.certificate import certificate_text
from kyzlo_actors.guardian.certificate_store import CertificateStore
from kyzlo_actors.guardian.desk_thread import DeskThread
from kyzlo_actors.guardian.halt_core import EXIT_TREE_DIED, RESUME_NS, HaltCore
from kyzlo_actors.guardian.halt_events import (
    AnswerRenewal,
    AnswerResume,
    CallDesk,
    ClearLatch,
    Exit,
    GuardianEffect,
    GuardianEvent,
    HaltRepeated,
    KillTree,
    LatchCleared,
    LatchClearFailed,
    LatchSeen,
    OrderHalt,
    Reexec,
    ReopenDesk,
    ResumeRequested,
    SetGate,
    StartAnew,
    StopRequested,
    Ticked,
    Told,
    WriteCertificate,
)
from kyzlo_actors.guardian.inbox import Inbox
from kyzlo_actors.guardian.moment import Moment
from kyzlo_actors.guardian.options import RESUME_VARIABLE, GuardianOptions
from kyzlo_actors.guardian.service_manager import ServiceManager
from kyzlo_actors.guardian.settings_check import RENEWAL, SettingsCheck
from kyzlo_actors.guardian.state import Phase, Resume
from kyzlo_actors.guardian.status import status_of
from kyzlo_actors.guardian.symbol_commands import SymbolCommands
from kyzlo_actors.guardian.tree_watch import TreeWatch
from kyzlo_actors.infrastructure.halt_latch import GateByte, HaltLatch, LatchRecord
from kyzlo_actors.infrastructure.mailbox.board import Board
from kyzlo_actors.infrastructure.mailbox.events import EventMailbox, EventSender
from kyzlo_actors.infrastructure.mailbox.latest_tick import TickSlots

TURN_SECONDS: Final = 0.05
REASON_CHARS: Final = 500
_TREE_PHASES: Final = (Phase.STARTING, Phase.SHUT, Phase.TRADING)
_log = logging.getLogger("kyzlo")


def run_guardian(registry: Registry, options: GuardianOptions | None = None) -> int:
    """Run until the end; the exit code: 0 orderly, 70 when the tree died (systemd starts us again).

    To be called by the main thread before any other thread runs: the tree is forked here.
    Raises: BadInput, Fatal: nothing could be started.
    """
    guardian = Guardian(registry, options or GuardianOptions())
    try:
        return guardian.run()
    except Exception:
        # Whatever went wrong: a tree without a guardian must not trade.
        _log.critical("the guardian fails", exc_info=True)
        return EXIT_TREE_DIED
    finally:
        guardian.close()


class Guardian:
    """The shell around HaltCore: one loop of at most 50 ms a turn, on the main thread."""

    def __init__(self, registry: Registry, options: GuardianOptions) -> None:
        layout = registry.layout
        self._registry = registry
        self._options = options
        self._clock = registry.clock
        self._service = ServiceManager.of_process()
        layout.private_directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._gate = GateByte.create(layout.gate)
        TickSlots.create(layout.slots, layout.symbols).close()
        self._board = Board.create(layout.board, layout.actors)
        self._latch = HaltLatch(layout.state_directory, self._clock)
        self._certificates = CertificateStore(layout.certificates)
        self._core = self._first_core()
        self._exit_code: int | None = None
        self._stops_asked = 0
        self._halt_signaled = False
        # The tree is forked before there is any thread, socket or signal handler that it could inherit.
        self._tree = options.launch(registry)
        try:
            self._open()
        except BaseException:
            self._tree.kill()
            raise

    def _open(self) -> None:
        layout = self._registry.layout
        self._inbox = Inbox()
        self._mailbox = EventMailbox(layout.mailbox(GUARDIAN))
        self._mailbox.register(self._inbox.fileno(), lambda: None)
        self._kill_switch = EventSender(layout.mailbox(KILL_SWITCH))
        self._admin = AdminSocket(
            layout.admin_socket,
            self._clock,
            self._on_request,
            register=self._mailbox.register,
            unregister=self._mailbox.unregister,
            held_seconds=RESUME_NS / NS_PER_SECOND + 5,
        )
        self._symbols = SymbolCommands(layout, self._clock, self._admin.answer_held)
        self._settings = SettingsCheck(self._options, self._clock, self._inbox.post)
        self._desk = DeskThread(self._registry.open_desk, self._clock, self._inbox.post)
        self._watch = TreeWatch(self._tree, self._clock, self._inbox.post)
        if self._options.handle_signals:
            self._install_signals()

    def run(self) -> int:
        """Turn until the core says Exit."""
        _log.info("guardian runs, %s", self._core.state.phase)
        while self._exit_code is None:
            self._turn()
        return self._exit_code

    def close(self) -> None:
        """Shut the gate, make sure that no process of the tree is left, and let go of everything."""
        self._gate.set(TradingState.HALTED)
        self._watch.close()
        if self._tree.pids():
            self._tree.kill()
        self._desk.close()
        self._admin.close()
        self._mailbox.close()
        self._kill_switch.close()
        self._symbols.close()
        self._inbox.close()
        self._service.close()

    # --- one turn ------------------------------------------------------------------------------------------------

    def _turn(self) -> None:
        for payload in self._mailbox.poll(TURN_SECONDS):
            self._on_payload(payload)
        for event in self._inbox.drain():
            self._handle(event)
        self._on_signals()
        self._look_at_latch()
        broker_ready = bool(self._board.row(BROKER).snapshot().ready)
        self._handle(Ticked(at=self._now(), broker_ready=broker_ready))
        self._symbols.turn()
        self._admin.turn()
        self._tell_service_manager()

    def _handle(self, event: GuardianEvent) -> None:
        for effect in self._core.handle(event):
            self._carry_out(effect)

    def _on_payload(self, payload: bytes) -> None:
        try:
            message = decode_envelope(payload).message
        except (Fatal, TypeError) as error:
            _log.warning("the guardian's mailbox holds something else: %s", error)
            return
        if isinstance(message, SymbolRestricted):
            self._symbols.told(message)
        if isinstance(message, HaltFinished):
            self._watch.expect_end()
        if isinstance(message, HaltAcknowledged | HaltProgressed | HaltFinished):
            self._handle(Told(at=self._now(), message=message))

    def _look_at_latch(self) -> None:
        if self._core.state.record is None and self._latch.is_latched:
            record = self._latch.read()
            if record is not None:
                self._handle(LatchSeen(at=self._now(), record=record))

    def _tell_service_manager(self) -> None:
        state, now_ns = self._core.state, self._clock.monotonic_ns()
        alive = state.phase not in _TREE_PHASES
        if state.answered is not None and not alive:
            alive = now_ns - state.answered.monotonic_ns < self._options.halt.silence_ns
        ready = state.phase not in (Phase.STARTING, Phase.FAILING, Phase.ENDED)
        why = f": {state.record.reason}" if state.record else ""
        self._service.turn(
            now_ns, ready=ready, alive=alive, status=one_line(f"{state.phase}{why}")[:REASON_CHARS]
        )

    # --- signals -------------------------------------------------------------------------------------------------

    def _install_signals(self) -> None:
        # After the tree was forked: the Admin would inherit them.
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._count_stop)
        signal.signal(signal.SIGUSR1, self._note_halt)

    def _count_stop(self, number: int, frame: object) -> None:
        self._stops_asked += 1

    def _note_halt(self, number: int, frame: object) -> None:
        self._halt_signaled = True

    def _on_signals(self) -> None:
        if self._halt_signaled:
            self._halt_signaled = False
            self._halt(by="signal", reason="SIGUSR1", code="signal")
        while self._stops_asked:
            self._stops_asked -= 1
            self._service.stopping("stopping in order")
            self._handle(StopRequested(at=self._now()))

    # --- admin socket --------------------------------------------------------------------------------------------

    def _on_request(self, request: Answer, peer: Peer) -> Answer | Held:
        reason = one_line(str(request.get("reason") or ""))[:REASON_CHARS]
        match request.get("cmd"):
            case "halt":
                record, durable = self._halt(
                    by=str(peer), reason=reason or "no reason given", code="operator"
                )
                return {**self._state_answer(record), "durable": durable}
            case "resume" if not reason:
                return {"ok": False, "error": "a resume needs a reason"}
            case "resume":
                _log.warning("resume asked by %s: %s", peer, reason)
                self._handle(ResumeRequested(at=self._now(), by=str(peer), reason=reason))
                return Held("resume")
            case "pause" | "release" if self._core.state.phase not in _TREE_PHASES:
                return {"ok": False, "error": f"the guardian is {self._core.state.phase}: no actor runs"}
            case "pause" | "release":
                _log.warning("%s of %s asked by %s: %s", request["cmd"], request.get("symbol"), peer, reason)
                return self._symbols.begin(request, reason, peer)
            case "renew":
                _log.warning("new settings asked by %s: %s", peer, reason)
                return self._settings.begin(request)
            case "status":
                return status_of(
                    self._core.state, self._gate.state, self._board, self._registry, self._options
                )
            case "certificate":
                fields = self._certificates.newest(str(request.get("halt_id")))
                text = certificate_text(fields) if fields else None
                return {"ok": True, "certificate": fields, "text": text}
            case _:
                return {
                    "ok": False,
                    "error": "cmd is one of halt, status, resume, certificate, pause, release, renew",
                }

    def _halt(self, *, by: str, reason: str, code: str) -> tuple[LatchRecord, bool]:
        """Latch, and begin at once. Returns the record, and whether it is in the file."""
        self._gate.set(TradingState.HALTED)
        durable = True
        try:
            record = self._latch.engage(by=by, reason=reason, code=code)
        except Fatal as error:
            # A disk that refuses must not keep us trading; a restart would forget it, so it is said.
            _log.critical("the halt cannot be latched: %s", error)
            durable = False
            record = LatchRecord(by=by, reason=reason, code=code, engaged_ns=self._clock.now_ns())
        self._handle(HaltRepeated(at=self._now()))
        self._handle(LatchSeen(at=self._now(), record=record))
        return self._core.state.record or record, durable

    def _state_answer(self, record: LatchRecord) -> Answer:
        return {
            "ok": True,
            "state": str(self._core.state.phase),
            "halt_id": record.halt_id,
            "by": record.by,
            "reason": record.reason,
        }

    # --- effects -------------------------------------------------------------------------------------------------

    def _carry_out(self, effect: GuardianEffect) -> None:
        match effect:
            case SetGate():
                self._set_gate(effect.state)
            case OrderHalt():
                self._order_halt(effect)
            case KillTree():
                self._watch.kill()
            case CallDesk():
                self._desk.call(effect)
            case ReopenDesk():
                self._desk.reopen()
            case WriteCertificate():
                self._write_certificate(effect)
            case ClearLatch():
                self._clear_latch(effect)
            case AnswerResume():
                self._answer_held("resume", effect)
            case AnswerRenewal():
                self._answer_held(RENEWAL, effect)
            case StartAnew():
                self._start_anew()
            case Reexec():
                self._reexec(effect)
            case Exit():
                self._exit_code = effect.code
            case Alert():
                _log.critical("%s: %s", effect.code, effect.text, extra={"code": effect.code})
            case _:
                assert_never(effect)

    def _answer_held(self, key: str, effect: AnswerResume | AnswerRenewal) -> None:
        _log.warning("%s: %s", key, effect.detail)
        field = "detail" if effect.accepted else "error"
        state = str(self._core.state.phase)
        self._admin.answer_held(key, {"ok": effect.accepted, field: effect.detail, "state": state})

    def _set_gate(self, state: TradingState) -> None:
        # Somebody may have latched since the last look; then the next look halts.
        if state is TradingState.HALTED or not self._latch.is_latched:
            self._gate.set(state)
            _log.warning("gate: %s", state)

    def _order_halt(self, effect: OrderHalt) -> None:
        now_ns = self._clock.now_ns()
        order_id = event_id("halt", effect.halt_id)
        stamp = Stamp.first(order_id, now_ns)
        message = HaltOrdered(
            stamp=stamp, halt_id=effect.halt_id, by=effect.by, reason=effect.reason[:REASON_CHARS]
        )
        payload = encode_envelope(sender=GUARDIAN, incarnation=0, deadline_ns=0, message=message)
        self._kill_switch.send(payload)  # refused or lost: the core repeats it

    def _write_certificate(self, effect: WriteCertificate) -> None:
        facts = effect.facts
        try:
            path = self._certificates.write(facts)
        except Fatal as error:
            # The halt stands all the same, and the log has the verdict.
            _log.critical("%s; proven: %s", error, facts.proven)
            return
        level = logging.WARNING if facts.proven else logging.CRITICAL
        _log.log(
            level, "certificate of %s: proven %s", facts.halt_id, facts.proven, extra={"path": str(path)}
        )

    def _clear_latch(self, effect: ClearLatch) -> None:
        try:
            self._latch.clear(by=effect.by, reason=effect.reason)
        except Fatal as error:
            self._handle(LatchClearFailed(at=self._now(), error=str(error)))
            return
        self._handle(LatchCleared(at=self._now()))

    def _reexec(self, effect: Reexec) -> None:
        try:
            self._become({RESUME_VARIABLE: Resume.text_of(by=effect.by, reason=effect.reason)})
        except OSError as error:
            _log.critical("the guardian cannot start anew: %s; it stays halted", error)

    def _start_anew(self) -> None:
        # A signal that was only counted would be lost with this process.
        self._on_signals()
        if self._core.state.phase is not Phase.RENEWING:
            return
        _log.warning("starting anew with new settings")
        try:
            self._become({})
        except OSError as error:
            # The tree is gone and nothing was canceled: systemd starts us again, which does the same.
            _log.critical("the guardian cannot start anew: %s", error)
            self._exit_code = EXIT_TREE_DIED

    def _become(self, more: Mapping[str, str]) -> None:
        given = dict(os.environ if self._options.environment is None else self._options.environment)
        # The resume that made this process was for this life: the next one must not open a gate on its behalf.
        given.pop(RESUME_VARIABLE, None)
        self._options.reexec({**given, **self._service.popped, **more})

    # --- start ---------------------------------------------------------------------------------------------------

    def _first_core(self) -> HaltCore:
        now = self._now()
        asked = Resume.carried(os.environ.pop(RESUME_VARIABLE, None), now)
        record = self._latch.read()
        certificate = self._certificates.newest(record.halt_id) if record else None
        proven = certificate is not None and certificate.get("proven") is True
        return HaltCore(self._options.halt, now, latched=record, proven=proven, resume=asked)

    def _now(self) -> Moment:
        return Moment.of(self._clock)
