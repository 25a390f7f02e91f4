"""`kyzlo config check` and `show`, as a person or a script meets them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.bootstrap.settings_files import ALPACA_SECRET, GOOD, write_settings
from tests.cli.kyzlo import Kyzlo


def test_good_settings(kyzlo: Kyzlo, tmp_path: Path) -> None:
    path = write_settings(tmp_path)
    code, out, err = kyzlo("config", "check", "--settings", path)
    assert (code, out) == (0, f"{path}: ok, paper, symbols AAPL\n")
    assert "note: " in err  # the keys stand in settings.toml
    code, out, _ = kyzlo("config", "check", "--settings", path, "--json")
    assert (code, json.loads(out)["ok"]) == (0, True)


def test_bad_settings_are_lines_on_stderr_and_exit_2(kyzlo: Kyzlo, tmp_path: Path) -> None:
    text = GOOD.replace("quantity = 10\n", "quantity = -1\n").replace("RISK_MAX_NOTIONAL = 25000.50", "")
    path = write_settings(tmp_path, text)
    code, out, err = kyzlo("config", "check", "--settings", path)
    assert (code, out) == (2, "")
    assert [line.split(": ")[1] for line in err.splitlines()] == [
        "RISK_MAX_NOTIONAL",
        "symbols.AAPL.quantity",
    ]
    code, out, err = kyzlo("config", "check", "--settings", path, "--json")
    assert (code, err) == (2, "")
    told = json.loads(out)
    assert [problem["field"] for problem in told["problems"]] == [
        "RISK_MAX_NOTIONAL",
        "symbols.AAPL.quantity",
    ]
    assert not told["ok"]


def test_the_default_file_is_in_config(kyzlo: Kyzlo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    code, _, err = kyzlo("config", "check")
    assert code == 2
    assert err.startswith("kyzlo: config/settings.toml: a missing file")
    (tmp_path / "config").mkdir()
    write_settings(tmp_path / "config")
    assert kyzlo("config", "check")[0] == 0


def test_paper_settings_are_refused_for_live(kyzlo: Kyzlo, tmp_path: Path) -> None:
    code, _, err = kyzlo("config", "check", "--live", "--settings", write_settings(tmp_path))
    assert code == 2
    assert "--live needs https://api.alpaca.markets" in err


def test_show_tells_values_and_origins_but_no_secret(
    kyzlo: Kyzlo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_settings(tmp_path)
    monkeypatch.setenv("POLYGON_API_KEY", "polygon-from-environment")
    code, out, err = kyzlo("config", "show", "--settings", path)
    assert code == 0
    rows = {line.split()[0]: line for line in out.splitlines()}
    assert rows["POLYGON_API_KEY"].endswith("environment")
    assert rows["RISK_MAX_NOTIONAL"].split()[1:] == ["25000.5", str(path)]
    assert rows["logs.level"].split()[1:] == ["INFO", "default"]
    code, as_json, _ = kyzlo("config", "show", "--settings", path, "--json")
    assert json.loads(as_json)["POLYGON_API_KEY"] == {"value": "••••(24 characters)", "origin": "environment"}
    for text in (out, err, as_json):
        assert ALPACA_SECRET not in text
        assert "polygon-from-environment" not in text
