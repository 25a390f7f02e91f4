"""`kyzlo paper --demo` as people start it: alone, two at once, and what is left when it is ended in the middle."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from kyzlo_actors.bootstrap.paper import kill_all, processes_of

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(400)]
# What the demo itself allows for each of its steps, on a machine that has other things to do.
DEMO_SECONDS = 300
PATIENCE_SECONDS = 60


@pytest.fixture
def places() -> Iterator[Path]:
    """A temporary directory with a name that is short enough for sockets."""
    path = Path("/tmp") / f"kd{os.getpid()}"
    path.mkdir()
    try:
        yield path
    finally:
        for run_id in run_ids(path):
            kill_all(run_id, 10)
        shutil.rmtree(path, ignore_errors=True)


def start(places: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "kyzlo_actors.cli", "paper", *arguments],
        env={**os.environ, "TMPDIR": str(places), "CI": "true", "ALPACA_API_KEY": "AKMUSTNOTBEUSED"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def run_ids(places: Path) -> list[str]:
    return [home.name for home in places.glob("kyzlo-demo-*/*")]


def assert_nothing_left(places: Path) -> None:
    assert [processes_of(run_id) for run_id in run_ids(places)] == [{} for _ in run_ids(places)]
    assert list(places.glob("kyzlo-demo-*/*/run")) == []


def assert_good(process: subprocess.Popen[str], out: str) -> None:
    assert process.returncode == 0, out
    first = re.search(r"first fill after ([\d.]+) s", out)
    assert first is not None, out  # how long it took depends on the machine: printed, not asserted
    print(first.group())
    assert "trades again" in out and "PROVEN: nothing is open" in out, out
    chains = re.search(r"journal: (\d+) orders, (\d+) complete chains", out)
    assert chains is not None and chains[1] == chains[2] and int(chains[1]) >= 3, out
    assert re.search(r"restarts: .*symbol-\w+ 1", out), out
    assert "left behind: no process, no runtime directory" in out, out
    assert "AKMUSTNOTBEUSED" not in out


def test_the_demo_plays_to_its_end_and_leaves_nothing(places: Path) -> None:
    process = start(places, "--demo")
    out, _ = process.communicate(timeout=DEMO_SECONDS)
    assert_good(process, out)
    assert_nothing_left(places)


def test_two_demos_at_the_same_time(places: Path) -> None:
    both = [start(places, "--demo", "--seed", str(seed)) for seed in (1, 2)]
    outs = [process.communicate(timeout=DEMO_SECONDS)[0] for process in both]
    for process, out in zip(both, outs, strict=True):
        assert_good(process, out)
    assert len(run_ids(places)) == 2
    assert_nothing_left(places)


def started(places: Path, process: subprocess.Popen[str]) -> str:
    """Wait until it trades; the run id."""
    assert process.stdout is not None
    for line in process.stdout:
        if " ACTIVE " in line:
            return run_ids(places)[0]
    raise AssertionError("it ended before it traded")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_demo_tidies_up(places: Path, number: signal.Signals, code: int) -> None:
    process = start(places, "--demo")
    started(places, process)
    process.send_signal(number)
    process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == code
    assert_nothing_left(places)


def test_a_session_without_a_script_ends_on_demand(places: Path) -> None:
    process = start(places)
    started(places, process)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 0
    assert_nothing_left(places)


def test_after_kill_9_no_process_is_left(places: Path) -> None:
    process = start(places, "--demo")
    run_id = started(places, process)
    assert len(processes_of(run_id)) > 10
    process.kill()
    process.communicate(timeout=PATIENCE_SECONDS)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while processes_of(run_id) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert processes_of(run_id) == {}


def test_a_service_that_dies_is_told_with_its_last_words(places: Path) -> None:
    process = start(places, "--demo")
    run_id = started(places, process)
    guardian = next(pid for pid, command in processes_of(run_id).items() if "kyzlo_actors.cli run" in command)
    os.kill(guardian, signal.SIGKILL)
    out, _ = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 1
    assert (
        "the session failed: the service ended with exit code -9" in out
        and "last lines of the service" in out
    )
    assert_nothing_left(places)
