"""Finding a strategy by name, an installed entry point or `module:Class`, and checking what can be checked of it."""

from __future__ import annotations

import importlib
import traceback
from collections.abc import Callable
from dataclasses import is_dataclass
from functools import partial
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Final, cast

from kyzlo_actors.bootstrap.problems import raise_problems
from kyzlo_actors.bootstrap.settings_model import Settings
from kyzlo_actors.bootstrap.strategy_path import make_importable, search_directories
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


def find_strategy(name: str, *, field: str, settings_file: Path | None = None) -> type[Strategy]:
    """The strategy class that `name` stands for: an entry point, or `module:Class`.

    A module is looked for among the installed packages, then beside the settings file, then in the present directory.
    Raises: BadInput: there is none, it cannot be imported, or it is not a strategy.
    """
    target = name if ":" in name else installed_strategies().get(name)
    if target is None:
        known = ", ".join(sorted(installed_strategies()))
        raise BadInput(field, name, f"use one of: {known}; or module:Class")
    module_name, _, class_name = target.partition(":")
    directories = search_directories(settings_file)
    make_importable(module_name, directories, field=field)
    try:
        found = getattr(importlib.import_module(module_name), class_name)
    except ModuleNotFoundError as error:
        looked = ", ".join(["the installed packages", *map(str, directories)])
        raise BadInput(field, name, f"it must be importable: {error} (looked in {looked})") from None
    except (
        Exception,
        SystemExit,
    ) as error:  # somebody else's code: whatever it raises, a person gets one line
        raise BadInput(field, name, f"it must be importable: {told(error)}") from None
    missing = [callback for callback in _CALLBACKS if not callable(getattr(found, callback, None))]
    if missing or not hasattr(found, "Parameters") or not isinstance(getattr(found, "name", None), str):
        lacks = ", ".join(missing) or "name or Parameters"
        raise BadInput(field, name, f"it is not a strategy, it lacks: {lacks} (derive from BaseStrategy)")
    if not is_dataclass(found.Parameters):
        raise BadInput(field, name, "its Parameters must be a dataclass")
    return cast("type[Strategy]", found)


def strategy_maker(
    settings: Settings, symbol: str, *, settings_file: Path | None = None
) -> Callable[[], Strategy]:
    """How to make the strategy of `symbol`, its parameters checked now.

    Raises: BadInput: the strategy or one of its parameters cannot be used.
    """
    table = settings.symbols[symbol]
    field = f"symbols.{symbol}"
    strategy = find_strategy(table.strategy, field=f"{field}.strategy", settings_file=settings_file)
    parameters = make_parameters(strategy, table.parameters, field_prefix=f"{field}.parameters")
    make_checked(strategy, parameters, name=table.strategy, field=field)
    return cast("Callable[[], Strategy]", partial(strategy, parameters))


def make_checked(strategy: type[Strategy], parameters: Any, *, name: str, field: str) -> Strategy:
    """One strategy, if its warm-up and its timers keep their bounds.

    Raises: BadInput: they do not, or it cannot be made.
    """
    try:
        made = strategy(parameters)
        warm_up = made.warm_up_bars
        periods = dict(getattr(made, "timers", {}))
        is_timely = all(seconds >= MIN_TIMER_SECONDS for seconds in periods.values())
    except (
        Exception,
        SystemExit,
    ) as error:  # somebody else's code: whatever it raises, a person gets one line
        raise BadInput(f"{field}.strategy", name, f"it cannot be made: {told(error)}") from None
    if not isinstance(warm_up, int) or not 0 <= warm_up <= MAX_WARM_UP_BARS:
        raise BadInput(f"{field}.parameters", warm_up, f"warm-up may take at most {MAX_WARM_UP_BARS} bars")
    if len(periods) > MAX_TIMERS or not is_timely:
        cure = f"its timers: at most {MAX_TIMERS}, each at least {MIN_TIMER_SECONDS} s apart"
        raise BadInput(f"{field}.strategy", name, cure)
    return made


def check_strategies(settings: Settings, *, settings_file: Path | None) -> None:
    """Find every symbol's strategy and check its parameters; needs no network.

    This imports them: in `kyzlo run` before the first fork, so that all actors share what they load.
    Raises: BadInput, SettingsProblems: one line for each symbol whose strategy cannot be used.
    """
    problems: list[BadInput] = []
    for symbol in settings.symbols:
        try:
            strategy_maker(settings, symbol, settings_file=settings_file)
        except BadInput as problem:
            problems.append(problem)
    raise_problems(problems)


def installed_strategies() -> dict[str, str]:
    """`module:Class` of every installed entry point, by name; imports none of them."""
    return {point.name: point.value for point in entry_points(group=ENTRY_POINT_GROUP)}


def told(error: BaseException) -> str:
    """An exception of somebody else's code in one line, with its place there."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" ({frames[-1].filename}:{frames[-1].lineno})" if frames else ""
    if isinstance(error, SyntaxError):
        place = f" ({error.filename}:{error.lineno})"
    words = " ".join(str(error).split())
    return f"{type(error).__name__}: {words}{place}" if words else f"{type(error).__name__}{place}"
