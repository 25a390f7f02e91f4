"""The command line in this process, for tests that need its exit code, output and errors."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from kyzlo_actors.cli import main as door


class Kyzlo:
    """`kyzlo(...)` gives exit code, output and errors."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch = monkeypatch
        self._capsys = capsys

    def __call__(self, *arguments: str | Path) -> tuple[int, str, str]:
        self._monkeypatch.setattr(sys, "argv", ["kyzlo", *map(str, arguments)])
        self._monkeypatch.setattr(sys, "excepthook", sys.excepthook)  # put back afterwards
        with pytest.raises(SystemExit) as caught:
            door.main()
        captured = self._capsys.readouterr()
        return int(caught.value.code or 0), captured.out, captured.err
