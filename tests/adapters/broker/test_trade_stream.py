"""The order stream: handshake, losses, refusals, and frames that cannot be read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from random import Random
from typing import Any

import orjson
from aiohttp import web

from kyzlo_actors.adapters.broker.rest import trade_stream_url
from kyzlo_actors.adapters.broker.trade_stream import StreamOptions, TradeStream
from kyzlo_actors.domain.broker_events import StreamConnected, StreamDisconnected, TradeUpdated
from kyzlo_actors.domain.values import Severity
from kyzlo_actors.infrastructure.clock import SystemClock
from tests.fakes.broker_reports import ReportBook
from tests.fakes.local_server import PaperVenue, application, websocket_script

QUICK = StreamOptions(backoff_first_seconds=0.05, backoff_max_seconds=0.05, handshake_seconds=0.5)
SECRET = "str3am-secret"
ORDER = {"id": "v", "client_order_id": "kyzlo.a.1", "symbol": "A", "side": "buy", "status": "new", "qty": "1"}
UPDATE = {"event": "new", "execution_id": "e", "timestamp": "2026-11-20T15:00:00Z", "order": ORDER}


class Listener:
    """What a stream said."""

    def __init__(self) -> None:
        self.book = ReportBook()
        self.notices: list[tuple[Severity, str]] = []

    @property
    def codes(self) -> list[str]:
        return [code for _, code in self.notices]


@contextmanager
def listening(url: str, key: str = "K", secret: str = SECRET, **options: Any) -> Iterator[Listener]:
    listener, clock = Listener(), SystemClock()

    def notice(severity: Severity, code: str, text: str) -> None:
        assert SECRET not in text
        listener.notices.append((severity, code))

    stream = TradeStream(
        url, key, secret, listener.book, clock, Random(1), options=replace(QUICK, **options), on_notice=notice
    )
    stream.start()
    try:
        yield listener
    finally:
        stream.stop(clock.monotonic_ns() + 10 * 10**9)


async def say(socket: web.WebSocketResponse, stream: str, data: object) -> None:
    await socket.send_bytes(orjson.dumps({"stream": stream, "data": data}))


async def greet(socket: web.WebSocketResponse, *streams: str) -> None:
    hello = orjson.loads((await socket.receive()).data)
    assert hello == {"action": "authenticate", "data": {"key_id": "K", "secret_key": SECRET}}
    await say(socket, "authorization", {"status": "authorized", "action": "authenticate"})
    wanted = orjson.loads((await socket.receive()).data)
    assert wanted == {"action": "listen", "data": {"streams": ["trade_updates"]}}
    await say(socket, "listening", {"streams": list(streams)})


def test_the_venue_aborts_and_it_comes_back(venue: PaperVenue) -> None:
    with listening(trade_stream_url(venue.url), venue.key, venue.secret) as listener:
        listener.book.wait_for(StreamConnected)
        venue.ctl(abort_streams=True)
        listener.book.wait_for(StreamConnected, count=2)
        kinds = [type(report) for report in listener.book.reports[:3]]
        assert kinds == [StreamConnected, StreamDisconnected, StreamConnected]


def test_text_frames_are_read_as_well(venue: PaperVenue) -> None:
    venue.ctl(stream_frames="text")
    with listening(trade_stream_url(venue.url), venue.key, venue.secret) as listener:
        listener.book.wait_for(StreamConnected)


def test_frames_that_cannot_be_read_are_dropped_loudly_and_the_next_one_counts() -> None:
    async def script(socket: web.WebSocketResponse, number: int) -> None:
        await greet(socket, "trade_updates")
        await socket.send_str("<html>")
        await say(socket, "trade_updates", {**UPDATE, "order": {**ORDER, "id": None}})
        await say(socket, "weather", {"rain": True})
        await say(socket, "trade_updates", {**UPDATE, "event": "brand_new"})
        await socket.receive()

    with websocket_script(script) as port, listening(f"ws://127.0.0.1:{port}/stream") as listener:
        assert listener.book.wait_for(TradeUpdated).event == "brand_new"
        assert listener.notices == [(Severity.CRITICAL, "STREAM_FRAME_DROPPED")]


def test_an_answer_without_trade_updates_is_no_connection() -> None:
    async def script(socket: web.WebSocketResponse, number: int) -> None:
        await greet(socket, *(["trade_updates"] if number > 1 else []))
        await socket.receive()

    with websocket_script(script) as port, listening(f"ws://127.0.0.1:{port}/stream") as listener:
        listener.book.wait_for(StreamConnected)
        assert listener.codes == ["STREAM_UNREACHABLE"]
        assert listener.book.of(StreamDisconnected) == []


def test_a_mute_server_is_left() -> None:
    async def script(socket: web.WebSocketResponse, number: int) -> None:
        if number > 1:
            await greet(socket, "trade_updates")
        await socket.receive()
        await socket.receive()

    with websocket_script(script) as port, listening(f"ws://127.0.0.1:{port}/stream") as listener:
        listener.book.wait_for(StreamConnected)


def test_refused_keys_are_told_and_not_hammered(venue: PaperVenue) -> None:
    with listening(trade_stream_url(venue.url), venue.key, "wrong") as listener:
        waiting = ReportBook()
        for _ in range(100):
            if "STREAM_UNAUTHORIZED" in listener.codes:
                break
            with_pause(waiting)
        for _ in range(5):
            with_pause(waiting)
        assert listener.codes.count("STREAM_UNAUTHORIZED") == 1
        assert listener.book.reports == []


def with_pause(book: ReportBook) -> None:
    """Let a tenth of a second pass."""
    with book._changed:
        book._changed.wait(0.1)


def test_too_many_connections_are_tried_again_with_pauses() -> None:
    attempts = 0

    async def upgrade(request: web.Request) -> web.StreamResponse:
        nonlocal attempts
        attempts += 1
        if attempts <= 3:
            return web.Response(status=429, text="too many")
        made = web.WebSocketResponse()
        await made.prepare(request)
        await greet(made, "trade_updates")
        await made.receive()
        return made

    with (
        application(web.get("/stream", upgrade)) as port,
        listening(f"ws://127.0.0.1:{port}/stream") as listener,
    ):
        listener.book.wait_for(StreamConnected)
        assert attempts == 4
        assert listener.codes == ["STREAM_UNREACHABLE"]
