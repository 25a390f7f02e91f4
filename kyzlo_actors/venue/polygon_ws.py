"""Polygon's stocks websocket: connected, auth, subscribe, then trades and aggregates in array frames."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import orjson
from aiohttp import WSMsgType, web

from kyzlo_actors.venue.faults import Faults
from kyzlo_actors.venue.outlet import Outlet
from kyzlo_actors.venue.polygon_json import bar_event_json, trade_json
from kyzlo_actors.venue.prints import Band, Print, VenueBar

CHANNELS: Final = ("T", "A", "AM")
# Channels of the protocol that this plan does not include.
_OTHER_CHANNELS: Final = ("Q", "LULD", "NOI", "FMV")
_MAX_CLIENT_BYTES: Final = 256 * 1024
_MAX_PARAMETERS: Final = 10_000
_POLICY_VIOLATION: Final = 1008


@dataclass(slots=True, eq=False)
class _Client:
    outlet: Outlet
    authorized: bool = False
    held: set[str] = field(default_factory=set)

    def wants(self, channel: str, symbol: str) -> bool:
        return f"{channel}.{symbol}" in self.held or f"{channel}.*" in self.held


@dataclass(slots=True)
class _Day:
    """A symbol's figures since the venue started."""

    opened: float
    volume: float = 0.0
    notional: float = 0.0


class PolygonStream:
    """The stream's server side: who wants what, and what they are told."""

    def __init__(self, *, key: str, faults: Faults, auth_timeout_seconds: float = 10.0) -> None:
        self.frames_sent = 0
        self._key = key
        self._faults = faults
        self._auth_timeout_seconds = auth_timeout_seconds
        self._clients: set[_Client] = set()
        self._days: dict[str, _Day] = {}

    @property
    def connections(self) -> int:
        """Open sockets."""
        return len(self._clients)

    def on_prints(self, prints: Sequence[Print]) -> None:
        """Send trades to who wants them."""
        self._publish([("T", trade.symbol, trade_json(trade)) for trade in prints] if self._clients else [])

    def on_bars(self, channel: str, bars: Sequence[VenueBar]) -> None:
        """Send bars of channel `A` or `AM` to who wants them."""
        events = []
        for bar in bars:
            day = self._days.setdefault(bar.symbol, _Day(bar.open))
            if channel == "A":
                day.volume += bar.volume
                day.notional += bar.notional
            figures = {"day_volume": day.volume, "day_notional": day.notional, "opened": day.opened}
            events.append((channel, bar.symbol, bar_event_json(channel, bar, **figures)))
        self._publish(events)

    def on_bands(self, bands: Sequence[Band]) -> None:
        """New limits."""

    def on_halt(self, symbol: str, halted: bool, ts: int, low: float, high: float) -> None:
        """A halt begins or ends."""

    async def close_all(self, code: int) -> int:
        """Say goodbye to every connection; returns how many."""
        clients = tuple(self._clients)
        await asyncio.gather(*(client.outlet.close(code) for client in clients))
        return len(clients)

    def abort_all(self) -> int:
        """Cut every connection without a goodbye; returns how many."""
        clients = tuple(self._clients)
        for client in clients:
            client.outlet.abort()
        return len(clients)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """One websocket, from upgrade to end."""
        socket = web.WebSocketResponse(max_msg_size=_MAX_CLIENT_BYTES)
        await socket.prepare(request)
        client = _Client(Outlet(socket, request.transport))
        self._clients.add(client)
        try:
            _status(client, "connected", "Connected Successfully")
            await self._converse(socket, client)
        finally:
            self._clients.discard(client)
            await client.outlet.end()
        return socket

    async def _converse(self, socket: web.WebSocketResponse, client: _Client) -> None:
        while True:
            try:
                limit = None if client.authorized else self._auth_timeout_seconds
                message = await socket.receive(limit)
            except TimeoutError:
                _status(client, "auth_timeout", "No authentication request received.")
                await client.outlet.close(_POLICY_VIOLATION)
                return
            if message.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
                return
            if not self._answer(client, _parsed(message.data)):
                await client.outlet.close(_POLICY_VIOLATION)
                return

    def _answer(self, client: _Client, command: dict[str, Any]) -> bool:
        """Answer one client frame; False when the connection has to end."""
        action, params = command.get("action"), str(command.get("params", ""))
        if action == "auth":
            client.authorized = hmac.compare_digest(params.encode(), self._key.encode())
            if client.authorized:
                _status(client, "auth_success", "authenticated")
            else:
                _status(client, "auth_failed", "authentication failed")
            return client.authorized
        if not client.authorized:
            _status(client, "error", "not authenticated")
        elif action in ("subscribe", "unsubscribe"):
            for name in [part.strip() for part in params.split(",") if part.strip()][:_MAX_PARAMETERS]:
                _subscription(client, action, name)
        else:
            _status(client, "error", "unknown action")
        return True

    def _publish(self, events: list[tuple[str, str, dict[str, Any]]]) -> None:
        if not events or self._faults.mute_polygon:
            return
        encoded = [(channel, symbol, orjson.dumps(body)) for channel, symbol, body in events]
        for client in tuple(self._clients):
            wanted = [text for channel, symbol, text in encoded if client.wants(channel, symbol)]
            if wanted:
                self.frames_sent += 1
                client.outlet.offer((b"[" + b",".join(wanted) + b"]").decode())


def _subscription(client: _Client, action: str, name: str) -> None:
    channel, _, symbol = name.partition(".")
    if channel in _OTHER_CHANNELS:
        _status(client, "error", "not authorized")
    elif channel not in CHANNELS or not symbol:
        _status(client, "error", f"invalid parameter: {name}")
    elif action == "unsubscribe":
        client.held.discard(name)
        _status(client, "success", f"unsubscribed to: {name}")
    elif name not in client.held and len(client.held) < _MAX_PARAMETERS:
        # What is held already is not answered again.
        client.held.add(name)
        _status(client, "success", f"subscribed to: {name}")


def _status(client: _Client, status: str, message: str) -> None:
    client.outlet.offer(orjson.dumps([{"ev": "status", "status": status, "message": message}]).decode())


def _parsed(data: str | bytes) -> dict[str, Any]:
    try:
        command = orjson.loads(data)
    except orjson.JSONDecodeError:
        return {}
    return command if isinstance(command, dict) else {}
