"""Trying strategies: every defect that a strategy may have is found by playing it, each in a process of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from kyzlo_actors.bootstrap.trial import check as trial_check
from kyzlo_actors.bootstrap.trial.check import Verdict, check_strategy
from kyzlo_actors.bootstrap.trial.tape import odd_tape, ordinary_tape
from kyzlo_actors.domain.errors import BadInput
from kyzlo_actors.domain.market import Bar, Tick
from kyzlo_actors.domain.messages import TimerDue

# A strategy that is in and out by turns; the marked places are where a defect goes.
SOUND = """
from dataclasses import dataclass
from decimal import Decimal

from kyzlo_actors.domain.strategy.protocol import BaseStrategy, Signal

#module


@dataclass(frozen=True)
class Parameters:
    every: int = 5


class Subject(BaseStrategy):
    name = "subject"
    Parameters = Parameters
    #class

    def __init__(self, parameters):
        self.every = parameters.every
        self.count = 0
        self.last_start_ns = -1
        #init

    def on_bar(self, context, bar):
        #first
        if bar.start_ns <= self.last_start_ns:
            return None
        self.last_start_ns = bar.start_ns
        self.count += 1
        #bar
        if self.count % self.every:
            return None
        target = Decimal(0) if context.position else context.quantity
        #signal
        return Signal(target_position=target, reason="by turns", indicators={"count": self.count})

    def on_warm_up(self, context, bar):
        self.last_start_ns = max(self.last_start_ns, bar.start_ns)
        #warm

    def save(self):
        return {"count": self.count, "last_start_ns": self.last_start_ns}

    def load(self, state):
        self.count, self.last_start_ns = state["count"], state["last_start_ns"]
        #load
"""

ON_TICK = "    def on_tick(self, context, tick):\n"
TWICE = "the same market twice gives other signals"
LOST = "save and load lose something"

# Where, what, and words of the error.
DEFECTS = [
    ("#bar", "1 / (self.count - 50)", "raised ZeroDivisionError on a bar"),
    ("#warm", "1 / 0", "raised ZeroDivisionError on a bar"),
    ("#first", "if not bar.volume: raise ValueError('no volume')", "no volume (odd market)"),
    ("#first", "if bar.revision: return Signal(target_position=Decimal(1), reason='again')", "corrected bar"),
    ("#first", "bar.close = 0.0", "changed the bar that it was given"),
    ("#signal", "return target", "answered with a Decimal"),
    (
        "#signal",
        "return Signal(target_position=float(target), reason='x')",
        "target_position must be a finite Decimal",
    ),
    ("#signal", "return Signal(target_position=Decimal('nan'), reason='x')", "must be a finite Decimal"),
    ("#signal", "return Signal(target_position=target, reason='')", "without a reason"),
    (
        "#signal",
        "return Signal(target_position=target, reason='x', limit_price=Decimal(0))",
        "limit price Decimal('0')",
    ),
    (
        "#signal",
        "return Signal(target_position=target, reason='x', indicators={'z': float('nan')})",
        "finite numbers",
    ),
    (
        "#class",
        f"calls = [0]\n{ON_TICK}        self.calls[0] += 1\n        self.count += self.calls[0] % 7 == 0",
        TWICE,
    ),
    ("#load", "self.count += 1", "save after load is not what was saved"),
    (
        "#class",
        f"hidden = 0\n{ON_TICK}        self.hidden += 1\n        self.count += self.hidden % 7 == 0",
        LOST,
    ),
    ("#warm", "self.last_start_ns = Decimal(self.last_start_ns)", "save and load"),
    ("#bar", "import time; time.sleep(0.0001)", "time.sleep"),
    ("#bar", "open('/proc/self/stat').close()", "asked the machine while deciding: open '/proc/self/stat'"),
    ("#bar", "__import__('socket').socket().close()", "asked the machine while deciding: socket"),
    ("#bar", "__import__('os').system('true')", "asked the machine while deciding: os.system"),
    ("#bar", "raise SystemExit(3)", "ended the process that played it (exit code 3)"),
    ("#bar", "__import__('os')._exit(4)", "ended the process that played it (exit code 4)"),
    (
        "#class",
        "def on_stop(self, context): raise RuntimeError('no')",
        "raised when stopped: RuntimeError: no",
    ),
    (
        "#class",
        "timers = {'clock': 60.0}\n    def on_timer(self, context, timer): raise RuntimeError(timer.name)",
        "raised RuntimeError on a timerdue: clock",
    ),
    (
        "#class",
        "def on_fill(self, context, fill): raise RuntimeError(fill.side)",
        "raised RuntimeError on a bar: buy",
    ),
]


@pytest.fixture
def verdict_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Verdicts:
    return Verdicts(tmp_path, monkeypatch)


class Verdicts:
    """Writes a strategy under a fresh name and checks it."""

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._directory = directory
        self._count = 0
        monkeypatch.chdir(directory)
        monkeypatch.syspath_prepend(str(directory))
        monkeypatch.setenv("PYTHONPATH", str(directory))

    def __call__(self, *changes: tuple[str, str], **given: object) -> Verdict:
        source = SOUND
        for mark, text in changes:
            assert mark in source
            source = source.replace(mark, text)
        # A module of an earlier test is still loaded: another name is another strategy.
        name = f"subject_{self._directory.name}_{self._count}".replace("-", "_")
        self._count += 1
        (self._directory / f"{name}.py").write_text(source)
        return check_strategy(f"{name}:Subject", given, seed=1)


def errors(verdict: Verdict) -> list[str]:
    return [remark.text for remark in verdict.remarks if remark.is_error]


def test_a_sound_strategy_passes(verdict_of: Verdicts) -> None:
    verdict = verdict_of()
    assert verdict.remarks == ()
    assert verdict.is_good
    assert verdict.parameters == {"every": 5}
    assert verdict.signals > 50
    assert verdict.steps["bars"] > 500
    assert verdict.largest == "1"
    assert verdict.bar_us[0] > 0


@pytest.mark.parametrize(("mark", "text", "words"), DEFECTS)
def test_a_defect_is_found(verdict_of: Verdicts, mark: str, text: str, words: str) -> None:
    verdict = verdict_of((mark, text))
    assert not verdict.is_good
    assert any(words in told for told in errors(verdict)), verdict.remarks


def test_what_depends_on_the_order_of_a_set_is_found(verdict_of: Verdicts) -> None:
    """One order in each process: only two of them show it."""
    names = [f"name{number}" for number in range(50)]
    verdict = verdict_of(
        ("#module", f"NAMES = {{{', '.join(map(repr, names))}}}"),
        ("#signal", "return Signal(target_position=target, reason=next(iter(NAMES)))"),
    )
    assert ["another process gives other signals" in told for told in errors(verdict)] == [True]


def test_places_are_those_of_the_strategy(verdict_of: Verdicts) -> None:
    verdict = verdict_of(("#bar", "open('/proc/self/stat').close()"))
    (name,) = {remark.place.rpartition(":")[0] for remark in verdict.remarks}
    assert name == verdict.files[0]


def test_a_strategy_that_hangs_is_ended(verdict_of: Verdicts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial_check, "TRIAL_SECONDS", 3.0)
    verdict = verdict_of(("#bar", "while True: pass"))
    assert "did not come to an end within 3 s of trying" in errors(verdict)


def test_warnings_do_not_condemn(verdict_of: Verdicts) -> None:
    silent = verdict_of(every=100_000)
    assert silent.is_good
    assert ["gave no signal" in remark.text for remark in silent.remarks] == [True]
    large = verdict_of(("#signal", "target = target * 3"))
    assert large.is_good
    assert ["3 times the quantity" in remark.text for remark in large.remarks] == [True]


def test_a_state_that_grows_or_is_large_is_a_warning(verdict_of: Verdicts) -> None:
    grows = verdict_of(
        ("#init", "self.seen = []"),
        ("#bar", "self.seen.append(bar.close)"),
        ('return {"count"', 'return {"seen": self.seen, "count"'),
        ("#load", "self.seen = state['seen']"),
    )
    assert grows.is_good
    assert ["is it bounded?" in remark.text for remark in grows.remarks] == [True]
    large = verdict_of(('return {"count"', 'return {"much": "x" * 310_000, "count"'))
    assert ["302 KiB with each snapshot" in remark.text for remark in large.remarks] == [True]


def test_a_name_that_is_no_part_of_an_id_is_an_error(verdict_of: Verdicts) -> None:
    assert any("part of every order's id" in t for t in errors(verdict_of(('"subject"', '"my subject"'))))


def test_output_of_a_strategy_does_not_spoil_the_answer(verdict_of: Verdicts) -> None:
    verdict = verdict_of(("#bar", "print('hello')"))
    assert verdict.is_good
    assert verdict.signals > 50


def test_parameters_that_cannot_be_used_are_bad_input(verdict_of: Verdicts) -> None:
    with pytest.raises(BadInput, match=r"parameters\.never"):
        verdict_of(never=1)
    with pytest.raises(BadInput, match="use one of"):
        check_strategy("no_such_strategy", {}, seed=1)


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("breakout", {"allow_short": True}),
        ("frame_trend", {"fast": 3, "medium": 8, "slow": 21}),
        ("golden_cross", {"fast": 3, "slow": 9}),
        ("golden_cross", {"fast": 3, "slow": 9, "on": "ticks"}),
        ("mean_reversion", {"stop_z": 2.5, "allow_short": True}),
    ],
)
def test_the_shipped_strategies_pass(name: str, given: dict[str, object]) -> None:
    verdict = check_strategy(name, given, seed=1)
    assert errors(verdict) == []
    assert verdict.signals > 5


def test_the_markets_are_a_function_of_the_seed_and_hold_what_they_promise() -> None:
    timers = {"often": 30.0, "seldom": 3600.0}
    assert ordinary_tape(7, timers) == ordinary_tape(7, timers) != ordinary_tape(8, timers)
    steps = [*ordinary_tape(1, timers), *odd_tape(1, timers)]
    bars = [step.event for step in steps if isinstance(step.event, Bar)]
    assert all(
        0 < bar.low <= min(bar.open, bar.close) <= max(bar.open, bar.close) <= bar.high for bar in bars
    )
    assert any(bar.volume == 0 for bar in bars)
    assert {bar.revision for bar in bars} == {0, 1, 2}
    assert any(step.is_late for step in steps)
    assert any(isinstance(step.event, Tick) for step in steps)
    due = [step.event for step in steps if isinstance(step.event, TimerDue)]
    assert {timer.name for timer in due} == {"often", "seldom"}
    assert all(timer.due_ns <= timer.now_ns for timer in due)
