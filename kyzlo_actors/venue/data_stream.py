"""Alpaca's market-data websocket: greeting, auth, subscribe, then trades, quotes, bars and halts in array frames."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from aiohttp import WSMsgType, web

from kyzlo_actors.replay.matching_messages import Quote
from kyzlo_actors.venue.clock import NowNs
from kyzlo_actors.venue.data_json import Json, bar_event, luld_event, quote_event, status_event, trade_event
from kyzlo_actors.venue.data_json import cancel_event as cancel_json
from kyzlo_actors.venue.data_json import correction_event as correction_json
from kyzlo_actors.venue.day_bars import DayBars
from kyzlo_actors.venue.faults import Faults
from kyzlo_actors.venue.frames import CannedFrames
from kyzlo_actors.venue.malformed import Malformed, malformed
from kyzlo_actors.venue.outlet import Outlet
from kyzlo_actors.venue.prints import Print, VenueBar
from kyzlo_actors.venue.scenario import Scenario, StreamsPart
from kyzlo_actors.venue.stream_wire import (
    MAX_CLIENT_BYTES,
    Wire,
    asks_for_msgpack,
    packed_events,
    unpacked,
)

CheckKeys = Callable[[str, str], bool]
# An event with the channel and the symbol it belongs to.
_Addressed = tuple[str, str, Json]
_ASKED: Final = ("trades", "quotes", "bars", "updatedBars", "dailyBars", "statuses", "lulds")
# They come with the trades of a symbol, asked for or not.
_WITH_TRADES: Final = ("corrections", "cancelErrors")
CHANNELS: Final = (*_ASKED, *_WITH_TRADES)
_ERRORS: Final[Mapping[int, str]] = {
    400: "invalid syntax",
    401: "not authenticated",
    402: "auth failed",
    403: "already authenticated",
    404: "auth timeout",
    405: "symbol limit exceeded",
    406: "connection limit exceeded",
    407: "slow client",
    409: "insufficient subscription",
    410: "invalid subscribe action for this feed",
}
_POLICY_VIOLATION: Final = 1008
_ABNORMAL: Final = 1006
# Minutes of each symbol whose bars are known to have been sent: one that comes again is an update.
_REMEMBERED_MINUTES: Final = 240
_QUOTE_SIZE: Final = 100
_MAX_SOCKETS: Final = 1_000


@dataclass(slots=True, eq=False)
class _Client:
    outlet: Outlet
    wire: Wire
    feed: str
    authorized: bool = False
    held: dict[str, dict[str, None]] = field(default_factory=lambda: {name: {} for name in _ASKED})

    def wants(self, channel: str, symbol: str) -> bool:
        held = self.held["trades" if channel in _WITH_TRADES else channel]
        return symbol in held or "*" in held

    def tell(self, events: list[Json]) -> None:
        self.outlet.offer(packed_events(events, self.wire))

    def refuse(self, code: int) -> None:
        self.tell([_error(code)])


class DataStream:
    """The stream's server side. `quote_of` gives the newest quote of a symbol."""

    def __init__(
        self,
        *,
        scenario: Scenario,
        check_keys: CheckKeys,
        faults: Faults,
        now_ns: NowNs,
        quote_of: Callable[[str], Quote | None],
    ) -> None:
        self.frames_sent = 0
        self._terms: StreamsPart = scenario.streams
        self._tapes = {part.symbol: part.tape for part in scenario.symbols}
        self._check_keys = check_keys
        self._faults = faults
        self._now_ns = now_ns
        self._quote_of = quote_of
        self._canned = CannedFrames(scenario.frames, "data")
        self._clients: dict[_Client, None] = {}
        self._last: dict[str, Print] = {}
        self._days = DayBars()
        self._sent_minutes: dict[tuple[str, int], None] = {}

    @property
    def connections(self) -> int:
        """Open sockets."""
        return len(self._clients)

    def last_trade(self, symbol: str) -> Print | None:
        """The newest trade of the symbol since the start."""
        return self._last.get(symbol)

    # ---------------------------------------------------------------- the market speaks

    def on_prints(self, prints: Sequence[Print]) -> None:
        """Trades happened; the quotes of their symbols moved with them."""
        for trade in prints:
            self._last[trade.symbol] = trade
        if not self._clients:
            return
        events: list[_Addressed] = [("trades", trade.symbol, trade_event(trade)) for trade in prints]
        quotes = (self._quote_of(symbol) for symbol in dict.fromkeys(trade.symbol for trade in prints))
        for quote in quotes:
            if quote is not None:
                event = quote_event(quote, self._tapes[quote.symbol], _QUOTE_SIZE)
                events.append(("quotes", quote.symbol, event))
        self._publish(events)

    def on_bars(self, channel: str, bars: Sequence[VenueBar]) -> None:
        """Minute bars (`AM`) ended, or changed; bars of seconds are not for this stream."""
        if channel != "AM":
            return
        events: list[_Addressed] = []
        for bar in bars:
            key = (bar.symbol, bar.start_ms)
            again = key in self._sent_minutes
            self._sent_minutes[key] = None
            name, kind = ("updatedBars", "u") if again else ("bars", "b")
            events.append((name, bar.symbol, bar_event(kind, bar)))
            if not again:
                events.append(("dailyBars", bar.symbol, bar_event("d", self._days.added(bar))))
        for old in list(self._sent_minutes)[: -_REMEMBERED_MINUTES * len(self._tapes)]:
            del self._sent_minutes[old]
        self._publish(events)

    def on_halt(self, symbol: str, halted: bool, ts: int, low: float, high: float) -> None:
        """Trading in a symbol halts or resumes; `low` and `high` are the band that holds now (0: none)."""
        tape = self._tapes[symbol]
        events: list[_Addressed] = [("statuses", symbol, status_event(symbol, tape, halted, ts))]
        if low > 0 and high > 0:
            events.append(("lulds", symbol, luld_event(symbol, tape, low, high, ts)))
        self._publish(events)

    def break_trade(self, trade: Print, price: float | None) -> None:
        """The exchange takes a trade back, or corrects its price."""
        ts = self._now_ns()
        if price is None:
            self._publish([("cancelErrors", trade.symbol, cancel_json(trade, ts))])
        else:
            self._publish([("corrections", trade.symbol, correction_json(trade, price, ts))])

    # ---------------------------------------------------------------- trouble

    def inject(self, kind: Malformed) -> None:
        """Send everybody a broken frame."""
        body = malformed(kind, {"stream": "data", "data": [_error(400)], "T": "brand_new_event"})
        for client in tuple(self._clients):
            client.outlet.offer(body.decode("utf-8", "replace") if client.wire is Wire.TEXT else body)

    def abort_all(self) -> int:
        """Cut every connection without a goodbye; returns how many."""
        cut = tuple(self._clients)
        for client in cut:
            client.outlet.abort()
        return len(cut)

    async def close_all(self, code: int) -> None:
        """Say goodbye to every connection; 1006 is to say none."""
        if code == _ABNORMAL:
            self.abort_all()
        else:
            await asyncio.gather(*(client.outlet.close(code) for client in tuple(self._clients)))

    # ---------------------------------------------------------------- one connection

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """One websocket, from upgrade to end."""
        if len(self._clients) >= _MAX_SOCKETS:
            return web.Response(status=429)
        socket = web.WebSocketResponse(max_msg_size=MAX_CLIENT_BYTES)
        wire = Wire.MSGPACK if asks_for_msgpack(request.headers) else Wire.TEXT
        slow = packed_events([_error(407)], wire), _POLICY_VIOLATION
        client = _Client(
            Outlet(socket, request.transport, farewell=slow), wire, request.match_info.get("feed", "")
        )
        self._clients[client] = None
        try:
            await socket.prepare(request)
            client.tell([{"T": "success", "msg": "connected"}])
            key = request.headers.get("APCA-API-KEY-ID")
            if key is None or self._authenticate(
                client, {"key": key, "secret": request.headers.get("APCA-API-SECRET-KEY")}
            ):
                await self._converse(socket, client)
            else:
                await client.outlet.close(_POLICY_VIOLATION)
        finally:
            self._clients.pop(client, None)
            await client.outlet.end()
        return socket

    async def _converse(self, socket: web.WebSocketResponse, client: _Client) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._terms.data_auth_seconds
        while True:
            try:
                limit = None if client.authorized else max(0.001, deadline - loop.time())
                message = await socket.receive(limit)
            except TimeoutError:
                client.refuse(404)
                await client.outlet.close(_POLICY_VIOLATION)
                return
            if message.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
                return
            if not self._answer(client, unpacked(message.data)):
                await client.outlet.close(_POLICY_VIOLATION)
                return

    def _answer(self, client: _Client, command: Mapping[str, Any]) -> bool:
        """Answer one client frame; False when the connection has to end."""
        action = command.get("action")
        if action == "auth":
            return self._authenticate(client, command)
        if action not in ("subscribe", "unsubscribe"):
            client.refuse(400)
        elif not client.authorized:
            client.refuse(401)
        else:
            self._subscribe(client, command, adding=action == "subscribe")
        return True

    def _authenticate(self, client: _Client, command: Mapping[str, Any]) -> bool:
        """False when the connection is one too many."""
        if client.authorized:
            client.refuse(403)
        elif not self._check_keys(str(command.get("key")), str(command.get("secret"))):
            client.refuse(402)
        elif client.feed not in self._terms.data_feeds:
            client.refuse(409)
        elif sum(other.authorized for other in self._clients) >= self._terms.data_max_connections:
            client.refuse(406)
            return False
        else:
            client.authorized = True
            client.tell([{"T": "success", "msg": "authenticated"}])
        return True

    def _subscribe(self, client: _Client, command: Mapping[str, Any], *, adding: bool) -> None:
        asked = {name: value for name, value in command.items() if name != "action"}
        fault = _request_fault(asked)
        if fault:
            client.refuse(fault)
            return
        held = {name: dict(symbols) for name, symbols in client.held.items()}
        fresh: list[tuple[str, str]] = []
        for name in _ASKED:
            for symbol in asked.get(name) or ():
                if not adding:
                    held[name].pop(symbol, None)
                elif symbol not in held[name]:
                    held[name][symbol] = None
                    fresh.append((name, symbol))
        if len(set().union(*held.values())) > self._terms.data_max_symbols:
            client.refuse(405)
            return
        client.held = held
        lists: Json = {name: list(symbols) for name, symbols in held.items()}
        lists |= dict.fromkeys(_WITH_TRADES, lists["trades"])
        client.tell([{"T": "subscription", **lists}])
        for name, symbol in fresh:
            for frame in self._canned.play(name, symbol, self._now_ns()):
                client.tell(frame)

    def _publish(self, events: Sequence[_Addressed]) -> None:
        for client in tuple(self._clients):
            wanted = [event for channel, symbol, event in events if client.wants(channel, symbol)]
            if wanted and self._faults.is_on("mute_data"):
                wanted = [
                    event for event in wanted if not self._faults.strike("mute_data", symbol=event["S"])
                ]
            if wanted:
                self.frames_sent += 1
                client.tell(wanted)


def _request_fault(asked: Mapping[str, Any]) -> int | None:
    """The code of what is wrong with a subscription, or None."""
    if not set(asked) <= set(CHANNELS):
        return 410
    lists = [value for value in asked.values() if value is not None]
    if not all(isinstance(value, list) and all(isinstance(name, str) for name in value) for value in lists):
        return 400
    return None


def _error(code: int) -> Json:
    return {"T": "error", "code": code, "msg": _ERRORS[code]}
