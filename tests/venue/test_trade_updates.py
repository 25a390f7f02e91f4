"""`trade_updates` by itself: who gets what in which form, and what faults do to it. Events are published by hand."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import msgpack
import pytest
from aiohttp import ClientWebSocketResponse, WSMsgType, WSServerHandshakeError, web
from aiohttp.test_utils import TestClient, TestServer

from kyzlo_actors.venue.broker import trade_updates
from kyzlo_actors.venue.broker.trade_updates import FOR_EVER, TradeUpdates
from kyzlo_actors.venue.control.behaviour import Behaviour, Switches
from kyzlo_actors.venue.control.faults import Faults
from kyzlo_actors.venue.control.malformed import MALFORMED

WAIT = 20
EVENTS = (
    *("pending_new", "accepted", "new", "partial_fill", "fill", "canceled", "expired", "done_for_day"),
    *("replaced", "rejected", "pending_cancel", "pending_replace", "stopped", "suspended", "calculated"),
    *("order_cancel_rejected", "order_replace_rejected", "held", "restated", "pending_review"),
    "brand_new_event",
)
MSGPACK = {"Content-Type": "application/msgpack"}


def event(name: str = "new", order_id: str = "1", **order: Any) -> dict[str, Any]:
    return {
        "event": name,
        "execution_id": f"{order_id}:{name}",
        "order": {"id": order_id, "client_order_id": f"c{order_id}", "symbol": "AAA", **order},
    }


class Stage:
    """A stream with clients."""

    def __init__(
        self, client: TestClient[Any, Any], stream: TradeUpdates, faults: Faults, switches: Switches
    ):
        self.client, self.stream, self.faults, self.switches = client, stream, faults, switches

    async def connect(self, **headers: str) -> ClientWebSocketResponse:
        return await self.client.ws_connect("/stream", headers=headers)

    async def listener(self, *, packed: bool = False) -> ClientWebSocketResponse:
        socket = await self.connect(**(MSGPACK if packed else {}))
        send = (lambda body: socket.send_bytes(msgpack.packb(body))) if packed else socket.send_json
        await send({"action": "authenticate", "data": {"key_id": "K", "secret_key": "S"}})
        await send({"action": "listen", "data": {"streams": ["trade_updates", "brand_new_stream"]}})
        assert (await receive(socket))["data"] == {"status": "authorized", "action": "authenticate"}
        assert (await receive(socket))["data"] == {"streams": ["trade_updates"]}
        return socket


async def receive(socket: ClientWebSocketResponse) -> Any:
    message = await socket.receive(timeout=WAIT)
    assert message.type in (WSMsgType.TEXT, WSMsgType.BINARY), message
    if message.type is WSMsgType.BINARY and message.data[:1] != b"{":
        return msgpack.unpackb(message.data)
    return json.loads(message.data)


async def names(socket: ClientWebSocketResponse, count: int) -> list[str]:
    return [(await receive(socket))["data"]["event"] for _ in range(count)]


async def ended(socket: ClientWebSocketResponse) -> int | None:
    """The code with which the server ended the connection."""
    while True:
        message = await socket.receive(timeout=WAIT)
        if message.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
            return socket.close_code


async def until(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(WAIT):
        while not condition():  # noqa: ASYNC110 (there is nothing to wait for but the state)
            await asyncio.sleep(0.01)


@asynccontextmanager
async def stage(**options: Any) -> AsyncIterator[Stage]:
    faults, switches = Faults(), Switches(Behaviour(**options.pop("behaviour", {})))
    stream = TradeUpdates(
        check_keys=lambda key, secret: (key, secret) == ("K", "S"),
        faults=faults,
        switches=switches,
        **options,
    )
    app = web.Application()
    app.router.add_get("/stream", stream.handle)
    task = asyncio.create_task(stream.run())
    try:
        async with TestClient(TestServer(app)) as client:
            yield Stage(client, stream, faults, switches)
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def scene(play: Callable[[Stage], Awaitable[None]], **options: Any) -> None:
    async def run() -> None:
        async with stage(**options) as made:
            await play(made)

    asyncio.run(run())


def test_every_event_reaches_every_listener_in_its_own_form() -> None:
    async def play(at: Stage) -> None:
        plain, packed = await at.listener(), await at.listener(packed=True)
        for name in EVENTS:
            at.stream.publish(event(name))
        for socket in (plain, packed):
            assert await names(socket, len(EVENTS)) == list(EVENTS)
        at.switches.change({"stream_frames": "text"})
        at.stream.publish(event())
        assert (await plain.receive(timeout=WAIT)).type is WSMsgType.TEXT
        assert (await packed.receive(timeout=WAIT)).type is WSMsgType.BINARY

    scene(play)


def test_keys_are_asked_for_in_both_forms_and_listening_sets_the_whole() -> None:
    async def play(at: Stage) -> None:
        socket = await at.connect()
        await socket.send_bytes(b'{"action":"listen","data":{"streams":["trade_updates"]}}')
        assert (await receive(socket))["data"] == {"status": "unauthorized", "action": "listen"}
        await socket.send_bytes(msgpack.packb({"action": "auth", "key": "K", "secret": "no"}))
        assert (await receive(socket))["data"]["status"] == "unauthorized"
        await socket.send_json({"action": "auth", "key": "K", "secret": "S"})
        assert (await receive(socket))["data"] == {"status": "authorized", "action": "authenticate"}
        for streams, listeners in (
            (["other", "trade_updates"], 1),
            (["other"], 0),
            (["trade_updates"], 1),
            ([], 0),
        ):
            await socket.send_json({"action": "listen", "data": {"streams": streams}})
            known = [name for name in streams if name == "trade_updates"]
            assert (await receive(socket)) == {"stream": "listening", "data": {"streams": known}}
            assert at.stream.listeners == listeners
        await socket.send_json({"action": "listen", "data": {"streams": ["trade_updates"]}})
        await receive(socket)
        await socket.send_json({"action": "auth", "key": "no", "secret": "S"})
        await receive(socket)
        assert at.stream.listeners == 0, "who is no longer authorized hears nothing"

    scene(play)


def test_upgrades_are_refused_while_they_are_to_be() -> None:
    async def play(at: Stage) -> None:
        async def refused() -> int:
            with pytest.raises(WSServerHandshakeError) as told:
                await at.connect()
            return told.value.status

        at.stream.refuse(FOR_EVER, 429)
        assert [await refused(), await refused()] == [429, 429]
        at.stream.refuse(60, 503)
        assert await refused() == 503
        at.stream.refuse(0, 429)
        await at.listener()

    scene(play)


def test_a_second_stream_is_refused_taken_or_takes_the_place_of_the_first() -> None:
    async def play(at: Stage) -> None:
        first = await at.listener()
        with pytest.raises(WSServerHandshakeError) as told:
            await at.connect()
        assert told.value.status == 429
        at.switches.change({"second_stream": "evict_oldest"})
        gone = asyncio.create_task(ended(first))
        second = await at.listener()
        assert await gone == 1000
        at.switches.change({"second_stream": "both"})
        third = await at.listener()
        at.stream.publish(event())
        assert await names(second, 1) == await names(third, 1) == ["new"]

    scene(play, behaviour={"second_stream": "refuse"})


def test_goodbyes_have_the_code_asked_for() -> None:
    async def play(at: Stage) -> None:
        for code in (1000, 1001, 1011, 1012, 1006):
            socket = await at.listener()
            await at.stream.close_all(code)
            assert await ended(socket) == code
            await until(lambda: at.stream.connections == 0)
            assert at.stream.listeners == 0

    scene(play)


def test_a_socket_that_answers_no_ping_is_forgotten() -> None:
    async def play(at: Stage) -> None:
        socket = await at.client.ws_connect("/stream", autoping=False)
        await until(lambda: at.stream.connections == 1)
        await until(lambda: at.stream.connections == 0)
        socket._response.close()  # the peer that is half dead never says goodbye

    scene(play, reap_seconds=0.3)


def test_a_reader_too_slow_is_cut_off_and_the_others_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    async def play(at: Stage) -> None:
        await at.listener()
        for _ in range(3_000):
            at.stream.publish(event(padding="x" * 2_000))
        await until(lambda: at.stream.connections == 0)
        at.stream.publish(event("fill"))
        assert await names(await at.listener(), 0) == []

    scene(play)


def test_what_waits_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trade_updates, "MAX_WAITING_EVENTS", 5)

    async def play(at: Stage) -> None:
        socket = await at.listener()
        for number in range(8):
            at.stream.publish(event(f"e{number}"))
        assert await names(socket, 5) == [f"e{number}" for number in range(5)]
        assert at.stream.events_lost == 3

    scene(play)


def test_events_are_dropped_doubled_and_swapped_where_a_rule_says_so() -> None:
    async def play(at: Stage) -> None:
        socket = await at.listener()
        at.faults.set("drop_events", {"event": "new", "order": "c2"})
        at.faults.set("duplicate_events", {"event": "fill", "symbol": "BBB"})
        at.faults.set("swap_events", {"event": "partial_fill"})
        for name, order_id, symbol in (
            ("new", "1", "AAA"),
            ("new", "2", "AAA"),
            ("partial_fill", "1", "AAA"),
            ("fill", "1", "AAA"),
            ("fill", "3", "BBB"),
            ("canceled", "4", "AAA"),
        ):
            at.stream.publish(event(name, order_id, symbol=symbol))
        told = [(await receive(socket))["data"] for _ in range(6)]
        assert [(data["event"], data["order"]["id"]) for data in told] == [
            ("new", "1"),
            ("fill", "1"),
            ("partial_fill", "1"),
            ("fill", "3"),
            ("fill", "3"),
            ("canceled", "4"),
        ]
        assert told[3]["execution_id"] == told[4]["execution_id"]
        assert at.stream.events_lost == 1 and at.stream.events_sent == 6

    scene(play)


def test_a_swapped_event_that_nothing_follows_comes_by_itself() -> None:
    async def play(at: Stage) -> None:
        socket = await at.listener()
        at.faults.set("swap_events", 1)
        at.stream.publish(event("fill"))
        assert await names(socket, 1) == ["fill"]

    scene(play)


def test_delays_keep_the_order_unless_they_are_for_some_events_only() -> None:
    async def play(at: Stage) -> None:
        socket = await at.listener()
        at.faults.set("delay_events_ms", 200)
        at.stream.publish(event("pending_new"))
        at.faults.set("delay_events_ms", 0)
        at.stream.publish(event("new"))
        assert await names(socket, 2) == ["pending_new", "new"]
        at.faults.set("delay_events_ms", {"ms": 300, "event": "fill", "count": 1})
        at.stream.publish(event("fill"))
        at.stream.publish(event("canceled", "2"))
        assert await names(socket, 2) == ["canceled", "fill"]

    scene(play)


def test_mute_is_for_all_or_for_some() -> None:
    async def play(at: Stage) -> None:
        socket = await at.listener()
        at.faults.set("mute_stream", {"symbol": "AAA"})
        at.stream.publish(event("fill"))
        at.stream.publish(event("fill", "2", symbol="BBB"))
        assert (await receive(socket))["data"]["order"]["id"] == "2"
        at.faults.set("mute_stream", True)
        at.stream.publish(event("fill", "3", symbol="BBB"))
        await until(lambda: at.stream.events_lost == 2)
        at.faults.set("mute_stream", False)
        at.stream.publish(event("fill", "4"))
        assert (await receive(socket))["data"]["order"]["id"] == "4"

    scene(play)


def test_events_are_replayed_with_the_same_ids() -> None:
    async def play(at: Stage) -> None:
        socket = await at.listener()
        for order_id in "1223":
            at.stream.publish(event("fill", order_id))
        first = [(await receive(socket)) for _ in range(4)]
        assert at.stream.replay(after_ms=20, order="c2") == 2
        assert [(await receive(socket)) for _ in range(2)] == first[1:3]
        assert at.stream.replay(after_ms=0, last=1) == 1
        assert await receive(socket) == first[3]

    scene(play)


def test_the_cancel_nobody_asked_for_can_be_hidden() -> None:
    async def play(at: Stage) -> None:
        socket = await at.listener()
        at.faults.set("hide_sibling_cancel", 5)
        at.stream.publish(event("pending_cancel", "1", order_class="bracket"))
        at.stream.publish(event("canceled", "1", order_class="bracket"))
        at.stream.publish(event("canceled", "2", order_class="bracket"))
        at.stream.publish(event("canceled", "3"))
        told = [(await receive(socket))["data"]["order"]["id"] for _ in range(3)]
        assert told == ["1", "1", "3"]

    scene(play)


def test_broken_frames_are_broken_and_the_next_is_whole() -> None:
    async def play(at: Stage) -> None:
        sockets = await at.listener(), await at.listener(packed=True)
        for kind in MALFORMED:
            at.faults.set("malformed_events", {"kind": kind})
            at.stream.publish(event("fill"))
            at.stream.inject(kind)  # type: ignore[arg-type]
            at.stream.publish(event("new"))
            for socket in sockets:
                broken = [(await socket.receive(timeout=WAIT)).data for _ in range(2)]
                assert broken[0] == broken[1] != json.dumps(event("fill")).encode()
                assert await names(socket, 1) == ["new"]

    scene(play)


def test_nonsense_from_clients_is_ignored() -> None:
    async def play(at: Stage) -> None:
        socket = await at.listener()
        for nonsense in (
            b"",
            b"\xc1",
            b"{",
            b"[]",
            b"\x91\x01",
            msgpack.packb({"action": ["x"]}),
            b"\xdf\xff\xff",
        ):
            await socket.send_bytes(nonsense)
        for text in ("", "{", "5", '{"action":{}}', '{"action":"listen","data":[1]}'):
            await socket.send_str(text)
        assert (await receive(socket))["data"] == {"streams": []}

    scene(play)
