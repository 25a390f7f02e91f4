"""Finding strategies: entry points, modules beside the settings or in the present directory, and what is refused."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from kyzlo_actors.bootstrap.plugins import check_strategies, find_strategy, installed_strategies, make_checked
from kyzlo_actors.bootstrap.settings import load_settings
from kyzlo_actors.domain.errors import BadInput
from kyzlo_actors.domain.strategy.protocol import make_parameters
from tests.bootstrap.settings_files import ENVIRON, GOOD, write_settings

SOURCE = """
from dataclasses import dataclass
from kyzlo_actors.domain.strategy.protocol import BaseStrategy

@dataclass(frozen=True)
class P:
    size: int = 3
    wait: bool = False

class Mine(BaseStrategy):
    name = "mine"
    Parameters = P
    def __init__(self, parameters):
        pass
"""
TARGET = "kyzlo_test_plugin.strategy:Mine"


@pytest.fixture(autouse=True)
def clean_imports(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Each test imports the plugin anew, from nowhere but where it put it."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    empty = tmp_path / "empty"
    empty.mkdir()
    monkeypatch.chdir(empty)
    yield
    for name in [name for name in sys.modules if name.startswith("kyzlo_test_plugin")]:
        del sys.modules[name]


def write_plugin(directory: Path, source: str = SOURCE) -> Path:
    package = directory / "kyzlo_test_plugin"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "strategy.py").write_text(source)
    return package


def test_every_shipped_strategy_is_found_and_made() -> None:
    assert {"breakout", "frame_trend", "golden_cross", "mean_reversion"} <= set(installed_strategies())
    for name in installed_strategies():
        strategy = find_strategy(name, field="x")
        assert strategy.name == name
        assert make_checked(strategy, strategy.Parameters(), name=name, field="x").warm_up_bars <= 200


def test_beside_the_settings_file(tmp_path: Path) -> None:
    path = write_settings(tmp_path, GOOD.replace('"golden_cross"', f'"{TARGET}"'))
    write_plugin(path.parent)
    loaded = load_settings(path, ENVIRON)
    with pytest.raises(BadInput, match="size, wait"):  # found: it is the parameters that do not fit
        check_strategies(loaded.settings, settings_file=loaded.path)
    assert sys.path[-1] == str(path.parent.resolve())


def test_in_the_present_directory(tmp_path: Path) -> None:
    write_plugin(Path.cwd())
    assert find_strategy(TARGET, field="x").name == "mine"


def test_beside_the_settings_beats_the_present_directory(tmp_path: Path) -> None:
    write_plugin(Path.cwd(), SOURCE.replace('"mine"', '"here"'))
    write_plugin(tmp_path / "beside")
    assert find_strategy(TARGET, field="x", settings_file=tmp_path / "beside" / "s.toml").name == "mine"


def test_what_is_installed_is_never_displaced(tmp_path: Path) -> None:
    write_plugin(tmp_path / "installed")
    sys.path.insert(0, str(tmp_path / "installed"))
    write_plugin(Path.cwd(), SOURCE.replace('"mine"', '"intruder"'))
    before = list(sys.path)
    assert find_strategy(TARGET, field="x").name == "mine"
    assert sys.path == before


@pytest.mark.parametrize("part", ["", "kyzlo_test_plugin", "kyzlo_test_plugin/__init__.py"])
def test_what_everybody_may_change_is_not_imported(part: str) -> None:
    write_plugin(Path.cwd(), "raise SystemExit('it was imported')")
    path = Path.cwd() / part
    path.chmod(path.stat().st_mode | 0o002)
    with pytest.raises(BadInput, match="chmod o-w"):
        find_strategy(TARGET, field="x")
    assert str(Path.cwd()) not in sys.path


def test_where_it_was_looked_for_is_told() -> None:
    with pytest.raises(BadInput, match=f"No module named 'kyzlo_test_plugin'.*{Path.cwd()}"):
        find_strategy(TARGET, field="symbols.AAPL.strategy")


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("def (", r"SyntaxError: .*strategy\.py:1"),
        ("Mine = 3", "it is not a strategy"),
        (SOURCE.replace("@dataclass(frozen=True)", ""), "must be a dataclass"),
        (SOURCE.replace("Mine", "Other"), "has no attribute 'Mine'"),
    ],
)
def test_what_cannot_be_used_is_one_line(source: str, words: str) -> None:
    write_plugin(Path.cwd(), source)
    with pytest.raises(BadInput, match=words) as caught:
        find_strategy(TARGET, field="x")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("raise KeyError('lost')", "it cannot be made: KeyError"),
        ("self.warm = 201", "at most 200 bars"),
        ("self.clocks = {'a': 0.01}", "its timers"),
        ("self.clocks = dict.fromkeys(map(str, range(17)), 1.0)", "its timers"),
        ("self.clocks = {'a': 'often'}", "it cannot be made: TypeError"),
    ],
)
def test_bounds_are_checked_when_it_is_made(body: str, words: str) -> None:
    write_plugin(
        Path.cwd(),
        SOURCE.replace("        pass", f"        self.warm, self.clocks = 0, {{}}\n        {body}")
        + "    warm_up_bars = property(lambda self: self.warm)\n"
        + "    timers = property(lambda self: self.clocks)\n",
    )
    strategy = find_strategy(TARGET, field="x")
    with pytest.raises(BadInput, match=words):
        make_checked(strategy, strategy.Parameters(), name=TARGET, field="symbols.AAPL")


def test_types_are_checked_without_postponed_annotations_too() -> None:
    write_plugin(Path.cwd())
    strategy = find_strategy(TARGET, field="x")
    with pytest.raises(BadInput, match="give a value of type int"):
        make_parameters(strategy, {"size": "3"}, field_prefix="x")
    with pytest.raises(BadInput, match="give a value of type bool"):
        make_parameters(strategy, {"wait": 1}, field_prefix="x")
