"""What people are shown: masked rows, and the documents that must keep up with the model."""

from __future__ import annotations

from pathlib import Path

import pytest
import toml

from kyzlo_actors.bootstrap.setting_names import TOP_LEVEL_NAMES
from kyzlo_actors.bootstrap.settings import load_settings
from kyzlo_actors.bootstrap.settings_model import Settings
from kyzlo_actors.bootstrap.settings_view import setting_rows, settings_table
from tests.bootstrap.settings_files import ALPACA_SECRET, ENVIRON, write_settings

ROOT = Path(__file__).resolve().parents[2]
SETTINGS_EXAMPLE = ROOT / "config" / "settings.example.toml"
SECRETS_EXAMPLE = ROOT / "config" / "secrets.example.toml"
KEYS = {"ALPACA_API_KEY": "PKDUMMY", "ALPACA_API_SECRET": "dummy", "POLYGON_API_KEY": "dummy"}

OWNERS_NAMES = """
ALPACA_API_KEY ALPACA_API_SECRET ALPACA_BASE_URL POLYGON_API_KEY POLYGON_WEBSOCKET_URL ALPHA_VANTAGE_API_KEY
ALPHA_VANTAGE_BASE_URL GNEWS_API_KEY GNEWS_ENDPOINT TIMESCALE_DSN RISK_DAILY_LOSS_LIMIT RISK_MAX_NOTIONAL
RISK_MAX_POSITION_SYMBOL RISK_MAX_POSITION_QUANTITY POLYGON_BASE_URL
"""


def test_the_owners_names_are_the_top_level_names() -> None:
    assert set(TOP_LEVEL_NAMES) == set(OWNERS_NAMES.split())
    assert [name for name, about in TOP_LEVEL_NAMES.items() if about.secret] == [
        "ALPACA_API_KEY",
        "ALPACA_API_SECRET",
        "POLYGON_API_KEY",
        "ALPHA_VANTAGE_API_KEY",
        "GNEWS_API_KEY",
        "TIMESCALE_DSN",
    ]


def test_rows_show_every_setting_its_origin_and_no_secret(tmp_path: Path) -> None:
    path = write_settings(tmp_path)
    rows = {
        row.name: row for row in setting_rows(load_settings(path, {**ENVIRON, "RISK_MAX_NOTIONAL": "1e4"}))
    }
    assert rows["ALPACA_API_SECRET"].value == f"••••({len(ALPACA_SECRET)} characters)"
    assert (rows["RISK_MAX_NOTIONAL"].value, rows["RISK_MAX_NOTIONAL"].origin) == ("10000", "environment")
    assert (rows["TIMESCALE_DSN"].value, rows["TIMESCALE_DSN"].origin) == (None, "default")
    assert rows["symbols.AAPL.quantity"].origin == str(path)
    assert not set(TOP_LEVEL_NAMES) - set(rows)


@pytest.mark.parametrize("name", ["ALPACA_API_KEY", "POLYGON_API_KEY"])
def test_the_example_lacks_nothing_but_keys(tmp_path: Path, name: str) -> None:
    loaded = load_settings(SETTINGS_EXAMPLE, {**ENVIRON, **KEYS})
    assert loaded.settings.symbols
    assert loaded.origin(name) == "environment"


def test_the_examples_values_are_the_defaults() -> None:
    loaded = load_settings(SETTINGS_EXAMPLE, {**ENVIRON, **KEYS}).settings
    for name, field in Settings.model_fields.items():
        if field.default_factory is not None:
            assert getattr(loaded, name) == field.get_default(call_default_factory=True), name
        elif not field.is_required() and name not in ("risk_max_position_symbol",):
            assert getattr(loaded, name) == field.default, name


def test_the_examples_name_every_setting() -> None:
    text = SETTINGS_EXAMPLE.read_text()
    for line in settings_table().splitlines()[2:]:
        name = line.split("`")[1].split()[-1]
        assert name in text, name
    secrets = toml.loads(SECRETS_EXAMPLE.read_text())
    assert list(secrets) == [name for name, about in TOP_LEVEL_NAMES.items() if about.secret]
    assert set(secrets.values()) == {""}


def test_the_readme_holds_exactly_this_table() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    written = readme.split("<!-- settings -->\n")[1].split("<!-- /settings -->")[0]
    assert written == settings_table(), "put the output of settings_table() between the README's markers"
