"""The order path against servers that cut, stall and lie: no outcome is ever invented, no POST is repeated."""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from random import Random
from typing import Any

import orjson
import pytest
from aiohttp import web

from kyzlo_actors.adapters.broker import submit_pool
from kyzlo_actors.adapters.broker.alpaca import AlpacaBroker
from kyzlo_actors.adapters.broker.requests import ROOM, Cancel, LookUp, Read, RequestQueue
from kyzlo_actors.domain.broker_events import (
    CancelAnswered,
    CancelFailed,
    LookUpFailed,
    StateRead,
    StateReadFailed,
    SubmitAnswered,
    SubmitRefused,
    SubmitRejected,
    SubmitUncertain,
)
from kyzlo_actors.domain.order import OrderTicket
from kyzlo_actors.domain.values import Side
from kyzlo_actors.infrastructure import http_exchange
from kyzlo_actors.infrastructure.clock import SystemClock
from tests.fakes.broker_reports import ReportBook
from tests.fakes.local_server import PaperVenue, application, raw_replies

KEY, SECRET = "PKNASTY", "v3ry-s3cret"
ORDER_ID = "kyzlo.nasty.1"
ORDER = {
    "id": "v-1", "client_order_id": ORDER_ID, "symbol": "AAA", "side": "buy", "qty": "1", "filled_qty": "0",
    "status": "pending_new", "submitted_at": "2026-11-20T15:00:00Z", "updated_at": "2026-11-20T15:00:00Z",
}  # fmt: skip
ACCOUNT = {"account_number": "PA", "status": "ACTIVE", "cash": "1", "equity": "1"}


def ticket(name: str = ORDER_ID) -> OrderTicket:
    return OrderTicket(client_order_id=name, symbol="AAA", side=Side.BUY, qty=Decimal(1))


@contextmanager
def trading(port: int, **options: Any) -> Iterator[tuple[AlpacaBroker, ReportBook]]:
    book = ReportBook()
    url = f"http://127.0.0.1:{port}"
    broker = AlpacaBroker(url, KEY, SECRET, SystemClock(), Random(1), **options)
    broker.start(book)
    try:
        yield broker, book
    finally:
        broker.stop(10.0)
        assert SECRET not in repr(book.reports) + repr(broker)


def http(status: str, body: bytes, extra: str = "") -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n{extra}\r\n"
    return head.encode() + body


Reply = Callable[[socket.socket], None]


def say(data: bytes) -> Reply:
    return lambda made: made.sendall(data)


def reset(made: socket.socket) -> None:
    made.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


HTML = b"<html><h1>502 Bad Gateway</h1></html>"
UNCERTAIN: dict[str, Reply] = {
    "cut without a reply": lambda made: None,
    "reset": reset,
    "cut in the status line": say(b"HTTP/1.1 20"),
    "cut in the headers": say(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n"),
    "cut in the body": say(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{"),
    "no HTTP at all": say(b"SSH-2.0-OpenSSH_9.0\r\n\r\n"),
    "HTML 502": say(http("502 Bad Gateway", HTML)),
    "500": say(http("500 Internal Server Error", b'{"code":50010000,"message":"internal server error occurred"}')),
    "504 without a body": say(http("504 Gateway Timeout", b"")),
    "429": say(http("429 Too Many Requests", b'{"code":42910000,"message":"rate limit exceeded"}')),
    "408": say(http("408 Request Timeout", b"")),
    "200 with HTML": say(http("200 OK", HTML)),
    "200 with nothing": say(http("200 OK", b"")),
    "200 with a list": say(http("200 OK", b"[]")),
    "200 with another order": say(http("200 OK", orjson.dumps({**ORDER, "client_order_id": "other"}))),
    "200 without identity": say(http("200 OK", orjson.dumps({**ORDER, "id": None}))),
    "200 with broken gzip": say(http("200 OK", b"rubbish", "Content-Encoding: gzip\r\n")),
    "a redirect": say(http("302 Found", b"", "Location: http://127.0.0.1:1/v2/orders\r\n")),
}  # fmt: skip


def posts_to(port_reply: Reply) -> tuple[list[bytes], Callable[[socket.socket, bytes], None]]:
    """Counts the POSTs; everything else (the stream's upgrade) is refused."""
    posts: list[bytes] = []

    def reply(made: socket.socket, request: bytes) -> None:
        if request.startswith(b"POST /v2/orders "):
            posts.append(request)
            port_reply(made)
        else:
            made.sendall(http("404 Not Found", b"{}"))

    return posts, reply


@pytest.mark.parametrize("name", UNCERTAIN)
def test_without_a_clear_answer_the_fate_is_uncertain_and_nothing_is_repeated(name: str) -> None:
    posts, reply = posts_to(UNCERTAIN[name])
    with raw_replies(reply) as port, trading(port) as (broker, book):
        broker.submit(ticket())
        report = book.wait_for(SubmitUncertain)
        assert report.client_order_id == ORDER_ID
    assert len(posts) == 1
    assert book.of(SubmitAnswered) == book.of(SubmitRejected) == book.of(SubmitRefused) == []


def test_a_mute_server_is_left_and_the_fate_is_uncertain() -> None:
    over = threading.Event()
    posts, reply = posts_to(lambda made: over.wait(20) and None)
    with raw_replies(reply) as port, trading(port) as (broker, book):
        broker.submit(ticket())
        assert "ReadTimeout" in book.wait_for(SubmitUncertain).detail
        over.set()
    assert len(posts) == 1


def test_a_reply_that_drips_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_exchange, "REPLY_SECONDS", 0.2)

    def drip(made: socket.socket) -> None:
        made.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        try:
            for _ in range(2_000):
                made.sendall(b" ")
                threading.Event().wait(0.01)
        except OSError:
            return

    _, reply = posts_to(drip)
    with raw_replies(reply) as port, trading(port) as (broker, book):
        broker.submit(ticket())
        assert "longer than" in book.wait_for(SubmitUncertain).detail


@pytest.mark.parametrize(
    ("reply", "code", "duplicate"),
    [
        (http("422 Unprocessable", b'{"code":40010001,"message":"client_order_id must be unique"}'), "40010001", True),
        (http("403 Forbidden", b'{"code":40310000,"message":"insufficient buying power"}'), "40310000", False),
        (http("401 Unauthorized", b'{"message":"unauthorized."}'), "HTTP_401", False),
        (http("404 Not Found", HTML), "HTTP_404", False),
        (http("400 Bad Request", HTML), "HTTP_400", False),
    ],
)  # fmt: skip
def test_a_definite_no_is_rejected(reply: bytes, code: str, duplicate: bool) -> None:
    posts, answer = posts_to(say(reply))
    with raw_replies(answer) as port, trading(port) as (broker, book):
        broker.submit(ticket())
        report = book.wait_for(SubmitRejected)
        assert (report.code, report.duplicate) == (code, duplicate)
    assert len(posts) == 1


def test_no_server_means_not_sent() -> None:
    with trading(1) as (broker, book):
        broker.submit(ticket())
        assert book.wait_for(SubmitRefused).code == "NOT_SENT"
        broker.cancel("c", "v")
        broker.look_up("l")
        broker.read_state("r", window_start_ns=0, client_order_ids=())
        assert book.wait_for(CancelFailed).http_status == 0
        book.wait_for(LookUpFailed)
        assert book.wait_for(StateReadFailed).reason == "r"


def test_a_lookup_through_a_wrong_door_proves_nothing() -> None:
    for body in (
        http("404 Not Found", HTML),
        http("200 OK", orjson.dumps({**ORDER, "client_order_id": "x"})),
    ):
        with (
            raw_replies(lambda made, request, say=body: made.sendall(say)) as port,
            trading(port) as (broker, book),
        ):
            broker.look_up(ORDER_ID)
            book.wait_for(LookUpFailed)


def test_the_gate_is_asked_before_each_order() -> None:
    verdicts = iter([None, "HALTED"])
    posts, reply = posts_to(say(http("200 OK", orjson.dumps(ORDER))))
    with raw_replies(reply) as port, trading(port, gate=lambda: next(verdicts)) as (broker, book):
        broker.submit(ticket())
        book.wait_for(SubmitAnswered)
        broker.submit(ticket())
        assert book.wait_for(SubmitRefused).code == "HALTED"
    assert len(posts) == 1


def test_rate_limits_are_told_also_without_headers() -> None:
    told: list[tuple[int, int]] = []
    good = http(
        "200 OK", orjson.dumps(ORDER), "X-RateLimit-Remaining: 7\r\nX-RateLimit-Reset: 1800000000\r\n"
    )
    replies = iter([good, http("429 Too Many Requests", b""), http("429 x", b"", "Retry-After: 9999999\r\n")])
    _, reply = posts_to(lambda made: made.sendall(next(replies)))
    clock = SystemClock()
    with (
        raw_replies(reply) as port,
        trading(port, on_rate_limit=lambda *said: told.append(said)) as (broker, book),
    ):
        before = clock.now_ns()
        for count in range(3):
            broker.submit(ticket())
            book.wait_for((SubmitAnswered, SubmitUncertain)[min(count, 1)], count=max(count, 1))
        after = clock.now_ns()
    assert told[0] == (7, 1_800_000_000 * 10**9)
    assert [remaining for remaining, _ in told[1:]] == [0, 0]
    assert before + 10**9 <= told[1][1] <= after + 10**9
    assert told[2][1] <= after + 120 * 10**9


@contextmanager
def stalled() -> Iterator[tuple[int, threading.Event, list[str]]]:
    """A server that answers POSTs only once the event is set; the ids it was sent."""
    release = threading.Event()
    seen: list[str] = []

    async def place(request: web.Request) -> web.Response:
        body = await request.json()
        seen.append(body["client_order_id"])
        await asyncio.to_thread(release.wait, 20)
        return web.json_response({**ORDER, "client_order_id": body["client_order_id"]})

    with application(web.post("/v2/orders", place)) as port:
        yield port, release, seen


def test_a_full_queue_refuses_at_once_and_each_order_has_one_report() -> None:
    room = submit_pool.WORKERS + submit_pool.QUEUE_LENGTH
    with stalled() as (port, release, seen), trading(port) as (broker, book):
        names = [f"kyzlo.q.{number}" for number in range(room + 10)]
        for name in names:
            broker.submit(ticket(name))
        full = book.wait_for(SubmitRefused, lambda report: report.code == "QUEUE_FULL", count=10)
        assert full
        release.set()

        def reported() -> list[str]:
            kinds = (SubmitAnswered, SubmitRefused, SubmitUncertain, SubmitRejected)
            return [report.client_order_id for report in list(book.reports) if isinstance(report, kinds)]

        book.wait_for(object, lambda report: len(reported()) >= len(names))
    assert sorted(reported()) == sorted(names)
    assert len(seen) == len(set(seen))


def test_an_order_that_waited_too_long_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(submit_pool, "MAX_WAIT_SECONDS", 0.0)
    with stalled() as (port, _, seen), trading(port) as (broker, book):
        broker.submit(ticket())
        report = book.wait_for(SubmitRefused)
        assert (report.code, seen) == ("NOT_SENT", [])


def test_stop_refuses_what_waits() -> None:
    with stalled() as (port, release, seen), trading(port) as (broker, book):
        for number in range(submit_pool.WORKERS + 5):
            broker.submit(ticket(f"kyzlo.s.{number}"))
        while len(seen) < submit_pool.WORKERS:
            threading.Event().wait(0.01)
        threading.Timer(0.2, release.set).start()
        broker.stop(10.0)
        assert len(book.of(SubmitRefused)) == 5
        assert len(book.of(SubmitAnswered)) == submit_pool.WORKERS


def test_a_read_with_a_piece_missing_is_no_read() -> None:
    async def reply(request: web.Request) -> web.Response:
        if request.path == "/v2/account":
            return web.Response(status=503, text="<html>")
        return web.json_response([])

    with application(web.get("/{path:.*}", reply)) as port, trading(port) as (broker, book):
        broker.read_state("r", window_start_ns=0, client_order_ids=())
        assert "503" in book.wait_for(StateReadFailed).detail
        assert book.of(StateRead) == []


def test_foreign_orders_without_a_symbol_are_left_out_but_ours_fail_the_read() -> None:
    owner = "somebody-else"

    async def reply(request: web.Request) -> web.Response:
        if request.path == "/v2/account":
            return web.json_response(ACCOUNT)
        rows = [
            {**ORDER, "symbol": None, "client_order_id": owner},
            {**ORDER, "legs": [{**ORDER, "id": "leg"}]},
        ]
        return web.json_response(rows if request.path == "/v2/orders" else [])

    with application(web.get("/{path:.*}", reply)) as port, trading(port) as (broker, book):
        broker.read_state("foreign", window_start_ns=0, client_order_ids=())
        state = book.wait_for(StateRead).state
        assert sorted(order.venue_order_id for order in state.orders) == ["leg", "v-1"]
        owner = "kyzlo.mine"
        broker.read_state("ours", window_start_ns=0, client_order_ids=())
        assert "identity" in book.wait_for(StateReadFailed).detail


def test_pages_follow_the_order_id_and_must_advance() -> None:
    asked: list[dict[str, str]] = []
    advance = True

    async def reply(request: web.Request) -> web.Response:
        if request.path == "/v2/account":
            return web.json_response(ACCOUNT)
        if (
            request.path != "/v2/orders"
            or request.query["status"] != "all"
            or request.query["direction"] != "asc"
        ):
            return web.json_response([])
        asked.append(dict(request.query))
        start = int(request.query.get("after_order_id", "v-0")[2:]) if advance else 0
        return web.json_response(
            [{**ORDER, "id": f"v-{start + n}"} for n in range(1, 501 if start < 500 else 3)]
        )

    with application(web.get("/{path:.*}", reply)) as port, trading(port) as (broker, book):
        broker.read_state("pages", window_start_ns=10**9, client_order_ids=())
        assert len(book.wait_for(StateRead).state.orders) == 502
        assert asked[0]["after"] == "1970-01-01T00:00:01.000000000Z"
        assert "after" not in asked[1]
        assert asked[1]["after_order_id"] == "v-500"
        advance = False
        broker.read_state("circle", window_start_ns=0, client_order_ids=())
        assert "advance" in book.wait_for(StateReadFailed).detail


def test_cancels_pass_a_long_read() -> None:
    reading, canceled = threading.Event(), threading.Event()

    async def read(request: web.Request) -> web.Response:
        reading.set()
        # What follows the orders is answered only after the cancel was served.
        if request.path != "/v2/orders":
            await asyncio.to_thread(canceled.wait, 20)
        return web.json_response(ACCOUNT if request.path == "/v2/account" else [])

    async def cancel(request: web.Request) -> web.Response:
        canceled.set()
        return web.Response(status=204)

    routes = (web.get("/{path:.*}", read), web.delete("/v2/orders/{id}", cancel))
    with application(*routes) as port, trading(port) as (broker, book):
        broker.read_state("long", window_start_ns=0, client_order_ids=())
        assert reading.wait(20)
        broker.cancel("c", "v-1")
        book.wait_for(StateRead)
        kinds = [type(report) for report in book.reports if isinstance(report, CancelAnswered | StateRead)]
        assert kinds == [CancelAnswered, StateRead]


def test_the_request_queue_serves_cancels_first_and_each_kind_has_its_own_room() -> None:
    requests = RequestQueue()
    read = Read(reason="r", window_start_ns=0, client_order_ids=())
    for _ in range(ROOM[LookUp]):
        assert requests.put(LookUp(client_order_id="l"))
    assert not requests.put(LookUp(client_order_id="l"))
    assert requests.put(read)
    cancel = Cancel(client_order_id="c", venue_order_id=None)
    assert requests.put(cancel)
    assert requests.take(0) == cancel
    assert requests.take_urgent(Cancel) is None
    assert requests.take(0) == LookUp(client_order_id="l")
    assert len(requests.close()) == ROOM[LookUp]
    assert not requests.put(cancel)
    assert requests.take(0) is None


def test_nothing_is_doubled_when_the_venue_loses_replies(venue: PaperVenue) -> None:
    book = ReportBook()
    broker = AlpacaBroker(venue.url, venue.key, venue.secret, SystemClock(), Random(1))
    broker.start(book)
    venue.ctl(drop_after_post=3, drop_before_post=2)
    for number in range(10):
        broker.submit(ticket(f"kyzlo.d.{number}"))
    kinds = (SubmitAnswered, SubmitUncertain)
    book.wait_for(object, lambda report: sum(isinstance(one, kinds) for one in list(book.reports)) == 10)
    broker.stop(10.0)
    assert len(book.of(SubmitUncertain)) == 5
    assert set(venue.ctl()["posts"].values()) == {1}
