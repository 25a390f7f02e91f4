"""The paper venue as a server: listens on loopback, ends cleanly."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import orjson
from aiohttp import web

from kyzlo_actors.domain.errors import Recoverable
from kyzlo_actors.infrastructure.allocator import keep_memory_small
from kyzlo_actors.venue.clock import NowNs, wall_clock_ns
from kyzlo_actors.venue.options import VenueOptions
from kyzlo_actors.venue.server_log import server_log
from kyzlo_actors.venue.wiring import VenueParts, build

LOOPBACK: Final = "127.0.0.1"
_SHUTDOWN_SECONDS: Final = 1.0


async def serve(
    options: VenueOptions, *, ready: Callable[[int], None], now_ns: NowNs = wall_clock_ns
) -> None:
    """Serve until cancelled; `ready` gets the port once connections are answered.

    Raises: BadInput: the scenario cannot be used. Recoverable: the port is taken.
    """
    await _serve(build(options, now_ns), options.port, ready)


async def _serve(parts: VenueParts, port: int, ready: Callable[[int], None]) -> None:
    runner = web.AppRunner(
        parts.app(), access_log=None, shutdown_timeout=_SHUTDOWN_SECONDS, logger=server_log()
    )
    await runner.setup()
    try:
        site = web.TCPSite(runner, LOOPBACK, port)
        try:
            await site.start()
        except OSError as fault:
            raise Recoverable(f"cannot listen on {LOOPBACK}:{port}: {fault.strerror}") from fault
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(parts.feed.run())
            tasks.create_task(parts.echo.run())
            tasks.create_task(parts.updates.run())
            ready(int(runner.addresses[0][1]))
    finally:
        await runner.cleanup()


def run(options: VenueOptions) -> int:
    """Serve until SIGTERM or SIGINT; prints one JSON line with the addresses when ready. Returns 0."""
    keep_memory_small()
    asyncio.run(_run(options))
    return 0


def addresses(port: int) -> dict[str, object]:
    """What a client needs to know, as the ready line says it."""
    return {
        "ready": True,
        "port": port,
        "rest": f"http://{LOOPBACK}:{port}",
        "trade_updates": f"ws://{LOOPBACK}:{port}/stream",
        "polygon_ws": f"ws://{LOOPBACK}:{port}/stocks",
        "polygon_rest": f"http://{LOOPBACK}:{port}",
        "ctl": f"http://{LOOPBACK}:{port}/_ctl",
    }


async def _run(options: VenueOptions) -> None:
    parts = build(options, wall_clock_ns)
    about = parts.stage.about()

    def announce(port: int) -> None:
        sys.stdout.write(orjson.dumps(addresses(port) | about).decode() + "\n")
        sys.stdout.flush()

    loop = asyncio.get_running_loop()
    task = loop.create_task(_serve(parts, options.port, announce))
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, task.cancel)
    with suppress(asyncio.CancelledError):
        await task
