"""Fixtures of the conformance tests: a venue on a thread (see tests/venue), a venue as a process."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.venue.conftest import start_venue, venue

__all__ = ["start_venue", "venue", "venue_process"]
END_SECONDS = 30

StartProcess = Callable[..., dict[str, Any]]


@pytest.fixture
def venue_process(tmp_path: Path) -> Iterator[StartProcess]:
    """Starts `kyzlo venue --scenario NAME …` and gives its ready line; what it logged must be nothing."""
    running: list[tuple[subprocess.Popen[str], Path]] = []

    def start(scenario: str | Path, *arguments: str) -> dict[str, Any]:
        log = tmp_path / f"venue-{len(running)}.log"
        command = (sys.executable, "-m", "kyzlo_actors.cli", "venue", "--scenario", str(scenario), *arguments)
        with open(log, "wb") as file:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=file, text=True
            )
        running.append((process, log))
        assert process.stdout is not None
        ready: dict[str, Any] = json.loads(process.stdout.readline())
        return ready

    yield start
    for process, log in running:
        process.terminate()
        try:
            code = process.wait(END_SECONDS)
        finally:
            process.kill()
        assert (code, log.read_text()) == (0, "")
