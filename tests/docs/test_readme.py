"""The README's code blocks run as they stand."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import types
from decimal import Decimal
from pathlib import Path

import pytest
import toml

from kyzlo_actors.bootstrap.plugins import find_strategy
from kyzlo_actors.bootstrap.settings_tables import SymbolTable
from kyzlo_actors.domain.market import Bar
from kyzlo_actors.domain.strategy.protocol import Context, make_parameters

README = (Path(__file__).parents[2] / "README.md").read_text()


def _block(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", README, re.DOTALL)
    assert found is not None
    return found.group(1)


@pytest.fixture
def momentum(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    module = types.ModuleType("my_package.momentum")
    monkeypatch.setitem(sys.modules, "my_package", types.ModuleType("my_package"))
    monkeypatch.setitem(sys.modules, "my_package.momentum", module)
    exec(compile(_block("python"), "README.md", "exec", dont_inherit=True), module.__dict__)
    return module


@pytest.mark.usefixtures("momentum")
def test_the_strategy_of_the_readme_can_be_named_and_trades() -> None:
    table = SymbolTable.model_validate(toml.loads(_block("toml"))["symbols"]["AAPL"])
    strategy = find_strategy(table.strategy, field="symbols.AAPL.strategy")
    made = strategy(make_parameters(strategy, table.parameters, field_prefix="symbols.AAPL.parameters"))
    context = Context(symbol="AAPL", quantity=Decimal(10), position=Decimal(0), average_cost=Decimal(0))

    rising = made.on_bar(context, _bar(close=101.0))
    falling = made.on_bar(context, _bar(close=99.0))

    assert rising is not None and rising.target_position == 10
    assert falling is not None and falling.target_position == 0
    assert made.on_bar(context, _bar(close=100.1)) is None


def test_the_way_to_ones_own_strategy_can_be_walked(tmp_path: Path) -> None:
    """Every line as it stands; the last one, which does not end by itself, only as far as its options are known."""
    *steps, paper = _block("sh").splitlines()
    environment = {
        **{name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        "HOME": str(tmp_path),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    assert paper.startswith("kyzlo paper --strategy momentum.strategy:Momentum ")
    script = "\n".join(["set -e", *steps, f"{paper.partition('#')[0]} --bar-seconds 7"])
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=55,
        check=False,
    )
    assert "4 passed" in done.stdout
    assert "ok: 0 errors, 0 warnings" in done.stdout
    # The strategy was found, and the session got as far as the length of the bars, which is no good.
    assert done.returncode == 2, done.stdout + done.stderr
    assert done.stderr.startswith("kyzlo: --bar-seconds: 7 cannot be used")


def _bar(*, close: float) -> Bar:
    return Bar(
        symbol="AAPL",
        interval_ns=60_000_000_000,
        start_ns=0,
        open=100.0,
        high=max(100.0, close),
        low=min(100.0, close),
        close=close,
        volume=1.0,
        trade_count=1,
        revision=0,
        repaired=False,
        ts_init=0,
    )
