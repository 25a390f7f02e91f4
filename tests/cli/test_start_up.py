"""What the light commands must never load: their start is what people wait for."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.bootstrap.settings_files import ENVIRON, write_settings

ROOT = Path(__file__).resolve().parents[2]
HEAVY = (
    "aiohttp",
    "asyncio",
    "exchange_calendars",
    "httpx",
    "numpy",
    "pandas",
    "psycopg2",
    "thespian",
    "websocket",
)
PROGRAM = f"""
import sys
from kyzlo_actors.cli.main import main
try:
    main()
finally:
    print("LOADED", sorted(set({HEAVY!r}) & set(sys.modules)), file=sys.stderr)
"""


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ("--help", 0),
        ("--version", 0),
        ("nonsense", 2),
        ("init --settings fresh.toml --secrets", 0),
        ("config check --settings settings.toml", 0),
        ("config show --settings settings.toml", 0),
        ("doctor --help", 0),
        ("run --help", 0),
        ("strategy list", 0),
        # Nothing runs here, and nothing ever did.
        ("status", 1),
        ("orders --all", 0),
        ("positions", 0),
        ("journal", 0),
        ("journal --order kyzlo.t", 1),
        ("top --count 1 --json", 1),
        ("symbols list --settings settings.toml", 0),
        ("symbols pause AAPL", 1),
        ("symbols release AAPL", 1),
        ("halt --reason test", 0),
        ("resume --reason test", 1),
    ],
)
def test_light_commands_load_nothing_heavy(tmp_path: Path, arguments: str, code: int) -> None:
    write_settings(tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments.split()],
        cwd=tmp_path,
        env={
            **ENVIRON,
            "PYTHONPATH": str(ROOT),
            "STATE_DIRECTORY": str(tmp_path),
            "RUNTIME_DIRECTORY": str(tmp_path),
        },
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert done.returncode == code, done.stderr
    assert done.stderr.splitlines()[-1] == "LOADED []"
    assert "internal error" not in done.stderr
