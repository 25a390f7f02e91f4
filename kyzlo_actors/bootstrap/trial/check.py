"""The whole check of one strategy: its source is read, then it is played in two processes of their own."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from kyzlo_actors.bootstrap.plugins import find_strategy, make_checked
from kyzlo_actors.bootstrap.trial.scan import Remark, scan
from kyzlo_actors.bootstrap.trial.sources import source_files
from kyzlo_actors.domain.strategy.protocol import Strategy, make_parameters

TRIAL_SECONDS: Final = 120.0
SLOW_US: Final = 1_000.0
LARGE_STATE_BYTES: Final = 256 << 10
# Counters and prices become a little longer without anything being wrong.
_GROWN: Final = 1.1
_DIGITS_BYTES: Final = 200
# Sets and dicts of strings come in another order under another seed.
_HASH_SEEDS: Final = ("1", "2")
_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,80}")
_TAIL: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What was found. `tick_us` and `bar_us`: p50 and p99 of one callback, in microseconds."""

    strategy: str
    files: tuple[str, ...]
    parameters: Mapping[str, Any]
    warm_up_bars: int
    timers: Mapping[str, float]
    remarks: tuple[Remark, ...]
    signals: int = 0
    steps: Mapping[str, int] = field(default_factory=dict)
    tick_us: tuple[float, ...] = ()
    bar_us: tuple[float, ...] = ()
    largest: str = "0"

    @property
    def is_good(self) -> bool:
        """No error; there may be warnings."""
        return not any(remark.is_error for remark in self.remarks)


def check_strategy(name: str, given: Mapping[str, Any], *, seed: int) -> Verdict:
    """Check `name` (an entry point or `module:Class`) with these parameters, else its defaults.

    Raises: BadInput: there is no such strategy, or the parameters cannot be used.
    """
    strategy = find_strategy(name, field="strategy")
    parameters = make_parameters(strategy, given, field_prefix="parameters")
    made = make_checked(strategy, parameters, name=name, field="strategy")
    files = source_files(strategy)
    remarks = [*_about_name(strategy), *(remark for path in files for remark in scan(path))]
    first = _trial(name, given, seed=seed, hash_seed=_HASH_SEEDS[0], is_full=True, remarks=remarks)
    if first is not None and not first["errors"]:
        other = _trial(name, given, seed=seed, hash_seed=_HASH_SEEDS[1], is_full=False, remarks=remarks)
        if other is not None:
            remarks += _about_signals(first, other)
        remarks += [*_about_state(first["state_bytes"]), *_about_speed(first)]
    full = first or {"signals": [], "steps": {}, "tick_us": [], "bar_us": [], "largest": "0"}
    return Verdict(
        strategy=name,
        files=tuple(map(str, files)),
        parameters=asdict(parameters),
        warm_up_bars=made.warm_up_bars,
        timers=dict(made.timers),
        remarks=tuple(remarks),
        signals=len(full["signals"]),
        steps=full["steps"],
        tick_us=tuple(full["tick_us"]),
        bar_us=tuple(full["bar_us"]),
        largest=full["largest"],
    )


def _trial(
    name: str,
    given: Mapping[str, Any],
    *,
    seed: int,
    hash_seed: str,
    is_full: bool,
    remarks: list[Remark],
) -> dict[str, Any] | None:
    """The answer of one process; None where it did not come to an answer, which is told in `remarks`."""
    request = {"strategy": name, "parameters": dict(given), "seed": seed, "is_full": is_full}
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-m", "kyzlo_actors.bootstrap.trial.child"],
            input=json.dumps(request, default=str),
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            timeout=TRIAL_SECONDS,
            check=False,
        )
        answer: dict[str, Any] = json.loads(done.stdout)
    except subprocess.TimeoutExpired:
        text = f"did not come to an end within {TRIAL_SECONDS:.0f} s of trying"
        remarks.append(Remark(is_error=True, text=text, place=""))
        return None
    except json.JSONDecodeError:
        last = " / ".join(done.stderr.splitlines()[-_TAIL:]) or "it said nothing"
        text = f"ended the process that played it (exit code {done.returncode}): {last}"
        remarks.append(Remark(is_error=True, text=text, place=""))
        return None
    remarks += [Remark(is_error=True, text=text, place=place) for text, place in answer.get("errors", ())]
    return answer


def _about_name(strategy: type[Strategy]) -> list[Remark]:
    if _NAME.fullmatch(strategy.name):
        return []
    text = f"name {strategy.name!r}: it is part of every order's id: at most 80 letters, digits, _ and -"
    return [Remark(is_error=True, text=text, place="")]


def _about_signals(first: Mapping[str, Any], other: Mapping[str, Any]) -> list[Remark]:
    remarks = []
    if first["signals"] != other["signals"]:
        text = "another process gives other signals (PYTHONHASHSEED): sort sets, and dicts made of them"
        remarks.append(Remark(is_error=True, text=text, place=""))
    if not first["signals"]:
        text = "gave no signal on the synthetic market: little is proven; try other parameters with --param"
        remarks.append(Remark(is_error=False, text=text, place=""))
    if float(first["largest"]) > 1:
        text = f"wants up to {first['largest']} times the quantity: max_position must allow it"
        remarks.append(Remark(is_error=False, text=text, place=""))
    return remarks


def _about_state(sizes_bytes: list[int]) -> list[Remark]:
    """What is saved is written with each snapshot, and read back at each restart."""
    remarks = []
    middle, last = sizes_bytes[-2:]
    if last > _GROWN * middle + _DIGITS_BYTES:
        text = f"what it saves grew from {middle} to {last} bytes within the session: is it bounded?"
        remarks.append(Remark(is_error=False, text=text, place=""))
    if last > LARGE_STATE_BYTES:
        text = f"saves {last >> 10} KiB with each snapshot, above {LARGE_STATE_BYTES >> 10}: keep less"
        remarks.append(Remark(is_error=False, text=text, place=""))
    return remarks


def _about_speed(answer: Mapping[str, Any]) -> list[Remark]:
    remarks = []
    for what in ("tick", "bar"):
        p99_us = answer[f"{what}_us"][1]
        if p99_us > SLOW_US:
            text = f"slow: p99 of a {what} is {p99_us:.0f} µs, above {SLOW_US:.0f}"
            remarks.append(Remark(is_error=False, text=text, place=""))
    return remarks
