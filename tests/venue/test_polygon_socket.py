"""Polygon's websocket through the vendor's own client, and its bad days."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import massive
import polygon as old_polygon
import pytest
import websocket
from massive.exceptions import AuthError
from websockets.exceptions import ConnectionClosedError

if TYPE_CHECKING:
    from conftest import RunningVenue, Socket, StartVenue

WAIT_SECONDS = 20.0
INTRADAY = {"mode": "intraday", "odd_lot_share": 0.7, "trf_share": 0.4, "spread_bps": 2}
# Noon of a trading day, so that everything prints.
NOON = {"starts_at": "2026-11-20T12:00:00-05:00"}


def client(
    venue: RunningVenue, params: list[str], *, key: str = "P", feed: str = "", module: Any = massive
) -> Any:
    return module.WebSocketClient(
        api_key=key,
        feed=f"127.0.0.1:{venue.port}{feed}",
        market="stocks",
        secure=False,
        subscriptions=params,
        max_reconnects=0,
    )


async def heard(asked: Any, kinds: set[str], seconds: float = WAIT_SECONDS) -> dict[str, list[Any]]:
    """What the client made of the stream, until there was one of each of `kinds`."""
    found: dict[str, list[Any]] = {}
    done = asyncio.Event()

    async def take(messages: list[Any]) -> None:
        for message in messages:
            found.setdefault(type(message).__name__, []).append(message)
        if kinds <= found.keys():
            done.set()

    task = asyncio.create_task(asked.connect(take))
    waiting = asyncio.create_task(done.wait())
    await asyncio.wait({task, waiting}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    if task.done():
        task.result()
    task.cancel()
    return found


@pytest.mark.parametrize("module", [massive, old_polygon])
def test_the_vendors_clients_understand_every_channel(start_venue: StartVenue, module: Any) -> None:
    venue = start_venue(market=INTRADAY, calendar={"mode": "exchange"}, clock={**NOON, "speed": 30})
    params = ["T.AAA", "Q.*", "A.*", "AM.*", "LULD.AAA"]
    kinds = {"EquityTrade", "EquityQuote", "EquityAgg", "LimitUpLimitDown"}
    found = asyncio.run(heard(client(venue, params, module=module), kinds))
    assert kinds <= found.keys()
    assert {trade.symbol for trade in found["EquityTrade"]} == {"AAA"}
    assert all(agg.accumulated_volume >= agg.volume for agg in found["EquityAgg"])
    assert all(agg.official_open_price > 0 for agg in found["EquityAgg"])
    assert any(quote.bid_price < quote.ask_price for quote in found["EquityQuote"] if quote.ask_price)
    (band, *_) = found["LimitUpLimitDown"]
    assert band.low_price < band.high_price and band.timestamp > 10**15


def test_a_wrong_key_is_an_auth_error(venue: RunningVenue) -> None:
    with pytest.raises(AuthError):
        asyncio.run(heard(client(venue, ["T.*"], key="no"), {"EquityTrade"}))


def test_the_delayed_socket_is_behind_by_what_the_plan_says(start_venue: StartVenue) -> None:
    venue = start_venue(polygon={"delayed": True, "delay_seconds": 900})
    found = asyncio.run(heard(client(venue, ["T.*"], feed="/delayed"), {"EquityTrade"}))
    assert all(850 < venue.clock() / 1e9 - trade.timestamp / 1e3 < 960 for trade in found["EquityTrade"])


def statuses(socket: Socket, count: int) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    while len(found) < count:
        rows = socket.recv()
        found += [(row["status"], row["message"]) for row in rows if row["ev"] == "status"]
    return found


def test_a_delayed_plan_gets_nothing_on_the_real_time_socket(start_venue: StartVenue) -> None:
    venue = start_venue(polygon={"delayed": True})
    socket = venue.polygon()
    ((status, message),) = statuses(socket, 1)
    assert status == "error" and message.startswith("You don't have access real-time data.")
    assert message.endswith("wss://delayed.polygon.io/stocks.")
    socket.send(action="subscribe", params="T.AAA")
    assert statuses(socket, 1) == [("error", "not authorized")]
    assert socket.silent(0.5)


def test_a_plan_without_trades_still_has_bars(start_venue: StartVenue) -> None:
    venue = start_venue(polygon={"channels": ["A", "AM"]})
    socket = venue.polygon("T.AAA,Q.AAA,A.*")
    assert statuses(socket, 3) == [
        ("error", "not authorized"),
        ("error", "not authorized"),
        ("success", "subscribed to: A.*"),
    ]
    assert {row["ev"] for row in socket.recv()} == {"A"}


def end_of(socket: Socket) -> tuple[list[str], int]:
    """The statuses until the server says goodbye, and the code of that."""
    seen: list[str] = []
    while True:
        opcode, data = socket.raw.recv_data()
        if opcode == websocket.ABNF.OPCODE_CLOSE:
            return seen, int.from_bytes(data[:2], "big")
        seen += [row["status"] for row in json.loads(data) if row["ev"] == "status"]


@pytest.mark.parametrize(("evict", "victim"), [("oldest", 0), ("newest", 1)])
def test_one_of_too_many_sockets_is_sent_away(start_venue: StartVenue, evict: str, victim: int) -> None:
    venue = start_venue(behaviour={"evict": evict, "max_connections": 1})
    sockets = [venue.polygon("T.AAA"), venue.polygon("T.AAA")]
    seen, code = end_of(sockets[victim])
    assert (seen[-1], code) == ("max_connections", 1008)
    survivor = sockets[1 - victim]
    while survivor.recv()[0]["ev"] != "T":
        pass
    venue.until(lambda: venue.ctl()["connections"]["polygon"] == 1)


def test_real_time_and_delayed_sockets_share_one_quota(start_venue: StartVenue) -> None:
    venue = start_venue(behaviour={"max_connections": 1})
    first = venue.polygon("T.AAA")

    second = venue.socket("/delayed/stocks")
    second.send(action="auth", params="P")
    assert statuses(second, 2)[1][0] == "auth_success"
    assert end_of(first)[1] == 1008


def test_the_vendors_client_sees_the_eviction(start_venue: StartVenue) -> None:
    venue = start_venue(behaviour={"max_connections": 1, "evict": "random"})

    async def scene() -> list[BaseException]:
        tasks = [asyncio.create_task(client(venue, ["T.X"]).connect(print)) for _ in range(3)]
        waiting: set[asyncio.Task[None]] = set(tasks)
        while len(waiting) > 1:
            done, waiting = await asyncio.wait(
                waiting, timeout=WAIT_SECONDS, return_when=asyncio.FIRST_COMPLETED
            )
            assert done, "nobody was sent away"
        faults = [task.exception() for task in tasks if task.done()]
        for task in tasks:
            task.cancel()
        return [fault for fault in faults if fault]

    faults = asyncio.run(scene())
    assert len(faults) == 2
    assert all(isinstance(fault, ConnectionClosedError) and "1008" in str(fault) for fault in faults)


def test_who_reads_too_slowly_is_told_so_and_cut_off(start_venue: StartVenue) -> None:
    venue = start_venue(
        polygon={"buffer_frames": 1},
        behaviour={"slow_consumer_message": "too slow", "slow_consumer_code": 4008, "max_connections": 9},
        clock={"starts_at": "2026-11-20T12:00:00-05:00", "speed": 1000},
    )
    socket = venue.polygon("T.*,Q.*,A.*")
    venue.until(lambda: venue.ctl()["connections"]["polygon"] == 0)
    # Nobody else is on the line, so it was this one; whether its last word arrives is up to the reader.
    with suppress(websocket.WebSocketConnectionClosedException, ConnectionError):
        assert end_of(socket)[1] == 4008


def test_statuses_of_one_command_come_together_and_nothing_is_answered_twice(venue: RunningVenue) -> None:
    socket = venue.polygon()
    socket.send(action="subscribe", params="T.NONE,Q.NONE")
    assert [row["message"] for row in socket.recv()] == ["subscribed to: T.NONE", "subscribed to: Q.NONE"]
    socket.send(action="subscribe", params="T.NONE")
    assert socket.silent(0.3)
    socket.send(action="unsubscribe", params="T.NONE,Q.NONE")
    assert len(socket.recv()) == 2


def test_every_parameter_is_answered_those_beyond_the_bound_too(venue: RunningVenue) -> None:
    socket = venue.polygon(",".join(f"T.S{number}" for number in range(10_002)))
    told = statuses(socket, 10_002)
    assert told.count(("error", "too many subscriptions: T.S10001")) == 1
    assert [status for status, _ in told].count("success") == 10_000
    socket.send(action="unsubscribe", params="T.S0")
    socket.send(action="subscribe", params="T.S10001")
    assert [status for status, _ in statuses(socket, 2)] == ["success", "success"]


def test_sizes_of_quotes_are_shares_or_round_lots(start_venue: StartVenue) -> None:
    venue = start_venue()
    socket = venue.polygon("Q.AAA")
    statuses(socket, 1)
    shares = socket.recv()[0]
    assert shares["ev"] == "Q" and shares["bs"] % 100 == 0
    venue.ctl(behaviour={"quote_size_unit": "round_lots"})
    venue.until(lambda: socket.recv()[0]["bs"] < 10)


def test_canned_frames_come_after_the_answer(start_venue: StartVenue) -> None:
    frames = [
        [{"ev": "T", "sym": "$symbol", "p": 1.5, "t": "$now_ms"}],
        [{"ev": "T", "sym": "$symbol", "q": "$seq"}],
    ]
    venue = start_venue(
        market={"mode": "silent"}, frames=[{"stream": "polygon", "channel": "T", "frames": frames}]
    )
    socket = venue.polygon("T.ZZZ")
    assert statuses(socket, 1) == [("success", "subscribed to: T.ZZZ")]
    assert [socket.recv()[0].get("p") for _ in range(2)] == [1.5, None]
    assert socket.silent(0.5)
