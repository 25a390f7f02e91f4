"""The strategy's own timers: periodic, due at whole multiples of their period, so that replay meets the same ones."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from kyzlo_actors.domain.effects import Schedule
from kyzlo_actors.domain.messages import TimerDue
from kyzlo_actors.domain.symbol import pursuit
from kyzlo_actors.domain.symbol.draft import Draft
from kyzlo_actors.domain.values import NS_PER_SECOND

_PREFIX: Final = "strategy:"


def start(draft: Draft) -> None:
    """Set every timer; those of an earlier life died with it."""
    for name in draft.strategy.timers:
        _set(draft, name)


def is_timer(name: str) -> bool:
    """Whether it is one of the strategy's."""
    return name.startswith(_PREFIX)


def on_timer(draft: Draft, timer: TimerDue) -> None:
    """Set it anew and ask the strategy. One that comes late is one call, however many periods went by."""
    name = timer.name.removeprefix(_PREFIX)
    if name not in draft.strategy.timers:
        return  # set by an earlier version of the strategy
    _set(draft, name)
    signal = draft.strategy.on_timer(draft.context, replace(timer, name=name))
    if signal is not None:
        pursuit.on_signal(draft, signal, f"N:{name}:{timer.due_ns}", timer.due_ns)


def _set(draft: Draft, name: str) -> None:
    period_ns = round(draft.strategy.timers[name] * NS_PER_SECOND)
    due_ns = (draft.now_ns // period_ns + 1) * period_ns
    draft.do(Schedule(name=_PREFIX + name, due_ns=due_ns))
