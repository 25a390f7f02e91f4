"""`kyzlo paper` with 20 symbols for minutes on end: no process grows, none is replaced, every warning is expected.

Minutes come from KYZLO_SOAK_MINUTES: 1 by default, 30 for figures that count. KYZLO_SOAK_FILE names a file that gets
the table of all processes, once a minute.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path
from statistics import median

import pytest

from kyzlo_actors.actors.layout import Layout
from kyzlo_actors.bootstrap.paper import kill_all, processes_of
from kyzlo_actors.infrastructure.mailbox.board import Board
from tests.e2e.soak_scenario import SYMBOLS, soak_scenario

MINUTES = float(os.environ.get("KYZLO_SOAK_MINUTES", "1"))
START_SECONDS = 120
END_SECONDS = 120
KIB_A_MIB = 1024
# From a third of the run to its end a process may grow by this much.
GROWTH_MIB = 2.0
# The venue plays a broker: it forgets no order, fill and ledger row of the account's life.
VENUE = "the venue"
VENUE_KIB_A_FILL = 5
# Each figure is the median of so many samples: one garbage collection must not decide.
SAMPLES = 5
# Lines of WARNING or above that a healthy session writes: (who, pattern of the message, why it may).
ALLOWED: tuple[tuple[str, str, str], ...] = (
    ("guardian", r"gate: active", "the gate opens once, at the start, and people are to see it"),
)
ALLOWED_AT_END: tuple[tuple[str, str, str], ...] = (
    ("guardian", r"gate: halted", "an orderly end shuts the gate"),
    ("guardian", r"certificate of stop-\d+: proven True", "an orderly end is proven like a halt"),
    ("market_data", r"market data disconnected: .*", "the feed is closed on purpose"),
)
pytestmark = [
    pytest.mark.e2e,
    pytest.mark.slow,
    pytest.mark.timeout(int(MINUTES * 60) + START_SECONDS + END_SECONDS + 60),
]


@pytest.fixture
def places() -> Iterator[Path]:
    """A temporary directory with a name that is short enough for sockets."""
    path = Path("/tmp") / f"ks{os.getpid()}"
    path.mkdir()
    try:
        yield path
    finally:
        for home in path.glob("kyzlo-demo-*/*"):
            kill_all(home.name, 10)
        shutil.rmtree(path, ignore_errors=True)


class Soak:
    """A running session: its processes by name, the memory of each over time, and its logs."""

    def __init__(self, process: subprocess.Popen[bytes], home: Path) -> None:
        self.home = home
        self.series: dict[tuple[str, int], list[int]] = {}
        self.fills: list[int] = []
        self._process = process

    @property
    def logs(self) -> tuple[Path, Path]:
        """What the service and the venue said."""
        return self.home / "service.log", self.home / "venue.log"

    def sample(self) -> None:
        """Resident memory (KiB) of every process of the session; an ended session is a failure."""
        assert self._process.poll() is None, "the session ended by itself"
        told = re.findall(rb"(\d+) fills", (self.home.parents[1] / "paper.out").read_bytes()[-2_000:])
        self.fills.append(int(told[-1]) if told else 0)
        for pid, name in self._names().items():
            resident = _resident_kib(pid)
            if resident is not None:
                self.series.setdefault((name, pid), []).append(resident)

    def _names(self) -> dict[int, str]:
        found = {self._process.pid: "kyzlo paper"}
        for pid, command in processes_of(self.home.name).items():
            ours = VENUE if " venue " in command else "guardian"
            # What the guardian starts beside the actors is Thespian's: its admin and its logger.
            found[pid] = ours if _parent(pid) == self._process.pid else f"thespian ({pid})"
        layout = self._layout()
        board = Board.open(layout.board, layout.actors)
        try:
            found.update({row.pid: row.name for row in board.snapshot() if row.pid in found})
        finally:
            board.close()
        return found

    def _layout(self) -> Layout:
        settings = tomllib.loads((self.home / "settings.toml").read_text())
        return Layout(
            state_directory=self.home / "state",
            runtime_directory=self.home / "run",
            symbols=tuple(sorted(settings["symbols"])),
        )


def test_a_long_session_neither_grows_nor_complains(places: Path) -> None:
    scenario = places / "soak.json"
    scenario.write_text(json.dumps(soak_scenario()))
    process = _start(places, scenario)
    try:
        soak = _trading(process, places)
        _run(soak)
        during = [_complaints(log) for log in soak.logs]
    finally:
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=END_SECONDS)
    report = _report(soak.series)
    print(report)
    assert process.returncode == 0, said.decode()
    _assert_allowed(line for lines in during for line in lines)
    ending = [line for log in soak.logs for line in _complaints(log)]
    _assert_allowed(ending, ALLOWED + ALLOWED_AT_END)
    lives = [name for name, _ in soak.series]
    assert len(lives) == len(set(lives)), f"somebody was replaced: {sorted(lives)}"
    assert sum(name.startswith("symbol-") for name in lives) == SYMBOLS
    kept_mib = (soak.fills[-1] - soak.fills[len(soak.fills) // 3]) * VENUE_KIB_A_FILL / KIB_A_MIB
    allowed = {VENUE: GROWTH_MIB + kept_mib}
    grown = {
        name: grew
        for (name, _), kib in soak.series.items()
        if (grew := _grown_mib(kib)) > allowed.get(name, GROWTH_MIB)
    }
    assert not grown, f"MiB more than after a third of the run: {grown}\n{report}"


def _start(places: Path, scenario: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "kyzlo_actors.cli", "paper", "--scenario", str(scenario)],
        env={**os.environ, "TMPDIR": str(places), "CI": "true"},
        stdin=subprocess.DEVNULL,
        # A pipe that nobody reads for half an hour would fill up and stop the session.
        stdout=open(places / "paper.out", "wb"),
        stderr=subprocess.STDOUT,
    )


def _trading(process: subprocess.Popen[bytes], places: Path) -> Soak:
    """Wait for the first line that says ACTIVE."""
    deadline = time.monotonic() + START_SECONDS
    while b" ACTIVE " not in (said := (places / "paper.out").read_bytes()):
        assert process.poll() is None and time.monotonic() < deadline, said.decode()
        time.sleep(0.2)
    (home,) = places.glob("kyzlo-demo-*/*")
    return Soak(process, home)


def _run(soak: Soak) -> None:
    file = os.environ.get("KYZLO_SOAK_FILE")
    end, told = time.monotonic() + MINUTES * 60, time.monotonic()
    while time.monotonic() < end:
        soak.sample()
        if file and time.monotonic() - told >= 60:
            told = time.monotonic()
            Path(file).write_text(_report(soak.series))
        time.sleep(1)
    if file:
        Path(file).write_text(_report(soak.series))


def _complaints(log: Path) -> list[tuple[str, str]]:
    """Who said what at WARNING or above. A line that is no record of ours was written by an accident."""
    found = []
    for line in log.read_text(errors="replace").splitlines():
        try:
            record = json.loads(line)
            if record["level"] not in ("DEBUG", "INFO"):
                found.append((str(record["actor"]), str(record["msg"])))
        except (ValueError, KeyError, TypeError):
            found.append((log.name, line))
    return found


def _assert_allowed(
    lines: Iterable[tuple[str, str]], allowed: tuple[tuple[str, str, str], ...] = ALLOWED
) -> None:
    unknown = [
        line
        for line in lines
        if not any(line[0] == who and re.fullmatch(pattern, line[1]) for who, pattern, _ in allowed)
    ]
    assert not unknown, unknown[:50]


def _parent(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0  # it ended


def _resident_kib(pid: int) -> int | None:
    """Resident memory without the pages of files: those the kernel takes away and brings back as it likes."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return None  # it ended
    fields = dict(line.split(":", 1) for line in status.splitlines())
    parts = [fields.get(name) for name in ("RssAnon", "RssShmem")]
    return sum(int(part.split()[0]) for part in parts if part) if any(parts) else None


def _grown_mib(kib: list[int]) -> float:
    third = len(kib) // 3
    return float(median(kib[-SAMPLES:]) - median(kib[third : third + SAMPLES])) / KIB_A_MIB


def _report(series: dict[tuple[str, int], list[int]]) -> str:
    lines = [f"{'process':<24}{'samples':>8}{'first':>9}{'third':>9}{'end':>9}{'most':>9}{'grown':>9}  (MiB)"]
    for (name, _), kib in sorted(series.items()):
        if len(kib) < 2 * SAMPLES:
            continue  # seen before it had told its name
        third = len(kib) // 3
        figures = (kib[0], median(kib[third : third + SAMPLES]), median(kib[-SAMPLES:]), max(kib))
        shown = "".join(f"{figure / KIB_A_MIB:>9.2f}" for figure in figures)
        lines.append(f"{name:<24}{len(kib):>8}{shown}{_grown_mib(kib):>+9.2f}")
    return "\n".join(lines) + "\n"
