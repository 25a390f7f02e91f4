"""A strategy plays a tape: every callback as its actor would make it, every wish filled at once."""

from __future__ import annotations

import copy
import math
import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final, assert_never

from kyzlo_actors.bootstrap.trial.tape import SYMBOL, Step
from kyzlo_actors.domain.market import Bar, Tick
from kyzlo_actors.domain.messages import OrderFilled, OrderStatusChanged, TimerDue
from kyzlo_actors.domain.order import OrderStatus
from kyzlo_actors.domain.stamp import Stamp
from kyzlo_actors.domain.strategy.protocol import Context, Signal, Strategy
from kyzlo_actors.domain.values import Side

QUANTITY: Final = Decimal(100)
_MAX_PROBLEMS: Final = 10


@dataclass(slots=True, kw_only=True)
class Played:
    """`signals`: step number and the wish as text, comparable between processes. Times in ns."""

    signals: list[tuple[int, str]] = field(default_factory=list)
    problems: dict[str, str] = field(default_factory=dict)
    position: Decimal = Decimal(0)
    largest: Decimal = Decimal(0)
    tick_ns: list[int] = field(default_factory=list)
    bar_ns: list[int] = field(default_factory=list)
    has_failed: bool = False

    def problem(self, text: str, place: str = "") -> None:
        """Each text once, and not without end."""
        if len(self.problems) < _MAX_PROBLEMS:
            self.problems.setdefault(text, place)


def play(
    strategy: Strategy, steps: Sequence[Step], *, first: int = 0, position: Decimal = Decimal(0)
) -> Played:
    """Play all steps, numbered from `first`; an exception ends it."""
    played = Played(position=position)
    number = first
    try:
        strategy.on_start(context_of(position))
        for number, step in enumerate(steps, start=first):
            _take(strategy, step, number, played)
    except Exception as error:  # somebody else's code: that it raises is what we want to know
        played.has_failed = True
        what = type(steps[number - first].event).__name__.lower() if steps else "start"
        played.problem(
            f"raised {type(error).__name__} on a {what}: {' '.join(str(error).split())}", _place_of(error)
        )
    return played


def _take(strategy: Strategy, step: Step, number: int, played: Played) -> None:
    before = copy.copy(step.event)
    signal = _call(strategy, step, played)
    if step.event != before:
        played.problem(f"changed the {type(before).__name__.lower()} that it was given")
        step.event = before
    if signal is None:
        return
    if isinstance(before, Bar) and before.revision > 0:
        played.problem("fired a signal on a corrected bar (bar.revision > 0)")
    trouble = _trouble(signal)
    if trouble:
        played.problem(trouble)
        return
    played.signals.append((number, _text(signal)))
    played.largest = max(played.largest, abs(signal.target_position))
    _fill(strategy, signal, number, _moment(before), played)


def _call(strategy: Strategy, step: Step, played: Played) -> Signal | None:
    context = context_of(played.position)
    match step.event:
        case Bar() as bar if step.is_late:
            strategy.on_warm_up(context, bar)
            return None
        case Bar() as bar:
            began = time.perf_counter_ns()
            signal = strategy.on_bar(context, bar)
            played.bar_ns.append(time.perf_counter_ns() - began)
            return signal
        case Tick() as tick:
            began = time.perf_counter_ns()
            signal = strategy.on_tick(context, tick)
            played.tick_ns.append(time.perf_counter_ns() - began)
            return signal
        case TimerDue() as due:
            return strategy.on_timer(context, due)
        case _:
            assert_never(step.event)


def _fill(strategy: Strategy, signal: Signal, number: int, now_ns: int, played: Played) -> None:
    """The wish comes true at once, with the messages that an order brings."""
    change = signal.target_position - played.position
    if not change:
        return
    played.position = signal.target_position
    context = context_of(played.position)
    stamp = Stamp.first(f"trial-{number}", now_ns)
    shared: Mapping[str, Any] = {
        "stamp": stamp,
        "symbol": SYMBOL,
        "client_order_id": f"kyzlo.trial.{number}",
        "venue_order_id": f"venue-{number}",
        "status": OrderStatus.FILLED,
        "sequence": number,
    }
    filled = OrderFilled(
        **shared,
        execution_id=f"execution-{number}",
        side=Side.BUY if change > 0 else Side.SELL,
        qty=abs(change),
        price=Decimal(100),
        cum_qty=abs(change),
        leaves_qty=Decimal(0),
        fee=Decimal(0),
        synthetic=False,
    )
    strategy.on_fill(context, filled)
    strategy.on_order_event(context, OrderStatusChanged(**shared, filled_qty=abs(change), reason=""))


def context_of(position: Decimal = Decimal(0)) -> Context:
    """What it may know while it holds `position` shares."""
    return Context(
        symbol=SYMBOL,
        quantity=QUANTITY,
        position=position,
        average_cost=Decimal(100) if position else Decimal(0),
    )


def _moment(event: Tick | Bar | TimerDue) -> int:
    return event.now_ns if isinstance(event, TimerDue) else event.ts_init


def _trouble(signal: object) -> str:
    """What is wrong with a wish, in words; nothing else of it may be used then."""
    if not isinstance(signal, Signal):
        return f"answered with a {type(signal).__name__}, not with a Signal or None"
    target, limit = signal.target_position, signal.limit_price
    if not isinstance(target, Decimal) or not target.is_finite():
        return f"wants {target!r} shares: target_position must be a finite Decimal"
    if limit is not None and not (isinstance(limit, Decimal) and limit.is_finite() and limit > 0):
        return f"gave the limit price {limit!r}: it must be a Decimal above 0, or None"
    if not isinstance(signal.reason, str) or not signal.reason:
        return "gave a signal without a reason"
    for name, value in signal.indicators.items():
        if not isinstance(name, str) or not isinstance(value, int | float) or not math.isfinite(value):
            return f"gave the indicator {name} = {value!r}: they must be finite numbers by name"
    return ""


def _text(signal: Signal) -> str:
    indicators = ", ".join(f"{name}={value!r}" for name, value in sorted(signal.indicators.items()))
    return f"{signal.target_position} at {signal.limit_price}: {signal.reason} ({indicators})"


def _place_of(error: Exception) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    return f"{frames[-1].filename}:{frames[-1].lineno}" if frames else ""
