"""Real replies and frames of the venue: what the parsers get in life, to be damaged."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
import websocket

from tests.fakes.local_server import PaperVenue

WAIT_SECONDS = 20.0


@dataclass
class Captured:
    """JSON values by what they are."""

    replies: dict[str, Any] = field(default_factory=dict)
    stream: list[Any] = field(default_factory=list)
    feed: list[Any] = field(default_factory=list)


def capture(venue: PaperVenue) -> Captured:
    """Trade a little, and keep everything that the venue says."""
    captured = Captured()
    keys = {"APCA-API-KEY-ID": "K", "APCA-API-SECRET-KEY": "S3CRET"}
    stream = websocket.create_connection(f"{venue.url.replace('http', 'ws')}/stream", timeout=WAIT_SECONDS)
    feed = websocket.create_connection(venue.feed_url, timeout=WAIT_SECONDS)
    try:
        _say(stream, action="authenticate", data={"key_id": "K", "secret_key": "S3CRET"})
        captured.stream.append(_heard(stream))
        _say(stream, action="listen", data={"streams": ["trade_updates"]})
        captured.stream.append(_heard(stream))
        captured.feed.append(_heard(feed))
        _say(feed, action="auth", params="P0LYKEY")
        _say(feed, action="subscribe", params="T.AAA,A.AAA,T.BBB")
        with httpx.Client(base_url=venue.url, headers=keys, timeout=WAIT_SECONDS) as rest:
            _trade(rest, captured)
            _until(
                lambda: captured.stream.append(_heard(stream)) or _event(captured.stream[-1]) == "canceled"
            )
            _read(rest, captured)
        _until(lambda: captured.feed.append(_heard(feed)) or {"T", "A"} <= _kinds(captured.feed))
    finally:
        stream.close()
        feed.close()
    return captured


def _trade(rest: httpx.Client, captured: Captured) -> None:
    order = {"symbol": "AAA", "qty": "2", "side": "buy", "type": "market", "time_in_force": "day"}
    bought = rest.post("/v2/orders", json={**order, "client_order_id": "kyzlo.a.1"}).json()
    filled = f"/v2/orders/{bought['id']}"
    _until(lambda: rest.get(filled).json()["status"] == "filled")
    resting = {**order, "type": "limit", "limit_price": "1", "client_order_id": "kyzlo.a.2"}
    made = rest.post("/v2/orders", json=resting).json()
    captured.replies["order"] = rest.get(filled).json()
    captured.replies["refusal"] = rest.post("/v2/orders", json={**order, "qty": "0"}).json()
    captured.replies["unauthorized"] = httpx.get(f"{rest.base_url}/v2/account").json()
    captured.replies["not_found"] = rest.get("/v2/orders/00000000-0000-0000-0000-000000000001").json()
    rest.delete(f"/v2/orders/{made['id']}")


def _read(rest: httpx.Client, captured: Captured) -> None:
    today = time.strftime("%Y-%m-%d")
    for name, path in (
        ("orders", "/v2/orders?status=all&nested=true&limit=500"),
        ("positions", "/v2/positions"),
        ("account", "/v2/account"),
        ("clock", "/v2/clock"),
        ("calendar", f"/v2/calendar?start={today}&end={today}"),
        ("assets", "/v2/assets"),
        ("activities", "/v2/account/activities/FILL"),
    ):
        captured.replies[name] = rest.get(path).raise_for_status().json()
    now_ms = time.time_ns() // 1_000_000
    path = f"/v2/aggs/ticker/AAA/range/1/second/{now_ms - 60_000}/{now_ms}?limit=5"
    bars = rest.get(path, headers={"Authorization": "Bearer P0LYKEY"})
    captured.replies["aggregates"] = bars.raise_for_status().json()


def _say(socket: websocket.WebSocket, **command: Any) -> None:
    socket.send(json.dumps(command))


def _heard(socket: websocket.WebSocket) -> Any:
    return json.loads(socket.recv())


def _event(frame: Any) -> str | None:
    name = frame.get("data", {}).get("event")
    return str(name) if name else None


def _kinds(frames: list[Any]) -> set[str]:
    return {row["ev"] for frame in frames for row in frame}


def _until(condition: Callable[[], Any]) -> None:
    end = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.01)
