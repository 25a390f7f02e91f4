"""Alpaca's `trade_updates` stream: authenticate, listen, then order events; no replay, no snapshot."""

from __future__ import annotations

import asyncio
import heapq
import math
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from typing import Any, Final

from aiohttp import WSMsgType, web

from kyzlo_actors.venue.broker.http import error
from kyzlo_actors.venue.control.behaviour import Switches
from kyzlo_actors.venue.control.faults import Faults, is_order
from kyzlo_actors.venue.control.malformed import Malformed, malformed
from kyzlo_actors.venue.outlet import MAX_SOCKETS, Frame, Outlet, abort_all, close_all
from kyzlo_actors.venue.stream_wire import MAX_CLIENT_BYTES, Wire, asks_for_msgpack, packed, unpacked

STREAM: Final = "trade_updates"
# For `refuse`.
FOR_EVER: Final = math.inf
TOO_MANY_REQUESTS: Final = 42910000
# Events that wait for a delay to pass; beyond it the newest is lost, and counted.
MAX_WAITING_EVENTS: Final = 10_000
# Events that can be sent again; beyond it the oldest is forgotten.
MAX_REMEMBERED: Final = 200
# How long a swapped event waits for the one that goes before it.
_SWAP_SECONDS: Final = 1.0
_MS_PER_SECOND: Final = 1_000
# aiohttp pings after this share of the time and gives up after half of that again without an answer.
_PING_SHARE: Final = 2 / 3
_NORMAL: Final = 1000
_GROUPS: Final = ("bracket", "oco", "oto")

CheckKeys = Callable[[str, str], bool]


@dataclass(slots=True, eq=False)
class _Client:
    outlet: Outlet
    msgpack: bool
    authorized: bool = False
    listening: bool = False


@dataclass(slots=True, eq=False)
class _Waiting:
    """An event on its way: `where` is what fault rules look at; `broken` is how its frame is to be malformed."""

    where: dict[str, str]
    body: dict[str, Any]
    broken: Malformed | None
    times: int


class TradeUpdates:
    """The stream's server side: who listens, and what they are told.

    A socket that answers no ping for `reap_seconds` is forgotten.
    """

    def __init__(
        self, *, check_keys: CheckKeys, faults: Faults, switches: Switches, reap_seconds: float = 90.0
    ) -> None:
        self.events_sent = 0
        self.events_lost = 0
        self._check_keys = check_keys
        self._faults = faults
        self._switches = switches
        self._ping_seconds = reap_seconds * _PING_SHARE
        self._clients: dict[_Client, None] = {}
        self._recent: deque[dict[str, Any]] = deque(maxlen=MAX_REMEMBERED)
        self._waiting: list[tuple[float, int, _Waiting]] = []
        self._serial = count()
        self._newest_due = 0.0
        self._swapped: _Waiting | None = None
        self._cancels_asked: dict[str, None] = {}
        self._wake = asyncio.Event()
        self._refusal: tuple[float, int] = (0.0, 429)

    @property
    def connections(self) -> int:
        """Open sockets, listening or not."""
        return len(self._clients)

    @property
    def listeners(self) -> int:
        """Sockets that get events."""
        return sum(client.listening for client in self._clients)

    # ---------------------------------------------------------------- what is told

    def publish(self, data: dict[str, Any]) -> None:
        """Tell the listeners of one event, unless a fault swallows it."""
        where = _where(data)
        self._recent.append(data)
        if self._swallowed(where, data["order"]):
            self.events_lost += 1
            return
        body = {"stream": STREAM, "data": data}
        broken = self._faults.strike("malformed_events", **where)
        event = _Waiting(
            where=where,
            body=body,
            broken=broken.kind if broken else None,
            times=2 if self._faults.strike("duplicate_events", **where) else 1,
        )
        due = self._due(where)
        swapped, self._swapped = self._swapped, None
        if swapped is None and self._faults.strike("swap_events", **where):
            self._swapped = event
            self._put(due + _SWAP_SECONDS, event)
            return
        self._put(due, event)
        if swapped is not None and swapped.times:
            self._put(due, _Waiting(swapped.where, swapped.body, swapped.broken, swapped.times))
            swapped.times = 0

    def replay(self, *, after_ms: int, order: str = "", last: int = MAX_REMEMBERED) -> int:
        """Send the `last` remembered events (of that order, see `is_order`) again in `after_ms`; returns how many."""
        chosen = [data for data in self._recent if _is_of(order, data["order"])][-last:]
        due = _now() + after_ms / _MS_PER_SECOND
        for data in chosen:
            self._put(due, _Waiting(_where(data), {"stream": STREAM, "data": data}, None, 1))
        return len(chosen)

    def inject(self, kind: Malformed) -> None:
        """Send a broken frame; it looks like the newest event as far as that kind of breakage lets it."""
        data = self._recent[-1] if self._recent else {"event": "new", "order": {}}
        body = {"stream": STREAM, "data": data}
        self._put(_now(), _Waiting(_where(data), body, kind, 1))

    async def run(self) -> None:
        """Deliver events, each when it is due, for ever."""
        while True:
            self._wake.clear()
            wait_seconds = self._deliver()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), wait_seconds)

    # ---------------------------------------------------------------- who listens

    def abort_all(self) -> None:
        """Cut every connection without a goodbye."""
        abort_all(self._silenced())

    async def close_all(self, code: int) -> None:
        """Say goodbye to every connection; 1006 is to say none."""
        await close_all(self._silenced(), code)

    def refuse(self, seconds: float, status: int) -> None:
        """Answer upgrades with `status` for that long from now; 0 ends it, infinity never does."""
        self._refusal = (_now() + seconds, status)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """One websocket, from upgrade to end."""
        until, status = self._refusal
        if _now() < until:
            return error(status, status * 100_000, "too many requests.")
        alone = self._switches.now.second_stream == "refuse"
        if len(self._clients) >= (1 if alone else MAX_SOCKETS):
            return error(429, TOO_MANY_REQUESTS, "too many requests.")
        socket = web.WebSocketResponse(max_msg_size=MAX_CLIENT_BYTES, heartbeat=self._ping_seconds)
        client = _Client(Outlet(socket, request.transport), asks_for_msgpack(request.headers))
        self._clients[client] = None
        try:
            await socket.prepare(request)
            async for message in socket:
                if message.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
                    break
                await self._answer(client, unpacked(message.data))
        finally:
            self._clients.pop(client, None)
            await client.outlet.end()
        return socket

    async def _answer(self, client: _Client, command: Mapping[str, Any]) -> None:
        action = command.get("action")
        given = command.get("data")
        data = given if isinstance(given, dict) else {}
        if action in ("authenticate", "auth"):
            key = str(data.get("key_id", command.get("key")))
            secret = str(data.get("secret_key", command.get("secret")))
            client.authorized = self._check_keys(key, secret)
            client.listening &= client.authorized
            self._authorization(client, "authorized" if client.authorized else "unauthorized", "authenticate")
            if client.authorized and self._switches.now.second_stream == "evict_oldest":
                others = [other for other in self._clients if other is not client]
                await asyncio.gather(*(other.outlet.close(_NORMAL) for other in others))
        elif action == "listen" and not client.authorized:
            self._authorization(client, "unauthorized", "listen")
        elif action == "listen":
            wanted = data.get("streams")
            streams = [STREAM] if isinstance(wanted, list) and STREAM in wanted else []
            client.listening = bool(streams)
            self._reply(client, {"stream": "listening", "data": {"streams": streams}})

    def _authorization(self, client: _Client, status: str, action: str) -> None:
        self._reply(client, {"stream": "authorization", "data": {"status": status, "action": action}})

    def _silenced(self) -> list[Outlet]:
        """Every connection's outlet; none of them is told of an event any more."""
        for client in self._clients:
            client.listening = False
        return [client.outlet for client in self._clients]

    def _reply(self, client: _Client, body: dict[str, Any]) -> None:
        client.outlet.offer(packed(body, self._wire(client)))

    def _wire(self, client: _Client) -> Wire:
        return Wire.MSGPACK if client.msgpack else Wire(self._switches.now.stream_frames)

    # ---------------------------------------------------------------- events on their way

    def _swallowed(self, where: dict[str, str], order: Mapping[str, Any]) -> bool:
        if self._is_sibling_cancel(where, order) and self._faults.strike(
            "hide_sibling_cancel",
            symbol=where["symbol"],
            order_id=where["order_id"],
            client_order_id=where["client_order_id"],
        ):
            return True
        return self._faults.strike("drop_events", **where) is not None

    def _is_sibling_cancel(self, where: dict[str, str], order: Mapping[str, Any]) -> bool:
        """Whether an order of a group is canceled although nobody asked for that: another of them made it needless."""
        if order.get("order_class") not in _GROUPS:
            return False
        if where["event"] == "pending_cancel":
            self._cancels_asked[where["order_id"]] = None
            while len(self._cancels_asked) > MAX_WAITING_EVENTS:
                del self._cancels_asked[next(iter(self._cancels_asked))]
        if where["event"] != "canceled":
            return False
        was_asked = where["order_id"] in self._cancels_asked
        self._cancels_asked.pop(where["order_id"], None)
        return not was_asked

    def _due(self, where: dict[str, str]) -> float:
        """When to send it: in order, but for what a rule delays on its own."""
        rule = self._faults.strike("delay_events_ms", **where)
        due = _now() + (rule.ms / _MS_PER_SECOND if rule else 0.0)
        if rule is None or not rule.is_filtered:
            due = self._newest_due = max(due, self._newest_due)
        return due

    def _put(self, due: float, event: _Waiting) -> None:
        if len(self._waiting) >= MAX_WAITING_EVENTS:
            self.events_lost += event.times
            return
        heapq.heappush(self._waiting, (due, next(self._serial), event))
        self._wake.set()

    def _deliver(self) -> float | None:
        """Send what is due; returns the seconds until the next one, or None."""
        while self._waiting:
            wait_seconds = self._waiting[0][0] - _now()
            if wait_seconds > 0:
                return wait_seconds
            event = heapq.heappop(self._waiting)[2]
            if event.times and self._faults.strike("mute_stream", **event.where):
                self.events_lost += event.times
                continue
            for _ in range(event.times):
                self.events_sent += 1
                self._send(event)
            event.times = 0
        return None

    def _send(self, event: _Waiting) -> None:
        frames: dict[Wire, Frame] = {}
        for client in tuple(self._clients):
            if not client.listening:
                continue
            wire = self._wire(client)
            if wire not in frames:
                frames[wire] = _frame(event, wire)
            client.outlet.offer(frames[wire])


def _frame(event: _Waiting, wire: Wire) -> Frame:
    if event.broken is None:
        return packed(event.body, wire)
    raw = malformed(event.broken, event.body)
    return raw.decode("utf-8", "replace") if wire is Wire.TEXT else raw


def _where(data: Mapping[str, Any]) -> dict[str, str]:
    order = data["order"]
    return {
        "symbol": str(order.get("symbol", "")),
        "order_id": str(order.get("id", "")),
        "client_order_id": str(order.get("client_order_id", "")),
        "event": str(data["event"]),
    }


def _is_of(wanted: str, order: Mapping[str, Any]) -> bool:
    return is_order(wanted, str(order.get("id", "")), str(order.get("client_order_id", "")))


def _now() -> float:
    """The event loop's own time: the venue's clock may jump, delays do not."""
    return asyncio.get_running_loop().time()
