"""The websocket link: refusals, sizes, partial frames, pings, and openings nobody waits for."""

from __future__ import annotations

import base64
import hashlib
import socket
import struct
import threading
from collections.abc import Callable

import pytest

from kyzlo_actors.infrastructure import websocket_link
from kyzlo_actors.infrastructure.clock import SystemClock
from kyzlo_actors.infrastructure.websocket_link import (
    LinkLost,
    LinkRefused,
    Opening,
    WebSocketLink,
    open_link,
)
from tests.fakes.local_server import raw_replies

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
CLOCK = SystemClock()


def upgraded(then: Callable[[socket.socket], None]) -> Callable[[socket.socket, bytes], None]:
    """A server that shakes hands properly and then does what `then` says."""

    def reply(made: socket.socket, request: bytes) -> None:
        (key,) = [
            line.split(b": ")[1] for line in request.split(b"\r\n") if line.startswith(b"Sec-WebSocket-Key")
        ]
        accept = base64.b64encode(hashlib.sha1(key + GUID).digest())
        head = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        made.sendall(head + b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n")
        then(made)

    return reply


def frame(payload: bytes, *, opcode: int = 1, fin: bool = True, claim: int | None = None) -> bytes:
    length = len(payload) if claim is None else claim
    return struct.pack("!BBQ", opcode | (0x80 if fin else 0), 127, length) + payload


def receive(link: WebSocketLink) -> bytes | str:
    for _ in range(200):
        payload = link.receive()
        if payload is not None:
            return payload
    raise AssertionError("nothing came")


def connect(port: int, ping_seconds: float = 60.0) -> WebSocketLink:
    return open_link(f"ws://127.0.0.1:{port}/", CLOCK, ping_seconds)


def test_a_frame_in_pieces_survives_the_read_timeout() -> None:
    whole = frame(b"hello world")

    def slowly(made: socket.socket) -> None:
        for piece in (whole[:1], whole[1:5], whole[5:14], whole[14:]):
            made.sendall(piece)
            threading.Event().wait(websocket_link.READ_TIMEOUT_SECONDS * 1.5)

    with raw_replies(upgraded(slowly)) as port:
        link = connect(port)
        assert receive(link) == b"hello world"
        with pytest.raises(LinkLost):
            receive(link)
        link.close()


def test_a_frame_that_claims_to_be_huge_ends_the_link() -> None:
    with raw_replies(upgraded(lambda made: made.sendall(frame(b"x", claim=1 << 40)))) as port:
        link = connect(port)
        with pytest.raises(LinkLost, match="Payload"):
            receive(link)
        link.close()


def test_a_message_of_too_many_parts_ends_the_link(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket_link, "MAX_MESSAGE_BYTES", 100)

    def parts(made: socket.socket) -> None:
        made.sendall(frame(b"x" * 40, fin=False))
        for _ in range(2):
            made.sendall(frame(b"x" * 40, opcode=0, fin=False))

    with raw_replies(upgraded(parts)) as port:
        link = connect(port)
        with pytest.raises(LinkLost, match="Payload"):
            receive(link)
        link.close()


@pytest.mark.parametrize(
    "reply", [b"HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\n\r\n", b"SSH-2.0\r\n", b""]
)
def test_a_refused_upgrade(reply: bytes) -> None:
    with raw_replies(lambda made, request: made.sendall(reply)) as port, pytest.raises(LinkRefused) as caught:
        connect(port)
    assert caught.value.http_status == (429 if b"429" in reply else None)


@pytest.mark.parametrize("url", ["ws://127.0.0.1:1/", "http://127.0.0.1/", "nonsense", ""])
def test_no_server_or_no_address(url: str) -> None:
    with pytest.raises(LinkRefused):
        open_link(url, CLOCK, 10.0)


def test_an_abandoned_opening_closes_what_comes_of_it() -> None:
    let_in, closed = threading.Event(), threading.Event()

    def reply(made: socket.socket, request: bytes) -> None:
        let_in.wait(20)
        upgraded(lambda one: None)(made, request)
        made.settimeout(20)
        while made.recv(4096):
            pass
        closed.set()

    with raw_replies(reply) as port:
        opening = Opening(f"ws://127.0.0.1:{port}/", CLOCK, ping_seconds=60.0)
        assert opening.wait(0.05) is None
        opening.abandon()
        let_in.set()
        assert closed.wait(20)
