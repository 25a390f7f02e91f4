"""The command line in this process, for tests that need its exit code, output and errors."""

from __future__ import annotations

import sys
from typing import NamedTuple

import pytest

from kyzlo_actors.cli import main as door


class Done(NamedTuple):
    """How a command ended, and what it said."""

    code: int
    out: str
    err: str


class Kyzlo:
    """`kyzlo(...)` runs one command to its end."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch = monkeypatch
        self._capsys = capsys

    def __call__(self, *arguments: object) -> Done:
        self._capsys.readouterr()
        self._monkeypatch.setattr(sys, "argv", ["kyzlo", *map(str, arguments)])
        self._monkeypatch.setattr(sys, "excepthook", sys.excepthook)  # put back afterwards
        with pytest.raises(SystemExit) as caught:
            door.main()
        told = self._capsys.readouterr()
        return Done(int(caught.value.code or 0), told.out, told.err)
