"""The desk: start-up checks and emergency calls against the venue, and errors that say whether to try again."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest
from aiohttp import web

from kyzlo_actors.adapters.broker.desk import AlpacaDesk
from kyzlo_actors.domain.errors import Fatal, Recoverable
from kyzlo_actors.domain.order import OrderStatus
from kyzlo_actors.infrastructure.clock import SystemClock
from kyzlo_actors.infrastructure.http_exchange import load_tls
from tests.fakes.local_server import PaperVenue, application


@pytest.fixture
def desk(venue: PaperVenue) -> Iterator[AlpacaDesk]:
    made = AlpacaDesk(venue.url + "/v2/", venue.key, venue.secret, SystemClock())
    yield made
    made.close()


def place(venue: PaperVenue, name: str, **fields: Any) -> None:
    keys = {"APCA-API-KEY-ID": venue.key, "APCA-API-SECRET-KEY": venue.secret}
    body = {"symbol": "AAA", "qty": "2", "side": "buy", "type": "market", "time_in_force": "day", **fields}
    reply = httpx.post(f"{venue.url}/v2/orders", json={"client_order_id": name, **body}, headers=keys)
    assert reply.status_code == 200, reply.text


def test_start_up_checks(desk: AlpacaDesk) -> None:
    assert desk.account().account_number == "PA3TEST"
    assert desk.account().may_trade
    assert desk.clock().timestamp_ns > 0
    today = date(2026, 11, 20)
    calendar = desk.calendar(today.isoformat(), (today + timedelta(days=2)).isoformat())
    assert [day.date for day in calendar.days] == ["2026-11-20", "2026-11-21", "2026-11-22"]
    asset = desk.asset("AAA")
    assert asset is not None
    assert asset.tradable
    off = desk.asset("OFF")
    assert off is not None
    assert not off.tradable
    assert desk.asset("NONE") is None
    assert desk.assets()["AAA"] == asset
    date_ns = desk.date_ns()
    assert date_ns is not None and date_ns % 1_000_000_000 == 0


def test_cancel_all_and_clean_reads(desk: AlpacaDesk, venue: PaperVenue) -> None:
    assert desk.cancel_all() == ()
    for number in range(3):
        place(venue, f"kyzlo.desk.{number}", type="limit", limit_price="50")
    place(venue, "kyzlo.desk.filled")
    assert {order.client_order_id for order in desk.open_orders()} >= {f"kyzlo.desk.{n}" for n in range(3)}
    asked = desk.cancel_all()
    assert len(asked) >= 3
    until(lambda: not desk.open_orders())
    state = desk.state(0)
    statuses = {order.client_order_id: order.status for order in state.orders}
    assert [statuses[f"kyzlo.desk.{n}"] for n in range(3)] == [OrderStatus.CANCELED] * 3
    assert state.positions == desk.positions()


def test_positions_that_are_not_flat(desk: AlpacaDesk, venue: PaperVenue) -> None:
    assert desk.positions() == ()
    place(venue, "kyzlo.desk.buy")
    until(lambda: desk.positions())
    (position,) = desk.positions()
    assert (position.symbol, position.qty) == ("AAA", Decimal(2))


def until(condition: Any) -> None:
    """Ask again until it holds; the number of attempts bounds a test that would hang."""

    for _ in range(400):
        if condition():
            return
        threading.Event().wait(0.05)
    raise AssertionError("waited too long")


def test_wrong_keys_are_fatal_and_never_named(venue: PaperVenue) -> None:
    desk = AlpacaDesk(venue.url, venue.key, "wr0ng-secret", SystemClock())
    for call in (desk.account, desk.clock, desk.open_orders, desk.positions, desk.cancel_all):
        with pytest.raises(Fatal, match="401") as caught:
            call()
        assert "wr0ng-secret" not in str(caught.value) + repr(desk)


def test_no_server_can_be_tried_again() -> None:
    desk = AlpacaDesk("http://127.0.0.1:1", "K", "S", SystemClock())
    for call in (desk.account, desk.clock, desk.open_orders, desk.positions, desk.cancel_all):
        with pytest.raises(Recoverable):
            call()


@pytest.mark.parametrize(
    ("status", "text"),
    [(429, ""), (500, "{}"), (502, "<html>"), (200, "<html>"), (200, "null"), (200, "7"), (404, "<html>")],
)
def test_unclear_answers_can_be_tried_again(status: int, text: str) -> None:
    async def reply(request: web.Request) -> web.Response:
        return web.Response(status=status, text=text, content_type="application/json")

    with application(web.route("*", "/{path:.*}", reply)) as port:
        desk = AlpacaDesk(f"http://127.0.0.1:{port}", "K", "S", SystemClock())
        calls = (desk.account, desk.clock, desk.open_orders, desk.positions, desk.cancel_all)
        for call in (*calls, lambda: desk.asset("A"), lambda: desk.calendar("a", "b"), lambda: desk.state(0)):
            with pytest.raises(Recoverable):
                call()
        desk.close()


def test_held_legs_count_as_open() -> None:
    parent = {"id": "p", "client_order_id": "kyzlo.p", "symbol": "A", "side": "buy", "status": "filled"}
    leg = {"id": "l", "client_order_id": "leg", "symbol": "A", "side": "sell", "status": "held"}
    odd = {"id": "o", "client_order_id": "odd", "symbol": "A", "side": "sell", "status": "teleported"}

    async def reply(request: web.Request) -> web.Response:
        return web.json_response([{**parent, "legs": [leg]}, odd] if request.query["status"] == "all" else [])

    with application(web.get("/v2/orders", reply)) as port:
        desk = AlpacaDesk(f"http://127.0.0.1:{port}", "K", "S", SystemClock())
        assert {order.venue_order_id for order in desk.open_orders()} == {"l", "o"}
        desk.close()


def test_with_certificates_in_memory_it_opens_without_the_disk(
    venue: PaperVenue, monkeypatch: pytest.MonkeyPatch
) -> None:
    tls = load_tls()
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("certifi.where", lambda: "/nowhere/cacert.pem")
    with pytest.raises(OSError, match="No such file"):
        load_tls()
    desk = AlpacaDesk(venue.url, venue.key, venue.secret, SystemClock(), tls=tls)
    try:
        assert desk.open_orders() == ()
    finally:
        desk.close()
