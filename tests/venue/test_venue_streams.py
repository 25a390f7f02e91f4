"""`trade_updates` and Polygon's websocket as a client sees them, and bars that join up with history."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import websocket

if TYPE_CHECKING:
    from conftest import RunningVenue, Socket, StartVenue

POLYGON_AUTH = {"Authorization": "Bearer P"}


def events_of(stream: Socket, count: int) -> list[dict[str, Any]]:
    return [stream.recv()["data"] for _ in range(count)]


def test_the_stream_asks_for_keys_and_tells_the_order_of_events(venue: RunningVenue) -> None:
    stream = venue.socket("/stream")
    stream.send(action="listen", data={"streams": ["trade_updates"]})
    assert stream.recv() == {
        "stream": "authorization",
        "data": {"status": "unauthorized", "action": "listen"},
    }
    stream.send(action="authenticate", data={"key_id": "K", "secret_key": "wrong"})
    assert stream.recv()["data"] == {"status": "unauthorized", "action": "authenticate"}
    stream.send(action="auth", key="K", secret="S")
    assert stream.recv()["data"] == {"status": "authorized", "action": "authenticate"}
    stream.send(action="listen", data={"streams": ["trade_updates", "account_updates"]})
    assert stream.recv()["data"] == {"streams": ["trade_updates"]}
    venue.order("a", qty="3")
    taken, new, fill = events_of(stream, 3)
    assert [taken["event"], new["event"], fill["event"]] == ["pending_new", "new", "fill"]
    assert "execution_id" not in taken and new["execution_id"] != fill["execution_id"]
    assert (fill["price"], fill["qty"], fill["position_qty"]) == ("100.1", "3", "3")
    assert (fill["order"]["status"], fill["order"]["filled_qty"]) == ("filled", "3")
    assert len(fill["timestamp"]) == len("2026-11-20T15:00:00.451234567Z")
    (row,) = venue.rest.get("/v2/account/activities/FILL").json()
    assert row["id"].endswith("::" + fill["execution_id"])
    stream.send(action="listen", data={"streams": []})
    assert stream.recv()["data"] == {"streams": []}
    venue.order("b")
    assert stream.silent()


def test_frames_are_binary_unless_told_otherwise_and_go_to_every_listener(venue: RunningVenue) -> None:
    first, second = venue.stream(), venue.stream()
    venue.order("a")
    opcode, _ = first.raw.recv_data()
    assert opcode == websocket.ABNF.OPCODE_BINARY
    assert second.recv()["data"]["event"] == "pending_new"
    assert venue.ctl()["connections"]["listening"] == 2
    venue.until_status("a", "filled")
    events_of(first, 2)
    venue.ctl(stream_frames="text")
    venue.order("b")
    assert first.raw.recv_data()[0] == websocket.ABNF.OPCODE_TEXT


def test_a_canceled_order_is_announced(venue: RunningVenue) -> None:
    stream = venue.stream()
    order_id = venue.order("a", type="limit", limit_price="9").json()["id"]
    events_of(stream, 2)
    venue.rest.delete(f"/v2/orders/{order_id}")
    assert [event["event"] for event in events_of(stream, 2)] == ["pending_cancel", "canceled"]


def test_polygon_speaks_its_protocol(venue: RunningVenue) -> None:
    polygon = venue.socket("/stocks")
    assert polygon.recv()[0]["status"] == "connected"
    polygon.send(action="subscribe", params="T.AAA")
    assert polygon.recv()[0]["status"] == "error"
    polygon.send(action="auth", params="P")
    assert polygon.recv() == [{"ev": "status", "status": "auth_success", "message": "authenticated"}]
    polygon.send(action="subscribe", params="AM.AAA,AM.*,NOI.AAA,AM.AAA,nonsense")
    assert [reply["message"] for reply in polygon.recv()] == [
        "subscribed to: AM.AAA",
        "subscribed to: AM.*",
        "not authorized",
        "invalid parameter: nonsense",
    ]
    polygon.send(action="unsubscribe", params="AM.*")
    assert polygon.recv()[0]["message"] == "unsubscribed to: AM.*"
    wrong = venue.socket("/stocks")
    wrong.recv()
    wrong.send(action="auth", params="no")
    assert wrong.recv()[0]["status"] == "auth_failed"
    assert wrong.raw.recv_data()[0] == websocket.ABNF.OPCODE_CLOSE


def collect(polygon: Socket, channel: str, count: int) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = []
    while len(events) < count:
        events += [event for event in polygon.recv() if event["ev"] == channel]
    return events


def test_trades_have_the_live_shape(venue: RunningVenue) -> None:
    trades = collect(venue.polygon("T.AAA"), "T", 60)
    assert {trade["sym"] for trade in trades} == {"AAA"}
    assert all({"i", "x", "p", "s", "ds", "t", "pt", "q", "z"} <= trade.keys() for trade in trades)
    assert all(trade["pt"] <= trade["t"] and float(trade["ds"]) >= trade["s"] for trade in trades)
    assert any("c" not in trade for trade in trades)
    assert any(37 in trade.get("c", []) and float(trade["ds"]) < 100 for trade in trades)
    assert any("trfi" in trade and "trft" in trade for trade in trades)
    assert [trade["q"] for trade in trades] == sorted({trade["q"] for trade in trades})
    assert {trade["p"] for trade in trades} <= {99.9, 100.1}


def test_live_bars_are_the_bars_of_history(venue: RunningVenue) -> None:
    polygon = venue.polygon("A.*")
    live = collect(polygon, "A", 3)
    venue.ctl(set_price={"symbol": "WAVE", "price": 300})
    live += collect(polygon, "A", 9)
    wave = {bar["s"]: bar for bar in live if bar["sym"] == "WAVE"}
    assert max(bar["h"] for bar in wave.values()) > 290
    first, last = min(wave), max(wave)
    path = f"/v2/aggs/ticker/WAVE/range/1/second/{first}/{last}"
    rows = httpx.get(venue.url + path, headers=POLYGON_AUTH).json()["results"]
    same = ("o", "h", "l", "c", "vw")
    assert {row["t"]: [row[name] for name in same] for row in rows} == {
        start: [bar[name] for name in same] for start, bar in wave.items()
    }
    assert [str(row["v"]) for row in rows] == [wave[row["t"]]["dv"] for row in rows]


def test_history_reaches_back_before_the_start_in_pages(venue: RunningVenue) -> None:
    now_ms = venue.clock() // 1_000_000
    begin = (now_ms // 60_000 - 30) * 60_000
    url = f"/v2/aggs/ticker/WAVE/range/1/minute/{begin}/{now_ms}"
    whole = httpx.get(venue.url + url, headers=POLYGON_AUTH, timeout=20).json()
    starts = [row["t"] for row in whole["results"]]
    assert starts == [begin + index * 60_000 for index in range(len(starts))]
    assert starts[-1] + 60_000 <= venue.clock() // 1_000_000 and len(starts) in (30, 31)
    paged, next_url = [], f"{venue.url}{url}?limit=7"
    while next_url:
        page = httpx.get(
            next_url, params={"apiKey": "P"} if "cursor" not in next_url else None, headers=POLYGON_AUTH
        )
        paged += page.json().get("results", [])
        next_url = page.json().get("next_url")
    assert paged[: len(starts)] == whole["results"]
    seconds_url = f"/v2/aggs/ticker/WAVE/range/1/second/{begin}/{begin + 59_999}?limit=50000"
    seconds = httpx.get(venue.url + seconds_url, headers=POLYGON_AUTH).json()["results"]
    first = whole["results"][0]
    assert (first["o"], first["c"]) == (seconds[0]["o"], seconds[-1]["c"])
    assert (first["h"], first["l"]) == (max(r["h"] for r in seconds), min(r["l"] for r in seconds))
    # Seconds without a price of their own still count for the minute's volume.
    assert first["n"] >= sum(row["n"] for row in seconds)
    newest = httpx.get(f"{venue.url}{url}?sort=desc&limit=3", headers=POLYGON_AUTH).json()["results"]
    assert [row["t"] for row in newest[:3]] == sorted((row["t"] for row in newest[:3]), reverse=True)
    assert newest[0]["t"] >= starts[-1]


def test_polygon_rest_refuses_what_it_cannot_do(venue: RunningVenue) -> None:
    def get(path: str, key: str = "P") -> httpx.Response:
        return httpx.get(venue.url + path, headers={"Authorization": f"Bearer {key}"})

    assert get("/v2/aggs/ticker/AAA/range/1/minute/1/2", "no").json()["error"] == "Unknown API Key"
    assert get("/v3/reference/conditions", "no").status_code == 401
    for path in ("1/fortnight/1/2", "0/minute/1/2", "x/minute/1/2", "1/minute/2/1", "1/minute/soon/2"):
        assert get(f"/v2/aggs/ticker/AAA/range/{path}").status_code == 400, path
    assert get("/v2/aggs/ticker/AAA/range/1/minute/1/2?limit=0").status_code == 400
    assert get("/v2/aggs/ticker/AAA/range/1/minute/1/2?cursor=%21").status_code == 400
    unknown = get("/v2/aggs/ticker/ZZZ/range/1/minute/1/200000").json()
    assert (unknown["resultsCount"], "results" in unknown) == (0, False)
    rows = {row["id"]: row for row in get("/v3/reference/conditions").json()["results"]}
    assert rows[37]["update_rules"]["consolidated"] == {
        "updates_high_low": False,
        "updates_open_close": False,
        "updates_volume": True,
    }


def test_faults_on_the_order_path(venue: RunningVenue) -> None:
    venue.ctl(drop_after_post=1)
    with pytest.raises(httpx.TransportError):
        venue.order("cut")
    venue.until_status("cut", "filled")
    assert venue.order("cut").json()["message"] == "client_order_id must be unique"
    assert venue.ctl(drop_before_post=1)["posts"]["cut"] == 2
    with pytest.raises(httpx.TransportError):
        venue.order("lost")
    assert venue.by_id("lost")["code"] == 40410000
    venue.ctl(fail_post_5xx=1, fail_post_5xx_taken=1)
    assert venue.order("none").status_code == 500
    assert venue.order("taken").status_code == 500
    venue.until_status("taken", "filled")
    assert venue.by_id("none")["code"] == 40410000
    venue.ctl(rate_limit=1)
    assert [venue.order("r").status_code for _ in range(2)] == [429, 200]
    venue.until_status("r", "filled")  # or its events come on the stream that is opened next
    venue.ctl(delay_post_reply_ms=200)
    stream = venue.stream()
    before = time.monotonic()
    assert venue.order("slow").json()["status"] == "pending_new"
    assert time.monotonic() - before >= 0.2
    assert [event["event"] for event in events_of(stream, 3)][-1] == "fill"
    assert venue.ctl()["posts"] == {"cut": 2, "lost": 1, "none": 1, "taken": 1, "r": 1, "slow": 1}


def test_faults_on_the_streams(venue: RunningVenue) -> None:
    stream = venue.stream()
    venue.ctl(drop_events=1, duplicate_events=1)
    venue.order("a")
    assert [event["event"] for event in events_of(stream, 3)] == ["new", "new", "fill"]
    venue.ctl(mute_stream=True)
    venue.bought("1", "b")
    venue.until(lambda: venue.ctl()["counts"]["events_lost"] >= 4)
    assert stream.silent(0.1)
    venue.ctl(mute_stream=False, delay_events_ms=150)
    before = time.monotonic()
    venue.order("c")
    assert stream.recv()["data"]["event"] == "pending_new"
    assert time.monotonic() - before >= 0.15
    venue.ctl(abort_streams=True, delay_events_ms=0)
    try:
        while stream.recv():
            pass
    except (websocket.WebSocketConnectionClosedException, ConnectionError):
        pass
    venue.until(lambda: venue.ctl()["connections"]["trade_updates"] == 0)
    polygon = venue.polygon("T.*")
    collect(polygon, "T", 1)
    venue.ctl(mute_polygon=True)
    while not polygon.silent(0.5):
        pass
    venue.ctl(mute_polygon=False)
    collect(polygon, "T", 1)
    venue.ctl(close_polygon=1006 + 6)
    opcode = websocket.ABNF.OPCODE_TEXT
    while opcode != websocket.ABNF.OPCODE_CLOSE:
        opcode, data = polygon.raw.recv_data()
    assert int.from_bytes(data[:2], "big") == 1012


def test_held_fills_are_released(venue: RunningVenue) -> None:
    venue.ctl(hold_fills=True)
    venue.order("a")
    venue.until_status("a", "new")
    assert venue.ctl()["faults"]["hold_fills"] is True
    venue.ctl(hold_fills=False)
    venue.until_status("a", "filled")


def test_the_back_door_refuses_nonsense(venue: RunningVenue) -> None:
    for body in (
        {"no_such_fault": 1},
        {"drop_events": -1},
        {"drop_events": True},
        {"mute_stream": 1},
        {"set_price": {"symbol": "ZZZ", "price": 5}},
        {"set_price": {"symbol": "AAA", "price": "5"}},
        {"stream_frames": "odd"},
        [],
    ):
        assert venue.rest.post("/_ctl", json=body).status_code == 400, body
    assert venue.rest.post("/_ctl", content=b"{").status_code == 400


def test_minute_bars_are_sent_at_the_full_minute(start_venue: StartVenue) -> None:
    venue = start_venue()
    venue.clock.jump_to((venue.clock() // 60_000_000_000 + 1) * 60_000_000_000 - 1_500_000_000)
    (bar,) = collect(venue.polygon("AM.WAVE"), "AM", 1)
    assert bar["e"] - bar["s"] == 60_000 and bar["e"] % 60_000 == 0
    path = f"/v2/aggs/ticker/WAVE/range/1/minute/{bar['s']}/{bar['s']}"
    (row,) = httpx.get(venue.url + path, headers=POLYGON_AUTH).json()["results"]
    assert [row[name] for name in "ohlc"] == [bar[name] for name in "ohlc"]
