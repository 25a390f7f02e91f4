"""`kyzlo init`: from nothing to settings that `config check` accepts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.kyzlo import Kyzlo

KEYS = {"ALPACA_API_KEY": "PKDUMMY", "ALPACA_API_SECRET": "dummy", "POLYGON_API_KEY": "dummy"}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_init_then_check(kyzlo: Kyzlo, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code, out, err = kyzlo("init", "--symbols", "AAPL, MSFT", "--secrets")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[:2] == ["written: config/settings.toml", "written: config/secrets.toml"]
    assert [step in out for step in ("config check", "doctor", "kyzlo run", "kyzlo paper")] == [True] * 4
    assert kyzlo("config", "check")[0] == 2  # the keys are missing
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    code, out, _ = kyzlo("config", "check")
    assert (code, out) == (0, "config/settings.toml: ok, paper, symbols AAPL, MSFT\n")


def test_a_second_time_is_refused_and_says_the_cure(kyzlo: Kyzlo, here: Path) -> None:
    assert kyzlo("init")[0] == 0
    code, out, err = kyzlo("init")
    assert (code, out) == (2, "")
    assert "config/settings.toml" in err and "--force" in err and len(err.splitlines()) == 1
    assert kyzlo("init", "--force", "--symbols", "SPY")[0] == 0
    assert "[symbols.SPY]" in (here / "config" / "settings.toml").read_text()


def test_a_linked_file_is_replaced_behind_its_link(kyzlo: Kyzlo, tmp_path: Path) -> None:
    real = tmp_path / "real.toml"
    real.write_text("# old\n")
    link = tmp_path / "settings.toml"
    link.symlink_to(real)
    assert kyzlo("init", "--force", "--settings", link, "--symbols", "SPY")[0] == 0
    assert link.is_symlink() and "[symbols.SPY]" in real.read_text()


def test_json_tells_what_was_written(kyzlo: Kyzlo, here: Path) -> None:
    code, out, _ = kyzlo("init", "--settings", "mine.toml", "--json")
    told = json.loads(out)
    assert code == 0
    assert (told["written"], told["symbols"], told["strategy"]) == (["mine.toml"], ["AAPL"], "golden_cross")
    assert "kyzlo config check --settings mine.toml" in told["next"]
