"""One websocket's way out: a bounded queue and the task that empties it. A reader too slow is cut off."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from typing import Final

from aiohttp import web

Frame = str | bytes
MAX_WAITING_FRAMES: Final = 2_000
MAX_WAITING_BYTES: Final = 32 * 1024 * 1024
# Open connections of one stream; one more is refused at the upgrade.
MAX_SOCKETS: Final = 1_000
_GOODBYE_SECONDS: Final = 1.0
# No frame may carry it: it is what a peer sees that got no goodbye.
_ABNORMAL: Final = 1006


class Outlet:
    """Frames to one connection, in order. At the bound (frames or bytes) `overrun` is set and the connection ends.

    With a `farewell` (last frame, close code) what still waits is thrown away, and the reader gets that if it reads
    within a second; without one, or if it does not, the connection is aborted.
    """

    def __init__(
        self,
        socket: web.WebSocketResponse,
        transport: asyncio.BaseTransport | None,
        *,
        limit: int = MAX_WAITING_FRAMES,
        farewell: tuple[Frame, int] | None = None,
    ) -> None:
        self.overrun = False
        self._waiting_bytes = 0
        self._socket = socket
        self._transport = transport
        self._farewell = farewell
        self._frames: asyncio.Queue[Frame] = asyncio.Queue(maxsize=limit)
        self._task = asyncio.get_running_loop().create_task(self._run())
        self._goodbye: asyncio.Task[None] | None = None

    @property
    def waiting(self) -> int:
        """Frames that have not left yet."""
        return self._frames.qsize()

    def offer(self, frame: Frame) -> None:
        """Queue one text (str) or binary (bytes) frame; never waits."""
        if self.overrun:
            return
        # A single frame may be as large as it likes: it waits alone.
        full = self._waiting_bytes and self._waiting_bytes + len(frame) > MAX_WAITING_BYTES
        if full or self._frames.full():
            self.overrun = True
            self._too_slow()
            return
        self._waiting_bytes += len(frame)
        self._frames.put_nowait(frame)

    def abort(self) -> None:
        """Cut the connection without a goodbye."""
        self._task.cancel()
        if isinstance(self._transport, asyncio.WriteTransport):
            self._transport.abort()

    async def close(self, code: int, message: str = "") -> None:
        """Send what waits (for at most a second), then the websocket's goodbye; 1006 is to say none."""
        if code == _ABNORMAL:
            self.abort()
            return
        try:
            async with asyncio.timeout(_GOODBYE_SECONDS):
                if not self._task.done():
                    await self._frames.join()
                await self._socket.close(code=code, message=message.encode(), drain=False)
        except TimeoutError:
            self.abort()
        self._task.cancel()

    def finish(self, code: int) -> None:
        """`close`, without waiting for it; what does not leave within a second is cut off."""
        if self._goodbye is None:
            self._goodbye = asyncio.get_running_loop().create_task(self._close_and_abort(code))

    async def end(self) -> None:
        """The connection is over: stop the tasks."""
        tasks = [task for task in (self._task, self._goodbye) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _too_slow(self) -> None:
        if self._farewell is None:
            self.abort()
            return
        while not self._frames.empty():
            self._frames.get_nowait()
            self._frames.task_done()
        frame, code = self._farewell
        self._frames.put_nowait(frame)
        self._goodbye = asyncio.get_running_loop().create_task(self._close_and_abort(code))

    async def _close_and_abort(self, code: int) -> None:
        with suppress(ConnectionError, RuntimeError):
            await self.close(code)
        self.abort()

    async def _run(self) -> None:
        try:
            while True:
                frame = await self._frames.get()
                if isinstance(frame, bytes):
                    await self._socket.send_bytes(frame)
                else:
                    await self._socket.send_str(frame)
                self._waiting_bytes -= len(frame)
                self._frames.task_done()
        except (ConnectionError, RuntimeError):
            return  # the peer is gone; its handler notices and ends us


def abort_all(outlets: Iterable[Outlet]) -> None:
    """Cut all of these connections without a goodbye."""
    for outlet in tuple(outlets):
        outlet.abort()


async def close_all(outlets: Iterable[Outlet], code: int) -> None:
    """Say goodbye on all of these connections at once."""
    await asyncio.gather(*(outlet.close(code) for outlet in tuple(outlets)))
