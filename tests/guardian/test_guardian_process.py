"""The guardian as a real process: signals, the service manager's socket, `ops/halt`, and a resume by re-exec."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from kyzlo_actors.guardian.certificate import is_intact
from tests.guardian.guardian_process import ask, wait_until

ROOT = Path(__file__).resolve().parents[2]
HALT = ROOT / "ops" / "halt"
pytestmark = pytest.mark.timeout(120)


class Process:
    """A guardian and what it said to its service manager."""

    def __init__(self, state: Path, runtime: Path, orders: int) -> None:
        self.state, self.runtime = state, runtime
        self._notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._notify.bind(str(runtime / "notify"))
        self._said: list[str] = []
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "NOTIFY_SOCKET": str(runtime / "notify"),
            "WATCHDOG_USEC": "900000",
            "ORDERS": str(orders),
        }
        self._log = (state.parent / "guardian.log").open("wb")
        self.child = subprocess.Popen(
            [sys.executable, "-m", "tests.guardian.guardian_process", str(state), str(runtime)],
            cwd=ROOT,
            env=environment,
            stderr=self._log,
        )

    def said(self) -> list[str]:
        with suppress(BlockingIOError):
            while True:
                self._said += self._notify.recv(4096).decode().splitlines()
        return self._said

    def status(self) -> dict[str, Any]:
        try:
            return ask(self.runtime, {"cmd": "status"})
        except OSError:
            return {}

    def wait_for(self, state: str) -> dict[str, Any]:
        found: dict[str, Any] = wait_until(lambda: (now := self.status()).get("state") == state and now)
        return found

    def close(self) -> None:
        self.child.kill()
        self.child.wait(10)
        self._notify.close()
        self._log.close()


@contextmanager
def guardian_process(state: Path, runtime: Path, *, orders: int = 0) -> Iterator[Process]:
    """Start one; it is gone at the end."""
    process = Process(state, runtime, orders)
    try:
        yield process
    finally:
        process.close()


def run_halt(*arguments: str, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """`ops/halt ARGUMENTS`, as a person would call it."""
    plain = (
        {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
        if environment is None
        else environment
    )
    return subprocess.run(
        [str(HALT), *arguments], capture_output=True, text=True, timeout=60, check=False, env=plain, cwd="/"
    )


def places(process: Process) -> list[str]:
    return ["--state-dir", str(process.state), "--runtime-dir", str(process.runtime)]


def test_ready_watchdog_and_an_orderly_stop_by_signal(state: Path, runtime: Path) -> None:
    with guardian_process(state, runtime, orders=2) as process:
        process.wait_for("trading")
        wait_until(lambda: process.said().count("WATCHDOG=1") >= 2)
        assert process.said().count("READY=1") == 1
        assert "STATUS=trading" in process.said()
        process.child.send_signal(signal.SIGTERM)
        assert process.child.wait(30) == 0
        assert "STOPPING=1" in process.said()
    assert not (state / "HALT.json").exists()


def test_sigusr1_halts_and_a_resume_starts_anew(state: Path, runtime: Path) -> None:
    with guardian_process(state, runtime, orders=1) as process:
        process.wait_for("trading")
        process.child.send_signal(signal.SIGUSR1)
        halted = process.wait_for("halted")
        assert (halted["latch"]["code"], halted["gate"]) == ("signal", "halted")
        wait_until(lambda: process.status()["halt"]["proven"])
        answer = ask(runtime, {"cmd": "resume", "reason": "looked at it"})
        assert answer["ok"]
        # The same process, a new life: its tree is started with the gate shut, and opened when it is reconciled.
        trading = process.wait_for("trading")
        assert trading["pid"] == halted["pid"] == process.child.pid
        assert trading["up_seconds"] < halted["up_seconds"] + 60 and trading["latch"] is None
        wait_until(lambda: process.said().count("READY=1") == 2)
    (history,) = state.glob("HALT.*.cleared.json")
    assert json.loads(history.read_text())["cleared_by"].startswith(f"uid {os.getuid()}")


def test_ops_halt_stops_a_running_guardian_and_shows_the_proof(state: Path, runtime: Path) -> None:
    with guardian_process(state, runtime, orders=3) as process:
        process.wait_for("trading")
        done = run_halt(*places(process), "--reason", "drill", "--wait", "30")
        assert done.returncode == 0, done.stderr
        assert "PROVEN: nothing is open" in done.stdout and "drill" in done.stdout
        again = run_halt(*places(process), "--reason", "other", "--wait", "30", "--json")
        report = json.loads(again.stdout)
        assert (again.returncode, report["proven"]) == (0, True)
        assert report["certificate"]["reason"] == "drill"
        assert is_intact(report["certificate"])
        assert process.status()["state"] == "halted"


def test_ops_halt_with_a_stopped_guardian_latches(state: Path, runtime: Path) -> None:
    with guardian_process(state, runtime, orders=1) as process:
        process.wait_for("trading")
        process.child.send_signal(signal.SIGSTOP)
        done = run_halt(*places(process), "--reason", "stuck")
        assert done.returncode == 0
        assert "does not answer" in done.stdout + done.stderr
        process.child.send_signal(signal.SIGCONT)
        assert process.wait_for("halted")["latch"]["reason"] == "stuck"


def test_ops_halt_with_nothing_running_holds_the_next_start(state: Path, runtime: Path) -> None:
    done = run_halt("--state-dir", str(state), "--runtime-dir", str(runtime), "--reason", "down")
    assert done.returncode == 0
    with guardian_process(state, runtime, orders=1) as process:
        shut = process.wait_for("shut")
        assert (shut["gate"], shut["latch"]["reason"]) == ("halted", "down")
        assert run_halt(*places(process), "--wait", "30").returncode == 0


def test_ops_halt_without_a_certificate_in_time_fails(state: Path, runtime: Path) -> None:
    done = run_halt("--state-dir", str(state), "--runtime-dir", str(runtime), "--wait", "0")
    assert done.returncode == 1
    assert (state / "HALT.json").exists()
    assert "no certificate yet" in done.stderr


def test_ops_halt_that_can_latch_nowhere_fails(tmp_path: Path, runtime: Path) -> None:
    done = run_halt("--state-dir", str(tmp_path / "nowhere"), "--runtime-dir", str(runtime))
    assert done.returncode == 1
    assert "NOT latched" in done.stderr


@pytest.mark.parametrize(
    "arguments", [["--wait", "soon"], ["--wait", "-1"], ["--wait", "nan"], ["--what"], ["please"]]
)
def test_ops_halt_bad_usage(arguments: list[str], state: Path) -> None:
    assert run_halt("--state-dir", str(state), *arguments).returncode == 2
    assert not (state / "HALT.json").exists()


def test_ops_halt_finds_the_directories_of_the_environment(tmp_path: Path, runtime: Path) -> None:
    base = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    for name, environment, directory in (
        ("systemd", {"STATE_DIRECTORY": f"{tmp_path}/a:{tmp_path}/b"}, tmp_path / "a"),
        ("xdg", {"XDG_STATE_HOME": f"{tmp_path}/x"}, tmp_path / "x/kyzlo"),
        ("home", {"HOME": f"{tmp_path}/h"}, tmp_path / "h/.local/state/kyzlo"),
    ):
        if name != "systemd" and Path("/var/lib/kyzlo").is_dir():
            continue  # a machine with the service: that comes first
        directory.mkdir(parents=True)
        assert run_halt("--runtime-dir", str(runtime), environment=base | environment).returncode == 0
        assert (directory / "HALT.json").exists(), name


def test_ops_halt_needs_the_standard_library_only() -> None:
    assert HALT.read_text().startswith("#!/usr/bin/env -S python3 -I -S\n")
    assert os.access(HALT, os.X_OK)
