"""What the tests of the command line share."""

from __future__ import annotations

import pytest

from kyzlo_actors.bootstrap.setting_names import TOP_LEVEL_NAMES
from tests.cli.kyzlo import Kyzlo


@pytest.fixture
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No variable of the machine that runs the tests may take part."""
    for name, about in TOP_LEVEL_NAMES.items():
        for variable in (name, *about.others):
            monkeypatch.delenv(variable, raising=False)
    for variable in ("CREDENTIALS_DIRECTORY", "STATE_DIRECTORY", "RUNTIME_DIRECTORY"):
        monkeypatch.delenv(variable, raising=False)


@pytest.fixture
def kyzlo(
    clean_environment: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Kyzlo:
    """Runs the command line in this process."""
    return Kyzlo(monkeypatch, capsys)
