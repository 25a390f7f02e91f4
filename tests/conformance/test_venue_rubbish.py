"""Rubbish for every door of the venue: no 5xx, no hang, no word in its log, and it goes on serving.

KYZLO_RUBBISH_SECONDS (default 30) bounds what is generated; the fixed lists are always played to their end.
"""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests
import schemathesis
import websocket
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode

from kyzlo_actors.venue.options import VenueOptions
from kyzlo_actors.venue.wiring import build
from tests.conformance.conftest import StartProcess
from tests.conformance.openapi import ORDER, describe, is_feed
from tests.fakes.rubbish import NO_JSON, ODD_VALUES, damaged_bytes, each_part_spoilt

BUDGET_SECONDS = float(os.environ.get("KYZLO_RUBBISH_SECONDS", "30"))
ANSWER_SECONDS = 30.0
EXAMPLES_A_ROUND = 10
COMMANDS_A_SOCKET = 20
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD", "TRACE", "PROPFIND", "X")
GOOD_ORDER = {
    "symbol": "AAPL", "qty": "1", "side": "buy", "type": "limit", "time_in_force": "day", "limit_price": "100",
    "client_order_id": "x", "order_class": "bracket", "take_profit": {"limit_price": "200"},
    "stop_loss": {"stop_price": "90", "limit_price": "89"}, "extended_hours": False, "position_intent": "buy_to_open",
    "trail_price": None, "stop_price": None, "notional": None,
}  # fmt: skip
CHANGE = {"qty": "2", "limit_price": "99", "time_in_force": "gtc", "client_order_id": "y", "trail": None}
COMMANDS: tuple[Any, ...] = (
    {"action": "authenticate", "data": {"key_id": "PKTEST", "secret_key": "SECTEST"}},
    {"action": "auth", "key": "PKTEST", "secret": "SECTEST"},
    {"action": "auth", "params": "POLYKEY"},
    {"action": "listen", "data": {"streams": ["trade_updates"]}},
    {"action": "subscribe", "params": "T.AAPL,Q.*,AM.SPY"},
    {"action": "unsubscribe", "params": "T.AAPL"},
    {"action": "subscribe", "trades": ["AAPL"], "quotes": ["*"], "bars": ["SPY"]},
)
# What is not websocket at all, after a good upgrade.
NO_FRAMES = (
    b"\x00" * 32, b"\xff" * 64, b"\x81\xff" + b"\xff" * 8, b"\x81\x05hello", b"\x8a\x80abcd", b"\x88\x02\x00\x00",
    b"\x01\x80\x00\x00\x00\x00" * 50, b"GET / HTTP/1.1\r\n\r\n", b"\xf1\x80\x00\x00\x00\x00",
)  # fmt: skip
NO_REQUESTS = (
    b"", b"\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00", b"A" * 100_000,
    b"GET /v2/account HTTP/1.1\r\nHost: x\r\n" + b"X: y\r\n" * 2_000 + b"\r\n",
    b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    b"POST /v2/orders HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
    b"POST /v2/orders HTTP/1.1\r\nHost: x\r\nContent-Length: 500\r\n\r\n{",
    b"POST /v2/orders HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
    b"GET /v2/orders?\xff\xfe=%zz&limit=%00 HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /stream HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n",
    b"GET /v2/account HTTP/1.1\r\nHost: x\r\nAPCA-API-KEY-ID: \xff\xfe\r\nAPCA-API-SECRET-KEY: \xc3\xa9\r\n\r\n",
)  # fmt: skip
pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(BUDGET_SECONDS * 2 + 240)]


class Door:
    """Sends requests with the right keys; a 5xx is a failure, an answer that does not come too."""

    def __init__(self, ready: dict[str, Any]) -> None:
        self.url, self.port = str(ready["rest"]), int(ready["port"])
        self.sent = 0
        self.statuses: dict[int, int] = {}
        self._session = requests.Session()

    def send(self, method: str, path: str, **arguments: Any) -> requests.Response:
        return self.request(method=method, url=self.url + path, **arguments)

    def request(self, **arguments: Any) -> requests.Response:
        headers = {
            "APCA-API-KEY-ID": "PKTEST",
            "APCA-API-SECRET-KEY": "SECTEST",
            "Authorization": "Bearer POLYKEY",
            **arguments.pop("headers", {}),
        }
        reply = self._session.request(
            **arguments, headers=headers, timeout=ANSWER_SECONDS, allow_redirects=False
        )
        self.sent += 1
        self.statuses[reply.status_code] = self.statuses.get(reply.status_code, 0) + 1
        assert reply.status_code < 500, f"{arguments}: {reply.status_code} {reply.text[:500]}"
        return reply

    def assert_serves(self) -> None:
        """Orders are still taken and both vendors' sockets still answer."""
        order = {**GOOD_ORDER, "client_order_id": None, "order_class": "simple"}
        order |= {"take_profit": None, "stop_loss": None, "limit_price": "1"}
        reply = self.send("POST", "/v2/orders", json=order)
        assert reply.status_code == 200, reply.text
        assert self.send("DELETE", f"/v2/orders/{reply.json()['id']}").status_code == 204
        for path, first in (("/stream", COMMANDS[0]), ("/stocks", COMMANDS[2])):
            made = websocket.create_connection(f"ws://127.0.0.1:{self.port}{path}", timeout=ANSWER_SECONDS)
            made.send(json.dumps(first))
            assert made.recv()
            made.close()


@pytest.fixture
def door(venue_process: StartProcess) -> Iterator[Door]:
    made = Door(venue_process("conformance"))
    made.send("POST", "/_ctl", json={"cfg": {"rate": 1_000_000}})
    yield made
    made.assert_serves()
    print(f"{made.sent} requests: {dict(sorted(made.statuses.items()))}")


def rounds(share: float) -> Iterator[int]:
    """Numbers of rounds, at least one, until that share of the budget is used up."""
    end, number = time.monotonic() + BUDGET_SECONDS * share, 0
    while number == 0 or time.monotonic() < end:
        yield number
        number += 1


def play(strategy: st.SearchStrategy[Any], number: int, act: Callable[[Any], None]) -> None:
    """Some examples of the strategy, others in every round."""

    @seed(number)
    @settings(
        max_examples=EXAMPLES_A_ROUND,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def run(example: Any) -> None:
        act(example)

    run()


def test_every_route_survives_every_parameter(door: Door) -> None:
    parts = build(VenueOptions(scenario="conformance"), time.time_ns)
    schema = schemathesis.openapi.from_dict(describe(parts.routes))
    operations = [found.ok() for found in schema.get_all_operations()]
    assert len(operations) >= 20

    def send(case: Any) -> None:
        arguments = case.as_transport_kwargs(base_url=door.url)
        reply = door.request(**arguments)
        if reply.content and not is_feed(case.path):
            reply.json()

    for number in rounds(0.6):
        mode = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)[number % 2]
        for operation in operations:
            play(operation.as_strategy(generation_mode=mode), number, send)


def test_every_body_is_answered(door: Door) -> None:
    made = door.send("POST", "/v2/orders", json={**GOOD_ORDER, "limit_price": "1", "order_class": ""})
    resting = made.json().get("id", "none")
    doors = (("POST", "/v2/orders", GOOD_ORDER), ("PATCH", f"/v2/orders/{resting}", CHANGE))
    huge = (b"x" * (2 << 20), json.dumps({"symbol": "A" * (2 << 20)}).encode())
    for method, path, good in doors:
        for body in (*NO_JSON, *huge, *(json.dumps(odd).encode() for odd in ODD_VALUES)):
            door.send(method, path, data=body)
        for spoilt in each_part_spoilt(good):
            door.send(method, path, data=json.dumps(spoilt))
    for number in rounds(0.15):
        for method, path, good in doors:
            play(damaged_bytes([good]), number, lambda body, m=method, p=path: door.send(m, p, data=body))
    assert ORDER["properties"].keys() >= GOOD_ORDER.keys()


def test_every_method_is_answered(door: Door) -> None:
    parts = build(VenueOptions(scenario="conformance"), time.time_ns)
    paths = sorted({route.path for route in parts.routes})
    for path in (*paths, "/", "/v2", "/v2/nothing", "/%00", "//"):
        if "events" in path:
            continue  # its answer has no end
        for method in METHODS:
            door.send(method, path.replace("{", "").replace("}", "").partition(":")[0])


def test_the_back_door_answers_rubbish(venue_process: StartProcess) -> None:
    # It was told to make trouble, so nobody expects it to serve well afterwards.
    door = Door(venue_process("conformance"))
    state = door.send("GET", "/_ctl").json()
    known = door.send("GET", "/_ctl/faults").json()
    names = {*state["faults"], *known["faults"], *known["acts"], "cfg", "fill", "event", "drop_ws"}
    for body in NO_JSON:
        assert door.send("POST", "/_ctl", data=body).status_code in (200, 400)
    for name in sorted(names):
        for odd in ODD_VALUES:
            reply = door.send("POST", "/_ctl", data=json.dumps({name: odd}))
            assert reply.status_code in (200, 400), reply.text


def test_the_websockets_survive_rubbish(door: Door) -> None:
    paths = ("/stream", "/stocks", "/delayed/stocks", "/data/v2/iex", "/v2/sip")
    frames = st.lists(damaged_bytes(list(COMMANDS)), max_size=6)
    for path in paths:
        for rubbish in NO_FRAMES:
            made = connected(door, path)
            made.sock.sendall(rubbish)
            made.shutdown()
        spoilt = [json.dumps(part).encode() for good in COMMANDS for part in each_part_spoilt(good)]
        for start in range(0, len(spoilt), COMMANDS_A_SOCKET):
            exchange(door, path, spoilt[start : start + COMMANDS_A_SOCKET])
        exchange(door, path, [b"x" * (2 << 20)])
    for number in rounds(0.15):
        for path in paths:
            play(frames, number, lambda payloads, p=path: exchange(door, p, payloads))


def test_the_stream_of_activities_answers_rubbish(door: Door) -> None:
    for name in ("since", "until", "since_id", "until_id", "unheard_of"):
        for odd in ODD_VALUES:
            path = "/v2beta1/events/activities"
            door.send("GET", path, params={name: str(odd)}, stream=True).close()


def test_what_is_no_http_hurts_nobody(door: Door) -> None:
    for number in rounds(0.1):
        for rubbish in NO_REQUESTS:
            knock(door, rubbish)
        play(st.binary(max_size=2_000), number, lambda data: knock(door, data))


def connected(door: Door, path: str) -> websocket.WebSocket:
    return websocket.create_connection(f"ws://127.0.0.1:{door.port}{path}", timeout=ANSWER_SECONDS)


def exchange(door: Door, path: str, payloads: list[bytes]) -> None:
    """Say it all, as text and as binary, and leave without listening."""
    made = connected(door, path)
    try:
        for place, payload in enumerate(payloads):
            made.send(payload, opcode=1 + place % 2)
    except (OSError, websocket.WebSocketException):
        pass  # it was sent away in the middle: its right
    finally:
        made.shutdown()


def knock(door: Door, data: bytes) -> None:
    """Bytes instead of a request; whatever is answered is no 5xx."""
    with socket.create_connection(("127.0.0.1", door.port), timeout=ANSWER_SECONDS) as made:
        try:
            made.sendall(data)
            made.shutdown(socket.SHUT_WR)
            answer = made.recv(1_000)
        except ConnectionError:
            return
    assert not answer.startswith((b"HTTP/1.1 5", b"HTTP/1.0 5")), answer
