"""The README's code blocks run as they stand."""

from __future__ import annotations

import re
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
