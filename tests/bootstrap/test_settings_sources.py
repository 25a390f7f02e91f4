"""Where settings come from: precedence, origins, other names, directories, and what the model makes of them."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
from pydantic import ValidationError

from kyzlo_actors.adapters.broker.rest import trade_stream_url
from kyzlo_actors.bootstrap.settings import load_settings
from tests.bootstrap.settings_files import ALPACA_SECRET, ENVIRON, GOOD, write_secrets, write_settings


def polygon(path: Path, environ: dict[str, str]) -> tuple[str, str]:
    """The Polygon key and its origin."""
    loaded = load_settings(path, {**ENVIRON, **environ})
    return loaded.settings.polygon_api_key.get_secret_value(), loaded.origin("POLYGON_API_KEY")


def test_environment_beats_credentials_beat_secrets_beat_settings(tmp_path: Path) -> None:
    path = write_settings(tmp_path)
    assert polygon(path, {}) == ("polygon-key", str(path))
    secrets = write_secrets(tmp_path, 'MASSIVE_API_KEY = "from-secrets"')
    assert polygon(path, {}) == ("from-secrets", f"{secrets} as MASSIVE_API_KEY")
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    (credentials / "polygon_api_key").write_text("from-credentials\n")
    environ = {"CREDENTIALS_DIRECTORY": str(credentials)}
    assert polygon(path, environ) == ("from-credentials", "credentials")
    environ["POLYGON_API_KEY"] = "from-environment"
    assert polygon(path, environ) == ("from-environment", "environment")


def test_a_credential_may_have_the_settings_own_name(tmp_path: Path) -> None:
    (tmp_path / "POLYGON_API_KEY").write_text("exact")
    (tmp_path / "polygon_api_key").write_text("lower")
    found = polygon(write_settings(tmp_path), {"CREDENTIALS_DIRECTORY": str(tmp_path)})
    assert found == ("exact", "credentials")


def test_the_vendors_names_are_accepted(tmp_path: Path) -> None:
    environ = {"APCA_API_KEY_ID": "PKVENDOR", "APCA_API_SECRET_KEY": "s3", "MASSIVE_API_KEY": "m"}
    loaded = load_settings(write_settings(tmp_path), {**ENVIRON, **environ})
    assert loaded.settings.alpaca_api_key.get_secret_value() == "PKVENDOR"
    assert loaded.settings.secrets == ("PKVENDOR", "s3", "m")
    assert loaded.origin("ALPACA_API_KEY") == "environment as APCA_API_KEY_ID"


def test_the_same_value_under_both_names_is_no_conflict(tmp_path: Path) -> None:
    environ = {"APCA_API_KEY_ID": "PK1", "ALPACA_API_KEY": "PK1"}
    loaded = load_settings(write_settings(tmp_path), {**ENVIRON, **environ})
    assert loaded.origin("ALPACA_API_KEY") == "environment"


def test_an_empty_variable_counts_as_not_given(tmp_path: Path) -> None:
    path = write_settings(tmp_path)
    assert polygon(path, {"POLYGON_API_KEY": ""}) == ("polygon-key", str(path))


def test_values_keep_their_kind(tmp_path: Path) -> None:
    loaded = load_settings(write_settings(tmp_path), ENVIRON)
    settings = loaded.settings
    assert settings.risk_max_notional == Decimal("25000.5")
    assert isinstance(settings.symbols["AAPL"].quantity, Decimal)
    assert settings.symbols["AAPL"].parameters == {"fast": 5, "slow": 20}
    assert loaded.origin("symbols.AAPL.parameters.fast") == str(loaded.path)
    assert loaded.origin("symbols.AAPL.bar_seconds") == "default"
    assert trade_stream_url(settings.alpaca_base_url) == "wss://paper-api.alpaca.markets/stream"
    with pytest.raises(ValidationError):
        settings.risk_max_notional = Decimal(1)  # type: ignore[misc]


def test_secrets_do_not_show_in_any_text(tmp_path: Path) -> None:
    loaded = load_settings(write_settings(tmp_path), ENVIRON)
    assert ALPACA_SECRET not in f"{loaded!r} {loaded.settings!s} {loaded.settings.model_dump_json()}"


def test_secrets_in_the_settings_file_are_noted(tmp_path: Path) -> None:
    path = write_settings(tmp_path)
    (note,) = load_settings(path, ENVIRON).notes
    assert note.startswith(f"{path} holds ALPACA_API_KEY, ALPACA_API_SECRET, POLYGON_API_KEY")
    keys = [line for line in GOOD.splitlines() if "_API_" in line]
    write_secrets(tmp_path, "\n".join(keys))
    write_settings(tmp_path, "\n".join(line for line in GOOD.splitlines() if line not in keys))
    assert load_settings(path, ENVIRON).notes == ()


def test_one_symbols_position_is_overridden(tmp_path: Path) -> None:
    environ = {"RISK_MAX_POSITION_SYMBOL": "AAPL", "RISK_MAX_POSITION_QUANTITY": "12.5"}
    loaded = load_settings(write_settings(tmp_path), {**ENVIRON, **environ})
    assert loaded.settings.symbols["AAPL"].max_position == Decimal("12.5")
    assert loaded.origin("symbols.AAPL.max_position") == "environment as RISK_MAX_POSITION_QUANTITY"


@pytest.mark.parametrize(
    ("given", "base", "stream"),
    [
        (
            "https://paper-api.alpaca.markets/v2",
            "https://paper-api.alpaca.markets",
            "wss://paper-api.alpaca.markets/stream",
        ),
        ("http://127.0.0.1:8765/", "http://127.0.0.1:8765", "ws://127.0.0.1:8765/stream"),
        ("http://localhost:1", "http://localhost:1", "ws://localhost:1/stream"),
        ("http://[::1]:1", "http://[::1]:1", "ws://[::1]:1/stream"),
    ],
)
def test_urls_that_are_accepted(tmp_path: Path, given: str, base: str, stream: str) -> None:
    settings = load_settings(write_settings(tmp_path), {**ENVIRON, "ALPACA_BASE_URL": given}).settings
    assert (settings.alpaca_base_url, trade_stream_url(settings.alpaca_base_url)) == (base, stream)


def test_quoted_names_with_a_dot_and_strategies_of_others(tmp_path: Path) -> None:
    text = GOOD.replace("symbols.AAPL", 'symbols."BRK.B"').replace('"golden_cross"', '"my.strategies:Mine"')
    settings = load_settings(write_settings(tmp_path, text), ENVIRON).settings
    assert settings.symbols["BRK.B"].strategy == "my.strategies:Mine"


def test_directories_follow_systemd_then_the_user(tmp_path: Path) -> None:
    path = write_settings(tmp_path)

    def directories(environ: dict[str, str]) -> tuple[str, str]:
        paths = load_settings(path, environ).settings.paths
        return str(paths.state_directory), str(paths.runtime_directory)

    state, runtime = directories({"HOME": "/home/tester"})
    assert state == "/home/tester/.local/state/kyzlo"
    assert runtime.startswith("/tmp/kyzlo-")
    user = {"HOME": "/home/tester", "XDG_STATE_HOME": "/x/state", "XDG_RUNTIME_DIR": "/run/user/7"}
    state, runtime = directories(user)
    assert state == "/x/state/kyzlo"
    assert runtime.startswith("/run/user/7/kyzlo-")
    systemd = {**user, "STATE_DIRECTORY": "/var/lib/kyzlo:/var/lib/more", "RUNTIME_DIRECTORY": "/run/kyzlo"}
    assert directories(systemd) == ("/var/lib/kyzlo", "/run/kyzlo")
    write_settings(tmp_path, f'{GOOD}\n[paths]\nstate_directory = "/srv/kyzlo"\n')
    assert directories(systemd) == ("/srv/kyzlo", "/run/kyzlo")


def test_the_gate_gets_its_limits_in_its_own_units(tmp_path: Path) -> None:
    limits = load_settings(write_settings(tmp_path), ENVIRON).settings.risk_limits()
    assert limits.daily_loss == Decimal(500)
    assert limits.max_gross_notional == Decimal("25000.5")
    assert limits.max_position == {"AAPL": Decimal(20)}
    assert limits.price_collar == Decimal("0.05")
    assert limits.max_price_age_ns == 2_000_000_000


def test_durability_is_strict_with_live_money_unless_said_otherwise(tmp_path: Path) -> None:
    journal = load_settings(write_settings(tmp_path), ENVIRON).settings.journal
    assert (journal.is_strict(live=True), journal.is_strict(live=False)) == (True, False)
    said = write_settings(tmp_path, GOOD + '\n[journal]\ndurability = "strict"\n')
    assert load_settings(said, ENVIRON).settings.journal.is_strict(live=False)


def test_loading_is_repeatable_and_leaves_the_environment_alone(tmp_path: Path) -> None:
    path = write_settings(tmp_path)
    environ = {**ENVIRON, "POLYGON_API_KEY": "k"}
    assert load_settings(path, environ) == load_settings(path, environ)
    assert environ == {**ENVIRON, "POLYGON_API_KEY": "k"}
