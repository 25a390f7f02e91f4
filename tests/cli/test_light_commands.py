"""Commands that people give often must begin at once: none of them loads what only the service needs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HEAVY = ("aiohttp", "exchange_calendars", "httpx", "numpy", "pandas", "thespian", "websocket")
COMMANDS = [
    "status",
    "orders --all",
    "positions",
    "journal",
    "journal --order kyzlo.t",
    "top --count 1 --json",
    "symbols list",
    "symbols pause AAPL",
    "symbols release AAPL",
    "halt --reason test",
    "resume --reason test",
]
PROGRAM = """
import sys
from kyzlo_actors.cli import main
try:
    main.main()
except SystemExit:
    pass
loaded = sorted(set(sys.modules) & set({heavy!r}))
print(loaded, file=sys.__stderr__)
"""


@pytest.mark.parametrize("command", COMMANDS)
def test_it_loads_nothing_heavy(command: str, tmp_path: Path) -> None:
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "STATE_DIRECTORY": str(tmp_path),
        "RUNTIME_DIRECTORY": str(tmp_path),
    }
    done = subprocess.run(
        (sys.executable, "-c", PROGRAM.format(heavy=HEAVY), *command.split()),
        capture_output=True,
        text=True,
        timeout=50,
        cwd=tmp_path,
        env=environment,
        check=True,
    )
    assert done.stderr.splitlines()[-1] == "[]"
    assert "internal error" not in done.stderr
