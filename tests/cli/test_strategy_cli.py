"""`kyzlo strategy list`, `new` and `check`, as a person or a script meets them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from kyzlo_actors.bootstrap.settings import load_settings
from tests.bootstrap.settings_files import ENVIRON, GOOD, write_settings

TIMEOUT_SECONDS = 55


class Kyzlo:
    """`kyzlo(...)` runs the command line in a process of its own, with no path to anything but what is installed."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._environment = {
            name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", *ENVIRON)
        }

    def __call__(self, *arguments: str | Path, **variables: str) -> tuple[int, str, str]:
        return self.run("-P", "-m", "kyzlo_actors.cli", *map(str, arguments), **variables)

    def run(self, *arguments: str, **variables: str) -> tuple[int, str, str]:
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=self.directory,
            env={**self._environment, **variables},
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
        return done.returncode, done.stdout, done.stderr


@pytest.fixture
def kyzlo(tmp_path: Path) -> Kyzlo:
    home = tmp_path / "home"
    home.mkdir()
    return Kyzlo(home)


def test_list(kyzlo: Kyzlo) -> None:
    code, out, err = kyzlo("strategy", "list")
    assert (code, err) == (0, "")
    for name in ("breakout", "frame_trend", "golden_cross", "mean_reversion"):
        assert name in out
    assert 'fast = 50, slow = 200, on = "bars", allow_short = false' in out


def test_list_for_scripts(kyzlo: Kyzlo) -> None:
    code, out, _ = kyzlo("strategy", "list", "--json")
    rows = {row["name"]: row for row in json.loads(out)}
    assert code == 0
    assert rows["golden_cross"]["parameters"][0] == {"name": "fast", "type": "int", "default": 50}
    assert rows["golden_cross"]["file"].endswith("golden_cross.py")
    assert rows["golden_cross"]["target"] == "kyzlo_actors.domain.strategy.golden_cross:GoldenCross"


@pytest.mark.parametrize("options", [(), ("--frame",)])
def test_a_new_strategy_works_at_once(kyzlo: Kyzlo, options: tuple[str, ...]) -> None:
    code, out, err = kyzlo("strategy", "new", "my_momentum", *options)
    assert (code, err) == (0, "")
    assert "kyzlo strategy check my_momentum.strategy:MyMomentum" in out
    assert "kyzlo paper --strategy my_momentum.strategy:MyMomentum" in out
    assert sorted(path.name for path in (kyzlo.directory / "my_momentum").iterdir()) == [
        "__init__.py",
        "strategy.py",
        "test_strategy.py",
    ]

    code, out, _ = kyzlo.run("-m", "pytest", "-q", "my_momentum")
    assert code == 0, out
    assert "4 passed" in out

    code, out, err = kyzlo("strategy", "check", "my_momentum.strategy:MyMomentum", "--json")
    verdict = json.loads(out)
    assert (code, verdict["ok"]) == (0, True), verdict
    assert not [remark for remark in verdict["remarks"] if remark["is_error"]]
    assert verdict["signals"] > 5
    assert verdict["files"] == [str(kyzlo.directory / "my_momentum" / "strategy.py")]


@pytest.mark.parametrize("options", [(), ("--frame",)])
def test_a_new_strategy_keeps_the_house_rules(kyzlo: Kyzlo, options: tuple[str, ...]) -> None:
    kyzlo("strategy", "new", "momentum", *options)
    root = Path(__file__).parents[2]
    settings = ["--config", str(root / "pyproject.toml")]
    for command in (["check", "--ignore", "I"], ["format", "--check"]):
        code, out, err = kyzlo.run(
            "-m", "ruff", *command[:1], "--no-cache", *settings, *command[1:], "momentum"
        )
        assert code == 0, out + err
    options = ["--strict", "--follow-imports", "silent", "--cache-dir", os.devnull]
    code, out, err = kyzlo.run("-m", "mypy", *options, "-p", "momentum", MYPYPATH=str(root))
    assert code == 0, out + err


def test_what_new_prints_for_the_settings_is_ready_to_use(kyzlo: Kyzlo) -> None:
    """Pasted into a settings file in another place, with the strategy beside it."""
    made = json.loads(kyzlo("strategy", "new", "momentum", "--json")[1])
    head = GOOD.partition("[symbols")[0]
    path = write_settings(kyzlo.directory, f"{head}\n{made['settings']}")
    assert load_settings(path, ENVIRON).settings.symbols["AAPL"].strategy == made["strategy"]

    elsewhere = Kyzlo(kyzlo.directory.parent)
    code, out, err = elsewhere("config", "check", "--settings", path, **ENVIRON)
    assert code == 0, err
    assert "ok, paper, symbols AAPL" in out


def test_new_overwrites_nothing(kyzlo: Kyzlo) -> None:
    assert kyzlo("strategy", "new", "momentum")[0] == 0
    mine = kyzlo.directory / "momentum" / "strategy.py"
    mine.write_text("mine")
    code, _, err = kyzlo("strategy", "new", "momentum")
    assert code == 2
    assert "exists: choose another name, or remove it" in err
    assert mine.read_text() == "mine"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Momentum", "small letters"),
        ("my-momentum", "small letters"),
        ("../momentum", "small letters"),
        ("momentum.py", "small letters"),
        ("class", "small letters"),
        ("", "small letters"),
        ("a" * 41, "small letters"),
        ("json", "another Python module"),
        ("pandas", "another Python module"),
        ("kyzlo_actors", "another Python module"),
    ],
)
def test_names_that_cannot_be_used(kyzlo: Kyzlo, name: str, words: str) -> None:
    code, out, err = kyzlo("strategy", "new", name)
    assert (code, out) == (2, "")
    assert words in err
    assert len(err.splitlines()) == 1
    assert list(kyzlo.directory.iterdir()) == []


def test_new_writes_into_safe_directories_only(kyzlo: Kyzlo) -> None:
    kyzlo.directory.chmod(0o777)
    code, _, err = kyzlo("strategy", "new", "momentum")
    assert code == 2
    assert "chmod o-w" in err
    code, _, err = kyzlo("strategy", "new", "momentum", "--directory", "nowhere")
    assert code == 2
    assert "a directory that exists" in err


def test_check_tells_a_person_what_it_found(kyzlo: Kyzlo) -> None:
    kyzlo("strategy", "new", "momentum")
    file = kyzlo.directory / "momentum" / "strategy.py"
    file.write_text(
        file.read_text().replace(
            "        change = ", "        print(open('/proc/self/stat'))\n        change = "
        )
    )
    code, out, err = kyzlo("strategy", "check", "momentum.strategy:Momentum", "--param", "lookback=3")
    assert (code, err) == (1, "")
    assert "parameters  lookback = 3, rise = 0.0005" in out
    assert "error: momentum/strategy.py:" in out
    assert "open() reads or writes files" in out
    assert "asked the machine while deciding: open '/proc/self/stat'" in out
    assert "warning: momentum/strategy.py:" in out
    assert out.splitlines()[-1].startswith("it must not trade: 2 errors, 1 warnings")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("nothing",), "use one of: breakout"),
        (("nothing.here:Nothing",), "No module named 'nothing'"),
        (("golden_cross", "--param", "fats=3"), "golden_cross knows: allow_short, fast, on, slow"),
        (("golden_cross", "--param", "fast"), "give it as name=value"),
        (("golden_cross", "--param", "fast=3", "--param", "fast=4"), "given twice"),
        (("golden_cross", "--param", "fast=many"), "give a value of type int"),
        (("golden_cross", "--param", "fast=300"), "below slow"),
    ],
)
def test_what_cannot_be_checked_is_bad_input(kyzlo: Kyzlo, arguments: tuple[str, ...], words: str) -> None:
    code, out, err = kyzlo("strategy", "check", *arguments)
    assert (code, out) == (2, "")
    assert words in err
    assert len(err.splitlines()) == 1


def test_bad_input_for_scripts(kyzlo: Kyzlo) -> None:
    code, out, _ = kyzlo("strategy", "check", "nothing", "--json")
    assert code == 2
    assert json.loads(out)["ok"] is False
