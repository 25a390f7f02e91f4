"""The venue's back door for tests and demos: `/_ctl` makes trouble (POST) and tells what really happened (GET)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import orjson
from aiohttp import web

from kyzlo_actors.domain.errors import BadInput, Recoverable
from kyzlo_actors.venue.alpaca_json import money
from kyzlo_actors.venue.alpaca_orders import AlpacaOrders
from kyzlo_actors.venue.behaviour import Switches
from kyzlo_actors.venue.data_stream import DataStream
from kyzlo_actors.venue.desk import Desk
from kyzlo_actors.venue.faults import Faults
from kyzlo_actors.venue.feed import Feed
from kyzlo_actors.venue.http import Gate, json_reply
from kyzlo_actors.venue.polygon_ws import PolygonStream
from kyzlo_actors.venue.trade_updates import TradeUpdates

Act = Callable[[Any], Awaitable[None]]


class Ctl:
    """Faults by name (see `faults.py`) and the acts `set_price`, `abort_streams`, `close_polygon`, …"""

    def __init__(
        self,
        *,
        desk: Desk,
        faults: Faults,
        switches: Switches,
        feed: Feed,
        orders: AlpacaOrders,
        updates: TradeUpdates,
        polygon: PolygonStream,
        data: DataStream,
        gate: Gate,
    ) -> None:
        self._desk = desk
        self._faults = faults
        self._switches = switches
        self._feed = feed
        self._orders = orders
        self._updates = updates
        self._polygon = polygon
        self._data = data
        self._gate = gate
        self._acts: dict[str, Act] = {
            "set_price": self._set_price,
            "abort_streams": self._abort_streams,
            "close_polygon": self._close_polygon,
            "abort_polygon": self._abort_polygon,
            "stream_frames": self._stream_frames,
        }

    def routes(self) -> list[web.RouteDef]:
        """Its routes; they need no keys, the venue listens on loopback only."""
        return [web.get("/_ctl", self.state), web.post("/_ctl", self.command)]

    async def state(self, request: web.Request) -> web.Response:
        """Everything a test wants to compare with what the runtime believes."""
        return json_reply(self._state())

    async def command(self, request: web.Request) -> web.Response:
        """`{"drop_after_post": 1, "set_price": {"symbol": …, "price": …}}`; in order, until one is bad."""
        try:
            body = orjson.loads(await request.read())
        except orjson.JSONDecodeError:
            body = None
        if not isinstance(body, dict):
            return json_reply({"error": "give a JSON object"}, 400)
        try:
            for name, value in body.items():
                await self._do(name, value)
        except (BadInput, Recoverable) as fault:
            return json_reply({"error": str(fault)}, 400)
        return json_reply(self._state())

    async def _do(self, name: str, value: object) -> None:
        act = self._acts.get(name)
        if act:
            await act(value)
            return
        self._faults.set(name, value)
        if name == "hold_fills":
            self._desk.hold_fills(self._faults.hold_fills)

    async def _set_price(self, value: Any) -> None:
        symbol = value.get("symbol") if isinstance(value, dict) else None
        price = value.get("price") if isinstance(value, dict) else None
        if self._desk.scenario.symbol(str(symbol)) is None:
            raise BadInput("set_price", value, "give a symbol of the scenario")
        if isinstance(price, bool) or not isinstance(price, (int, float)) or not 1 <= price <= 1e6:
            raise BadInput("set_price", value, "give a price from 1 to 1000000")
        # The next instant: what was printed already keeps its price, in the bars too.
        self._desk.jump(str(symbol), float(price), self._feed.published_ms + 1)

    async def _abort_streams(self, value: Any) -> None:
        self._updates.abort_all()

    async def _close_polygon(self, value: Any) -> None:
        code = value if isinstance(value, int) and 1000 <= value <= 4999 else 1000
        await self._polygon.close_all(code)

    async def _abort_polygon(self, value: Any) -> None:
        self._polygon.abort_all()

    async def _stream_frames(self, value: Any) -> None:
        self._switches.change({"stream_frames": value})

    def _state(self) -> dict[str, Any]:
        engine = self._desk.engine
        return {
            "account_number": self._desk.account_number,
            "orders": [self._desk.order_json(order) for order in engine.orders.values()],
            "posts": self._orders.posts,
            "open_orders": len(engine.open_orders()),
            "fills": len(engine.fills),
            "positions": [self._desk.position_json(symbol) for symbol in sorted(engine.account.holdings)],
            "cash": money(engine.account.cash),
            "realized_pnl": money(engine.account.realized_pnl),
            "prices": {symbol: quote.last for symbol, quote in engine.quotes.items()},
            "connections": {
                "trade_updates": self._updates.connections,
                "listening": self._updates.listeners,
                "polygon": self._polygon.connections,
                "data": self._data.connections,
            },
            "counts": {
                "requests": self._gate.requests,
                "events_sent": self._updates.events_sent,
                "events_lost": self._updates.events_lost,
                "polygon_frames": self._polygon.frames_sent,
                "skipped_ms": self._feed.skipped_ms,
            },
            "faults": self._faults.as_json(),
        }
