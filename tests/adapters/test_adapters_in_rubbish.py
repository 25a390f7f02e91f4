"""The adapters at work against a venue that sends rubbish: they survive, say so, reconnect and go on."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from random import Random
from typing import Any

import orjson
import pytest
from aiohttp import web

from kyzlo_actors.adapters.broker.alpaca import AlpacaBroker
from kyzlo_actors.adapters.broker.trade_stream import StreamOptions, TradeStream
from kyzlo_actors.adapters.market_data.connection import PolygonOptions
from kyzlo_actors.adapters.market_data.polygon import PolygonFeed
from kyzlo_actors.domain.broker_events import (
    LookUpFailed,
    StateRead,
    StateReadFailed,
    StreamConnected,
    StreamDisconnected,
    SubmitAnswered,
    SubmitUncertain,
    TradeUpdated,
)
from kyzlo_actors.domain.order import OrderTicket
from kyzlo_actors.domain.values import Side
from kyzlo_actors.infrastructure.clock import SystemClock
from kyzlo_actors.venue.control.malformed import MALFORMED
from tests.fakes.broker_reports import ReportBook
from tests.fakes.feed_listener import RecordingListener
from tests.fakes.local_server import PaperVenue, websocket_script
from tests.fakes.rubbish import NO_JSON, ODD_VALUES

QUICK_STREAM = StreamOptions(backoff_first_seconds=0.05, backoff_max_seconds=0.05)
QUICK_FEED = PolygonOptions(backoff_first_seconds=0.05, backoff_max_seconds=0.05)


def ticket(name: str) -> OrderTicket:
    return OrderTicket(client_order_id=f"kyzlo.r.{name}", symbol="AAA", side=Side.BUY, qty=Decimal(1))


@contextmanager
def trading(venue: PaperVenue) -> Iterator[tuple[AlpacaBroker, ReportBook]]:
    book = ReportBook()
    broker = AlpacaBroker(venue.url, venue.key, venue.secret, SystemClock(), Random(1))
    broker.start(book)
    book.wait_for(StreamConnected)
    try:
        yield broker, book
    finally:
        broker.stop(10.0)


@contextmanager
def feeding(url: str) -> Iterator[tuple[PolygonFeed, RecordingListener]]:
    listener = RecordingListener()
    feed = PolygonFeed(url, "P0LYKEY", SystemClock(), Random(1), options=QUICK_FEED)
    feed.start(["AAA"], listener)
    try:
        yield feed, listener
    finally:
        feed.stop(10.0)


def test_every_broken_frame_of_the_order_stream_is_survived(venue: PaperVenue) -> None:
    book, notices = ReportBook(), []
    stream = TradeStream(
        venue.url.replace("http", "ws") + "/stream",
        venue.key,
        venue.secret,
        book,
        SystemClock(),
        Random(1),
        options=QUICK_STREAM,
        on_notice=lambda severity, code, text: notices.append(code),
    )
    stream.start()
    try:
        book.wait_for(StreamConnected)
        for kind in MALFORMED:
            venue.ctl(malformed={"kind": kind})
        venue.ctl(faults=[{"fault": "malformed_events", "event": "new", "count": 1, "kind": "wrong_types"}])
        with trading(venue) as (broker, _):
            broker.submit(ticket("after"))
            book.wait_for(TradeUpdated, lambda update: update.event == "fill")
        assert book.of(StreamDisconnected) == []
    finally:
        stream.stop(SystemClock().monotonic_ns() + 10 * 10**9)
    counters = stream.counters
    assert counters.unknown_frames + counters.dropped >= len(MALFORMED) - 2
    assert "STREAM_FRAME_DROPPED" in notices  # an order's fate may have been in it: somebody has to look


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_html_instead_of_answers(venue: PaperVenue, status: int) -> None:
    with trading(venue) as (broker, book):
        page = {"status": status, "html": True, "count": 1}
        venue.ctl(faults=[{"fault": "fail_post_5xx_taken", **page}])
        broker.submit(ticket("lost"))
        assert book.wait_for(SubmitUncertain).client_order_id == "kyzlo.r.lost"
        venue.ctl(faults=[{"fault": "fail_get_5xx", **page}])
        broker.look_up("kyzlo.r.lost")
        book.wait_for(LookUpFailed)
        venue.ctl(faults=[{"fault": "orders_page_5xx", **page}])
        broker.read_state("first", window_start_ns=0, client_order_ids=())
        book.wait_for(StateReadFailed)
        broker.read_state("second", window_start_ns=0, client_order_ids=())
        state = book.wait_for(StateRead).state
        assert [order.client_order_id for order in state.orders] == ["kyzlo.r.lost"]


@pytest.mark.parametrize(
    "field", ["id", "symbol", "status", "filled_qty", "updated_at", "cash", "qty", "side"]
)
def test_fields_that_are_missing(venue: PaperVenue, field: str) -> None:
    with trading(venue) as (broker, book):
        broker.submit(ticket("whole"))
        book.wait_for(TradeUpdated, lambda update: update.event == "fill")
        venue.ctl(faults=[{"fault": "missing_fields", "fields": [field], "count": 100}])
        broker.read_state("holes", window_start_ns=0, client_order_ids=())
        broker.submit(ticket("holes"))
        book.wait_for(TradeUpdated, lambda update: update.order.client_order_id == "kyzlo.r.holes")
        venue.ctl(clear_faults=True)
        broker.read_state("whole", window_start_ns=0, client_order_ids=())
        read = book.wait_for(StateRead, lambda read: read.reason == "whole")
        assert {order.client_order_id for order in read.state.orders} == {"kyzlo.r.whole", "kyzlo.r.holes"}


def test_fields_that_nobody_knows(venue: PaperVenue) -> None:
    with trading(venue) as (broker, book):
        venue.ctl(faults=[{"fault": "extra_fields", "fields": ["unheard_of", "legs_2"], "count": 100}])
        broker.submit(ticket("more"))
        book.wait_for(SubmitAnswered)
        broker.read_state("more", window_start_ns=0, client_order_ids=())
        assert book.wait_for(StateRead).state.orders


def test_rubbish_between_the_trades_of_the_feed() -> None:
    async def script(socket: web.WebSocketResponse, number: int) -> None:
        await greet(socket)
        for rubbish in NO_JSON:
            await socket.send_bytes(rubbish)
        for odd in ODD_VALUES:
            await socket.send_str(orjson.dumps([odd, {"ev": odd}, trade(1) | {"p": odd}]).decode())
        await socket.send_str(orjson.dumps([trade(2)]).decode())
        await asyncio.Event().wait()

    with websocket_script(script) as port, feeding(f"ws://127.0.0.1:{port}/stocks") as (feed, listener):
        listener.wait(lambda heard: any(tick.trade_id == "2" for tick in heard.ticks))
        assert feed.counters.bad_frames >= len(NO_JSON) / 2 and feed.counters.bad_events > 0
        assert listener.disconnected == []


@pytest.mark.parametrize(
    "data",
    [b"\x00" * 32, b"\xff" * 64, b"\xc1\x7f" + b"\xff" * 8, b"HTTP/1.1 502 Bad Gateway\r\n\r\n", b"\x03\x00"],
)
def test_bytes_that_are_no_frames_end_one_connection_only(data: bytes) -> None:
    async def script(socket: web.WebSocketResponse, number: int) -> None:
        await greet(socket)
        if number == 1:
            transport: Any = socket._req.transport  # type: ignore[union-attr]
            transport.write(data)
            await asyncio.sleep(0.2)
            transport.close()
            return
        await socket.send_str(orjson.dumps([trade(1)]).decode())
        await asyncio.Event().wait()

    with websocket_script(script) as port, feeding(f"ws://127.0.0.1:{port}/stocks") as (_, listener):
        listener.wait(lambda heard: bool(heard.ticks))
        assert len(listener.disconnected) == 1


def test_a_feed_whose_greeting_is_rubbish_is_tried_again() -> None:
    async def script(socket: web.WebSocketResponse, number: int) -> None:
        if number <= 3:
            await socket.send_bytes(NO_JSON[number * 3])
            await socket.close()
            return
        await greet(socket)
        await socket.send_str(orjson.dumps([trade(1)]).decode())
        await asyncio.Event().wait()

    with websocket_script(script) as port, feeding(f"ws://127.0.0.1:{port}/stocks") as (_, listener):
        listener.wait(lambda heard: bool(heard.ticks))


async def greet(socket: web.WebSocketResponse) -> None:
    for status in ("connected", "auth_success"):
        await socket.send_str(orjson.dumps([{"ev": "status", "status": status, "message": ""}]).decode())
        await socket.receive()
    told = {"ev": "status", "status": "success", "message": "subscribed to: T.AAA"}
    await socket.send_str(orjson.dumps([told]).decode())


def trade(number: int) -> dict[str, Any]:
    now_ms = SystemClock().now_ns() // 1_000_000
    return {"ev": "T", "sym": "AAA", "i": str(number), "x": 4, "p": 10.5, "s": 5, "t": now_ms, "z": 3}
