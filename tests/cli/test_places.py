"""Where commands look: what is named, then the settings' [paths], then the defaults; a halt never fails of it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from kyzlo_actors.cli.admin_client import find_directories
from kyzlo_actors.domain.errors import BadInput
from tests.cli.conftest import Kyzlo

PATHS = '[paths]\nstate_directory = "/s"\nruntime_directory = "/r"\n'
ENVIRON = {"STATE_DIRECTORY": "/env/s", "RUNTIME_DIRECTORY": "/env/r"}


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The default file of an empty working directory."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "config/settings.toml"
    path.parent.mkdir()
    path.write_text(PATHS)
    return path


def test_the_settings_say_where_unless_somebody_names_it(settings: Path) -> None:
    assert find_directories(None, None, ENVIRON) == (Path("/s"), Path("/r"))
    assert find_directories(None, Path("/n"), ENVIRON) == (Path("/env/s"), Path("/n"))
    assert find_directories(Path("/n"), None, ENVIRON) == (Path("/n"), Path("/env/r"))


def test_a_named_file_and_one_without_paths(settings: Path) -> None:
    other = settings.with_name("other.toml")
    other.write_text('[paths]\nstate_directory = "here"\n')
    assert find_directories(None, None, ENVIRON, settings=other) == (
        Path("here").absolute(),
        Path("/env/r"),
    )
    settings.write_text("")
    assert find_directories(None, None, ENVIRON) == (Path("/env/s"), Path("/env/r"))
    settings.unlink()
    assert find_directories(None, None, ENVIRON) == (Path("/env/s"), Path("/env/r"))


@pytest.mark.parametrize("text", ["[paths]\nstate_directory = 5\n", "paths = 7\n", "no toml\n"])
def test_a_file_that_cannot_be_used_is_told_except_to_a_halt(settings: Path, text: str) -> None:
    settings.write_text(text)
    with pytest.raises(BadInput):
        find_directories(None, None, ENVIRON)
    assert find_directories(None, None, ENVIRON, forgiving=True) == (Path("/env/s"), Path("/env/r"))


def test_a_named_file_that_is_missing_is_told_except_to_a_halt(tmp_path: Path) -> None:
    missing = tmp_path / "none.toml"
    with pytest.raises(BadInput, match="missing"):
        find_directories(None, None, ENVIRON, settings=missing)
    found = find_directories(None, None, ENVIRON, settings=missing, forgiving=True)
    assert found == (Path("/env/s"), Path("/env/r"))


def test_a_pipe_in_place_of_the_settings_keeps_nobody_waiting(
    kyzlo: Kyzlo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config").mkdir()
    os.mkfifo(tmp_path / "config" / "settings.toml")
    assert "not a file" in kyzlo("config", "check").err
    assert "not a file" in kyzlo("symbols", "remove", "AAPL", "--no-restart").err
    (tmp_path / "s").mkdir()
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "s"))
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path / "r"))
    told = kyzlo("halt", "--reason", "a test")
    assert told.code == 0 and "latched" in told.out
