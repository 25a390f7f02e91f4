"""Breaker, backoff and budget: their limits hold for any course of events."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kyzlo_actors.infrastructure.resilience import Backoff, BreakerState, CircuitBreaker, RateBudget

SECOND = 1_000_000_000
MINUTE = 60 * SECOND


def opened(now_ns: int = 0) -> CircuitBreaker:
    breaker = CircuitBreaker()
    for _ in range(5):
        assert breaker.allows(now_ns)
        breaker.failed(now_ns)
    return breaker


def test_five_failures_in_a_row_open_it_for_a_minute() -> None:
    breaker = opened(now_ns=10)
    assert not breaker.allows(10 + MINUTE - 1)
    assert breaker.allows(10 + MINUTE)
    assert breaker.state is BreakerState.HALF_OPEN


def test_a_success_in_between_starts_the_count_anew() -> None:
    breaker = CircuitBreaker()
    for _ in range(50):
        for _ in range(4):
            breaker.failed(0)
        breaker.succeeded(0)
    assert breaker.state is BreakerState.CLOSED


def test_one_probe_decides() -> None:
    for good in (True, False):
        breaker = opened()
        assert breaker.allows(MINUTE)
        assert not breaker.allows(MINUTE + 1)
        if good:
            breaker.succeeded(MINUTE + 2)
            assert breaker.allows(MINUTE + 3)
            assert breaker.state is BreakerState.CLOSED
        else:
            breaker.failed(MINUTE + 2)
            assert not breaker.allows(2 * MINUTE + 1)
            assert breaker.allows(2 * MINUTE + 2)


def test_a_probe_that_never_reports_does_not_wedge_it() -> None:
    breaker = opened()
    assert breaker.allows(MINUTE)
    assert not breaker.allows(2 * MINUTE - 1)
    assert breaker.allows(2 * MINUTE)
    assert not breaker.allows(2 * MINUTE)


def test_late_reports_of_earlier_calls_change_nothing_while_open() -> None:
    breaker = opened()
    breaker.succeeded(1)
    breaker.failed(MINUTE - 1)
    assert breaker.state is BreakerState.OPEN
    assert breaker.allows(MINUTE)


@given(st.lists(st.tuples(st.sampled_from("asf"), st.integers(0, 20 * SECOND)), max_size=200))
def test_the_breaker_never_wedges_and_never_lets_two_probes_through(steps: list[tuple[str, int]]) -> None:
    breaker = CircuitBreaker(failures=3, open_seconds=10)
    now_ns = 0
    last_probe_ns: int | None = None
    for step, wait_ns in steps:
        now_ns += wait_ns
        if step == "a":
            was_closed = breaker.state is BreakerState.CLOSED
            if breaker.allows(now_ns) and not was_closed:
                assert last_probe_ns is None or now_ns - last_probe_ns >= 10 * SECOND
                last_probe_ns = now_ns
        elif step == "s":
            breaker.succeeded(now_ns)
            last_probe_ns = None if breaker.state is BreakerState.CLOSED else last_probe_ns
        else:
            breaker.failed(now_ns)
    assert breaker.allows(now_ns + 10 * SECOND)


@pytest.mark.parametrize(("failures", "open_seconds"), [(0, 60), (5, 0)])
def test_a_senseless_breaker_is_refused(failures: int, open_seconds: float) -> None:
    with pytest.raises(ValueError, match="must be positive"):
        CircuitBreaker(failures, open_seconds)


def test_delays_grow_to_the_maximum_and_begin_again() -> None:
    backoff = Backoff(1, 2, 10, 0, random.Random(1))
    assert [backoff.next_delay() for _ in range(6)] == [1, 2, 4, 8, 10, 10]
    backoff.reset()
    assert backoff.next_delay() == 1


@given(
    first=st.floats(0.001, 10),
    factor=st.floats(1, 100),
    jitter=st.floats(0, 1),
    seed=st.integers(0, 1_000),
    rounds=st.integers(1, 2_000),
)
def test_delays_stay_within_bounds(
    first: float, factor: float, jitter: float, seed: int, rounds: int
) -> None:
    backoff = Backoff(first, factor, 30, jitter, random.Random(seed))
    for _ in range(rounds):
        delay = backoff.next_delay()
        assert 0 <= delay <= 30
        assert delay >= min(first, 30) * (1 - jitter) * 0.999_999


@pytest.mark.parametrize(
    ("first", "factor", "most", "jitter"), [(0, 2, 1, 0), (2, 2, 1, 0), (1, 0.5, 2, 0), (1, 2, 2, 2)]
)
def test_a_senseless_backoff_is_refused(first: float, factor: float, most: float, jitter: float) -> None:
    with pytest.raises(ValueError, match="a backoff needs"):
        Backoff(first, factor, most, jitter, random.Random(1))


def spend(budget: RateBudget, now_ns: int, *, reserved: bool) -> int:
    """Spend until refused; how many were granted."""
    count = 0
    while budget.try_spend(now_ns, reserved=reserved):
        count += 1
        assert count <= 1_000
    return count


def test_thirty_percent_are_kept_for_cancels_and_closes() -> None:
    budget = RateBudget()
    assert budget.remaining(0, reserved=False) == 140
    assert spend(budget, 0, reserved=False) == 140
    assert spend(budget, 0, reserved=True) == 60
    assert budget.remaining(0, reserved=True) == 0
    assert not budget.try_spend(MINUTE - 1, reserved=True)
    assert spend(budget, MINUTE, reserved=True) == 200
    assert budget.remaining(MINUTE, reserved=False) == 0


def test_reserved_spends_eat_their_own_share_first() -> None:
    budget = RateBudget()
    for _ in range(60):
        assert budget.try_spend(0, reserved=True)
    assert spend(budget, 0, reserved=False) == 140


def test_the_brokers_count_narrows_it_until_its_reset() -> None:
    budget = RateBudget()
    budget.note_server(65, 10 * SECOND)
    assert spend(budget, 0, reserved=False) == 5
    assert spend(budget, 0, reserved=True) == 60
    assert budget.remaining(10 * SECOND - 1, reserved=True) == 0
    assert budget.remaining(10 * SECOND, reserved=False) == 135


def test_an_overtaken_reply_does_not_widen_it() -> None:
    budget = RateBudget()
    budget.note_server(3, 10 * SECOND)
    budget.note_server(150, 10 * SECOND)
    assert budget.remaining(0, reserved=True) == 3
    budget.note_server(150, 70 * SECOND)
    assert budget.remaining(10 * SECOND, reserved=True) == 150


def test_a_wrong_header_cannot_shut_it_for_good() -> None:
    budget = RateBudget()
    budget.note_server(-5, 10**30)
    assert not budget.try_spend(0, reserved=True)
    assert not budget.try_spend(MINUTE - 1, reserved=True)
    assert budget.try_spend(MINUTE, reserved=True)


def test_a_clock_set_back_costs_a_minute_and_not_the_jump() -> None:
    budget = RateBudget()
    spend(budget, 1_000 * MINUTE, reserved=True)
    assert not budget.try_spend(10, reserved=True)
    assert budget.try_spend(10 + MINUTE, reserved=True)


@given(
    per_minute=st.integers(1, 30),
    share=st.floats(0, 0.99),
    steps=st.lists(st.tuples(st.booleans(), st.integers(0, 5 * SECOND)), max_size=300),
)
def test_no_window_ever_holds_too_many(per_minute: int, share: float, steps: list[tuple[bool, int]]) -> None:
    budget = RateBudget(per_minute, share)
    granted: list[tuple[int, bool]] = []
    now_ns = 0
    for reserved, wait_ns in steps:
        now_ns += wait_ns
        promised = budget.remaining(now_ns, reserved=reserved)
        if budget.try_spend(now_ns, reserved=reserved):
            granted.append((now_ns, reserved))
            assert promised > 0
        else:
            assert promised == 0
        window = [kind for when, kind in granted if now_ns - when < MINUTE]
        assert len(window) <= per_minute
        assert window.count(False) <= per_minute * (1 - share) + 0.000_001


@pytest.mark.parametrize(("per_minute", "share"), [(0, 0.3), (10, 1.0), (10, -0.1)])
def test_a_senseless_budget_is_refused(per_minute: int, share: float) -> None:
    with pytest.raises(ValueError, match="a rate budget needs"):
        RateBudget(per_minute, share)
