"""Market data with its oddities, as the vendors' own clients hear it: revised bars, bands, fractions, plans."""

from __future__ import annotations

import asyncio
import json
import threading
from collections import Counter
from typing import TYPE_CHECKING, Any

import massive
import polygon
import pytest
import websocket
from aiohttp import web

from kyzlo_actors.venue.outlet import Outlet
from tests.conformance.clients import SCENARIO, STILL, fed, feed_client

if TYPE_CHECKING:
    from tests.venue.conftest import RunningVenue, StartVenue

WAIT_SECONDS = 20.0
FRIDAY = "2026-11-20T11:00:10-05:00"


def intraday(**market: Any) -> dict[str, Any]:
    """A busy market whose minutes last a second."""
    symbol = {**STILL, "symbol": "AAA", "name": "A", "start_price": 100, "ticks_per_second": 4}
    symbol["volatility"] = 0.01
    return {
        **SCENARIO,
        "symbols": [symbol],
        "calendar": {"mode": "exchange"},
        "clock": {"starts_at": FRIDAY, "speed": 60},
        "market": {"mode": "intraday", **market},
    }


@pytest.mark.parametrize("module", [massive, polygon])
def test_a_late_trade_sends_its_minute_again(start_venue: StartVenue, module: Any) -> None:
    venue = start_venue(**intraday(late_share=1.0), behaviour={"minute_revision_window_ms": 600_000})

    def revised(heard: list[Any]) -> list[Any]:
        starts = Counter(bar.start_timestamp for bar in heard)
        twice = {start for start, times in starts.items() if times > 1}
        return [bar for bar in heard if bar.start_timestamp in twice]

    bars = fed(module, venue, ["AM.AAA"], revised)
    same = [bar for bar in bars if bar.start_timestamp == bars[0].start_timestamp]
    assert len({bar.volume for bar in same}) > 1


def test_p7_without_a_window_no_minute_is_sent_again(start_venue: StartVenue) -> None:
    venue = start_venue(**intraday(late_share=1.0), behaviour={"minute_revision_window_ms": 0})
    bars = fed(massive, venue, ["AM.AAA"], lambda heard: heard if len(heard) >= 6 else None)
    assert len({bar.start_timestamp for bar in bars}) == len(bars)


def test_a_price_that_leaves_its_band_is_told(start_venue: StartVenue) -> None:
    venue = start_venue(**intraday(news_share=1.0, news_size=0.4, luld_band=0.01, burst_share=0.5))
    first = fed(massive, venue, ["LULD.AAA", "T.AAA"], lambda heard: [m for m in heard if is_band(m)])[0]
    assert first.low_price < first.high_price
    assert len(str(first.timestamp)) == 16  # microseconds, whatever the schema says


def is_band(message: Any) -> bool:
    return type(message).__name__ == "LimitUpLimitDown"


def test_fractions_of_a_share_have_no_whole_size(start_venue: StartVenue) -> None:
    symbols = [{**STILL, "symbol": "AAA", "name": "A", "start_price": 100, "ticks_per_second": 100}]
    market = {"mode": "steady", "spread_bps": 20, "odd_lot_share": 1}
    venue = start_venue(**{**SCENARIO, "symbols": symbols, "market": market})
    (trade, *_) = fed(massive, venue, ["T.AAA"], lambda heard: [t for t in heard if t.size == 0])
    assert 0 < float(trade.fractional_shares) < 1 and isinstance(trade.fractional_shares, str)


def test_a_delayed_plan_is_sent_to_the_delayed_host(start_venue: StartVenue) -> None:
    venue = start_venue(**SCENARIO, polygon={"delayed": True})
    real_time = venue.polygon()
    (told,) = real_time.recv()
    assert told["status"] == "error" and "access real-time data" in told["message"]
    delayed = venue.socket("/delayed/stocks")
    assert delayed.recv()[0]["status"] == "connected"
    delayed.send(action="auth", params="P")
    assert delayed.recv()[0]["status"] == "auth_success"
    delayed.send(action="subscribe", params="T.AAA")
    assert delayed.recv()[0]["message"] == "subscribed to: T.AAA"


def test_a_plan_without_quotes_refuses_that_channel_only(start_venue: StartVenue) -> None:
    venue = start_venue(**SCENARIO, polygon={"channels": ["T", "AM"]})
    socket = venue.polygon("Q.AAA,T.AAA")
    assert [(row["status"], row["message"]) for row in socket.recv()] == [
        ("error", "not authorized"),
        ("success", "subscribed to: T.AAA"),
    ]


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"slow_consumer_message": "Reading too slowly, goodbye.", "slow_consumer_code": 1013},
    ],
)
def test_p6_who_reads_too_slowly_is_told_and_ended(
    start_venue: StartVenue, monkeypatch: pytest.MonkeyPatch, answer: dict[str, Any]
) -> None:
    stuck, send, too_slow = threading.Event(), web.WebSocketResponse.send_str, Outlet._too_slow

    async def send_when_there_is_room(socket: web.WebSocketResponse, frame: str, **options: Any) -> None:
        while stuck.is_set():  # noqa: ASYNC110 - another thread sets it
            await asyncio.sleep(0.01)
        await send(socket, frame, **options)

    def room_again(outlet: Outlet) -> None:
        too_slow(outlet)
        stuck.clear()

    # A reader stands still until the buffers in between are full: how long they last is the machine's affair.
    monkeypatch.setattr(web.WebSocketResponse, "send_str", send_when_there_is_room)
    monkeypatch.setattr(Outlet, "_too_slow", room_again)
    market = {"mode": "steady"}
    venue = start_venue(**{**SCENARIO, "market": market}, polygon={"buffer_frames": 3}, behaviour=answer)
    slow = venue.polygon("T.*")
    stuck.set()
    venue.until(lambda: not stuck.is_set())
    assert ended_with(slow.raw) == (
        answer.get("slow_consumer_message", "You are reading too slowly."),
        answer.get("slow_consumer_code", 1008),
    )
    venue.until(lambda: venue.ctl()["connections"]["polygon"] == 0)


def ended_with(socket: websocket.WebSocket) -> tuple[str, int]:
    """The word before the end, and the code of the goodbye."""
    told = ""
    while True:
        opcode, data = socket.recv_data()
        if opcode == websocket.ABNF.OPCODE_CLOSE:
            return told, int.from_bytes(data[:2], "big")
        for row in json.loads(data):
            told = row["message"] if row.get("status") == "slow_consumer" else told


@pytest.mark.parametrize("evict", ["oldest", "newest", "random"])
def test_one_of_two_connections_has_to_go(start_venue: StartVenue, evict: str) -> None:
    venue = start_venue(**SCENARIO, behaviour={"max_connections": 1, "evict": evict})

    async def session() -> list[bool]:
        tasks = []
        for _ in range(2):
            client = feed_client(massive, venue, ["T.AAA"])
            tasks.append(asyncio.create_task(client.connect(nothing)))
            await asyncio.sleep(1.0)
        done, alive = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED, timeout=WAIT_SECONDS)
        assert len(done) == 1 and "1008" in str(next(iter(done)).exception())
        for task in alive:
            task.cancel()
        return [task in alive for task in tasks]

    survivors = asyncio.run(session())
    if evict != "random":
        assert survivors == ([False, True] if evict == "oldest" else [True, False])


def test_random_eviction_hits_either(start_venue: StartVenue) -> None:
    venue = start_venue(**SCENARIO, behaviour={"max_connections": 1, "evict": "random"})
    hit = set()
    for _ in range(40):
        pair = [venue.polygon(), venue.polygon()]
        hit.update(evicted(venue, pair))
        for socket in pair:
            socket.raw.close()
        venue.until(lambda: venue.ctl()["connections"]["polygon"] == 0)
        if hit == {0, 1}:
            return
    raise AssertionError(f"always the same one: {hit}")


def evicted(venue: RunningVenue, pair: list[Any]) -> list[int]:
    venue.until(lambda: venue.ctl()["connections"]["polygon"] == 1)
    found = []
    for place, socket in enumerate(pair):
        if not socket.silent(0.2):
            found.append(place)
    return found


async def nothing(messages: list[Any]) -> None:
    """Takes what comes."""
