"""The process that plays a strategy: `python -m kyzlo_actors.bootstrap.trial.child`, request and answer in JSON.

Request: {"strategy": NAME, "parameters": {}, "seed": 1, "is_full": true}. Not full: only the signals, for comparison.
Answer: {"signals": [], "errors": [[text, place]], "tick_us": [p50, p99], "bar_us": [], "largest": "1", "steps": {},
"state_bytes": []}.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from typing import Any, Final

from kyzlo_actors.bootstrap.plugins import find_strategy, told
from kyzlo_actors.bootstrap.trial.play import QUANTITY, Played, context_of, play
from kyzlo_actors.bootstrap.trial.sources import source_files
from kyzlo_actors.bootstrap.trial.tape import Step, odd_tape, ordinary_tape
from kyzlo_actors.bootstrap.trial.watch import Watch
from kyzlo_actors.domain.strategy.protocol import Strategy, make_parameters

Errors = list[tuple[str, str]]
# Where the strategy is killed and comes back, in parts of the tape; the first lies in the history.
_CUTS: Final = (0.02, 0.25, 0.5, 0.75)
_NS_PER_US: Final = 1_000


def main() -> None:
    """Answer one request from standard input on standard output."""
    # What the strategy prints must not get among the answer.
    answer_fd = os.dup(1)
    os.dup2(2, 1)
    request = json.loads(sys.stdin.read())
    with os.fdopen(answer_fd, "w") as answer:
        json.dump(try_strategy(request), answer)


def try_strategy(request: dict[str, Any]) -> dict[str, Any]:
    """The answer to one request. Raises: BadInput: the strategy or its parameters cannot be used."""
    strategy = find_strategy(request["strategy"], field="strategy")
    parameters = make_parameters(strategy, request["parameters"], field_prefix="parameters")

    def make() -> Strategy:
        return strategy(parameters)

    timers = dict(make().timers)
    tape = ordinary_tape(request["seed"], timers)
    watch = Watch(frozenset(map(str, source_files(strategy))))
    errors: Errors = []
    with watch.during():
        first = play(make(), tape)
    answer: dict[str, Any] = {"signals": first.signals, "errors": errors}
    errors += first.problems.items()
    if not request["is_full"]:
        return answer
    with watch.during():
        odd = play(make(), odd_tape(request["seed"], timers))
    errors += [
        (f"{text} (odd market)", place) for text, place in odd.problems.items() if text not in first.problems
    ]
    second = play(make(), tape)
    if not first.has_failed:
        errors += _difference("the same market twice gives other signals", first, second)
        errors += _stop(make, tape)
        with watch.during():
            sizes, lost = _restarts(make, tape, first)
        errors += lost
        answer["state_bytes"] = sizes
    errors += [(f"asked the machine while deciding: {event}", place) for event, place in watch.events.items()]
    answer["tick_us"], answer["bar_us"] = _percentiles(second.tick_ns), _percentiles(second.bar_ns)
    answer["largest"] = f"{first.largest / QUANTITY:.4g}"
    answer["steps"] = {"ticks": len(second.tick_ns), "bars": len(second.bar_ns)}
    return answer


def _restarts(make: Callable[[], Strategy], tape: list[Step], first: Played) -> tuple[list[int], Errors]:
    """Killed and restored at several places it must go on as if nothing had been. Also the sizes of what it saved."""
    sizes: list[int] = []
    for part in _CUTS:
        cut = int(len(tape) * part)
        original, restored = make(), make()
        before = play(original, tape[:cut])
        try:
            saved = original.save()
            text = json.dumps(saved, allow_nan=False)
            sizes.append(len(text))
            state = json.loads(text)
            restored.load(state)
            again = json.loads(json.dumps(restored.save(), allow_nan=False))
        except Exception as error:  # somebody else's code: that it raises is what we want to know
            return sizes, [(f"save and load, at step {cut}: {told(error)}", "")]
        if again != state:
            return sizes, [(f"save after load is not what was saved (at step {cut})", "")]
        after = play(restored, tape[cut:], first=cut, position=before.position)
        rest = Played(signals=[signal for signal in first.signals if signal[0] >= cut])
        errors = _difference(
            f"a restart at step {cut} gives other signals: save and load lose something", rest, after
        )
        if errors:
            return sizes, errors
    return sizes, []


def _stop(make: Callable[[], Strategy], tape: list[Step]) -> Errors:
    strategy = make()
    play(strategy, tape[: len(tape) // 10])
    try:
        strategy.on_stop(context_of())
    except Exception as error:  # somebody else's code: that it raises is what we want to know
        return [(f"raised when stopped: {told(error)}", "")]
    return []


def _difference(text: str, wanted: Played, got: Played) -> Errors:
    if wanted.signals == got.signals:
        return []
    pairs = zip([*wanted.signals, None], [*got.signals, None], strict=False)
    one, other = next((pair for pair in pairs if pair[0] != pair[1]), (None, None))
    return [(f"{text}: {_told(one)}, then {_told(other)}", "")]


def _told(signal: tuple[int, str] | None) -> str:
    return "nothing" if signal is None else f"step {signal[0]} {signal[1]}"


def _percentiles(times_ns: list[int]) -> list[float]:
    """p50 and p99 in microseconds."""
    if not times_ns:
        return [0.0, 0.0]
    ordered = sorted(times_ns)
    return [round(ordered[len(ordered) * share // 100] / _NS_PER_US, 1) for share in (50, 99)]


if __name__ == "__main__":
    main()
