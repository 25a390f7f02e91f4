"""What a strategy is: pure callbacks of one symbol that may answer with a target position.

A strategy has no clock, no I/O and no order objects. It says which position it wants; the core turns the difference
into an order, risk judges it. The same object runs live, on paper, in backtest and in replay.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from decimal import Decimal
from typing import Any, ClassVar, Protocol

from kyzlo_actors.domain.errors import BadInput
from kyzlo_actors.domain.market import Bar, Tick
from kyzlo_actors.domain.messages import OrderFilled, OrderStatusChanged, TimerDue


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """A wish: hold `target_position` signed shares. `indicators` are the figures behind it, for `explain`.

    Without `limit_price` the order is a market order.
    """

    target_position: Decimal
    reason: str
    indicators: Mapping[str, float] = field(default_factory=dict)
    limit_price: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What a strategy may know besides the event: its symbol, the size it trades, and its position."""

    symbol: str
    quantity: Decimal
    position: Decimal
    average_cost: Decimal


class Strategy(Protocol):
    """The callbacks. All are called on one thread, one at a time; returning None means "no opinion"."""

    name: ClassVar[str]
    Parameters: ClassVar[type[Any]]
    """A frozen dataclass; its `__post_init__` raises ValueError for values that make no sense."""

    def __init__(self, parameters: Any) -> None: ...

    @property
    def warm_up_bars(self) -> int:
        """How many closed bars of history it wants before its first decision (at most 200)."""

    @property
    def timers(self) -> Mapping[str, float]:
        """Names and periods in seconds of the timers it wants (at most 16, none below 0.1 s).

        They are due at whole multiples of the period since 1970 UTC: the same instants in every life and in replay.
        """

    def on_start(self, context: Context) -> None:
        """Once, before anything else, and again after a restart (after `load`)."""

    def on_tick(self, context: Context, tick: Tick) -> Signal | None:
        """The newest eligible trade; ticks in between may have been conflated."""

    def on_bar(self, context: Context, bar: Bar) -> Signal | None:
        """A closed bar; none is ever conflated. A revised bar (`revision` > 0) must not fire a signal again."""

    def on_warm_up(self, context: Context, bar: Bar) -> None:
        """A bar of history: learn from it; no signal can come of it."""

    def on_order_event(self, context: Context, event: OrderStatusChanged) -> None:
        """One of its orders moved."""

    def on_fill(self, context: Context, fill: OrderFilled) -> None:
        """One of its orders traded; `context.position` already holds it."""

    def on_timer(self, context: Context, timer: TimerDue) -> Signal | None:
        """One of its `timers` is due."""

    def on_stop(self, context: Context) -> None:
        """The actor ends in order; nothing more will be asked of it in this life."""

    def save(self) -> dict[str, Any]:
        """Its state as plain JSON values."""

    def load(self, state: dict[str, Any]) -> None:
        """Become what `save` described."""


class BaseStrategy:
    """Every callback as a no-op, so that a strategy writes only those that it needs."""

    name: ClassVar[str] = "base"

    @property
    def warm_up_bars(self) -> int:
        return 0

    @property
    def timers(self) -> Mapping[str, float]:
        return {}

    def on_start(self, context: Context) -> None: ...

    def on_tick(self, context: Context, tick: Tick) -> Signal | None:
        return None

    def on_bar(self, context: Context, bar: Bar) -> Signal | None:
        return None

    def on_warm_up(self, context: Context, bar: Bar) -> None: ...

    def on_order_event(self, context: Context, event: OrderStatusChanged) -> None: ...

    def on_fill(self, context: Context, fill: OrderFilled) -> None: ...

    def on_timer(self, context: Context, timer: TimerDue) -> Signal | None:
        return None

    def on_stop(self, context: Context) -> None: ...

    def save(self) -> dict[str, Any]:
        return {}

    def load(self, state: dict[str, Any]) -> None: ...


def make_parameters(strategy: type[Strategy], given: Mapping[str, Any], *, field_prefix: str) -> Any:
    """The strategy's typed parameters from a plain table.

    Raises: BadInput: an unknown name, a wrong type, or a value the strategy refuses.
    """
    known = {f.name: f for f in fields(strategy.Parameters)}
    for key, value in given.items():
        if key not in known:
            raise BadInput(
                f"{field_prefix}.{key}", value, f"{strategy.name} knows: {', '.join(sorted(known))}"
            )
        declared = known[key].type  # a class, or its name where annotations are postponed
        wanted = declared if isinstance(declared, str) else getattr(declared, "__name__", str(declared))
        if not _fits(value, wanted):
            raise BadInput(f"{field_prefix}.{key}", value, f"give a value of type {wanted}")
    try:
        return strategy.Parameters(**given)
    except (TypeError, ValueError) as error:
        raise BadInput(field_prefix, dict(given), str(error)) from None


def _fits(value: object, wanted: str) -> bool:
    if wanted == "bool":
        return isinstance(value, bool)
    if wanted == "int":
        return isinstance(value, int) and not isinstance(value, bool)
    if wanted == "float":
        return isinstance(value, int | float) and not isinstance(value, bool)
    if wanted == "str":
        return isinstance(value, str)
    return True
