"""Symbols that a person paused: no entries until a person releases them, through every restart."""

from __future__ import annotations

from dataclasses import replace

from kyzlo_actors.domain.effects import ReviveActor
from kyzlo_actors.domain.identity import event_id
from kyzlo_actors.domain.messages import QuarantineReleased
from kyzlo_actors.domain.operator import PauseSymbol, ReleaseSymbol, SymbolRestricted
from kyzlo_actors.domain.risk import quarantine
from kyzlo_actors.domain.risk.draft import Draft
from kyzlo_actors.domain.values import Severity


def on_pause(draft: Draft, pause: PauseSymbol) -> None:
    """From now on its entries are denied."""
    if draft.state.paused.get(pause.symbol) != pause.reason:
        draft.alert(Severity.INFO, "PAUSED", f"{pause.symbol} is paused by {pause.by}: {pause.reason}")
    draft.state = replace(draft.state, paused={**draft.state.paused, pause.symbol: pause.reason})
    _answer(draft, pause)


def on_release(draft: Draft, release: ReleaseSymbol) -> None:
    """It is judged like any other symbol again. A lost word to the kill switch only makes it halt earlier."""
    symbol = release.symbol
    if symbol in draft.state.paused:
        draft.alert(
            Severity.INFO, "PAUSE_RELEASED", f"{symbol} is released by {release.by}: {release.reason}"
        )
        others = {name: why for name, why in draft.state.paused.items() if name != symbol}
        draft.state = replace(draft.state, paused=others)
    if symbol in draft.state.quarantined:
        own_id = event_id("quarantine_released", release.stamp.event_id)
        stamp = release.stamp.caused(own_id, ts_event=draft.now_ns)
        reason = f"{release.by}: {release.reason}"
        released = QuarantineReleased(stamp=stamp, symbols=(symbol,), reason=reason)
        quarantine.on_released(draft, released)
        draft.send("kill_switch", released)
    # Even if nothing was to be lifted: who asks again after a crash in between must get his actor.
    draft.do(ReviveActor(symbol=symbol))
    _answer(draft, release)


def on_started(draft: Draft) -> None:
    """A pause ends when its symbol leaves the settings: who adds it again later wants it to trade."""
    paused = {name: why for name, why in draft.state.paused.items() if name in draft.limits.max_position}
    if len(paused) != len(draft.state.paused):
        draft.state = replace(draft.state, paused=paused)


def _answer(draft: Draft, command: PauseSymbol | ReleaseSymbol) -> None:
    answer_id = event_id("symbol_restricted", command.stamp.event_id)
    told = SymbolRestricted(
        stamp=command.stamp.caused(answer_id, ts_event=draft.now_ns),
        symbol=command.symbol,
        paused=command.symbol in draft.state.paused,
        quarantined=command.symbol in draft.state.quarantined,
    )
    draft.send("guardian", told)
