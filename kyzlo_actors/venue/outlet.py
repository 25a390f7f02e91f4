"""One websocket's way out: a bounded queue and the task that empties it. A reader too slow is cut off."""

from __future__ import annotations

import asyncio
from typing import Final

from aiohttp import web

MAX_WAITING_FRAMES: Final = 2_000


class Outlet:
    """Frames to one connection, in order. At the bound the connection is aborted and `overrun` is set."""

    def __init__(
        self,
        socket: web.WebSocketResponse,
        transport: asyncio.BaseTransport | None,
        *,
        limit: int = MAX_WAITING_FRAMES,
    ) -> None:
        self.overrun = False
        self._socket = socket
        self._transport = transport
        self._frames: asyncio.Queue[str | bytes] = asyncio.Queue(maxsize=limit)
        self._task = asyncio.get_running_loop().create_task(self._run())

    def offer(self, frame: str | bytes) -> None:
        """Queue one text (str) or binary (bytes) frame; never waits."""
        try:
            self._frames.put_nowait(frame)
        except asyncio.QueueFull:
            self.overrun = True
            self.abort()

    def abort(self) -> None:
        """Cut the connection without a goodbye."""
        self._task.cancel()
        if isinstance(self._transport, asyncio.WriteTransport):
            self._transport.abort()

    async def close(self, code: int, message: str = "") -> None:
        """Send what waits (for at most a second), then the websocket's goodbye."""
        try:
            async with asyncio.timeout(1.0):
                if not self._task.done():
                    await self._frames.join()
                await self._socket.close(code=code, message=message.encode(), drain=False)
        except TimeoutError:
            self.abort()
        self._task.cancel()

    async def end(self) -> None:
        """The connection is over: stop the task."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        try:
            while True:
                frame = await self._frames.get()
                if isinstance(frame, bytes):
                    await self._socket.send_bytes(frame)
                else:
                    await self._socket.send_str(frame)
                self._frames.task_done()
        except (ConnectionError, RuntimeError):
            return  # the peer is gone; its handler notices and ends us
