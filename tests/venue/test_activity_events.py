"""The stream of the account's activities: replay by id and time, live, busts, heartbeats, slow readers."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from hypothesis import given
from hypothesis import strategies as st

from kyzlo_actors.domain.values import Side
from kyzlo_actors.replay.matching_messages import CashBooked, Fill, FillBusted
from kyzlo_actors.venue.broker import activity_events
from kyzlo_actors.venue.broker.activity_events import ActivityEvents
from kyzlo_actors.venue.broker.activity_ledger import ActivityLedger, is_ulid, ulid

if TYPE_CHECKING:
    from conftest import RunningVenue, StartVenue

PATH = "/v2beta1/events/activities"
KEYS = {"APCA-API-KEY-ID": "K", "APCA-API-SECRET-KEY": "S"}
MS = 1_000_000


def fill(number: int, ts_ms: int = 0) -> Fill:
    return Fill(
        execution_id=f"x{number}",
        venue_order_id=f"o{number}",
        client_order_id=f"c{number}",
        symbol="AAA",
        side=Side.BUY,
        qty=Decimal(1),
        price=Decimal("2.5"),
        cum_qty=Decimal(1),
        leaves_qty=Decimal(0),
        position_qty=Decimal(number),
        ts=ts_ms * MS,
    )


class Engine:
    """As much of the matching engine as the ledger reads."""

    def __init__(self) -> None:
        self.fills: list[Fill] = []
        self.busts: list[FillBusted] = []
        self.cash_entries: list[CashBooked] = []


def ledger_of(engine: Engine) -> ActivityLedger:
    return ActivityLedger(engine, "PA3TEST")  # type: ignore[arg-type]


# ---------------------------------------------------------------- ids and the ledger


@given(st.lists(st.tuples(st.integers(0, 2**47), st.integers(1, 2**40)), min_size=2, unique=True))
def test_ids_sort_like_time_and_number(pairs: list[tuple[int, int]]) -> None:
    assert [ulid(*pair) for pair in sorted(pairs)] == sorted(ulid(*pair) for pair in pairs)
    assert all(is_ulid(ulid(*pair)) for pair in pairs)


@given(st.lists(st.integers(0, 1_000), max_size=40))
def test_ids_grow_even_when_the_clock_leaps_back(times_ms: list[int]) -> None:
    engine = Engine()
    ledger = ledger_of(engine)
    for number, ts_ms in enumerate(times_ms):
        engine.fills.append(fill(number, ts_ms))
        assert ledger.refresh() == number + 1
    ids = [entry.event_id for entry in ledger.entries]
    assert ids == sorted(set(ids))
    assert [entry.ref_id for entry in ledger.entries] == [f"x{number}" for number in range(len(times_ms))]


def test_a_correction_names_the_word_before_it() -> None:
    engine = Engine()
    ledger = ledger_of(engine)
    engine.fills.append(fill(1, 5))
    engine.busts.append(FillBusted(fill=fill(1), price=Decimal("2.4"), position_qty=Decimal(1), ts=6 * MS))
    engine.busts.append(FillBusted(fill=fill(1), price=None, position_qty=Decimal(0), ts=6 * MS))
    engine.cash_entries.append(
        CashBooked(sequence=1, kind="FEE", amount=Decimal("-0.02"), cash=Decimal(9), symbol=None, ts=5 * MS)
    )
    ledger.refresh()
    rows = [ledger.as_json(entry) for entry in ledger.entries]
    first, fee, corrected, busted = rows
    assert [row.get("execution_type") for row in rows] == ["fill", None, "trade_correct", "trade_bust"]
    assert (first["ref_id"], first["previous_id"], first["client_order_id"]) == ("x1", None, "c1")
    assert (corrected["previous_id"], busted["previous_id"]) == ("x1", corrected["ref_id"])
    assert (corrected["price"], busted["position_qty"]) == ("2.4", "0")
    assert (fee["activity_type"], fee["net_amount"], fee["previous_id"]) == ("FEE", "-0.02", None)


# ---------------------------------------------------------------- over the wire


class Reader:
    """Reads one stream on a thread of its own."""

    def __init__(self, venue: RunningVenue, **query: str) -> None:
        self.events: list[dict[str, Any]] = []
        self.comments: list[str] = []
        self.is_over = threading.Event()
        self._reply = httpx.Client(headers=KEYS, timeout=20).stream("GET", venue.url + PATH, params=query)
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()
        venue.until(lambda: self.comments)

    def _read(self) -> None:
        with self._reply as reply:
            assert reply.headers["content-type"].startswith("text/event-stream")
            for line in lines_of(reply):
                if line.startswith(":"):
                    self.comments.append(line)
                elif line:
                    self.events.append(json.loads(line.removeprefix("data: ")))
        self.is_over.set()


def lines_of(reply: httpx.Response) -> Iterator[str]:
    try:
        yield from reply.iter_lines()
    except httpx.TransportError:
        return  # the venue ended


def test_fills_busts_and_cash_come_live_and_again(venue: RunningVenue) -> None:
    live = Reader(venue)
    venue.bought("3", "a")
    (first,) = venue.until(lambda: live.events)
    assert (first["execution_type"], first["client_order_id"], first["qty"]) == ("fill", "a", "3")
    (row,) = venue.rest.get("/v2/account/activities/FILL").json()
    assert row["id"].endswith(first["ref_id"])
    venue.ctl(
        bust_fill={"execution_id": first["ref_id"], "price": "99"}, book_cash={"kind": "FEE", "amount": -1}
    )
    venue.until(lambda: len(live.events) == 3)
    assert [event.get("execution_type") for event in live.events] == ["fill", "trade_correct", None]
    assert live.events[1]["previous_id"] == first["ref_id"]
    again = Reader(venue, since_id=first["event_id"])
    venue.until(lambda: len(again.events) == 2)
    assert again.events == live.events[1:]
    whole = Reader(venue, since="2020-01-01", until_id=live.events[1]["event_id"])
    assert whole.is_over.wait(20), "what was asked for is over"
    assert whole.events == live.events[:2]


def test_a_time_in_the_past_ends_it_and_the_venues_end_too(venue: RunningVenue) -> None:
    venue.bought("1", "a")
    past = Reader(venue, since="2020-01-01", until="2021-01-01T00:00:00Z")
    assert past.is_over.wait(20) and past.events == []
    live = Reader(venue)
    venue.stop()
    assert live.is_over.wait(20)


def test_somebody_who_waits_hears_a_heartbeat(start_venue: StartVenue) -> None:
    venue = start_venue(streams={"heartbeat_seconds": 0.05})
    reader = Reader(venue)
    venue.until(lambda: reader.comments.count(": heartbeat") >= 2)


@pytest.mark.parametrize(
    "query",
    ["since_id=x", "since=soon", f"since_id={ulid(1, 1)}&since=2020-01-01", "until=soon", "until_id=1"],
)
def test_what_it_cannot_use_it_refuses(venue: RunningVenue, query: str) -> None:
    reply = venue.rest.get(f"{PATH}?{query}")
    assert reply.status_code == 422 and reply.json()["code"] == 40010001


def test_it_asks_for_keys(venue: RunningVenue) -> None:
    reply = httpx.get(venue.url + PATH)
    assert (reply.status_code, reply.json()) == (401, {"message": "unauthorized."})


def test_who_reads_too_slowly_loses_the_middle_and_is_told() -> None:
    async def scene() -> list[str]:
        engine = Engine()
        events = ActivityEvents(ledger_of(engine), lambda: 0, heartbeat_seconds=60, max_behind=10)
        app = web.Application()
        app.router.add_get(PATH, events.read)
        async with TestClient(TestServer(app)) as client, client.get(PATH) as reply:
            lines: list[str] = []
            assert await reply.content.readuntil(b"\n\n") == b": connected\n\n"
            # Between two looks at the ledger more happens than a reader may be behind.
            engine.fills += [fill(number) for number in range(11)]
            lines.append((await reply.content.readuntil(b"\n\n")).decode())
            engine.fills.append(fill(99))
            lines.append((await reply.content.readuntil(b"\n\n")).decode())
            events.stop()
            return lines

    slow, next_one = asyncio.run(scene())
    assert slow == ": you are reading too slowly, dropped 11 messages\n\n"
    assert json.loads(next_one.removeprefix("data: "))["ref_id"] == "x99"


def test_readers_are_bounded_and_those_who_leave_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(activity_events, "MAX_READERS", 3)

    async def scene() -> None:
        events = ActivityEvents(ledger_of(Engine()), lambda: 0, heartbeat_seconds=60)
        app = web.Application()
        app.router.add_get(PATH, events.read)
        async with TestClient(TestServer(app)) as client:
            replies = [await client.get(PATH) for _ in range(3)]
            assert (await client.get(PATH)).status == 429
            for reply in replies:
                reply.close()
            async with asyncio.timeout(20):
                while events.readers:  # noqa: ASYNC110
                    await asyncio.sleep(0.02)
            events.stop()

    asyncio.run(scene())
