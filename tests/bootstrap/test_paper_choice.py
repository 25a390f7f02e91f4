"""What a person may choose for a paper session, and the settings that come of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kyzlo_actors.bootstrap.paper_choice import PaperChoice, paper_choice
from kyzlo_actors.bootstrap.paper_settings import MAX_ORDER_DOLLARS, service_environment, settings_text
from kyzlo_actors.bootstrap.plugins import check_strategies
from kyzlo_actors.bootstrap.settings import load_settings
from kyzlo_actors.bootstrap.settings_model import Settings
from kyzlo_actors.domain.errors import BadInput
from kyzlo_actors.venue.scenario import load_scenario

SCENARIO = load_scenario("demo")
ADDRESSES = {
    "rest": "http://127.0.0.1:1",
    "polygon_ws": "ws://127.0.0.1:2/stocks",
    "polygon_rest": "http://127.0.0.1:3",
}


def chosen(**changes: Any) -> PaperChoice:
    return paper_choice(
        SCENARIO, **{"strategy": None, "pairs": (), "symbols": None, "bar_seconds": 1, **changes}
    )


def settings_of(choice: PaperChoice, directory: Path) -> Settings:
    file = directory / "settings.toml"
    file.write_text(
        settings_text(SCENARIO, state_directory="/tmp/s", runtime_directory="/tmp/r", choice=choice)
    )
    environ = service_environment({}, run_id="r", addresses=ADDRESSES, scenario=SCENARIO)
    return load_settings(file, environ).settings


def test_a_strategy_of_ones_choice_trades_every_symbol_within_the_limits(tmp_path: Path) -> None:
    choice = chosen(strategy="mean_reversion", pairs=["period=30", "allow_short=true"], bar_seconds=5)
    settings = settings_of(choice, tmp_path)
    check_strategies(settings, settings_file=None)
    assert set(settings.symbols) == {part.symbol for part in SCENARIO.symbols if part.tradable}
    for name, table in settings.symbols.items():
        assert (table.strategy, table.bar_seconds) == ("mean_reversion", 5)
        assert table.parameters == {"period": 30, "allow_short": True}
        part = SCENARIO.symbol(name)
        assert part is not None
        assert float(table.quantity) * part.start_price < MAX_ORDER_DOLLARS


def test_some_symbols(tmp_path: Path) -> None:
    settings = settings_of(chosen(strategy="breakout", symbols="ko, AAPL,KO"), tmp_path)
    assert set(settings.symbols) == {"AAPL", "KO"}
    assert {table.strategy for table in settings_of(chosen(symbols="SPY"), tmp_path).symbols.values()} == {
        "golden_cross"
    }


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"strategy": "none_such"}, "--strategy: 'none_such' cannot be used; use one of"),
        ({"strategy": "no.such:Thing"}, "--strategy: .*No module named 'no'"),
        ({"strategy": "breakout", "pairs": ["entri=3"]}, "--param.entri: 3 .*breakout knows"),
        ({"strategy": "breakout", "pairs": ["entry"]}, "--param: 'entry' .*name=value"),
        ({"strategy": "breakout", "pairs": ["leave=30"]}, "--param: .*leave <= entry"),
        ({"pairs": ["entry=3"]}, "--param: 'entry=3' .*name it with --strategy"),
        ({"symbols": "AAPL,APPL"}, "--symbols: 'APPL' .*does not trade it; did you mean AAPL"),
        ({"symbols": " , "}, "--symbols: .*commas between them"),
        ({"bar_seconds": 7}, "--bar-seconds: 7 .*divides an hour"),
        ({"bar_seconds": 0}, "--bar-seconds: 0"),
    ],
)
def test_what_cannot_be_used_is_told_before_anything_starts(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(BadInput, match=words):
        chosen(**changes)
