"""The broker's own client aimed at a venue, and what it makes of a refusal."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from alpaca.common.exceptions import APIError
from alpaca.trading.client import TradingClient

if TYPE_CHECKING:
    from conftest import RunningVenue

STILL = {"exchange": "NASDAQ", "tape": 3, "ticks_per_second": 8, "volatility": 0}
# Prices stand still at 100 (bid 99.9, ask 100.1) and 50; nothing prints by itself that could move them.
MARGIN: dict[str, Any] = {
    "account": {
        "account_number": "PA3MARGIN",
        "cash": "100000",
        "multiplier": "4",
        "shorting_enabled": True,
    },
    "symbols": [
        {"symbol": "AAA", "name": "A", "start_price": 100, "shortable": True, **STILL},
        {"symbol": "BBB", "name": "B", "start_price": 50, "fractionable": False, **STILL},
        {"symbol": "OFF", "name": "O", "start_price": 50, "tradable": False, **STILL},
        {"symbol": "OLD", "name": "D", "start_price": 50, "active": False, **STILL},
    ],
}


def broker(venue: RunningVenue) -> TradingClient:
    """alpaca-py without its retries."""
    client = TradingClient("K", "S", paper=True, url_override=venue.url)
    client._retry = 0
    return client


def refusal(call: Callable[[], Any]) -> tuple[int, int, str]:
    """HTTP status, code and message of the error that `call` must end in."""
    try:
        call()
    except APIError as fault:
        return fault.status_code, fault.code, fault.message
    raise AssertionError("nothing was refused")
