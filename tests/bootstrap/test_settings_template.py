"""The settings that `kyzlo init` writes: the shipped examples are made by the same hand."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import pytest
import toml

from kyzlo_actors.bootstrap.first_settings import write_first_settings
from kyzlo_actors.bootstrap.plugins import check_strategies, find_strategy
from kyzlo_actors.bootstrap.settings import load_settings
from kyzlo_actors.bootstrap.settings_template import (
    EXAMPLE_STRATEGY,
    EXAMPLE_SYMBOLS,
    secrets_template,
    settings_template,
    toml_value,
)
from kyzlo_actors.domain.errors import BadInput
from tests.bootstrap.settings_files import ENVIRON

ROOT = Path(__file__).resolve().parents[2]
KEYS = {"ALPACA_API_KEY": "PKDUMMY", "ALPACA_API_SECRET": "dummy", "POLYGON_API_KEY": "dummy"}
AGAIN = "write what settings_template() and secrets_template() give"


def test_the_shipped_examples_are_what_the_generator_gives() -> None:
    parameters = find_strategy(EXAMPLE_STRATEGY, field="strategy").Parameters
    written = (ROOT / "config" / "settings.example.toml").read_text()
    assert written == settings_template(EXAMPLE_SYMBOLS, EXAMPLE_STRATEGY, parameters), AGAIN
    assert (ROOT / "config" / "secrets.example.toml").read_text() == secrets_template(), AGAIN


@dataclass(frozen=True, kw_only=True)
class Odd:
    """Parameters of every kind, one of them without a default."""

    needed: int
    share: float = 0.5
    money: Decimal = Decimal("1.50")
    horizons: tuple[int, ...] = (5, 20)
    word: str = 'a "b"'
    on: bool = True
    maybe: int | None = None


def test_parameters_of_every_kind_become_toml_and_what_has_no_default_is_asked_for() -> None:
    text = settings_template(["AAPL", "BRK.B"], "my.module:Odd", Odd)
    table = toml.loads(text)["symbols"]
    assert table["BRK.B"] == table["AAPL"]
    assert table["AAPL"]["strategy"] == "my.module:Odd"
    assert table["AAPL"]["parameters"] == {
        "share": 0.5,
        "money": 1.5,
        "horizons": [5, 20],
        "word": 'a "b"',
        "on": True,
    }
    assert "# needed =" in text and "no default: give one" in text
    assert "# maybe =" in text


def test_no_line_is_wider_than_prose_may_be() -> None:
    for text in (settings_template(["AAPL"], "x", Odd), secrets_template()):
        assert max(map(len, text.splitlines())) <= 120


def test_toml_has_no_word_for_nothing() -> None:
    assert toml_value(None) is None


@pytest.mark.parametrize(
    "strategy", ["golden_cross", "kyzlo_actors.domain.strategy.golden_cross:GoldenCross"]
)
def test_what_is_written_can_be_loaded_once_the_keys_are_there(tmp_path: Path, strategy: str) -> None:
    path = tmp_path / "new" / "settings.toml"
    written = write_first_settings(
        path, symbols=["MSFT", "BRK.B", "MSFT"], strategy=strategy, with_secrets=True, replace=False
    )
    assert written == [path, path.with_name("secrets.toml")]
    assert path.with_name("secrets.toml").stat().st_mode & 0o777 == 0o600
    loaded = load_settings(path, {**ENVIRON, **KEYS})
    assert list(loaded.settings.symbols) == ["MSFT", "BRK.B"]
    check_strategies(loaded.settings, settings_file=loaded.path)


def test_nothing_that_is_there_is_lost(tmp_path: Path) -> None:
    path, secrets = tmp_path / "settings.toml", tmp_path / "secrets.toml"
    path.write_text("mine")
    with pytest.raises(BadInput, match="--force"):
        write_first_settings(
            path, symbols=["AAPL"], strategy="golden_cross", with_secrets=False, replace=False
        )
    secrets.write_text("keys")
    with pytest.raises(BadInput, match="never replaced"):
        write_first_settings(path, symbols=["AAPL"], strategy="golden_cross", with_secrets=True, replace=True)
    assert (path.read_text(), secrets.read_text()) == ("mine", "keys")
    path.chmod(0o600)
    write_first_settings(path, symbols=["AAPL"], strategy="golden_cross", with_secrets=False, replace=True)
    assert path.read_text().startswith("# Settings of KYZLO")
    assert path.stat().st_mode & 0o777 == 0o600
    assert sorted(file.name for file in tmp_path.iterdir()) == ["secrets.toml", "settings.toml"]


@pytest.mark.parametrize(
    ("symbols", "strategy", "said"),
    [
        (["aapl"], "golden_cross", "--symbols: 'aapl'"),
        ([], "golden_cross", "--symbols: 0 symbols"),
        (["AAPL"], "no_such", "--strategy: 'no_such'"),
    ],
)
def test_what_cannot_be_is_one_line_and_writes_nothing(
    tmp_path: Path, symbols: list[str], strategy: str, said: str
) -> None:
    with pytest.raises(BadInput, match=said):
        write_first_settings(
            tmp_path / "s.toml", symbols=symbols, strategy=strategy, with_secrets=False, replace=False
        )
    assert not list(tmp_path.iterdir())


def test_a_place_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match="--settings"):
        write_first_settings(
            tmp_path / "file" / "s.toml",
            symbols=["AAPL"],
            strategy="golden_cross",
            with_secrets=False,
            replace=False,
        )
