"""Polygon's stocks websocket: connected, auth, subscribe, then trades, quotes and aggregates in array frames."""

from __future__ import annotations

import asyncio
import hmac
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import orjson
from aiohttp import web

from kyzlo_actors.venue.clock import NowNs
from kyzlo_actors.venue.control.behaviour import Switches
from kyzlo_actors.venue.control.faults import Faults
from kyzlo_actors.venue.control.malformed import Malformed, malformed
from kyzlo_actors.venue.frames import CannedFrames
from kyzlo_actors.venue.outlet import MAX_SOCKETS, Outlet, abort_all, close_all
from kyzlo_actors.venue.readers import POLICY_VIOLATION, Addressed, Readers, converse
from kyzlo_actors.venue.scenario import PolygonPart

CHANNELS: Final = ("T", "Q", "A", "AM", "LULD", "NOI", "FMV")
_MAX_CLIENT_BYTES: Final = 256 * 1024
_MAX_PARAMETERS: Final = 10_000
# An eviction comes a moment after the newcomer was let in, as it does in reality.
_EVICTION_SECONDS: Final = 0.1
_NO_REAL_TIME: Final = (
    "You don't have access real-time data. Please connect to the delayed websocket at "
    "wss://delayed.polygon.io/stocks."
)
_TOO_MANY: Final = "Maximum number of websocket connections exceeded. "


@dataclass(slots=True, eq=False)
class _Client:
    outlet: Outlet
    delayed: bool
    authorized: bool = False
    # Authorized, but the plan gives it nothing here.
    barred: bool = False
    held: dict[str, None] = field(default_factory=dict)

    def wants(self, channel: str, symbol: str) -> bool:
        return f"{channel}.{symbol}" in self.held or f"{channel}.*" in self.held

    def tell(self, events: Iterable[dict[str, Any]]) -> None:
        frame = list(events)
        if frame:
            self.outlet.offer(orjson.dumps(frame).decode())


class PolygonStream:
    """The server side of both sockets, real-time and delayed: their connections count together."""

    def __init__(
        self,
        *,
        key: str,
        faults: Faults,
        plan: PolygonPart,
        switches: Switches,
        canned: CannedFrames,
        now_ns: NowNs,
        seed: int = 0,
    ) -> None:
        self.frames_sent = 0
        self._key = key
        self._faults = faults
        self._plan = plan
        self._switches = switches
        self._canned = canned
        self._now_ns = now_ns
        self._rng = random.Random(f"{seed}:evictions")
        # In the order in which they came.
        self._clients: dict[_Client, None] = {}

    @property
    def connections(self) -> int:
        """Open sockets."""
        return len(self._clients)

    def has_delayed(self) -> bool:
        """Whether anybody is on the delayed socket."""
        return any(client.delayed for client in self._clients)

    def readers(self, *, delayed: bool) -> Readers:
        """The readers of one of the two sockets."""
        return Readers(self, delayed=delayed)

    def wants(self, channel: str, *, delayed: bool) -> bool:
        """Whether anybody there reads anything of that channel."""
        return any(
            name.startswith(f"{channel}.")
            for client in self._clients
            if client.delayed is delayed
            for name in client.held
        )

    def publish(self, events: Sequence[Addressed], *, delayed: bool) -> None:
        """Send the events to who wants them, a frame a reader."""
        muted = self._faults.is_on("mute_polygon")
        encoded = [
            (channel, symbol, orjson.dumps(body))
            for channel, symbol, body in events
            if not (muted and self._faults.strike("mute_polygon", symbol=symbol))
        ]
        for client in tuple(self._clients):
            if client.delayed is not delayed:
                continue
            wanted = [text for channel, symbol, text in encoded if client.wants(channel, symbol)]
            if wanted:
                self.frames_sent += 1
                client.outlet.offer((b"[" + b",".join(wanted) + b"]").decode())

    async def close_all(self, code: int) -> None:
        """Say goodbye to every connection; 1006 is to say none."""
        await close_all((client.outlet for client in self._clients), code)

    async def force_disconnect(self) -> None:
        """End every connection with the word that the vendor has for it."""
        for client in self._clients:
            client.tell([_status("force_disconnect", "Disconnected by the server.")])
        await self.close_all(POLICY_VIOLATION)

    def inject(self, kind: Malformed) -> None:
        """Send everybody a broken frame."""
        body = malformed(kind, {"ev": "brand_new_event", "stream": "polygon", "data": {}})
        for client in self._clients:
            client.outlet.offer(body.decode("utf-8", "replace"))

    def abort_all(self) -> None:
        """Cut every connection without a goodbye."""
        abort_all(client.outlet for client in self._clients)

    # ---------------------------------------------------------------- one connection

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """One real-time websocket, from upgrade to end."""
        return await self._serve(request, delayed=False)

    async def handle_delayed(self, request: web.Request) -> web.StreamResponse:
        """One delayed websocket."""
        return await self._serve(request, delayed=True)

    async def _serve(self, request: web.Request, *, delayed: bool) -> web.StreamResponse:
        if len(self._clients) >= MAX_SOCKETS:
            return web.Response(status=429)
        socket = web.WebSocketResponse(max_msg_size=_MAX_CLIENT_BYTES)
        await socket.prepare(request)
        now = self._switches.now
        slow = orjson.dumps([_status("slow_consumer", now.slow_consumer_message)]).decode()
        outlet = Outlet(
            socket,
            request.transport,
            limit=self._plan.buffer_frames,
            farewell=(slow, now.slow_consumer_code),
        )
        client = _Client(outlet, delayed)
        self._clients[client] = None
        try:
            client.tell([_status("connected", "Connected Successfully")])
            await converse(
                socket,
                client,
                auth_seconds=self._plan.auth_seconds,
                answer=lambda frame: self._answer(client, _parsed(frame)),
                too_late=lambda: client.tell(
                    [_status("auth_timeout", "No authentication request received.")]
                ),
            )
        finally:
            self._clients.pop(client, None)
            await outlet.end()
        return socket

    def _answer(self, client: _Client, command: dict[str, Any]) -> bool:
        """Answer one client frame; False when the connection has to end."""
        action, params = command.get("action"), str(command.get("params", ""))
        if action == "auth":
            return self._authenticate(client, params)
        if not client.authorized:
            client.tell([_status("error", "not authenticated")])
        elif action in ("subscribe", "unsubscribe"):
            names = [part.strip() for part in params.split(",") if part.strip()]
            self._subscribe(client, action, names)
        else:
            client.tell([_status("error", "unknown action")])
        return True

    def _authenticate(self, client: _Client, key: str) -> bool:
        client.authorized = hmac.compare_digest(key.encode(), self._key.encode())
        if not client.authorized:
            client.tell([_status("auth_failed", "authentication failed")])
            return False
        client.tell([_status("auth_success", "authenticated")])
        client.barred = self._plan.delayed and not client.delayed
        if client.barred:
            client.tell([_status("error", _NO_REAL_TIME)])
        asyncio.get_running_loop().call_later(_EVICTION_SECONDS, self._evict)
        return True

    def _evict(self) -> None:
        """Send away who is too many on this key."""
        now = self._switches.now
        inside = [client for client in self._clients if client.authorized]
        while len(inside) > now.max_connections:
            places = {"oldest": 0, "newest": len(inside) - 1}
            victim = inside.pop(places.get(now.evict, self._rng.randrange(len(inside))))
            victim.authorized = False
            victim.held.clear()
            victim.tell([_status("max_connections", _TOO_MANY)])
            victim.outlet.finish(POLICY_VIOLATION)

    def _subscribe(self, client: _Client, action: str, names: list[str]) -> None:
        """One status a parameter, all in one frame; what is held already is not answered again."""
        replies: list[dict[str, Any]] = []
        new: list[tuple[str, str]] = []
        for name in names:
            channel, _, symbol = name.partition(".")
            if channel not in CHANNELS or not symbol:
                replies.append(_status("error", f"invalid parameter: {name}"))
            elif client.barred or channel not in self._plan.channels:
                replies.append(_status("error", "not authorized"))
            elif action == "unsubscribe":
                client.held.pop(name, None)
                replies.append(_status("success", f"unsubscribed to: {name}"))
            elif name in client.held:
                continue
            elif len(client.held) >= _MAX_PARAMETERS:
                replies.append(_status("error", f"too many subscriptions: {name}"))
            else:
                client.held[name] = None
                replies.append(_status("success", f"subscribed to: {name}"))
                new.append((channel, symbol))
        client.tell(replies)
        for channel, symbol in new:
            if symbol == "*":
                continue
            for frame in self._canned.play(channel, symbol, self._now_ns()):
                client.tell(frame)


def _status(status: str, message: str) -> dict[str, Any]:
    return {"ev": "status", "status": status, "message": message}


def _parsed(data: str | bytes) -> dict[str, Any]:
    try:
        command = orjson.loads(data)
    except orjson.JSONDecodeError:
        return {}
    return command if isinstance(command, dict) else {}
