"""How often a crashed actor may come back: intensity and backoff, after Erlang/OTP."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

# One crash is bad luck: restart at once. From the second within the period on, wait twice as long each time.
_FREE_RESTARTS: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class RestartPolicy:
    """More than `max_restarts` deaths within `period_ns` are too many."""

    max_restarts: int
    period_ns: int
    backoff_first_ns: int
    backoff_max_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RestartHistory:
    """The deaths of one actor: those within the period, and how many there were in all."""

    deaths_ns: tuple[int, ...] = ()
    total: int = 0

    def died(self, now_ns: int, policy: RestartPolicy) -> tuple[RestartHistory, int | None]:
        """The new history, and the time at which to restart: None when the intensity is exceeded."""
        recent = tuple(ts for ts in self.deaths_ns if now_ns - ts < policy.period_ns)
        deaths = (*recent, now_ns)
        history = replace(self, deaths_ns=deaths, total=self.total + 1)
        if len(deaths) > policy.max_restarts:
            return history, None
        if len(deaths) <= _FREE_RESTARTS:
            return history, now_ns
        doublings = min(len(deaths) - _FREE_RESTARTS - 1, 62)
        delay_ns = min(policy.backoff_first_ns << doublings, policy.backoff_max_ns)
        return history, now_ns + delay_ns
