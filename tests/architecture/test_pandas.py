"""Only frames/ knows pandas, and it is loaded before the first fork, or not at all."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.house import PACKAGE, ROOT, sources

HEAVY = frozenset({"pandas", "numpy"})
ROOM = "frames/"


def offenders(package: Path) -> list[str]:
    """`file:line` of every import of pandas or numpy outside the room, also inside functions."""
    return [
        f"{name}:{node.lineno}"
        for path in sources(package)
        if not (name := path.relative_to(package).as_posix()).startswith(ROOM)
        for node in ast.walk(ast.parse(path.read_text()))
        if any(module.partition(".")[0] in HEAVY for module in _imported(node))
    ]


def _imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [node.module or ""] if isinstance(node, ast.ImportFrom) else []


def test_only_frames_imports_pandas() -> None:
    assert offenders(PACKAGE) == []


def test_deliberate_violations_are_found(tmp_path: Path) -> None:
    (tmp_path / "one.py").write_text("import pandas as pd\n")
    (tmp_path / "two.py").write_text("def f():\n    from numpy.random import default_rng\n")
    (tmp_path / "frames").mkdir()
    (tmp_path / "frames" / "three.py").write_text("import numpy as np\n")
    assert offenders(tmp_path) == ["one.py:1", "two.py:2"]


# Everything up to the place where the broker is asked, which is before the guardian and the first fork.
START = """
import sys
from kyzlo_actors.bootstrap import run
from kyzlo_actors.bootstrap.settings import load_settings
from pathlib import Path

def stop(*_, **__):
    print(" ".join(sorted({{"pandas", "numpy"}} & set(sys.modules))))
    sys.exit()

run._preflight = stop
environ = {{"POLYGON_API_KEY": "k", "STATE_DIRECTORY": "{home}/state", "RUNTIME_DIRECTORY": "{home}/run"}}
run.run_instance(load_settings(Path("{home}/settings.toml"), environ), live=False, environ=environ)
"""
SETTINGS = """
ALPACA_API_KEY = "PK1"
ALPACA_API_SECRET = "secret"
RISK_DAILY_LOSS_LIMIT = 500
RISK_MAX_NOTIONAL = 25000
[symbols.AAPL]
strategy = "{strategy}"
quantity = 1
max_position = 1
"""


@pytest.mark.parametrize(
    ("strategy", "loaded"),
    [("frame_trend", "numpy pandas"), ("golden_cross", ""), ("breakout", ""), ("mean_reversion", "")],
)
def test_pandas_is_there_before_the_tree_only_if_a_strategy_needs_it(
    tmp_path: Path, strategy: str, loaded: str
) -> None:
    (tmp_path / "settings.toml").write_text(SETTINGS.format(strategy=strategy))
    done = subprocess.run(
        [sys.executable, "-c", START.format(home=tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == loaded
