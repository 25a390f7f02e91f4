"""How often a crashed actor comes back: never more than allowed within a period, and ever later."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kyzlo_actors.domain.risk.restart import RestartHistory, RestartPolicy

POLICY = RestartPolicy(max_restarts=5, period_ns=60_000, backoff_first_ns=100, backoff_max_ns=500)
policies = st.builds(
    RestartPolicy,
    max_restarts=st.integers(0, 12),
    period_ns=st.integers(1, 10_000),
    backoff_first_ns=st.integers(1, 500),
    backoff_max_ns=st.integers(1, 5_000),
)
gaps_ns = st.lists(st.integers(0, 4_000), max_size=40)


def waits(deaths_ns: list[int], policy: RestartPolicy = POLICY) -> list[int | None]:
    """How long each death waits for its restart; None where it was one too many."""
    history = RestartHistory()
    found: list[int | None] = []
    for now_ns in deaths_ns:
        history, due_ns = history.died(now_ns, policy)
        found.append(None if due_ns is None else due_ns - now_ns)
    return found


def times(gaps: list[int]) -> list[int]:
    return [sum(gaps[: index + 1]) for index in range(len(gaps))]


def test_the_first_crash_restarts_at_once_and_the_backoff_doubles_up_to_its_bound() -> None:
    assert waits([0, 1, 2, 3, 4, 5]) == [0, 100, 200, 400, 500, None]


def test_what_is_older_than_the_period_is_forgiven() -> None:
    period_ns = POLICY.period_ns
    assert waits([0, 1, period_ns]) == [0, 100, 100]  # the first has just left the period, the second has not
    assert waits([0, 1, period_ns + 1]) == [0, 100, 0]


def test_the_intensity_is_exceeded_as_long_as_the_deaths_are_recent() -> None:
    policy = RestartPolicy(max_restarts=1, period_ns=100, backoff_first_ns=10, backoff_max_ns=10)
    assert waits([0, 50, 99, 198], policy) == [0, None, None, None]
    assert waits([0, 50, 150], policy) == [0, None, 0]


def test_no_restart_at_all() -> None:
    policy = RestartPolicy(max_restarts=0, period_ns=100, backoff_first_ns=10, backoff_max_ns=10)
    assert waits([0], policy) == [None]


def test_a_very_long_series_of_crashes_does_not_overflow() -> None:
    policy = RestartPolicy(max_restarts=200, period_ns=10**9, backoff_first_ns=1, backoff_max_ns=2**70)
    found = waits(list(range(200)), policy)
    assert found[-1] == 2**62


@given(gaps_ns, policies)
def test_never_more_restarts_within_a_period_than_allowed(gaps: list[int], policy: RestartPolicy) -> None:
    deaths = times(gaps)
    granted = [ts for ts, wait in zip(deaths, waits(deaths, policy), strict=True) if wait is not None]
    for ts in granted:
        within = [other for other in granted if 0 <= ts - other < policy.period_ns]
        assert len(within) <= policy.max_restarts


@given(gaps_ns, policies)
def test_none_means_exactly_that_the_intensity_is_exceeded(gaps: list[int], policy: RestartPolicy) -> None:
    deaths = times(gaps)
    for index, wait in enumerate(waits(deaths, policy)):
        now_ns = deaths[index]
        recent = [ts for ts in deaths[: index + 1] if now_ns - ts < policy.period_ns]
        assert (wait is None) == (len(recent) > policy.max_restarts)


@given(gaps_ns, policies)
def test_each_wait_doubles_the_last_within_the_bound(gaps: list[int], policy: RestartPolicy) -> None:
    deaths = times(gaps)
    for index, wait in enumerate(waits(deaths, policy)):
        count = sum(1 for ts in deaths[: index + 1] if deaths[index] - ts < policy.period_ns)
        if wait is None:
            continue
        if count == 1:
            assert wait == 0
        else:
            assert wait == min(policy.backoff_first_ns * 2 ** (count - 2), policy.backoff_max_ns)


@given(gaps_ns, policies)
def test_the_history_is_bounded_by_the_period_and_counts_every_death(
    gaps: list[int], policy: RestartPolicy
) -> None:
    history = RestartHistory()
    for now_ns in times(gaps):
        history, _ = history.died(now_ns, policy)
        assert all(now_ns - ts < policy.period_ns for ts in history.deaths_ns)
    assert history.total == len(gaps)
