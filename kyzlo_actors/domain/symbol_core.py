"""The symbol core: one symbol's strategy and position. It turns a wish (target position) into one order at a time.

It believes only the broker actor about its position, and follows it by fill sequence; when it may have missed
something it stops proposing and asks for a snapshot. This file says which event goes where; what happens then
stands in `symbol/`: read `symbol/pursuit.py` first.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, assert_never

from kyzlo_actors.domain.effects import Effect
from kyzlo_actors.domain.market import Mark
from kyzlo_actors.domain.messages import (
    BarClosed,
    CalendarRead,
    Message,
    OrderDenied,
    OrderFilled,
    OrderStatusChanged,
    PositionSnapshot,
    Received,
    SendRefused,
    SequenceObserved,
    Started,
    Stopped,
    TickRead,
    TimerDue,
)
from kyzlo_actors.domain.strategy.protocol import Strategy
from kyzlo_actors.domain.symbol import clockwork, following, pursuit, questions, watch
from kyzlo_actors.domain.symbol.draft import Draft
from kyzlo_actors.domain.symbol.state import SymbolSettings, SymbolState

__all__ = ["SymbolCore", "SymbolEvent", "SymbolSettings", "SymbolState"]

SymbolEvent = Started | Stopped | Received | TickRead | BarClosed | TimerDue | SendRefused | SequenceObserved


class SymbolCore:
    """Pure: time comes in the event, nothing leaves but effects. State is assigned last."""

    def __init__(
        self, settings: SymbolSettings, strategy: Strategy, state: SymbolState | None = None
    ) -> None:
        self.settings = settings
        self.strategy = strategy
        self.state = state or SymbolState()

    def handle(self, event: SymbolEvent) -> list[Effect]:
        """Take one event; what must be done about it, in order."""
        draft = Draft(self.settings, self.strategy, self.state, event.now_ns)
        _take(draft, event)
        self.state = draft.state
        return draft.effects

    def save(self) -> dict[str, Any]:
        """The strategy's own state (the core's is `state`)."""
        return self.strategy.save()


def _take(draft: Draft, event: SymbolEvent) -> None:
    match event:
        case TickRead():
            _on_tick(draft, event)
        case BarClosed():
            _on_bar(draft, event)
        case Received():
            _on_message(draft, event.message)
        case TimerDue():
            _on_timer(draft, event)
        case SequenceObserved():
            questions.on_sequence(draft, event)
        case SendRefused():
            following.on_send_refused(draft, event)
        case Started():
            draft.strategy.on_start(draft.context)
            # A new life never takes an answer to an old one's question: `synced` makes this a new question.
            draft.state = replace(draft.state, incarnation=event.incarnation, pursuit=None, synced=True)
            questions.ask(draft, "start")
            clockwork.start(draft)
        case Stopped():
            draft.strategy.on_stop(draft.context)
        case _:
            assert_never(event)


def _on_tick(draft: Draft, event: TickRead) -> None:
    tick = event.tick
    draft.state = replace(draft.state, mark=Mark(tick.symbol, tick.price, tick.ts_event, tick.ts_init))
    signal = draft.strategy.on_tick(draft.context, tick)
    if signal is not None:
        pursuit.on_signal(draft, signal, tick.natural_key, tick.ts_event)


def _on_bar(draft: Draft, event: BarClosed) -> None:
    bar = event.bar
    draft.state = replace(draft.state, bar_count=draft.state.bar_count + (bar.revision == 0))
    if event.late:
        draft.strategy.on_warm_up(draft.context, bar)
        return
    signal = draft.strategy.on_bar(draft.context, bar)
    if signal is None:
        return
    if draft.state.mark is None:
        draft.state = replace(draft.state, mark=Mark(bar.symbol, bar.close, bar.end_ns, bar.ts_init))
    pursuit.on_signal(draft, signal, bar.natural_key, bar.end_ns)


def _on_timer(draft: Draft, event: TimerDue) -> None:
    if event.name == questions.SNAPSHOT_TIMER:
        questions.on_timer(draft)
    elif watch.is_timer(event.name):
        watch.on_timer(draft, event.name)
    elif clockwork.is_timer(event.name):
        clockwork.on_timer(draft, event)


def _on_message(draft: Draft, message: Message) -> None:
    match message:
        case OrderFilled():
            following.on_fill(draft, message)
        case OrderStatusChanged():
            following.on_status(draft, message)
        case OrderDenied():
            following.on_denied(draft, message)
        case PositionSnapshot():
            following.on_snapshot(draft, message)
        case CalendarRead():
            draft.state = replace(draft.state, calendar=message.calendar)
        case _:
            pass
