"""The clocks keep the port's promises."""

from __future__ import annotations

from kyzlo_actors.infrastructure.clock import SystemClock
from kyzlo_actors.ports.clock import Clock
from tests.fakes.clock import FakeClock


def test_system_clock_reads_wall_time_and_never_goes_back() -> None:
    clock: Clock = SystemClock()
    assert clock.now_ns() > 1_600_000_000_000_000_000
    first = clock.monotonic_ns()
    assert clock.monotonic_ns() >= first


def test_fake_clock_moves_only_when_told() -> None:
    fake = FakeClock(now_ns=5)
    clock: Clock = fake
    assert (clock.now_ns(), clock.now_ns()) == (5, 5)
    before = clock.monotonic_ns()
    fake.advance(7)
    assert clock.now_ns() == 12
    assert clock.monotonic_ns() == before + 7
