"""Finding a strategy by name: a built-in, an installed entry point, or `module:Class`."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from functools import partial
from importlib.metadata import entry_points
from typing import Any, Final, cast

from kyzlo_actors.bootstrap.problems import raise_problems
from kyzlo_actors.bootstrap.settings_model import Settings
from kyzlo_actors.domain.errors import BadInput
from kyzlo_actors.domain.strategy.protocol import Strategy, make_parameters

ENTRY_POINT_GROUP: Final = "kyzlo_actors.strategies"
MAX_WARM_UP_BARS: Final = 200
MAX_TIMERS: Final = 16
MIN_TIMER_SECONDS: Final = 0.1
_CALLBACKS: Final = (
    "on_start",
    "on_tick",
    "on_bar",
    "on_warm_up",
    "on_order_event",
    "on_fill",
    "on_timer",
    "on_stop",
    "save",
    "load",
)


def find_strategy(name: str, *, field: str) -> type[Strategy]:
    """The strategy class that `name` stands for.

    Raises: BadInput: there is none, it cannot be imported, or it is not a strategy.
    """
    target = name if ":" in name else _installed().get(name)
    if target is None:
        known = ", ".join(sorted(_installed()))
        raise BadInput(field, name, f"use one of: {known}; or module:Class")
    module_name, _, class_name = target.partition(":")
    try:
        found = getattr(importlib.import_module(module_name), class_name)
    except (ImportError, AttributeError, SyntaxError, ValueError) as error:
        raise BadInput(field, name, f"it must be importable: {error}") from None
    missing = [callback for callback in _CALLBACKS if not callable(getattr(found, callback, None))]
    if missing or not hasattr(found, "Parameters") or not isinstance(getattr(found, "name", None), str):
        lacks = ", ".join(missing) or "name or Parameters"
        raise BadInput(field, name, f"it is not a strategy, it lacks: {lacks} (derive from BaseStrategy)")
    return cast("type[Strategy]", found)


def strategy_maker(settings: Settings, symbol: str) -> Callable[[], Strategy]:
    """How to make the strategy of `symbol`, its parameters checked now.

    Raises: BadInput: the strategy or one of its parameters cannot be used.
    """
    table = settings.symbols[symbol]
    field = f"symbols.{symbol}"
    strategy = find_strategy(table.strategy, field=f"{field}.strategy")
    parameters = make_parameters(strategy, table.parameters, field_prefix=f"{field}.parameters")
    make = partial(strategy, parameters)
    made = make()
    warm_up = made.warm_up_bars
    if warm_up > MAX_WARM_UP_BARS:
        raise BadInput(f"{field}.parameters", warm_up, f"warm-up may take at most {MAX_WARM_UP_BARS} bars")
    periods = getattr(made, "timers", {})
    if len(periods) > MAX_TIMERS or any(seconds < MIN_TIMER_SECONDS for seconds in periods.values()):
        cure = f"its timers: at most {MAX_TIMERS}, each at least {MIN_TIMER_SECONDS} s apart"
        raise BadInput(f"{field}.strategy", table.strategy, cure)
    return cast("Callable[[], Strategy]", make)


def check_strategies(settings: Settings) -> None:
    """Find every symbol's strategy and check its parameters; needs no network.

    Raises: BadInput, SettingsProblems: one line for each symbol whose strategy cannot be used.
    """
    problems: list[BadInput] = []
    for symbol in settings.symbols:
        try:
            strategy_maker(settings, symbol)
        except BadInput as problem:
            problems.append(problem)
    raise_problems(problems)


def _installed() -> dict[str, Any]:
    return {point.name: point.value for point in entry_points(group=ENTRY_POINT_GROUP)}
