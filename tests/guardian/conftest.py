"""Directories with short names (sockets), and guardians that are ended whatever happens."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.fakes.broker_desk import FakeDesk
from tests.guardian.guardian_process import GuardianInThread

StartGuardian = Callable[..., GuardianInThread]


@pytest.fixture
def state(tmp_path: Path) -> Path:
    directory = tmp_path / "state"
    directory.mkdir(mode=0o700)
    return directory


@pytest.fixture
def runtime() -> Iterator[Path]:
    directory = tempfile.mkdtemp(prefix="kyzlo-test-", dir="/tmp")
    os.chmod(directory, 0o750)
    yield Path(directory)
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def start_guardian(state: Path, runtime: Path) -> Iterator[StartGuardian]:
    started: list[GuardianInThread] = []

    def start(desk: FakeDesk | None = None, **tree: object) -> GuardianInThread:
        started.append(GuardianInThread(state, runtime, desk or FakeDesk(), **tree))
        return started[-1]

    yield start
    for guardian in started:
        guardian.desk.free.set()
        guardian.desk.mute = False
        guardian.stop()
