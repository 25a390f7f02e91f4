"""Settings files for tests: a good one to spoil, and a neighbouring secrets.toml."""

from __future__ import annotations

from pathlib import Path

ALPACA_SECRET = "alpaca-secret-0123456789"

GOOD = f"""
ALPACA_API_KEY = "PKTEST000000"
ALPACA_API_SECRET = "{ALPACA_SECRET}"
POLYGON_API_KEY = "polygon-key"
RISK_DAILY_LOSS_LIMIT = 500
RISK_MAX_NOTIONAL = 25000.50

[symbols.AAPL]
strategy = "golden_cross"
quantity = 10
max_position = 20
parameters = {{fast = 5, slow = 20}}
"""

ENVIRON = {"HOME": "/home/tester"}


def write_settings(directory: Path, text: str = GOOD) -> Path:
    """A settings file in `directory`; returns its path."""
    path = directory / "settings.toml"
    path.write_text(text, encoding="utf-8")
    return path


def write_secrets(directory: Path, text: str, mode: int = 0o600) -> Path:
    """A secrets file in `directory`; returns its path."""
    path = directory / "secrets.toml"
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)
    return path
