"""trade_updates with a bad day: MessagePack, goodbyes of all kinds, silence, events twice and in the wrong order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgpack
import pytest
import websocket

from tests.conformance.clients import SCENARIO, listening, market_order
from tests.venue.broker_client import broker

if TYPE_CHECKING:
    from tests.venue.conftest import RunningVenue, StartVenue

WAIT_SECONDS = 20.0


def filled(venue: RunningVenue, order: Any) -> Any:
    client = broker(venue)
    return venue.until(lambda: client.get_order_by_id(order.id).status.value == "filled")


def test_it_speaks_message_pack_to_who_asks_for_it(start_venue: StartVenue) -> None:
    venue = start_venue(**SCENARIO)
    header = ["Content-Type: application/msgpack"]
    url = f"ws://127.0.0.1:{venue.port}/stream"
    socket = websocket.create_connection(url, timeout=WAIT_SECONDS, header=header)
    keys = {"key_id": "K", "secret_key": "S"}
    socket.send_binary(msgpack.packb({"action": "authenticate", "data": keys}))
    assert msgpack.unpackb(socket.recv())["data"]["status"] == "authorized"
    socket.send_binary(msgpack.packb({"action": "listen", "data": {"streams": ["trade_updates"]}}))
    assert msgpack.unpackb(socket.recv())["data"]["streams"] == ["trade_updates"]
    order = market_order(broker(venue))
    heard = [msgpack.unpackb(socket.recv())["data"] for _ in range(3)]
    socket.close()
    assert [data["event"] for data in heard] == ["pending_new", "new", "fill"]
    assert {data["order"]["id"] for data in heard} == {str(order.id)}


@pytest.mark.parametrize("code", [1000, 1006, 1012])
def test_the_client_comes_back_after_a_goodbye(start_venue: StartVenue, code: int) -> None:
    venue = start_venue(**SCENARIO)
    with listening(venue) as updates:
        plain = venue.stream()
        venue.ctl(close_streams=code)
        if code == 1006:
            with pytest.raises((websocket.WebSocketException, OSError)):
                plain.raw.recv_data(control_frame=True)
        else:
            opcode, data = plain.raw.recv_data()
            assert (opcode, int.from_bytes(data[:2], "big")) == (websocket.ABNF.OPCODE_CLOSE, code)
        venue.until(lambda: venue.ctl()["ws"] == 1)
        order = market_order(broker(venue))
        venue.until(lambda: updates.events(order.id) == ["pending_new", "new", "fill"])


def test_a_mute_stream_is_silent_and_the_order_fills(start_venue: StartVenue) -> None:
    venue = start_venue(**SCENARIO)
    with listening(venue) as updates:
        venue.ctl(mute_stream=True)
        unheard = market_order(broker(venue))
        filled(venue, unheard)
        venue.ctl(mute_stream=False)
        heard = market_order(broker(venue))
        venue.until(lambda: "fill" in updates.events(heard.id))
        assert updates.events(unheard.id) == []


def test_the_same_event_may_come_twice(start_venue: StartVenue) -> None:
    venue = start_venue(**SCENARIO)
    with listening(venue) as updates:
        venue.ctl(faults=[{"fault": "duplicate_events", "event": "fill", "count": 1}])
        order = market_order(broker(venue))
        venue.until(lambda: len(updates.of(order.id, "fill")) == 2)
        assert len({update.execution_id for update in updates.of(order.id, "fill")}) == 1
        venue.ctl(replay_events={"order": str(order.id)})
        venue.until(lambda: len(updates.of(order.id, "fill")) >= 3)
        assert len({update.execution_id for update in updates.of(order.id, "fill")}) == 1


def test_events_may_change_places(start_venue: StartVenue) -> None:
    venue = start_venue(**SCENARIO)
    with listening(venue) as updates:
        venue.ctl(faults=[{"fault": "swap_events", "event": "new", "count": 1}])
        order = market_order(broker(venue))
        venue.until(lambda: updates.events(order.id) == ["pending_new", "fill", "new"])
