"""Alpaca's market-data websocket: greeting, auth, subscribe, then trades, quotes, bars and halts in array frames."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from aiohttp import web

from kyzlo_actors.venue.clock import NowNs
from kyzlo_actors.venue.control.faults import Faults
from kyzlo_actors.venue.control.malformed import Malformed, malformed
from kyzlo_actors.venue.data.json_shapes import Json
from kyzlo_actors.venue.frames import CannedFrames
from kyzlo_actors.venue.outlet import MAX_SOCKETS, Outlet, abort_all, close_all
from kyzlo_actors.venue.readers import POLICY_VIOLATION, Addressed, Readers, converse
from kyzlo_actors.venue.scenario import Scenario, StreamsPart
from kyzlo_actors.venue.stream_wire import (
    MAX_CLIENT_BYTES,
    Wire,
    asks_for_msgpack,
    packed_events,
    unpacked,
)

CheckKeys = Callable[[str, str], bool]
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
_DELAYED: Final = "delayed_sip"


@dataclass(slots=True, eq=False)
class _Client:
    outlet: Outlet
    wire: Wire
    feed: str
    authorized: bool = False
    held: dict[str, dict[str, None]] = field(default_factory=lambda: {name: {} for name in _ASKED})

    @property
    def delayed(self) -> bool:
        return self.feed == _DELAYED

    def wants(self, channel: str, symbol: str) -> bool:
        held = self.held["trades" if channel in _WITH_TRADES else channel]
        return symbol in held or "*" in held

    def tell(self, events: list[Json]) -> None:
        self.outlet.offer(packed_events(events, self.wire))

    def refuse(self, code: int) -> None:
        self.tell([_error(code)])


class DataStream:
    """The stream's server side: who wants what, and what they are told."""

    def __init__(
        self,
        *,
        scenario: Scenario,
        check_keys: CheckKeys,
        faults: Faults,
        now_ns: NowNs,
    ) -> None:
        self.frames_sent = 0
        self._terms: StreamsPart = scenario.streams
        self._check_keys = check_keys
        self._faults = faults
        self._now_ns = now_ns
        self._canned = CannedFrames(scenario.frames, "data")
        self._clients: dict[_Client, None] = {}

    @property
    def connections(self) -> int:
        """Open sockets."""
        return len(self._clients)

    def has_delayed(self) -> bool:
        """Whether anybody is on the delayed feed."""
        return any(client.delayed for client in self._clients)

    def readers(self, *, delayed: bool) -> Readers:
        """The readers of the real-time feeds, or of the delayed one."""
        return Readers(self, delayed=delayed)

    def wants(self, channel: str, *, delayed: bool) -> bool:
        """Whether anybody there reads anything of that channel."""
        return any(client.held[channel] for client in self._clients if client.delayed is delayed)

    def publish(self, events: Sequence[Addressed], *, delayed: bool) -> None:
        """Send the events to who wants them, a frame a reader."""
        if self._faults.is_on("mute_data"):
            events = [event for event in events if not self._faults.strike("mute_data", symbol=event[1])]
        for client in tuple(self._clients):
            if client.delayed is not delayed:
                continue
            wanted = [event for channel, symbol, event in events if client.wants(channel, symbol)]
            if wanted:
                self.frames_sent += 1
                client.tell(wanted)

    # ---------------------------------------------------------------- trouble

    def inject(self, kind: Malformed) -> None:
        """Send everybody a broken frame."""
        body = malformed(kind, {"stream": "data", "data": [_error(400)], "T": "brand_new_event"})
        for client in tuple(self._clients):
            client.outlet.offer(body.decode("utf-8", "replace") if client.wire is Wire.TEXT else body)

    def abort_all(self) -> None:
        """Cut every connection without a goodbye."""
        abort_all(client.outlet for client in self._clients)

    async def close_all(self, code: int) -> None:
        """Say goodbye to every connection; 1006 is to say none."""
        await close_all((client.outlet for client in self._clients), code)

    # ---------------------------------------------------------------- one connection

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """One websocket, from upgrade to end."""
        if len(self._clients) >= MAX_SOCKETS:
            return web.Response(status=429)
        socket = web.WebSocketResponse(max_msg_size=MAX_CLIENT_BYTES)
        wire = Wire.MSGPACK if asks_for_msgpack(request.headers) else Wire.TEXT
        slow = packed_events([_error(407)], wire), POLICY_VIOLATION
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
                await converse(
                    socket,
                    client,
                    auth_seconds=self._terms.data_auth_seconds,
                    answer=lambda frame: self._answer(client, unpacked(frame)),
                    too_late=lambda: client.refuse(404),
                )
            else:
                await client.outlet.close(POLICY_VIOLATION)
        finally:
            self._clients.pop(client, None)
            await client.outlet.end()
        return socket

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
