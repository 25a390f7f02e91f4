"""The kill switch core: decides automatic halts, and carries the graceful part of a halt to its end."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final, assert_never

from kyzlo_actors.domain.effects import Effect, EndTree, LatchHalt, Schedule, Send
from kyzlo_actors.domain.identity import event_id
from kyzlo_actors.domain.messages import (
    CancelAllOrders,
    DailyLossMeasured,
    HaltAcknowledged,
    HaltFinished,
    HaltOrdered,
    HaltProgressed,
    QuarantineReleased,
    Received,
    SendRefused,
    Started,
    SymbolQuarantined,
    TimerDue,
)
from kyzlo_actors.domain.values import NS_PER_MILLISECOND

KillSwitchEvent = Started | Received | TimerDue | SendRefused

RESEND_NS: Final = 250 * NS_PER_MILLISECOND
_GRACE_TIMER: Final = "grace"
_RESEND_TIMER: Final = "resend"


@dataclass(frozen=True, slots=True, kw_only=True)
class KillSwitchLimits:
    """`daily_loss` in positive dollars; a halt at `max_quarantined` symbols; `grace_ns` for the graceful part."""

    daily_loss: Decimal
    max_quarantined: int
    grace_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class KillSwitchState:
    """`latched`: a halt was asked for by us. `halt`: the guardian's order that is being carried out."""

    latched: bool = False
    quarantined: frozenset[str] = frozenset()
    halt: HaltOrdered | None = None
    sealed: bool = False
    canceled: tuple[str, ...] = ()
    open_orders: tuple[str, ...] = ()
    finished: bool = False


class KillSwitchCore:
    """Pure: time comes in the event, nothing leaves but effects. State is assigned last."""

    def __init__(self, limits: KillSwitchLimits, state: KillSwitchState | None = None) -> None:
        self.limits = limits
        self.state = state or KillSwitchState()

    def handle(self, event: KillSwitchEvent) -> list[Effect]:
        """Take one event; what must be done about it, in order."""
        effects: list[Effect] = []
        match event:
            case Received():
                state = self._on_message(self.state, event, effects)
            case TimerDue():
                state = self._on_timer(self.state, event, effects)
            case Started():
                # An earlier life's halt is over (this one runs), and its latch may have died with it.
                state = KillSwitchState(quarantined=self.state.quarantined)
            case SendRefused():
                state = self.state  # a refused command is sent again by its timer
            case _:
                assert_never(event)
        self.state = state
        return effects

    def _on_message(self, state: KillSwitchState, event: Received, effects: list[Effect]) -> KillSwitchState:
        match event.message:
            case DailyLossMeasured() as measured if measured.pnl <= -self.limits.daily_loss:
                reason = f"the day's loss {measured.pnl} has reached the limit {self.limits.daily_loss}"
                return _latch(state, "DAILY_LOSS", reason, effects)
            case SymbolQuarantined() as gone:
                state = replace(state, quarantined=state.quarantined | {gone.symbol})
                if len(state.quarantined) < self.limits.max_quarantined:
                    return state
                names = ", ".join(sorted(state.quarantined))
                return _latch(state, "QUARANTINES", f"too many symbols crash: {names}", effects)
            case QuarantineReleased() as released:
                return replace(state, quarantined=state.quarantined - frozenset(released.symbols))
            case HaltOrdered() as halt if state.halt is None:
                effects.append(_cancel_all(halt, event.now_ns))
                effects.append(Schedule(name=_GRACE_TIMER, due_ns=event.now_ns + self.limits.grace_ns))
                effects.append(Schedule(name=_RESEND_TIMER, due_ns=event.now_ns + RESEND_NS))
                return replace(state, halt=halt)
            case HaltAcknowledged() as acknowledged if _belongs(state, acknowledged.halt_id):
                effects.append(Send(to="guardian", message=acknowledged))
                return replace(state, sealed=True, open_orders=acknowledged.open_orders)
            case HaltProgressed() as progressed if _belongs(state, progressed.halt_id):
                state = replace(state, canceled=progressed.canceled, open_orders=progressed.open_orders)
                effects.append(Send(to="guardian", message=progressed))
                # Not sealed: the acknowledgement was lost. It is asked for again and this is reported again.
                is_over = state.sealed and not progressed.open_orders
                return _finish(state, event.now_ns, effects) if is_over else state
            case _:
                return state

    def _on_timer(self, state: KillSwitchState, event: TimerDue, effects: list[Effect]) -> KillSwitchState:
        if state.halt is None or state.finished:
            return state
        if event.name == _GRACE_TIMER:
            return _finish(state, event.now_ns, effects)
        if not state.sealed:
            # BrokerActor may be restarting, or its mailbox full: until it answers, ask again.
            effects.append(_cancel_all(state.halt, event.now_ns))
            effects.append(Schedule(name=_RESEND_TIMER, due_ns=event.now_ns + RESEND_NS))
        return state


def _belongs(state: KillSwitchState, halt_id: str) -> bool:
    """Whether it is about the halt that is being carried out, not about an earlier one."""
    return state.halt is not None and state.halt.halt_id == halt_id


def _latch(state: KillSwitchState, code: str, reason: str, effects: list[Effect]) -> KillSwitchState:
    if not state.latched and state.halt is None:
        effects.append(LatchHalt(code=code, reason=reason))
    return replace(state, latched=True)


def _cancel_all(halt: HaltOrdered, now_ns: int) -> Send:
    stamp = halt.stamp.caused(event_id("cancel_all", halt.halt_id), ts_event=now_ns)
    return Send(to="broker", message=CancelAllOrders(stamp=stamp, halt_id=halt.halt_id))


def _finish(state: KillSwitchState, now_ns: int, effects: list[Effect]) -> KillSwitchState:
    """Report and end the tree. What is not proven clean the guardian cancels over its own connection."""
    halt = state.halt
    if halt is None or state.finished:
        return state
    finished = HaltFinished(
        stamp=halt.stamp.caused(event_id("halt_finished", halt.halt_id), ts_event=now_ns),
        halt_id=halt.halt_id,
        clean=state.sealed and not state.open_orders,
        canceled=state.canceled,
        open_orders=state.open_orders,
    )
    effects.append(Send(to="guardian", message=finished))
    effects.append(EndTree(halt_id=halt.halt_id))
    return replace(state, finished=True)
