"""The vendors' own clients aimed at a venue, and what they say in words that a test can compare."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import TYPE_CHECKING, Any

from alpaca.trading.client import TradingClient
from alpaca.trading.models import Order, TradeUpdate
from alpaca.trading.requests import LimitOrderRequest, MarketOrderRequest
from alpaca.trading.stream import TradingStream

if TYPE_CHECKING:
    from tests.venue.conftest import RunningVenue

STILL = {"exchange": "NASDAQ", "tape": 3, "ticks_per_second": 1, "volatility": 0, "shortable": True}
# Prices stand still at 100 and 50 (bid 0.1 % below, ask 0.1 % above); whoever wants another sets it.
SCENARIO: dict[str, Any] = {
    "account": {
        "account_number": "PA3CLOSING",
        "cash": "100000",
        "multiplier": "4",
        "shorting_enabled": True,
    },
    "market": {"mode": "silent", "spread_bps": 20},
    "symbols": [
        {"symbol": "AAA", "name": "A", "start_price": 100, **STILL},
        {"symbol": "BBB", "name": "B", "start_price": 50, **STILL},
    ],
}


def market_order(client: TradingClient, **fields: Any) -> Order:
    """One share of AAA bought at the market, today, unless the fields say otherwise."""
    given = {"symbol": "AAA", "qty": 1, "side": "buy", "time_in_force": "day", **fields}
    order = client.submit_order(MarketOrderRequest(**given))
    assert isinstance(order, Order)
    return order


def limit_order(client: TradingClient, **fields: Any) -> Order:
    """One share of AAA at a limit, today, unless the fields say otherwise."""
    given = {"symbol": "AAA", "qty": 1, "side": "buy", "time_in_force": "day", **fields}
    order = client.submit_order(LimitOrderRequest(**given))
    assert isinstance(order, Order)
    return order


class Updates:
    """What alpaca-py's TradingStream brought, in order."""

    def __init__(self) -> None:
        self.heard: list[TradeUpdate] = []

    def events(self, order: object) -> list[str]:
        """The names of one order's events."""
        return [_word(update.event) for update in self.heard if str(update.order.id) == str(order)]

    def of(self, order: object, event: str) -> list[TradeUpdate]:
        """One order's events of one name."""
        return [u for u in self.heard if str(u.order.id) == str(order) and _word(u.event) == event]


@contextmanager
def listening(venue: RunningVenue) -> Iterator[Updates]:
    """alpaca-py's TradingStream, once it listens."""
    updates = Updates()

    async def take(update: TradeUpdate) -> None:
        updates.heard.append(update)

    stream = TradingStream("K", "S", url_override=f"ws://127.0.0.1:{venue.port}/stream")
    stream.subscribe_trade_updates(take)
    before = venue.ctl()["ws"]
    threading.Thread(target=stream.run, daemon=True).start()
    try:
        venue.until(lambda: venue.ctl()["ws"] == before + 1)
        yield updates
    finally:
        # Its thread ends by itself, up to five seconds later: nobody waits for it.
        stream.stop()


def fed(module: ModuleType, venue: RunningVenue, names: list[str], enough: Callable[[list[Any]], Any]) -> Any:
    """What the market-data vendor's WebSocketClient brings until `enough` finds something in it (given back)."""
    heard: list[Any] = []

    async def take(messages: list[Any]) -> None:
        heard.extend(messages)

    async def session() -> Any:
        client = feed_client(module, venue, names)
        task = asyncio.create_task(client.connect(take))
        try:
            async with asyncio.timeout(20):
                while not (found := enough(heard)):
                    assert not task.done(), task
                    await asyncio.sleep(0.02)
            return found
        finally:
            await client.close()
            task.cancel()

    return asyncio.run(session())


def feed_client(module: ModuleType, venue: RunningVenue, names: list[str], **options: Any) -> Any:
    """The vendor's WebSocketClient (module `massive`, or `polygon` as it was called)."""
    return module.WebSocketClient(
        api_key="P",
        feed=f"127.0.0.1:{venue.port}",
        market="stocks",
        secure=False,
        subscriptions=names,
        max_reconnects=0,
        **options,
    )


def _word(event: object) -> str:
    return str(getattr(event, "value", event))
