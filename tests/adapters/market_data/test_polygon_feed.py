"""The feed against the real venue and against servers that misbehave."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from random import Random
from typing import Any

import orjson
from aiohttp import web

from kyzlo_actors.adapters.market_data.connection import PolygonOptions
from kyzlo_actors.adapters.market_data.polygon import PolygonFeed
from kyzlo_actors.domain.values import Severity
from kyzlo_actors.infrastructure.clock import SystemClock
from tests.fakes.feed_listener import RecordingListener
from tests.fakes.local_server import PaperVenue, websocket_script

QUICK = PolygonOptions(
    backoff_first_seconds=0.05,
    backoff_max_seconds=0.05,
    handshake_seconds=0.5,
    staleness_seconds=60.0,
    cool_down_seconds=60.0,
)
CONNECTED = {"ev": "status", "status": "connected", "message": "Connected Successfully"}
AUTHORIZED = {"ev": "status", "status": "auth_success", "message": "authenticated"}


@contextmanager
def feeding(
    url: str, symbols: list[str], key: str = "P0LYKEY", **options: Any
) -> Iterator[tuple[PolygonFeed, RecordingListener]]:
    listener = RecordingListener()
    feed = PolygonFeed(url, key, SystemClock(), Random(1), options=replace(QUICK, **options))
    feed.start(symbols, listener)
    try:
        yield feed, listener
    finally:
        feed.stop(10.0)


async def greet(socket: web.WebSocketResponse, *symbols: str) -> None:
    """The server's side of a session that goes well."""
    await say(socket, CONNECTED)
    await socket.receive()
    await say(socket, AUTHORIZED)
    await socket.receive()
    await say(
        socket,
        *({"ev": "status", "status": "success", "message": f"subscribed to: T.{name}"} for name in symbols),
    )


async def say(socket: web.WebSocketResponse, *rows: object) -> None:
    await socket.send_str(orjson.dumps(list(rows)).decode())


def trade(number: int, symbol: str = "AAA") -> dict[str, object]:
    now_ms = SystemClock().now_ns() // 1_000_000
    return {"ev": "T", "sym": symbol, "i": str(number), "x": 4, "p": 10.5, "s": 5, "t": now_ms, "z": 3}


def test_ticks_of_the_venue(venue: PaperVenue) -> None:
    with feeding(venue.feed_url, ["AAA", "BBB"]) as (feed, listener):
        listener.wait(lambda heard: {tick.symbol for tick in heard.ticks} == {"AAA", "BBB"})
        listener.wait(lambda heard: bool(heard.volumes))
        assert listener.connected == [None]
        assert feed.counters.bad_events == feed.counters.bad_frames == 0
        tick = listener.ticks[0]
        assert tick.size > 0
        assert tick.ts_init >= tick.ts_event - 1_000_000


def test_it_reconnects_and_says_since_when(venue: PaperVenue) -> None:
    with feeding(venue.feed_url, ["AAA"]) as (_, listener):
        listener.wait(lambda heard: bool(heard.ticks))
        venue.ctl(close_polygon=1000)
        listener.wait(lambda heard: len(heard.connected) == 2)
        assert len(listener.disconnected) == 1
        venue.ctl(abort_polygon=True)
        listener.wait(lambda heard: len(heard.connected) == 3)
        assert listener.connected[1] is not None
        known = len(listener.ticks)
        listener.wait(lambda heard: len(heard.ticks) > known)


def test_a_mute_feed_is_left(venue: PaperVenue) -> None:
    with feeding(venue.feed_url, ["AAA"], staleness_seconds=1.0) as (_, listener):
        listener.wait(lambda heard: bool(heard.ticks))
        venue.ctl(mute_polygon=True)
        listener.wait(lambda heard: bool(heard.disconnected))
        assert "no frame" in listener.disconnected[0]
        venue.ctl(mute_polygon=False)
        known = len(listener.ticks)
        listener.wait(lambda heard: len(heard.ticks) > known)


def test_silence_is_no_fault_when_none_is_expected() -> None:
    async def script(socket: web.WebSocketResponse, number: int) -> None:
        await greet(socket, "AAA")
        await asyncio.sleep(1.5)
        await say(socket, trade(number))
        await socket.receive()

    with websocket_script(script) as port:
        listener = RecordingListener()
        options = replace(QUICK, staleness_seconds=0.2)
        feed = PolygonFeed(
            f"ws://127.0.0.1:{port}/stocks",
            "k",
            SystemClock(),
            Random(1),
            options=options,
            expect_data=lambda now_ns: False,
        )
        feed.start(["AAA"], listener)
        listener.wait(lambda heard: bool(heard.ticks))
        feed.stop(10.0)
        assert len(listener.connected) == 1


def test_a_refused_key_is_told_and_never_tried_again(venue: PaperVenue) -> None:
    with feeding(venue.feed_url, ["AAA"], key="WR0NGKEY") as (feed, listener):
        listener.wait(lambda heard: "FEED_AUTH_FAILED" in heard.codes)
        idles = listener.idles
        listener.wait(lambda heard: heard.idles > idles + 5)
        assert listener.notices.count(listener.notices[0]) == 1
        assert listener.notices[0][0] is Severity.CRITICAL
        assert venue.ctl()["connections"]["polygon"] == 0
        assert "WR0NGKEY" not in repr(listener.notices) + repr(feed)


def test_an_eviction_is_told_and_cooled_down() -> None:
    connections = 0

    async def script(socket: web.WebSocketResponse, number: int) -> None:
        nonlocal connections
        connections = number
        await greet(socket, "AAA")
        text = "Maximum number of websocket connections exceeded. "
        await say(socket, {"ev": "status", "status": "max_connections", "message": text})
        await socket.close(code=1008)

    with (
        websocket_script(script) as port,
        feeding(f"ws://127.0.0.1:{port}/stocks", ["AAA"]) as (_, listener),
    ):
        listener.wait(lambda heard: "FEED_EVICTED" in heard.codes and bool(heard.disconnected))
        idles = listener.idles
        listener.wait(lambda heard: heard.idles > idles + 10)
        assert connections == 1


def test_no_entitlement_ends_the_feed_after_its_authentication() -> None:
    async def script(socket: web.WebSocketResponse, number: int) -> None:
        await say(socket, CONNECTED)
        await socket.receive()
        text = "You don't have access real-time data. connect to the delayed websocket at wss://…"
        await say(socket, AUTHORIZED, {"ev": "status", "status": "error", "message": text})
        await socket.receive()

    with (
        websocket_script(script) as port,
        feeding(f"ws://127.0.0.1:{port}/stocks", ["AAA"]) as (_, listener),
    ):
        listener.wait(lambda heard: "FEED_NOT_ENTITLED" in heard.codes)
        assert listener.connected == []


def test_a_subscription_that_is_never_answered_is_asked_twice_and_then_named() -> None:
    asked: list[bytes] = []

    async def script(socket: web.WebSocketResponse, number: int) -> None:
        await greet(socket, "AAA")
        asked.append(str((await socket.receive()).data).encode())
        await socket.receive()

    with (
        websocket_script(script) as port,
        feeding(f"ws://127.0.0.1:{port}/stocks", ["AAA", "GONE"]) as (_, listener),
    ):
        listener.wait(lambda heard: "FEED_NOT_SUBSCRIBED" in heard.codes)
        listener.wait(lambda heard: bool(heard.connected))
        assert orjson.loads(asked[0]) == {"action": "subscribe", "params": "T.GONE"}


def test_rubbish_between_trades_changes_nothing() -> None:
    async def script(socket: web.WebSocketResponse, number: int) -> None:
        await greet(socket, "AAA")
        await socket.send_str("<html>502</html>")
        await socket.send_bytes(b"\xff\xfe\x00")
        await say(socket, {"ev": "status", "status": "brand_new"}, 5, None)
        await say(socket, {"ev": "T", "sym": "AAA", "p": "?"}, trade(1), trade(1), trade(2))
        await socket.receive()

    with (
        websocket_script(script) as port,
        feeding(f"ws://127.0.0.1:{port}/stocks", ["AAA"]) as (feed, listener),
    ):
        listener.wait(lambda heard: len(heard.ticks) == 2)
        assert feed.counters.bad_frames == 2
        assert feed.counters.bad_events == 1
        assert feed.intake is not None
        assert feed.intake.counters.duplicates == 1


def test_pings_without_an_answer_end_a_half_dead_connection() -> None:
    async def script(socket: web.WebSocketResponse, number: int) -> None:
        await greet(socket, "AAA")
        # It reads nothing any more, so it answers no ping.
        await asyncio.sleep(30)

    with (
        websocket_script(script) as port,
        feeding(f"ws://127.0.0.1:{port}/stocks", ["AAA"], ping_seconds=0.3) as (_, listener),
    ):
        listener.wait(lambda heard: bool(heard.disconnected))
        assert "pings" in listener.disconnected[0]


def test_an_absent_server_is_told_once_and_time_goes_on() -> None:
    with feeding("ws://127.0.0.1:1/stocks", ["AAA"]) as (_, listener):
        listener.wait(lambda heard: heard.idles > 5)
        assert listener.codes == ["FEED_UNREACHABLE"]
        assert listener.connected == []


def test_lag_is_measured_and_told_when_it_begins_and_ends() -> None:
    async def script(socket: web.WebSocketResponse, number: int) -> None:
        await greet(socket, "AAA")
        for count in range(400):
            old = trade(count)
            if count < 25:
                old["t"] = SystemClock().now_ns() // 1_000_000 - 8_000
            await say(socket, old)
            await asyncio.sleep(0.05)

    with (
        websocket_script(script) as port,
        feeding(f"ws://127.0.0.1:{port}/stocks", ["AAA"]) as (feed, listener),
    ):
        listener.wait(lambda heard: heard.codes.count("FEED_LAG") >= 2)
        told = [severity for severity, code, _ in listener.notices if code == "FEED_LAG"]
        assert told[0] is Severity.CRITICAL
        assert told[-1] is not Severity.CRITICAL
        assert feed.lag_p99_ns is not None


def test_only_lasting_data_starts_the_backoff_anew() -> None:
    """A server that accepts, sends and throws out at once is approached ever more slowly."""

    async def script(socket: web.WebSocketResponse, number: int) -> None:
        await greet(socket, "AAA")
        await say(socket, trade(number))
        await asyncio.sleep(0.05)
        await socket.close()

    with websocket_script(script) as port:
        url = f"ws://127.0.0.1:{port}/stocks"
        with feeding(url, ["AAA"], backoff_first_seconds=0.05, backoff_max_seconds=5.0) as (feed, listener):
            listener.wait(lambda heard: len(heard.connected) == 3)
            assert feed._backoff._seconds >= 0.2

    async def lasting(socket: web.WebSocketResponse, number: int) -> None:
        await greet(socket, "AAA")
        await say(socket, trade(2 * number))
        await say(socket, trade(2 * number + 1))
        await asyncio.sleep(0.05)
        await socket.close()

    with websocket_script(lasting) as port:
        url = f"ws://127.0.0.1:{port}/stocks"
        options = {"backoff_first_seconds": 0.05, "backoff_max_seconds": 5.0, "stable_seconds": 0.0}
        with feeding(url, ["AAA"], **options) as (feed, listener):
            listener.wait(lambda heard: len(heard.connected) == 4 and len(heard.ticks) == 8)
            assert feed._backoff._seconds <= 0.1


def test_a_channel_that_is_refused_altogether_ends_the_feed() -> None:
    connections = 0

    async def script(socket: web.WebSocketResponse, number: int) -> None:
        nonlocal connections
        connections = number
        await greet(socket)
        await say(socket, {"ev": "status", "status": "error", "message": "not authorized"})
        await socket.receive()

    with (
        websocket_script(script) as port,
        feeding(f"ws://127.0.0.1:{port}/stocks", ["AAA"]) as (_, listener),
    ):
        listener.wait(lambda heard: "FEED_NOT_AUTHORIZED" in heard.codes)
        idles = listener.idles
        listener.wait(lambda heard: heard.idles > idles + 12)
        assert connections == 1
        assert listener.connected == []
