"""Directories with short names (sockets), and `kyzlo …` run in the process of the test."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from kyzlo_actors.bootstrap.setting_names import TOP_LEVEL_NAMES
from tests.cli.kyzlo import Done, Kyzlo

__all__ = ["Done", "Kyzlo"]


@pytest.fixture
def runtime() -> Iterator[Path]:
    directory = Path(tempfile.mkdtemp(prefix="kyzlo-test-", dir="/tmp"))
    yield directory
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def kyzlo(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Kyzlo:
    """Runs `kyzlo ARGUMENTS` in an empty directory without any setting of this machine."""
    monkeypatch.chdir(tmp_path)
    names = {name for name, about in TOP_LEVEL_NAMES.items() for name in (name, *about.others)}
    for name in (*names, "CREDENTIALS_DIRECTORY", "STATE_DIRECTORY", "RUNTIME_DIRECTORY"):
        monkeypatch.delenv(name, raising=False)
    return Kyzlo(monkeypatch, capsys)
