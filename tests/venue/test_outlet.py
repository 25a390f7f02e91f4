"""The way out of a websocket: in order, bounded in frames and bytes, with a last word for who reads too slowly."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiohttp import WSMsgType, web
from aiohttp.test_utils import TestClient, TestServer

from kyzlo_actors.venue import outlet
from kyzlo_actors.venue.outlet import Outlet

WAIT = 20


def heard(offers: list[Any], **options: Any) -> tuple[list[Any], int | None, bool]:
    """What a reader hears that begins when all has been offered, how it ends, and whether it was too slow."""

    async def scene() -> tuple[list[Any], int | None, bool]:
        made: list[Outlet] = []

        async def handle(request: web.Request) -> web.StreamResponse:
            socket = web.WebSocketResponse()
            await socket.prepare(request)
            way = Outlet(socket, request.transport, **options)
            made.append(way)
            for frame in offers:
                way.offer(frame)
            if not way.overrun:
                await way.close(1000)
            async for _ in socket:
                pass
            await way.end()
            return socket

        app = web.Application()
        app.router.add_get("/", handle)
        frames = []
        async with TestClient(TestServer(app)) as client:
            socket = await client.ws_connect("/", max_msg_size=0)
            while (message := await socket.receive(timeout=WAIT)).type in (WSMsgType.TEXT, WSMsgType.BINARY):
                frames.append(message.data)
            return frames, socket.close_code, made[0].overrun

    return asyncio.run(scene())


def test_frames_leave_in_order_text_or_binary() -> None:
    assert heard(["a", b"b", "c"]) == (["a", b"b", "c"], 1000, False)


def test_too_many_frames_end_it_with_the_last_word() -> None:
    frames, code, overrun = heard(["x"] * 6, limit=5, farewell=("too slow", 1008))
    assert (frames, code, overrun) == (["too slow"], 1008, True)
    assert heard(["x"] * 6, limit=5)[2] is True


def test_too_many_bytes_end_it_too_but_one_large_frame_may_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outlet, "MAX_WAITING_BYTES", 10)
    assert heard(["x" * 50]) == (["x" * 50], 1000, False)
    assert heard(["x" * 6, "y" * 6], farewell=("slow", 1008)) == (["slow"], 1008, True)
