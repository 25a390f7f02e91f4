"""The guardian's decisions: when the gate opens, how a halt goes, and when it may be called proven. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import Final, assert_never

from kyzlo_actors.domain.effects import Alert
from kyzlo_actors.domain.identity import is_ours
from kyzlo_actors.domain.messages import HaltAcknowledged, HaltFinished, HaltProgressed
from kyzlo_actors.domain.values import NS_PER_MILLISECOND, NS_PER_SECOND, Severity, TradingState
from kyzlo_actors.guardian.halt_events import (
    AnswerRenewal,
    AnswerResume,
    BrokerRead,
    CallDesk,
    CancelsAsked,
    ClearLatch,
    DeskEvent,
    DeskFailed,
    DeskRequest,
    Exit,
    GuardianEffect,
    GuardianEvent,
    HaltRepeated,
    HistoryRead,
    KillTree,
    LatchCleared,
    LatchClearFailed,
    LatchSeen,
    OrderHalt,
    Reexec,
    ResumeRequested,
    SetGate,
    SettingsChecked,
    StartAnew,
    StopRequested,
    Ticked,
    Told,
    TreeAnswered,
    TreeDied,
    TreeEnded,
    TreeKilled,
    WriteCertificate,
)
from kyzlo_actors.guardian.halt_facts import certificate_facts
from kyzlo_actors.guardian.moment import Moment
from kyzlo_actors.guardian.procedure import Procedure, Step
from kyzlo_actors.guardian.proof import HaltSettings, Proof, proof_answer, proof_tick, prove_from
from kyzlo_actors.guardian.state import GuardianState, Phase, Resume
from kyzlo_actors.infrastructure.halt_latch import LatchRecord

EXIT_ORDERLY: Final = 0
EXIT_TREE_DIED: Final = 70
# HaltOrdered is repeated: KillSwitchActor may be restarting, and its next life knows nothing of the last message.
_REPEAT_NS: Final = 250 * NS_PER_MILLISECOND
_REPEAT_ACKNOWLEDGED_NS: Final = NS_PER_SECOND
# A resume that finds no ready tree (after a re-exec), or no answer of the broker, ends here.
RESUME_NS: Final = 90 * NS_PER_SECOND


class HaltCore:
    """`handle(event)` gives the effects in order. State is assigned last.

    `latched`: the latch that was there at the start; unless `proven` (a certificate says so) its proof is made at
    once, beside the starting tree: somebody may have halted while we were down. `resume` carries a resume over a
    re-exec.
    """

    def __init__(
        self,
        settings: HaltSettings,
        started: Moment,
        *,
        latched: LatchRecord | None = None,
        proven: bool = False,
        resume: Resume | None = None,
    ) -> None:
        self.settings = settings
        procedure = None
        if latched is not None and not proven:
            procedure = Procedure.of_halt(latched, started, step=Step.PROVING, sealed=started)
            procedure = replace(procedure, proof=prove_from(Proof(), started))
        self.state = GuardianState(
            phase=Phase.STARTING,
            started=started,
            record=latched,
            procedure=procedure,
            resume=resume if latched is not None else None,
        )

    def handle(self, event: GuardianEvent) -> list[GuardianEffect]:
        """Take one event; what must be done about it, in order."""
        turn = _Turn(self.settings, self.state)
        turn.take(event)
        self.state = turn.state
        return turn.effects


class _Turn:
    """One event on a copy of the state: if it raises, the core is as it was."""

    def __init__(self, settings: HaltSettings, state: GuardianState) -> None:
        self.settings = settings
        self.state = state
        self.effects: list[GuardianEffect] = []

    def take(self, event: GuardianEvent) -> None:
        if self.state.phase is Phase.ENDED:
            return
        match event:
            case LatchSeen():
                self._latch_seen(event)
            case TreeAnswered():
                self._set(answered=event.at)
                if self.state.phase is Phase.STARTING and self.state.record is not None:
                    self._set(phase=Phase.SHUT)
            case TreeDied():
                self._tree_died(event)
            case TreeEnded():
                self._tree_ended(event.at)
            case TreeKilled():
                self._tree_killed(event)
            case Told():
                self._told(event)
            case Ticked():
                self._ticked(event)
            case BrokerRead() | CancelsAsked() | HistoryRead() | DeskFailed():
                self._desk_answered(event)
            case StopRequested():
                self._stop_requested(event.at)
            case ResumeRequested():
                self._resume_requested(event)
            case HaltRepeated():
                self._refuse_resume("somebody asked to halt meanwhile")
            case LatchCleared():
                self._latch_cleared()
            case LatchClearFailed():
                self._refuse_resume(event.error)
            case SettingsChecked():
                self._settings_checked(event)
            case _:
                assert_never(event)

    # --- a halt begins -------------------------------------------------------------------------------------------

    def _latch_seen(self, event: LatchSeen) -> None:
        state = self.state
        if state.record is not None:
            return
        match state.phase:
            case Phase.STARTING | Phase.TRADING:
                self._begin(Procedure.of_halt(event.record, event.at), Phase.HALTING, event.record)
                self._alert("HALT", f"halt by {event.record.by}: {event.record.reason}")
            case Phase.STOPPING if state.procedure is not None:
                # It is being done already; it only gets its right name, and the certificate with it.
                self._set(
                    record=event.record,
                    procedure=state.procedure.named_by(event.record),
                    phase=Phase.HALTING,
                    stop_after=True,
                )
            case Phase.RENEWING:
                # Not left to the next start to find: the latch may not have got into its file.
                self._begin(
                    _being_killed(Procedure.of_halt(event.record, event.at)), Phase.HALTING, event.record
                )
                self.effects.append(KillTree())
            case _:
                # FAILING ends in a start that finds the latch and proves it.
                pass

    def _begin(self, procedure: Procedure, phase: Phase, record: LatchRecord | None) -> None:
        self._refuse_resume("somebody asked to halt meanwhile")
        self.effects.append(SetGate(state=TradingState.HALTED))
        self._set(phase=phase, record=record, procedure=procedure)
        self._order_halt(procedure.begun)
        self._tick_proof(procedure.begun)

    def _order_halt(self, at: Moment) -> None:
        procedure = self._procedure()
        pause_ns = _REPEAT_NS if procedure.sealed is None else _REPEAT_ACKNOWLEDGED_NS
        self._set(procedure=replace(procedure, repeat_ns=at.monotonic_ns + pause_ns))
        order = OrderHalt(halt_id=procedure.order_id, by=procedure.by, reason=procedure.reason)
        self.effects.append(order)

    def _stop_requested(self, at: Moment) -> None:
        state = self.state
        match state.phase:
            case Phase.HALTED:
                self._exit(EXIT_ORDERLY)
            case Phase.HALTING | Phase.STOPPING:
                again = state.stop_after or state.phase is Phase.STOPPING
                self._set(stop_after=True)
                if again and self._procedure().step in (Step.GRACE, Step.ENDING):
                    self._kill(at)
            case Phase.STARTING | Phase.SHUT | Phase.TRADING:
                if state.procedure is not None and not state.procedure.proof.proven:
                    # The proof of an old latch is being made: that halt is what this stop now finishes.
                    procedure = replace(state.procedure, proof=replace(state.procedure.proof, since=None))
                    self._begin(procedure.restarted(at), Phase.HALTING, state.record)
                    self._set(stop_after=True)
                else:
                    self._begin(Procedure.of_stop(at), Phase.STOPPING, state.record)
                    self._set(stop_after=True)
            case Phase.RENEWING:
                self._begin(_being_killed(Procedure.of_stop(at)), Phase.STOPPING, state.record)
                self._set(stop_after=True)
                self.effects.append(KillTree())
            case Phase.FAILING | Phase.ENDED:
                pass
            case _:
                assert_never(state.phase)

    # --- the tree's part -----------------------------------------------------------------------------------------

    def _told(self, event: Told) -> None:
        procedure, message = self.state.procedure, event.message
        if procedure is None or message.halt_id != procedure.order_id or procedure.step is Step.PROVING:
            return
        sealed = procedure.sealed or event.at
        match message:
            case HaltAcknowledged(in_flight=in_flight, open_orders=named):
                procedure = replace(
                    procedure,
                    in_flight=in_flight,
                    unended=frozenset((*in_flight, *named)),
                    named=named,
                    sealed=sealed,
                    acknowledged=True,
                )
            case HaltProgressed():
                unended = procedure.unended.intersection(message.open_orders)
                procedure = replace(procedure, canceled=message.canceled, unended=unended, sealed=sealed)
            case HaltFinished() if procedure.step is Step.GRACE:
                # It may end unsealed (BrokerActor never answered): then the kill seals it.
                # Clean: BrokerActor acknowledged, and everything it named has ended. Else its last word stands.
                procedure = replace(
                    procedure,
                    canceled=message.canceled,
                    unended=frozenset() if message.clean else procedure.unended,
                    acknowledged=procedure.acknowledged or message.clean,
                    graceful=message.clean,
                )
                procedure = procedure.at_step(Step.ENDING, event.at)
            case HaltFinished():
                pass  # the bound was faster
            case _:
                assert_never(message)
        self._set(procedure=procedure)

    def _tree_died(self, event: TreeDied) -> None:
        match self.state.phase:
            case Phase.STARTING | Phase.SHUT | Phase.TRADING:
                self._refuse_resume(f"the tree died: {event.what}")
                self._set(phase=Phase.FAILING, killing_since_ns=event.at.monotonic_ns)
                self._alert("TREE_DIED", event.what)
                self.effects += [SetGate(state=TradingState.HALTED), KillTree()]
            case Phase.HALTING | Phase.STOPPING if self._procedure().step in (Step.GRACE, Step.ENDING):
                self._kill(event.at)
            case _:
                pass  # expected

    def _tree_ended(self, at: Moment) -> None:
        procedure = self.state.procedure
        halting = self.state.phase in (Phase.HALTING, Phase.STOPPING)
        if halting and procedure is not None and procedure.step in (Step.GRACE, Step.ENDING):
            self._kill(at)  # the Admin and its logger remain

    def _kill(self, at: Moment) -> None:
        self.effects.append(KillTree())
        self._set(procedure=self._procedure().at_step(Step.KILLING, at))

    def _tree_killed(self, event: TreeKilled) -> None:
        if self.state.phase is Phase.FAILING or (self.state.phase is Phase.RENEWING and event.left):
            # Beside what still lives no second tree may start in this process: systemd starts us again.
            self._exit(EXIT_TREE_DIED)
            return
        if self.state.phase is Phase.RENEWING:
            self.effects.append(StartAnew())
            return
        procedure = self.state.procedure
        if procedure is not None and procedure.step is Step.PROVING and procedure.gone is not None:
            # The kill that was given up: until now something may have been sent.
            self._set(procedure=replace(procedure, gone=event.at))
        if procedure is not None and procedure.step is Step.KILLING:
            procedure = replace(procedure, killed=dict(event.killed), sealed=procedure.sealed or event.at)
            self._set(procedure=procedure)
            if event.left:
                self._alert("NOT_KILLED", f"still alive after SIGKILL: {dict(event.left)}")
            self._prove(event.at)

    def _prove(self, at: Moment) -> None:
        procedure = self._procedure().at_step(Step.PROVING, at)
        self._set(procedure=replace(procedure, proof=prove_from(procedure.proof, at), gone=at))
        self._tick_proof(at)

    # --- time ----------------------------------------------------------------------------------------------------

    def _ticked(self, event: Ticked) -> None:
        self._set(broker_ready=event.broker_ready)
        at, state = event.at, self.state
        if state.phase in (Phase.FAILING, Phase.RENEWING):
            if at.monotonic_ns - state.killing_since_ns >= self.settings.kill_ns:
                self._exit(EXIT_TREE_DIED)
            return
        if state.phase in (Phase.STARTING, Phase.SHUT, Phase.TRADING):
            self._watch_tree(at)
        if self.state.phase is Phase.STARTING and self.state.answered is not None and event.broker_ready:
            self._set(phase=Phase.TRADING)
            self.effects.append(SetGate(state=TradingState.ACTIVE))
        if self.state.phase in (Phase.HALTING, Phase.STOPPING):
            self._hurry(at)
        self._tick_proof(at)
        self._tick_resume(at)

    def _watch_tree(self, at: Moment) -> None:
        answered = self.state.answered
        if answered is None:
            if at.monotonic_ns - self.state.started.monotonic_ns > self.settings.start_ns:
                self._tree_died(TreeDied(at=at, what="the tree did not start in time"))
        elif at.monotonic_ns - answered.monotonic_ns > self.settings.silence_ns:
            self._tree_died(TreeDied(at=at, what="RootActor does not answer"))

    def _hurry(self, at: Moment) -> None:
        procedure = self._procedure()
        passed_ns = at.monotonic_ns - procedure.step_ns
        match procedure.step:
            case Step.GRACE if passed_ns >= self.settings.graceful_ns:
                self._kill(at)
            case Step.GRACE if at.monotonic_ns >= procedure.repeat_ns:
                self._order_halt(at)
            case Step.ENDING if passed_ns >= self.settings.end_ns:
                self._kill(at)
            case Step.KILLING if passed_ns >= self.settings.kill_ns:
                self._alert("NOT_KILLED", "killing the tree did not come to an end")
                self._prove(at)
            case _:
                pass

    # --- the proof -----------------------------------------------------------------------------------------------

    def _tick_proof(self, at: Moment) -> None:
        procedure = self.state.procedure
        if procedure is None:
            return
        proof, effects = proof_tick(
            self._numbered(procedure.proof), at, slow=procedure.certified, settings=self.settings
        )
        self.effects += effects
        self._set(procedure=replace(procedure, proof=proof), last_call=max(self.state.last_call, proof.call))
        since = proof.since
        late = since is not None and at.monotonic_ns - since.monotonic_ns >= self.settings.prove_ns
        if late and not proof.proven and not self._procedure().certified:
            self._certify(at)
            self._alert("HALT_NOT_PROVEN", _unproven(self._procedure()))

    def _numbered(self, proof: Proof) -> Proof:
        # Numbers go on over all desk calls, so that no late answer is taken for a later call's.
        return proof if proof.waiting else replace(proof, call=self.state.last_call)

    def _desk_answered(self, event: DeskEvent) -> None:
        resume = self.state.resume
        if resume is not None and resume.call and resume.call == event.call:
            self._resume_read(event)
            return
        procedure = self.state.procedure
        if procedure is None or procedure.proof.proven:
            return
        wanted = bool(procedure.in_flight or procedure.named or procedure.canceled)
        proof = proof_answer(
            procedure.proof, event, wanted_history=wanted, doubt=procedure.doubt, settings=self.settings
        )
        self._set(procedure=replace(procedure, proof=proof))
        if proof.proven:
            self._certify(event.at)

    def _certify(self, at: Moment) -> None:
        procedure = replace(self._procedure(), certified=True)
        self._set(procedure=procedure)
        facts = certificate_facts(procedure, at, clean_reads_wanted=self.settings.clean_reads)
        self.effects.append(WriteCertificate(facts=facts))
        if self.state.phase in (Phase.HALTING, Phase.STOPPING):
            if self.state.stop_after:
                self._exit(EXIT_ORDERLY)
            else:
                self._set(phase=Phase.HALTED)

    # --- resume --------------------------------------------------------------------------------------------------

    def _resume_requested(self, event: ResumeRequested) -> None:
        if self.state.resume is not None:
            self.effects.append(AnswerResume(accepted=False, detail="another resume is under way"))
            return
        self._set(resume=Resume(by=event.by, reason=event.reason, begun=event.at), resume_refused="")
        procedure = self.state.procedure
        match self.state.phase:
            case Phase.SHUT | Phase.HALTED if procedure is not None and not procedure.proof.proven:
                self._refuse_resume("the halt is not proven yet: something may still be open at the broker")
            case Phase.SHUT if not self.state.broker_ready:
                self._refuse_resume("BrokerActor is not reconciled yet: try again")
            case Phase.SHUT:
                self._tick_resume(event.at)
            case Phase.HALTED:
                self.effects += [
                    AnswerResume(accepted=True, detail="starting a new tree"),
                    Reexec(by=event.by, reason=event.reason),
                ]
            case Phase.TRADING:
                self._refuse_resume("nothing is halted")
            case phase:
                self._refuse_resume(f"the guardian is {phase}: try again when that is over")

    def _tick_resume(self, at: Moment) -> None:
        resume, procedure = self.state.resume, self.state.procedure
        if resume is None or self.state.phase not in (Phase.STARTING, Phase.SHUT):
            return
        if at.monotonic_ns - resume.begun.monotonic_ns > RESUME_NS:
            self._refuse_resume("the tree or the broker was not ready in time")
        elif self.state.phase is Phase.SHUT and self.state.broker_ready and resume.call == 0:
            if procedure is not None and not procedure.proof.proven:
                return
            call = self.state.last_call + 1
            self._set(resume=replace(resume, call=call), last_call=call)
            self.effects.append(CallDesk(call=call, request=DeskRequest.READ))

    def _resume_read(self, event: DeskEvent) -> None:
        resume = self.state.resume
        assert resume is not None
        if not isinstance(event, BrokerRead):
            error = event.error if isinstance(event, DeskFailed) else "an answer to another question"
            self._refuse_resume(f"the broker cannot be read: {error}")
            return
        foreign = [order.venue_order_id for order in event.orders if not is_ours(order.client_order_id)]
        if foreign:
            self._refuse_resume(f"open orders at the broker are not ours: {', '.join(foreign)}")
        elif self.state.phase is Phase.SHUT and not resume.clearing:
            self._set(resume=replace(resume, clearing=True))
            self.effects.append(ClearLatch(by=resume.by, reason=resume.reason))

    def _latch_cleared(self) -> None:
        if self.state.resume is None or not self.state.resume.clearing or self.state.phase is not Phase.SHUT:
            return
        self._set(phase=Phase.TRADING, record=None, procedure=None, resume=None)
        self.effects += [
            SetGate(state=TradingState.ACTIVE),
            AnswerResume(accepted=True, detail="the gate is open"),
        ]

    def _refuse_resume(self, why: str) -> None:
        if self.state.resume is not None:
            self._set(resume=None, resume_refused=why)
            self.effects.append(AnswerResume(accepted=False, detail=why))

    # --- new settings --------------------------------------------------------------------------------------------

    def _settings_checked(self, event: SettingsChecked) -> None:
        """Take the new settings by a new start. Crash-only: orders and positions stand, and are reconciled then."""
        phase = self.state.phase
        if event.problem:
            self._answer_renewal(event.problem, accepted=False)
        elif phase is Phase.HALTED:
            self._answer_renewal("it is halted: the next resume starts with the new settings", accepted=True)
        elif phase not in (Phase.SHUT, Phase.TRADING):
            self._answer_renewal(f"the guardian is {phase}: try again when that is over", accepted=False)
        elif self.state.resume is not None:
            self._answer_renewal("a resume is under way: try again when that is over", accepted=False)
        else:
            self._set(phase=Phase.RENEWING, killing_since_ns=event.at.monotonic_ns)
            self._answer_renewal("every symbol is rebuilt", accepted=True)
            # Nobody may begin an order that the kill would cut in two.
            self.effects += [SetGate(state=TradingState.HALTED), KillTree()]

    def _answer_renewal(self, detail: str, *, accepted: bool) -> None:
        self.effects.append(AnswerRenewal(accepted=accepted, detail=detail))

    # --- small things --------------------------------------------------------------------------------------------

    def _procedure(self) -> Procedure:
        assert self.state.procedure is not None
        return self.state.procedure

    def _set(self, **changes: object) -> None:
        self.state = replace(self.state, **changes)  # type: ignore[arg-type]

    def _alert(self, code: str, text: str) -> None:
        self.effects.append(Alert(severity=Severity.CRITICAL, code=code, text=text))

    def _exit(self, code: int) -> None:
        self._set(phase=Phase.ENDED)
        self.effects.append(Exit(code=code))


def _being_killed(procedure: Procedure) -> Procedure:
    return replace(procedure, step=Step.KILLING)


def _unproven(procedure: Procedure) -> str:
    left = ", ".join(procedure.proof.still_open) or "nothing known"
    trouble = f"; {procedure.proof.trouble}" if procedure.proof.trouble else ""
    return f"{procedure.halt_id} is not proven; open: {left}{trouble}"
