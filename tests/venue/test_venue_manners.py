"""What the venue's sockets do with silent, rude and departing clients."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import websocket
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from kyzlo_actors.venue.control.behaviour import Switches
from kyzlo_actors.venue.control.faults import Faults
from kyzlo_actors.venue.frames import CannedFrames
from kyzlo_actors.venue.polygon.stream import PolygonStream
from kyzlo_actors.venue.scenario import PolygonPart

if TYPE_CHECKING:
    from conftest import RunningVenue, StartVenue


def test_who_does_not_authenticate_is_sent_away() -> None:
    async def scene() -> list[Any]:
        stream = PolygonStream(
            key="P",
            faults=Faults(),
            plan=PolygonPart(auth_seconds=0.05),
            switches=Switches(),
            canned=CannedFrames((), "polygon"),
            now_ns=lambda: 0,
        )
        app = web.Application()
        app.router.add_get("/stocks", stream.handle)
        async with TestClient(TestServer(app)) as client, client.ws_connect("/stocks") as socket:
            frames = [(await socket.receive_json(timeout=20))[0]["status"] for _ in range(2)]
            end = await socket.receive(timeout=20)
            return [*frames, end.data]

    assert asyncio.run(scene()) == ["connected", "auth_timeout", 1008]


def test_nonsense_on_the_sockets_hurts_nobody(venue: RunningVenue) -> None:
    stream, polygon = venue.stream(), venue.polygon()
    for nonsense in ("{", "[]", "null", '{"action": 5}', '{"action": "listen", "data": {"streams": 7}}'):
        stream.raw.send(nonsense)
    assert stream.recv()["data"] == {"streams": []}
    for _ in range(2):
        polygon.raw.send_binary(b"\xff\x00")
        assert polygon.recv()[0]["message"] == "unknown action"
    polygon.raw.send("x" * 300_000)
    venue.until(lambda: venue.ctl()["connections"]["polygon"] == 0)
    again = venue.polygon("T.*")
    assert again.recv()[0]["status"] == "success"


def test_clients_that_leave_are_forgotten(venue: RunningVenue) -> None:
    for _ in range(3):
        venue.stream().raw.close()
        venue.polygon("T.*").raw.shutdown()
    venue.until(lambda: set(venue.ctl()["connections"].values()) == {0})


def test_an_ending_venue_says_goodbye(start_venue: StartVenue) -> None:
    venue = start_venue()
    stream, polygon = venue.stream(), venue.polygon()
    venue.stop()
    for socket in (stream, polygon):
        opcode, data = socket.raw.recv_data()
        assert (opcode, int.from_bytes(data[:2], "big")) == (websocket.ABNF.OPCODE_CLOSE, 1001)


def test_the_exchange_calendar_is_served(start_venue: StartVenue) -> None:
    venue = start_venue(
        calendar={
            "mode": "exchange",
            "holidays": ["2026-11-26"],
            "early_closes": {"2026-11-27": "13:00"},
        }
    )
    days = venue.rest.get("/v2/calendar", params={"start": "2026-11-25", "end": "2026-11-27"}).json()
    assert days == [
        {
            "date": "2026-11-25",
            "open": "09:30",
            "close": "16:00",
            "session_open": "0400",
            "session_close": "2000",
            "settlement_date": "2026-11-27",
        },
        {
            "date": "2026-11-27",
            "open": "09:30",
            "close": "13:00",
            "session_open": "0400",
            "session_close": "1700",
            "settlement_date": "2026-11-30",
        },
    ]
