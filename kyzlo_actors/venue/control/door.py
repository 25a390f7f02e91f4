"""The venue's back door for tests and demos: `/_ctl` makes trouble (POST) and tells what really happened (GET).

A command is a JSON object: faults (`fault_kinds.py`), acts (`orders.py`, `streams.py`, `market.py`),
and `faults`, `clear_faults`, `behaviour`, `script`, `cancel_scripts`. `GET /_ctl/faults` lists them all.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import orjson
from aiohttp import web

from kyzlo_actors.domain.errors import BadInput, Recoverable
from kyzlo_actors.venue.broker.desk import Desk
from kyzlo_actors.venue.broker.http import BadQuery, Gate, json_reply
from kyzlo_actors.venue.broker.json_shapes import money
from kyzlo_actors.venue.broker.orders import AlpacaOrders
from kyzlo_actors.venue.broker.trade_updates import TradeUpdates
from kyzlo_actors.venue.control.act import Act, table
from kyzlo_actors.venue.control.behaviour import Switches
from kyzlo_actors.venue.control.fault_kinds import KINDS
from kyzlo_actors.venue.control.faults import MAX_RULES, Faults
from kyzlo_actors.venue.control.lists import fills_page, orders_page, posts_page
from kyzlo_actors.venue.control.market import Correct, MarketActs, TellHalt
from kyzlo_actors.venue.control.orders import OrderActs
from kyzlo_actors.venue.control.script import Scripts, Steps
from kyzlo_actors.venue.control.skew import SkewedClock
from kyzlo_actors.venue.control.streams import StreamActs
from kyzlo_actors.venue.control.words import as_commands, config_commands
from kyzlo_actors.venue.data.stream import DataStream
from kyzlo_actors.venue.data.tape import DataTape
from kyzlo_actors.venue.market.feed import Feed
from kyzlo_actors.venue.polygon.stream import PolygonStream

_BAD_REQUEST: Final = 400


class Ctl:
    """Reads commands and lets the right part do them, in order, until one is bad."""

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
        data_tape: DataTape,
        gate: Gate,
        tell_halt: TellHalt,
        correct: Correct,
        shown_clock: SkewedClock,
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
        self._scripts = Scripts(self.do)
        self._acts: Mapping[str, Act] = table(
            [
                *self._own_acts(),
                *OrderActs(desk, updates).acts(),
                *StreamActs(updates=updates, polygon=polygon, data=data, switches=switches).acts(),
                *MarketActs(
                    desk=desk,
                    feed=feed,
                    tape=data_tape,
                    tell_halt=tell_halt,
                    correct=correct,
                    shown_clock=shown_clock,
                ).acts(),
            ]
        )

    def routes(self) -> list[web.RouteDef]:
        """Its routes; they need no keys, the venue listens on loopback only."""
        return [
            web.get("/_ctl", self.state),
            web.post("/_ctl", self.command),
            web.get("/_ctl/faults", self.list_faults),
            web.get("/_ctl/{part:orders|fills|posts}", self.list_part),
        ]

    async def state(self, request: web.Request) -> web.Response:
        """Everything a test wants to compare with what the runtime believes."""
        return json_reply(self._state())

    async def list_faults(self, request: web.Request) -> web.Response:
        """Every fault and act there is, and the rules in force."""
        return json_reply(
            {
                "faults": {name: kind.as_json() for name, kind in KINDS.items()},
                "acts": {name: act.as_json() for name, act in sorted(self._acts.items())},
                "rules": self._faults.rules_json(),
            }
        )

    async def list_part(self, request: web.Request) -> web.Response:
        """`orders`, `fills` or `posts` in pages: `?after=` (the `next` of the page before) and `?limit=`."""
        try:
            match request.match_info["part"]:
                case "orders":
                    return json_reply(orders_page(self._desk, request.query))
                case "fills":
                    return json_reply(fills_page(self._desk.engine.fills, request.query))
                case _:
                    return json_reply(posts_page(self._orders.posts, request.query))
        except BadQuery as fault:
            return json_reply({"error": fault.message}, _BAD_REQUEST)

    async def command(self, request: web.Request) -> web.Response:
        """`{"drop_after_post": 1, "set_price": {"symbol": …, "price": …}}`; in order, until one is bad."""
        try:
            body = orjson.loads(await request.read())
        except orjson.JSONDecodeError:
            body = None
        if not isinstance(body, dict):
            return json_reply({"error": "give a JSON object"}, _BAD_REQUEST)
        try:
            await self.do(body)
        except (BadInput, Recoverable) as fault:
            return json_reply({"error": str(fault)}, _BAD_REQUEST)
        return json_reply(self._state())

    async def do(self, body: Mapping[str, Any]) -> None:
        """Carry out one command.

        Raises: BadInput, Recoverable: it cannot be done; what stood before it is done.
        """
        try:
            for name, value in as_commands(body):
                if name == "cfg":
                    await self._configure(value)
                elif name in self._acts:
                    await self._acts[name].do(value)
                else:
                    self._faults.set(name, value)
        finally:
            if self._faults.hold_fills != self._desk.engine.fills_held:
                self._desk.hold_fills(self._faults.hold_fills)

    def stop(self) -> None:
        """End the scripts."""
        self._scripts.cancel()

    # ---------------------------------------------------------------- inside

    def _own_acts(self) -> list[Act]:
        return [
            Act(
                name="faults",
                takes=list[dict[str, Any]],
                run=self._add_faults,
                help="add rules: [{fault: name, ...}, ...]",
            ),
            Act(
                name="clear_faults",
                takes=bool | str,
                run=lambda which: self._faults.clear(which if isinstance(which, str) else None),
                help="end all rules (true), or those of one fault (its name)",
            ),
            Act(
                name="behaviour",
                takes=dict[str, Any],
                run=self._switches.change,
                help="set switches: {second_stream: refuse, ...}",
            ),
            Act(
                name="script",
                takes=Steps,
                run=lambda steps: self._scripts.start(steps),
                help="[{after_ms, do: {command}}, ...], each step after the one before it",
            ),
            Act(
                name="cancel_scripts",
                takes=Any,
                run=lambda _: self._scripts.cancel(),
                help="end all scripts: true",
            ),
        ]

    def _add_faults(self, rules: list[dict[str, Any]]) -> None:
        if len(rules) > MAX_RULES:
            raise BadInput("faults", len(rules), f"give at most {MAX_RULES} rules")
        for rule in rules:
            self._faults.add(rule)

    async def _configure(self, value: object) -> None:
        for name, setting in config_commands(value):
            if name == "rate":
                self._gate.rate.limit = int(setting)
            elif name == "hits":
                self._gate.rate.forget()
            elif name in self._acts:
                await self._acts[name].do(setting)
            else:
                self._faults.set(name, setting)

    def _state(self) -> dict[str, Any]:
        engine = self._desk.engine
        return {
            "account_number": self._desk.account_number,
            "ws": self._updates.listeners,
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
                "data_frames": self._data.frames_sent,
                "skipped_ms": self._feed.skipped_ms,
            },
            "faults": self._faults.as_json(),
            "rules": self._faults.rules_json(),
            "scripts": self._scripts.as_json(),
            "behaviour": self._switches.now.model_dump(),
        }
