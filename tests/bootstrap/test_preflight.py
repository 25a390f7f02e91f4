"""What is asked before the tree starts: few requests for many symbols, and what ends a first start only."""

from __future__ import annotations

import logging
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from aiohttp import web

from kyzlo_actors.adapters.market_data.aggregates import PolygonHistory
from kyzlo_actors.bootstrap.preflight import (
    ASKED_ONE_BY_ONE,
    check_market_data_key,
    check_symbols,
    read_assets,
    symbol_problems,
)
from kyzlo_actors.bootstrap.settings import load_settings
from kyzlo_actors.bootstrap.settings_model import Settings
from kyzlo_actors.domain.broker import BrokerAsset
from kyzlo_actors.domain.errors import BadInput
from kyzlo_actors.infrastructure.clock import SystemClock
from tests.bootstrap.settings_files import ENVIRON, GOOD, write_settings
from tests.fakes.broker_desk import FakeDesk
from tests.fakes.local_server import application

ASSET = BrokerAsset(symbol="AAPL", tradable=True, shortable=True, fractionable=True)


class CountingDesk(FakeDesk):
    """Knows what it is given; counts requests."""

    def __init__(self, *known: BrokerAsset) -> None:
        super().__init__()
        self.known = {asset.symbol: asset for asset in known}
        self.requests = 0

    def asset(self, symbol: str) -> BrokerAsset | None:
        self.requests += 1
        return self.known.get(symbol)

    def assets(self) -> dict[str, BrokerAsset]:
        self.requests += 1
        return {symbol: asset for symbol, asset in self.known.items() if asset.tradable}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(write_settings(tmp_path, GOOD), ENVIRON).settings


def test_few_symbols_are_asked_by_name() -> None:
    desk = CountingDesk(ASSET)
    assert read_assets(desk, ["AAPL", "NONE"]) == {"AAPL": ASSET, "NONE": None}
    assert desk.requests == 2


def test_many_symbols_cost_a_bounded_number_of_requests_and_the_unlisted_are_asked_by_name() -> None:
    names = [f"S{number}" for number in range(500)]
    off = replace(ASSET, symbol="S7", tradable=False)
    desk = CountingDesk(*(replace(ASSET, symbol=name) for name in names[:400] if name != "S7"), off)
    found = read_assets(desk, names)
    assert list(found) == names
    assert found["S7"] == off and found["S499"] is None
    assert desk.requests == ASKED_ONE_BY_ONE + 1


def test_a_symbol_that_can_never_be_traded_ends_every_start(settings: Settings) -> None:
    for is_first_start in (True, False):
        with pytest.raises(BadInput, match="no such symbol"):
            check_symbols(CountingDesk(), settings, is_first_start=is_first_start)
    table = settings.symbols["AAPL"].model_copy(update={"quantity": Decimal("1.5")})
    parts = settings.model_copy(update={"symbols": {"AAPL": table}})
    (problem,) = symbol_problems(parts, {"AAPL": replace(ASSET, fractionable=False)})
    assert "whole shares" in problem.cure


def test_a_suspended_symbol_ends_a_first_start_and_is_told_at_a_later_one(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    desk = CountingDesk(replace(ASSET, tradable=False))
    with pytest.raises(BadInput, match="does not let it be traded now"):
        check_symbols(desk, settings, is_first_start=True)
    caplog.set_level(logging.CRITICAL, "kyzlo")
    check_symbols(desk, settings, is_first_start=False)
    assert "does not let it be traded now" in caplog.text


@pytest.mark.parametrize(
    ("status", "body", "is_refused"),
    [
        (401, {"status": "ERROR", "error": "Unknown API Key"}, True),
        (403, {"status": "NOT_AUTHORIZED", "message": "your plan lacks this"}, False),
        (429, {"status": "ERROR"}, False),
        (500, None, False),
        (200, {"status": "OK", "results": []}, False),
    ],
)
def test_only_a_refused_key_speaks_against_the_key(
    settings: Settings, status: int, body: object, is_refused: bool
) -> None:
    async def answer(request: web.Request) -> web.Response:
        return web.json_response(body, status=status)

    with application(web.get("/{path:.*}", answer)) as port:
        history = PolygonHistory(f"http://127.0.0.1:{port}", "polygon-key", SystemClock())
        try:
            if is_refused:
                with pytest.raises(BadInput) as caught:
                    check_market_data_key(history, settings, SystemClock().now_ns())
                assert caught.value.field == "POLYGON_API_KEY" and "polygon-key" not in str(caught.value)
            else:
                check_market_data_key(history, settings, SystemClock().now_ns())
        finally:
            history.close()
