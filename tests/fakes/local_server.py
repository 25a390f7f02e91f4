"""Servers on loopback for tests: a coroutine that serves on a thread of its own, scripted replies, a venue."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from aiohttp import web

from kyzlo_actors.venue.options import VenueOptions
from kyzlo_actors.venue.server import serve

START_SECONDS = 20.0
STILL = {"exchange": "NASDAQ", "tape": 3, "ticks_per_second": 8, "volatility": 0}
SCENARIO: dict[str, Any] = {
    "name": "adapters",
    "account": {"account_number": "PA3TEST", "cash": "10000"},
    "keys": {"alpaca_key": "K", "alpaca_secret": "S3CRET", "polygon_key": "P0LYKEY"},
    "calendar": {"mode": "always"},
    "latency": {"route_ms": 5, "cancel_ms": 10},
    "market": {"spread_bps": 20, "odd_lot_share": 0.3, "trf_share": 0.3},
    "partial_fill_percent": 0,
    "rate_limit_per_minute": 100_000,
    "symbols": [
        {"symbol": "AAA", "name": "A", "start_price": 100, **STILL},
        {"symbol": "BBB", "name": "B", "start_price": 50, **STILL},
        {"symbol": "OFF", "name": "O", "start_price": 50, **STILL, "tradable": False},
    ],
}


@contextmanager
def background(main: Callable[[Callable[[int], None]], Coroutine[Any, Any, None]]) -> Iterator[int]:
    """Run `main(ready)` on a thread until the block ends; the port that it calls `ready` with."""
    ports: list[int] = []
    started = threading.Event()
    loop = asyncio.new_event_loop()

    def ready(port: int) -> None:
        ports.append(port)
        started.set()

    task = loop.create_task(main(ready))

    def run() -> None:
        try:
            loop.run_until_complete(task)
        except asyncio.CancelledError:
            pass
        finally:
            started.set()
            loop.close()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    assert started.wait(START_SECONDS)
    assert ports, "the server did not start"
    try:
        yield ports[0]
    finally:
        loop.call_soon_threadsafe(task.cancel)
        thread.join(START_SECONDS)


@contextmanager
def application(*routes: web.RouteDef) -> Iterator[int]:
    """An aiohttp application with these routes."""

    async def main(ready: Callable[[int], None]) -> None:
        app = web.Application()
        app.add_routes(routes)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        try:
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            ready(int(runner.addresses[0][1]))
            await asyncio.Event().wait()
        finally:
            await runner.cleanup()

    with background(main) as port:
        yield port


Script = Callable[[web.WebSocketResponse, int], Awaitable[None]]


@contextmanager
def websocket_script(script: Script) -> Iterator[int]:
    """A websocket server: `script(socket, number of this connection)` plays each connection."""
    count = 0

    async def handle(request: web.Request) -> web.StreamResponse:
        nonlocal count
        count += 1
        made = web.WebSocketResponse()
        await made.prepare(request)
        await script(made, count)
        return made

    with application(web.get("/{path:.*}", handle)) as port:
        yield port


@contextmanager
def raw_replies(reply: Callable[[socket.socket, bytes], None]) -> Iterator[int]:
    """A server that reads one request a connection and lets `reply` do what no honest server does."""
    listener = socket.create_server(("127.0.0.1", 0))
    stopping = threading.Event()

    def run() -> None:
        while not stopping.is_set():
            try:
                made, _ = listener.accept()
            except OSError:
                return
            with made:
                made.settimeout(START_SECONDS)
                reply(made, _request(made))

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield int(listener.getsockname()[1])
    finally:
        stopping.set()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(START_SECONDS)


def _request(made: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        chunk = made.recv(65536)
        if not chunk:
            return data
        data += chunk
    head, _, body = data.partition(b"\r\n\r\n")
    length = 0
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            length = int(line.split(b":")[1])
    while len(body) < length:
        body += made.recv(65536)
    return head + b"\r\n\r\n" + body


class PaperVenue:
    """A real venue and its back door."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.feed_url = f"ws://127.0.0.1:{port}/stocks"
        self.key, self.secret, self.polygon_key = "K", "S3CRET", "P0LYKEY"

    def ctl(self, **commands: Any) -> Any:
        """Make trouble, or (without arguments) see what really happened."""
        if commands:
            reply = httpx.post(self.url + "/_ctl", json=commands, timeout=START_SECONDS)
        else:
            reply = httpx.get(self.url + "/_ctl", timeout=START_SECONDS)
        assert reply.status_code == 200, reply.text
        return reply.json()


@contextmanager
def paper_venue(directory: Path, **changes: Any) -> Iterator[PaperVenue]:
    """A venue whose prices stand still, so that an order's fate is known beforehand."""
    path = directory / "scenario.json"
    path.write_text(json.dumps({**SCENARIO, **changes}))
    options = VenueOptions(scenario=path)
    with background(lambda ready: serve(options, ready=ready)) as port:
        yield PaperVenue(port)
