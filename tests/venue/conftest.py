"""A real venue on a free port, on a thread of this process, with a clock that starts at noon in New York."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import websocket

from kyzlo_actors.venue.options import VenueOptions
from kyzlo_actors.venue.server import serve
from kyzlo_actors.venue.timestamps import new_york_date, new_york_ns

WAIT_SECONDS = 20.0


def quiet_scenario(**changes: Any) -> dict[str, Any]:
    """Prices stand still at 100, so that an order's fate is known beforehand; `WAVE` swings."""
    still = {"exchange": "NASDAQ", "tape": 3, "ticks_per_second": 8, "volatility": 0}
    scenario = {
        "name": "quiet",
        "account": {"account_number": "PA3TEST", "cash": "10000"},
        "keys": {"alpaca_key": "K", "alpaca_secret": "S", "polygon_key": "P"},
        "calendar": {"mode": "always"},
        "latency": {"route_ms": 5, "cancel_ms": 30},
        "market": {"spread_bps": 20, "odd_lot_share": 0.3, "trf_share": 0.3},
        "behaviour": {"max_connections": 100},
        "partial_fill_percent": 0,
        "rate_limit_per_minute": 100000,
        "symbols": [
            {"symbol": "AAA", "name": "A", "start_price": 100, **still},
            {"symbol": "BBB", "name": "B", "start_price": 50, **still, "fractionable": False},
            {"symbol": "OFF", "name": "O", "start_price": 50, **still, "tradable": False},
            {"symbol": "OLD", "name": "D", "start_price": 50, **still, "active": False},
            {
                **still,
                "symbol": "WAVE",
                "name": "W",
                "start_price": 200,
                "volatility": 0.01,
                "swing": {"amplitude": 0.01, "period_seconds": 7},
            },
        ],
    }
    return {**scenario, **changes}


class ShiftedClock:
    """Runs like the machine's clock, but elsewhere in time."""

    def __init__(self) -> None:
        noon = new_york_ns(new_york_date(time.time_ns()), "12:00")
        self._shift_ns = noon - time.time_ns()

    def __call__(self) -> int:
        return time.time_ns() + self._shift_ns

    def jump_to(self, ts: int) -> None:
        self._shift_ns = ts - time.time_ns()


class Socket:
    """A websocket client that unpacks JSON and gives up after a while."""

    def __init__(self, url: str) -> None:
        self.raw = websocket.create_connection(url, timeout=WAIT_SECONDS)

    def send(self, **command: Any) -> None:
        self.raw.send(json.dumps(command))

    def recv(self) -> Any:
        return json.loads(self.raw.recv())

    def silent(self, seconds: float = 0.3) -> bool:
        self.raw.settimeout(seconds)
        try:
            self.raw.recv()
        except websocket.WebSocketTimeoutException:
            return True
        finally:
            self.raw.settimeout(WAIT_SECONDS)
        return False


class RunningVenue:
    """A client's view of a venue, with its back door."""

    def __init__(self, port: int, clock: ShiftedClock, stop: Callable[[], None]) -> None:
        self.port = port
        self.stop = stop
        self.clock = clock
        self.url = f"http://127.0.0.1:{port}"
        keys = {"APCA-API-KEY-ID": "K", "APCA-API-SECRET-KEY": "S"}
        self.rest = httpx.Client(base_url=self.url, headers=keys, timeout=WAIT_SECONDS)
        self._sockets: list[Socket] = []

    def order(self, client_order_id: str | None = None, **fields: Any) -> httpx.Response:
        body = {
            "symbol": "AAA",
            "qty": "1",
            "side": "buy",
            "type": "market",
            "time_in_force": "day",
            **fields,
        }
        if client_order_id is not None:
            body["client_order_id"] = client_order_id
        return self.rest.post("/v2/orders", json={name: value for name, value in body.items() if value != ""})

    def by_id(self, client_order_id: str) -> Any:
        params = {"client_order_id": client_order_id}
        return self.rest.get("/v2/orders:by_client_order_id", params=params).json()

    def ctl(self, **commands: Any) -> Any:
        reply = self.rest.post("/_ctl", json=commands) if commands else self.rest.get("/_ctl")
        assert reply.status_code == 200, reply.text
        return reply.json()

    def ctl_list(self, part: str, **query: str) -> Any:
        reply = self.rest.get(f"/_ctl/{part}", params=query)
        assert reply.status_code == 200, reply.text
        return reply.json()

    def until(self, condition: Callable[[], Any]) -> Any:
        """The first truthy value; fails after a long wait."""
        end = time.monotonic() + WAIT_SECONDS
        while time.monotonic() < end:
            value = condition()
            if value:
                return value
            time.sleep(0.02)
        raise AssertionError("waited too long")

    def until_status(self, client_order_id: str, status: str) -> Any:
        def reached() -> Any:
            order = self.by_id(client_order_id)
            return order if order.get("status") == status else None

        return self.until(reached)

    def bought(self, qty: str = "10", client_order_id: str = "bought") -> None:
        assert self.order(client_order_id, qty=qty).status_code == 200
        self.until_status(client_order_id, "filled")

    def socket(self, path: str) -> Socket:
        made = Socket(f"ws://127.0.0.1:{self.port}{path}")
        self._sockets.append(made)
        return made

    def stream(self) -> Socket:
        """A `trade_updates` socket that listens."""
        made = self.socket("/stream")
        made.send(action="authenticate", data={"key_id": "K", "secret_key": "S"})
        assert made.recv()["data"]["status"] == "authorized"
        made.send(action="listen", data={"streams": ["trade_updates"]})
        assert made.recv() == {"stream": "listening", "data": {"streams": ["trade_updates"]}}
        return made

    def polygon(self, params: str = "") -> Socket:
        """A stocks socket that is authorized, and subscribed to `params`."""
        made = self.socket("/stocks")
        assert made.recv() == [{"ev": "status", "status": "connected", "message": "Connected Successfully"}]
        made.send(action="auth", params="P")
        assert made.recv()[0]["status"] == "auth_success"
        if params:
            made.send(action="subscribe", params=params)
        return made

    def close(self) -> None:
        for made in self._sockets:
            made.raw.close()
        self.rest.close()


StartVenue = Callable[..., RunningVenue]


@pytest.fixture
def start_venue(tmp_path: Path) -> Iterator[StartVenue]:
    """Starts venues: `start_venue(partial_fill_percent=100)` changes the quiet scenario."""
    running: list[RunningVenue] = []

    def start(**changes: Any) -> RunningVenue:
        path = tmp_path / f"scenario-{len(running)}.json"
        path.write_text(json.dumps(quiet_scenario(**changes)))
        clock, ports, loop = ShiftedClock(), [], asyncio.new_event_loop()
        is_ready = threading.Event()

        def ready(port: int) -> None:
            ports.append(port)
            is_ready.set()

        task = loop.create_task(serve(VenueOptions(scenario=path), ready=ready, now_ns=clock))
        thread = threading.Thread(target=_run, args=(loop, task), daemon=True)

        def stop() -> None:
            if thread.is_alive():
                loop.call_soon_threadsafe(task.cancel)
                thread.join(WAIT_SECONDS)
            assert not thread.is_alive(), "the venue did not end"

        thread.start()
        assert is_ready.wait(WAIT_SECONDS)
        running.append(RunningVenue(ports[0], clock, stop))
        return running[-1]

    yield start
    for venue in running:
        venue.close()
        venue.stop()


@pytest.fixture
def venue(start_venue: StartVenue) -> RunningVenue:
    """A venue on the quiet scenario."""
    return start_venue()


def _run(loop: asyncio.AbstractEventLoop, task: asyncio.Task[None]) -> None:
    try:
        loop.run_until_complete(asyncio.wait([task]))
        if not task.cancelled():
            task.result()
    finally:
        loop.close()
