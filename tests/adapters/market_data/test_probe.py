"""A try of the stream: how far it comes, against the venue and against servers that stop half-way."""

from __future__ import annotations

import asyncio
import json

import pytest
from aiohttp import web

from kyzlo_actors.adapters.market_data.probe import StreamProbe, probe_stream
from kyzlo_actors.infrastructure.clock import SystemClock
from tests.fakes.local_server import PaperVenue, websocket_script

PATIENCE_SECONDS = 20.0


def tried(url: str, *symbols: str, key: str = "P0LYKEY", seconds: float = PATIENCE_SECONDS) -> StreamProbe:
    return probe_stream(url, key, symbols, SystemClock(), timeout_seconds=seconds)


def test_the_venue_gives_its_symbols_and_not_others(venue: PaperVenue) -> None:
    probe = tried(venue.feed_url, "AAA", "BBB")
    assert probe == StreamProbe(connected=True, authenticated=True, missing=())


def test_a_wrong_key(venue: PaperVenue) -> None:
    probe = tried(venue.feed_url, "AAA", key="WRONG")
    assert (probe.connected, probe.authenticated, probe.missing) == (True, False, ("AAA",))
    assert "refused the key" in probe.trouble


def test_nobody_listens() -> None:
    probe = tried("ws://127.0.0.1:1/stocks", "AAA")
    assert not probe.connected and probe.trouble


def status(word: str, message: str = "") -> str:
    return json.dumps([{"ev": "status", "status": word, "message": message}])


@pytest.mark.parametrize(
    ("said", "authenticated", "word"),
    [
        ([], False, "no answer within"),
        (["<html>"], False, "no answer within"),
        ([status("connected"), status("auth_success")], True, "no answer within"),
        ([status("connected"), status("max_connections")], False, "another process"),
        (
            [status("connected"), status("auth_success"), status("error", "not authorized for T.AAA")],
            True,
            "not authorized",
        ),
    ],
)
def test_servers_that_stop_half_way(said: list[str], authenticated: bool, word: str) -> None:
    async def script(socket: web.WebSocketResponse, number: int) -> None:
        for text in said:
            await socket.send_str(text)
        await asyncio.sleep(PATIENCE_SECONDS)

    with websocket_script(script) as port:
        probe = tried(f"ws://127.0.0.1:{port}/stocks", "AAA", seconds=0.5)
    assert (probe.connected, probe.authenticated, probe.missing) == (True, authenticated, ("AAA",))
    assert word in probe.trouble


def test_a_server_that_hangs_up() -> None:
    async def script(socket: web.WebSocketResponse, number: int) -> None:
        await socket.close()

    with websocket_script(script) as port:
        probe = tried(f"ws://127.0.0.1:{port}/stocks", "AAA")
    assert probe.connected and not probe.authenticated and "closed" in probe.trouble
