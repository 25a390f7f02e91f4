"""What a paper session trades if a person chose it: one strategy on all symbols, or on some."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from kyzlo_actors.bootstrap.plugins import find_strategy, make_checked
from kyzlo_actors.bootstrap.problems import did_you_mean
from kyzlo_actors.bootstrap.strategy_parameters import given_parameters
from kyzlo_actors.domain.errors import BadInput
from kyzlo_actors.domain.strategy.protocol import make_parameters
from kyzlo_actors.venue.scenario import Scenario

_HOUR_SECONDS: Final = 3_600


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperChoice:
    """`strategy` None: those of the demo. `symbols` empty: all of the scenario's."""

    strategy: str | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    symbols: tuple[str, ...] = ()
    bar_seconds: int = 1


def paper_choice(
    scenario: Scenario,
    *,
    strategy: str | None,
    pairs: Sequence[str],
    symbols: str | None,
    bar_seconds: int,
) -> PaperChoice:
    """The choice, checked before anything is started. `pairs` are `name=value`, `symbols` has commas.

    Raises: BadInput: the strategy, its parameters, a symbol or the length of the bars cannot be used.
    """
    parameters = given_parameters(pairs)
    if strategy is not None:
        found = find_strategy(strategy, field="--strategy")
        made = make_parameters(found, parameters, field_prefix="--param")
        make_checked(found, made, name=strategy, field="--strategy")
    elif parameters:
        raise BadInput("--param", pairs[0], "it is for a strategy of your choice: name it with --strategy")
    if bar_seconds < 1 or _HOUR_SECONDS % bar_seconds:
        raise BadInput("--bar-seconds", bar_seconds, "give a number of seconds that divides an hour")
    return PaperChoice(
        strategy=strategy,
        parameters=parameters,
        symbols=_symbols(scenario, symbols),
        bar_seconds=bar_seconds,
    )


def _symbols(scenario: Scenario, text: str | None) -> tuple[str, ...]:
    if text is None:
        return ()
    known = {part.symbol for part in scenario.symbols if part.tradable and part.active}
    names = tuple(dict.fromkeys(name.strip().upper() for name in text.split(",") if name.strip()))
    for name in names:
        if name not in known:
            cure = f"the scenario {scenario.name} does not trade it; {did_you_mean(name, known)}"
            raise BadInput("--symbols", name, cure)
    if not names:
        raise BadInput("--symbols", text, "give symbols with commas between them, such as AAPL,MSFT")
    return names
