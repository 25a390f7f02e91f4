"""Directories with short names (sockets), and `kyzlo …` run in the process of the test."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from kyzlo_actors.cli import main as door


@dataclass(frozen=True, slots=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str


Kyzlo = Callable[..., Done]


@pytest.fixture
def runtime() -> Iterator[Path]:
    directory = Path(tempfile.mkdtemp(prefix="kyzlo-test-", dir="/tmp"))
    yield directory
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def kyzlo(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Kyzlo:
    """Runs `kyzlo ARGUMENTS` in an empty directory without any setting of this machine."""
    monkeypatch.chdir(tmp_path)
    for name in ("STATE_DIRECTORY", "RUNTIME_DIRECTORY"):
        monkeypatch.delenv(name, raising=False)

    def run(*arguments: object) -> Done:
        capsys.readouterr()
        monkeypatch.setattr(sys, "argv", ["kyzlo", *map(str, arguments)])
        monkeypatch.setattr(sys, "excepthook", sys.excepthook)  # put back afterwards
        with pytest.raises(SystemExit) as caught:
            door.main()
        told = capsys.readouterr()
        return Done(int(caught.value.code or 0), told.out, told.err)

    return run
