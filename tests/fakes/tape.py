"""A tape that prints as fast as it is told: Polygon's websocket protocol, trades that follow from their number.

Run as a program: `tape.py SYMBOL=TRADES_PER_SECOND …`; it prints its address and serves until it is ended.
"""

from __future__ import annotations

import asyncio
import ctypes
import json
import random
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache

from aiohttp import WSMsgType, web

ODD_LOT = 37
ODD_EVERY = 7
TURN_SECONDS = 0.002
BLOCK = 1_024


@dataclass(frozen=True, slots=True)
class Trade:
    """`moves_price` False: an odd lot, which counts for volume only."""

    number: int
    ts_ms: int
    price: float
    size: float
    moves_price: bool


@lru_cache(maxsize=64)
def _steps(symbol: str, block: int) -> list[int]:
    rng = random.Random(f"{symbol}:{block}")
    return [rng.randrange(-2, 3) for _ in range(BLOCK)]


def trades(symbol: str, first_ms: int, per_second: int, begin: int, end: int) -> Iterator[Trade]:
    """Trades number `begin` to `end` (exclusive): the same for whoever asks."""
    for number in range(begin, end):
        step = _steps(symbol, number // BLOCK)[number % BLOCK]
        is_odd = number % ODD_EVERY == 0
        yield Trade(
            number=number,
            ts_ms=first_ms + number * 1_000 // per_second,
            price=round(100 + 0.01 * (step + number % 50), 2),
            size=float(1 + number % 99 if is_odd else 100 * (1 + number % 5)),
            moves_price=not is_odd,
        )


class Tape:
    """One listener at a time; the tape runs from its subscription on."""

    def __init__(self, rates: dict[str, int]) -> None:
        self._rates = rates
        self.first_ms = 0
        self.sent = dict.fromkeys(rates, 0)
        self._is_stopped = False

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/", self.listen)
        app.router.add_get("/v2/aggs/{rest:.*}", self.history)
        app.router.add_post("/_stop", self.stop)
        return app

    async def stop(self, request: web.Request) -> web.Response:
        """Print no more, and say what was printed."""
        self._is_stopped = True
        await asyncio.sleep(0.1)
        return web.json_response({"first_ms": self.first_ms, "sent": self.sent})

    async def history(self, request: web.Request) -> web.Response:
        return web.json_response({"status": "OK", "resultsCount": 0})

    async def listen(self, request: web.Request) -> web.WebSocketResponse:
        listener = web.WebSocketResponse()
        await listener.prepare(request)
        await _status(listener, "connected", "Connected Successfully")
        printing: asyncio.Task[None] | None = None
        async for message in listener:
            if message.type is not WSMsgType.TEXT:
                break
            command = json.loads(message.data)
            if command["action"] == "auth":
                await _status(listener, "auth_success", "authenticated")
                continue
            for name in command["params"].split(","):
                await _status(listener, "success", f"subscribed to: {name}")
            printing = printing or asyncio.create_task(self._print(listener))
        if printing is not None:
            printing.cancel()
        return listener

    async def _print(self, listener: web.WebSocketResponse) -> None:
        self.first_ms = time.time_ns() // 1_000_000 + 1
        with suppress(ConnectionError):
            while not self._is_stopped:
                due_ms = time.time_ns() // 1_000_000 - self.first_ms
                rows = []
                for symbol, rate in self._rates.items():
                    end = max(self.sent[symbol], due_ms * rate // 1_000)
                    found = trades(symbol, self.first_ms, rate, self.sent[symbol], end)
                    rows += [_row(symbol, trade) for trade in found]
                    self.sent[symbol] = end
                if rows:
                    await listener.send_str(json.dumps(rows))
                await asyncio.sleep(TURN_SECONDS)


def _row(symbol: str, trade: Trade) -> dict[str, object]:
    row: dict[str, object] = {"ev": "T", "sym": symbol, "i": str(trade.number + 1), "x": 4, "p": trade.price}
    row |= {"s": int(trade.size), "t": trade.ts_ms, "q": trade.number + 1, "z": 3}
    return row if trade.moves_price else {**row, "c": [ODD_LOT]}


async def _status(listener: web.WebSocketResponse, status: str, message: str) -> None:
    await listener.send_str(json.dumps([{"ev": "status", "status": status, "message": message}]))


async def _serve(rates: dict[str, int]) -> None:
    runner = web.AppRunner(Tape(rates).app(), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(json.dumps({"url": f"ws://127.0.0.1:{runner.addresses[0][1]}"}), flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    ctypes.CDLL(None).prctl(1, 9)
    asyncio.run(_serve({name: int(rate) for name, _, rate in (word.partition("=") for word in sys.argv[1:])}))
