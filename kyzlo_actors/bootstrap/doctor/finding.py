"""What a check has found, and what that means for the shell."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from kyzlo_actors.domain.errors import BadInput

SETTINGS: Final = "settings"
STRATEGIES: Final = "strategies"
MODE: Final = "paper or live"
LATCH: Final = "halt latch"
_UNUSABLE: Final = frozenset({SETTINGS, STRATEGIES, MODE})


class Verdict(StrEnum):
    """SKIPPED: it could not be looked at, or not without disturbing somebody."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"
    SKIPPED = "skipped"


class Outcome(StrEnum):
    """All findings in one word."""

    READY = "ready"
    FAILED = "failed"
    UNUSABLE = "settings unusable"
    HALTED = "halted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One line: which check, its verdict, what was found, and what to do about it (empty when there is nothing)."""

    check: str
    verdict: Verdict
    finding: str
    cure: str = ""


def ok(check: str, finding: str) -> Finding:
    """As it should be."""
    return Finding(check=check, verdict=Verdict.OK, finding=finding)


def warn(check: str, finding: str, cure: str) -> Finding:
    """Trading can begin, but a person should know."""
    return Finding(check=check, verdict=Verdict.WARN, finding=finding, cure=cure)


def fail(check: str, finding: str, cure: str) -> Finding:
    """Trading cannot begin, or would stand still."""
    return Finding(check=check, verdict=Verdict.FAIL, finding=finding, cure=cure)


def skipped(check: str, why: str) -> Finding:
    """Not looked at."""
    return Finding(check=check, verdict=Verdict.SKIPPED, finding=why)


def counted(count: int, noun: str) -> str:
    """`1 symbol`, `2 symbols`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def of_problem(check: str, problem: BadInput) -> list[Finding]:
    """One failure for each problem that it holds."""
    several: tuple[BadInput, ...] = getattr(problem, "problems", (problem,))
    return [fail(check, f"{one.field}: {one.value!r}", one.cure) for one in several]


def outcome(findings: Iterable[Finding]) -> Outcome:
    """UNUSABLE and FAILED go before HALTED: a resume would not help yet."""
    failed = {finding.check for finding in findings if finding.verdict is Verdict.FAIL}
    if failed & _UNUSABLE:
        return Outcome.UNUSABLE
    if failed - {LATCH}:
        return Outcome.FAILED
    return Outcome.HALTED if failed else Outcome.READY
