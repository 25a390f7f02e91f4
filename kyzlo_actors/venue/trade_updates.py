"""Alpaca's `trade_updates` stream: authenticate, listen, then order events; no replay, no snapshot."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

import orjson
from aiohttp import WSMsgType, web

from kyzlo_actors.domain.values import NS_PER_MILLISECOND, NS_PER_SECOND
from kyzlo_actors.venue.clock import NowNs
from kyzlo_actors.venue.faults import Faults
from kyzlo_actors.venue.outlet import Outlet

STREAM: Final = "trade_updates"
# Events that wait for a delay to pass; beyond it the newest is lost, and counted.
_MAX_WAITING_EVENTS: Final = 10_000
_MAX_CLIENT_BYTES: Final = 64 * 1024

CheckKeys = Callable[[str, str], bool]


class TradeUpdates:
    """The stream's server side: who listens, and what they are told."""

    def __init__(self, *, check_keys: CheckKeys, faults: Faults, now_ns: NowNs, binary: bool = True) -> None:
        # The paper host sends binary frames that hold JSON, the live host text.
        self.binary = binary
        self.events_sent = 0
        self.events_lost = 0
        self._check_keys = check_keys
        self._faults = faults
        self._now_ns = now_ns
        self._listening: set[Outlet] = set()
        self._connected: set[Outlet] = set()
        self._waiting: asyncio.Queue[tuple[int, bytes]] = asyncio.Queue(maxsize=_MAX_WAITING_EVENTS)

    @property
    def connections(self) -> int:
        """Open sockets, listening or not."""
        return len(self._connected)

    @property
    def listeners(self) -> int:
        """Sockets that get events."""
        return len(self._listening)

    def publish(self, data: dict[str, Any]) -> None:
        """Tell the listeners of one event, unless a fault swallows it."""
        if self._faults.strikes("drop_events"):
            self.events_lost += 1
            return
        frame = orjson.dumps({"stream": STREAM, "data": data})
        due_ns = self._now_ns() + self._delay_ms() * NS_PER_MILLISECOND
        for _ in range(2 if self._faults.strikes("duplicate_events") else 1):
            try:
                self._waiting.put_nowait((due_ns, frame))
            except asyncio.QueueFull:
                self.events_lost += 1

    def _delay_ms(self) -> int:
        rule = self._faults.strike("delay_events_ms")
        return rule.ms if rule else 0

    async def run(self) -> None:
        """Deliver events in order, each when it is due, for ever."""
        while True:
            due_ns, frame = await self._waiting.get()
            wait_ns = due_ns - self._now_ns()
            if wait_ns > 0:
                await asyncio.sleep(wait_ns / NS_PER_SECOND)
            if self._faults.is_on("mute_stream"):
                self.events_lost += 1
                continue
            self.events_sent += 1
            for outlet in tuple(self._listening):
                self._send(outlet, frame)

    def abort_all(self) -> int:
        """Cut every connection without a goodbye; returns how many."""
        cut = tuple(self._connected)
        self._listening.clear()
        for outlet in cut:
            outlet.abort()
        return len(cut)

    async def close_all(self, code: int) -> None:
        """Say goodbye to every connection."""
        await asyncio.gather(*(outlet.close(code) for outlet in tuple(self._connected)))

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """One websocket, from upgrade to end."""
        socket = web.WebSocketResponse(max_msg_size=_MAX_CLIENT_BYTES)
        await socket.prepare(request)
        outlet = Outlet(socket, request.transport)
        self._connected.add(outlet)
        authorized = False
        try:
            async for message in socket:
                if message.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
                    break
                authorized = self._answer(outlet, _parsed(message.data), authorized)
        finally:
            self._connected.discard(outlet)
            self._listening.discard(outlet)
            await outlet.end()
        return socket

    def _answer(self, outlet: Outlet, command: dict[str, Any], authorized: bool) -> bool:
        """Answer one client frame; returns whether the connection is authorized after it."""
        action = command.get("action")
        given = command.get("data")
        data = given if isinstance(given, dict) else {}
        if action in ("authenticate", "auth"):
            key = str(data.get("key_id", command.get("key")))
            secret = str(data.get("secret_key", command.get("secret")))
            authorized = self._check_keys(key, secret)
            self._authorization(outlet, "authorized" if authorized else "unauthorized", "authenticate")
        elif action == "listen" and not authorized:
            self._authorization(outlet, "unauthorized", "listen")
        elif action == "listen":
            wanted = data.get("streams")
            streams = [STREAM] if isinstance(wanted, list) and STREAM in wanted else []
            if streams:
                self._listening.add(outlet)
            else:
                self._listening.discard(outlet)
            self._send(outlet, orjson.dumps({"stream": "listening", "data": {"streams": streams}}))
        return authorized

    def _authorization(self, outlet: Outlet, status: str, action: str) -> None:
        body = {"stream": "authorization", "data": {"status": status, "action": action}}
        self._send(outlet, orjson.dumps(body))

    def _send(self, outlet: Outlet, frame: bytes) -> None:
        outlet.offer(frame if self.binary else frame.decode())


def _parsed(data: str | bytes) -> dict[str, Any]:
    try:
        command = orjson.loads(data)
    except orjson.JSONDecodeError:
        return {}
    return command if isinstance(command, dict) else {}
