"""Alpaca's market-data stream: its protocol, its errors, what the market says on it, and alpaca-py on it."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgpack
import pytest
import websocket
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from alpaca.data.live import StockDataStream

from kyzlo_actors.venue.control.faults import Faults
from kyzlo_actors.venue.data.json_shapes import correction_event, trade_event
from kyzlo_actors.venue.data.stream import DataStream
from kyzlo_actors.venue.data.tape import DataTape
from kyzlo_actors.venue.market.day_bars import DayBars
from kyzlo_actors.venue.market.prints import Band, Print, VenueBar
from kyzlo_actors.venue.scenario import load_scenario

if TYPE_CHECKING:
    from conftest import RunningVenue, StartVenue

MINUTE_MS = 60_000
NOON_MS = 1_764_003_600_000  # 2025-11-24 17:00 UTC, noon in New York


class Client:
    """A socket of the data stream, JSON or MessagePack."""

    def __init__(
        self, venue: RunningVenue, path: str = "/data/v2/iex", *, packed: bool = False, **headers: str
    ):
        names = {"Content-Type": "application/msgpack"} if packed else {}
        self.packed = packed
        url = f"ws://127.0.0.1:{venue.port}{path}"
        self.raw = websocket.create_connection(url, timeout=20, header={**names, **headers})
        assert self.recv() == [{"T": "success", "msg": "connected"}]

    def send(self, **command: Any) -> None:
        if self.packed:
            self.raw.send_binary(msgpack.packb(command))
        else:
            self.raw.send(json.dumps(command))

    def recv(self) -> Any:
        frame = self.raw.recv()
        return msgpack.unpackb(frame) if self.packed else json.loads(frame)

    def error(self) -> int:
        """The code of the error that comes next."""
        (event,) = self.recv()
        assert event["T"] == "error" and event["msg"]
        return int(event["code"])

    def login(self) -> Client:
        self.send(action="auth", key="K", secret="S")
        assert self.recv() == [{"T": "success", "msg": "authenticated"}]
        return self

    def subscribe(self, **channels: list[str]) -> Any:
        self.send(action="subscribe", **channels)
        (lists,) = self.recv()
        assert lists.pop("T") == "subscription"
        return {name: symbols for name, symbols in lists.items() if symbols}

    def ended(self) -> int | None:
        """The code the venue closed with, after whatever else came."""
        while True:
            opcode, data = self.raw.recv_data()
            if opcode == websocket.ABNF.OPCODE_CLOSE:
                return int.from_bytes(data[:2], "big")

    def until(self, kind: str) -> dict[str, Any]:
        """The next event of that kind."""
        while True:
            for event in self.recv():
                if event["T"] == kind:
                    return dict(event)


# ---------------------------------------------------------------- protocol


@pytest.mark.parametrize("packed", [False, True])
def test_it_greets_asks_for_keys_and_subscribes(venue: RunningVenue, packed: bool) -> None:
    client = Client(venue, packed=packed)
    client.send(action="subscribe", trades=["AAA"])
    assert client.error() == 401
    client.send(action="auth", key="K", secret="no")
    assert client.error() == 402
    client.login()
    client.send(action="auth", key="K", secret="S")
    assert client.error() == 403
    held = client.subscribe(trades=["AAA", "WAVE"], quotes=["*"])
    both = ["AAA", "WAVE"]
    assert held == {"trades": both, "quotes": ["*"], "corrections": both, "cancelErrors": both}
    trade, quote = client.until("t"), client.until("q")
    assert trade["S"] in both and isinstance(trade["i"], int) and trade["c"][0] == "@"
    time = trade["t"].to_unix_nano() if packed else trade["t"]
    assert (time // 10**9 if packed else time[:4]) and quote["bp"] < quote["ap"]
    client.send(action="unsubscribe", trades=["AAA", "WAVE"], quotes=["*"])
    while True:
        (event, *_) = client.recv()
        if event["T"] == "subscription":
            break
    assert not any(symbols for name, symbols in event.items() if name != "T")


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ({"action": "subscribe", "news": ["*"]}, 410),
        ({"action": "subscribe", "trades": "AAA"}, 400),
        ({"action": "subscribe", "trades": [5]}, 400),
        ({"action": "dance"}, 400),
        ({}, 400),
    ],
)
def test_what_it_cannot_use_it_says_and_goes_on(venue: RunningVenue, command: Any, code: int) -> None:
    client = Client(venue).login()
    client.send(**command)
    assert client.error() == code
    client.raw.send("{")
    assert client.error() == 400
    client.raw.send_binary(b"\xc1")
    assert client.error() == 400
    assert client.subscribe(trades=["AAA"])["trades"] == ["AAA"]


def test_keys_may_come_with_the_upgrade(venue: RunningVenue) -> None:
    keys = {"APCA-API-KEY-ID": "K", "APCA-API-SECRET-KEY": "S"}
    client = Client(venue, "/v2/sip", **keys)
    assert client.recv() == [{"T": "success", "msg": "authenticated"}]
    assert client.subscribe(bars=["AAA"]) == {"bars": ["AAA"]}
    wrong = Client(venue, "/v2/iex", **{**keys, "APCA-API-SECRET-KEY": "no"})
    assert wrong.error() == 402


def test_plans_have_limits(start_venue: StartVenue) -> None:
    plan = {"data_feeds": ["iex"], "data_max_symbols": 2, "data_auth_seconds": 0.2}
    venue = start_venue(streams=plan)
    client = Client(venue).login()
    client.send(action="subscribe", trades=["AAA"], bars=["AAA", "BBB", "WAVE"])
    assert client.error() == 405
    assert client.subscribe(trades=["AAA"], bars=["AAA", "BBB"])["bars"] == ["AAA", "BBB"]
    one_too_many = Client(venue)
    one_too_many.send(action="auth", key="K", secret="S")
    assert one_too_many.error() == 406
    assert one_too_many.ended() == 1008
    late = Client(venue, "/v2/sip")
    assert late.error() == 404 and late.ended() == 1008
    client.raw.close()
    venue.until(lambda: venue.ctl()["connections"]["data"] == 0)
    dear = Client(venue, "/v2/sip")
    dear.send(action="auth", key="K", secret="S")
    assert dear.error() == 409


def test_it_is_closed_cut_muted_and_broken_by_word(venue: RunningVenue) -> None:
    client = Client(venue).login()
    client.subscribe(trades=["*"])
    client.until("t")
    venue.ctl(malformed={"stream": "data", "kind": "html"})
    while b"nginx" not in (frame := client.raw.recv_data()[1]):
        json.loads(frame)
    venue.ctl(mute_data=True)
    client.raw.settimeout(0.5)
    with pytest.raises(websocket.WebSocketTimeoutException):
        while client.raw.recv():
            pass
    client.raw.settimeout(20)
    venue.ctl(mute_data=False)
    client.until("t")
    venue.ctl(close_data=1012)
    assert client.ended() == 1012
    venue.until(lambda: venue.ctl()["connections"]["data"] == 0)
    client = Client(venue).login()
    venue.ctl(abort_data=True)
    with pytest.raises((websocket.WebSocketConnectionClosedException, ConnectionError)):
        client.recv()


# ---------------------------------------------------------------- what the market says


def test_halts_bands_and_broken_trades_are_told(venue: RunningVenue) -> None:
    client = Client(venue).login()
    client.subscribe(trades=["AAA"], statuses=["AAA"])
    trade = client.until("t")
    venue.ctl(halt="AAA")
    halt = client.until("s")
    assert (halt["S"], halt["sc"], halt["rc"]) == ("AAA", "H", "LUDP")
    venue.ctl(break_trade={"symbol": "AAA"})
    assert client.until("x")["S"] == "AAA"
    venue.ctl(break_trade={"symbol": "AAA", "price": 77.5})
    corrected = client.until("c")
    assert corrected["cp"] == 77.5 and corrected["op"] > 77.5 and corrected["os"] > 0
    venue.ctl(resume="AAA")
    assert client.until("s")["sc"] == "T"
    assert client.until("t")["i"] != trade["i"], "prints go on"


def test_canned_frames_come_with_the_subscription_and_only_then(start_venue: StartVenue) -> None:
    canned = {
        "stream": "data",
        "channel": "lulds",
        "frames": [[{"T": "l", "S": "$symbol", "u": 2, "t": "$now"}]],
    }
    venue = start_venue(frames=[canned])
    client = Client(venue, packed=True).login()
    client.subscribe(lulds=["AAA", "BBB"])
    told = [client.until("l") for _ in range(2)]
    assert [event["S"] for event in told] == ["AAA", "BBB"]
    assert told[0]["t"].to_unix_nano() > 0
    client.subscribe(lulds=["AAA"])
    assert client.subscribe(statuses=["AAA"])["lulds"] == ["AAA", "BBB"], "not sent a second time"


class Readers:
    """Wants everything and keeps it."""

    def __init__(self) -> None:
        self.events: list[Any] = []

    def wants(self, channel: str) -> bool:
        return True

    def publish(self, events: Any) -> None:
        self.events += events


def minute(index: int, close: float = 10.0, symbol: str = "AAA") -> VenueBar:
    start = NOON_MS + index * MINUTE_MS
    return VenueBar(symbol, start, start + MINUTE_MS, 10.0, max(10.0, close), 9.0, close, 100.0, 1000.0, 5)


def test_a_bar_that_comes_again_is_an_update_and_days_add_up() -> None:
    class Source:
        def sketch(self, symbol: str, start_ms: int, end_ms: int) -> VenueBar | None:
            return VenueBar(symbol, start_ms, end_ms, 8.0, 12.0, 7.0, 9.0, 50.0, 450.0, 2)

    readers = Readers()
    tape = DataTape(
        source=Source(),  # type: ignore[arg-type]
        scenario=load_scenario("demo"),
        readers=readers,
    )
    tape.on_bars("A", [minute(0)])
    tape.on_bars("AM", [minute(0), minute(1)])
    tape.on_bars("AM", [minute(0, close=11.0)])
    tape.on_bands([Band("AAA", 9.0, 11.0, 3, NOON_MS)])
    assert [channel for channel, _, _ in readers.events] == [
        *("bars", "dailyBars", "bars", "dailyBars", "updatedBars", "lulds")
    ]
    day, update = readers.events[3][2], readers.events[4][2]
    assert (day["o"], day["h"], day["l"], day["v"], day["n"]) == (8.0, 12.0, 7.0, 250, 12)
    assert (update["T"], update["c"], update["t"]) == ("u", 11.0, NOON_MS * 1_000_000)


def test_days_begin_anew() -> None:
    days = DayBars(lambda *_: None)
    days.added(minute(0))
    assert days.added(minute(1)).volume == 200
    assert days.added(minute(24 * 60)).volume == 100


def test_a_trade_in_the_tapes_letters() -> None:
    trade = Print("AAA", "77", 12, 3, 10.5, 0.4, (14, 37, 12), NOON_MS, NOON_MS, 5, 0, 0)
    event = trade_event(trade)
    assert (event["x"], event["z"], event["c"], event["s"], event["i"]) == (
        "Q",
        "C",
        ["@", "F", "I", "T"],
        0.4,
        77,
    )
    corrected = correction_event(trade, 10.4, 5)
    assert (corrected["oi"], corrected["ci"], corrected["op"], corrected["cp"]) == (77, 78, 10.5, 10.4)
    assert corrected["oc"] == corrected["cc"] == event["c"]


def test_the_delayed_feed_tells_the_same_later(start_venue: StartVenue) -> None:
    venue = start_venue(
        streams={"data_feeds": ["iex", "delayed_sip"], "data_max_connections": 2},
        polygon={"delay_seconds": 2},
    )
    now, late = Client(venue).login(), Client(venue, "/v2/delayed_sip").login()
    for client in (now, late):
        client.subscribe(trades=["AAA"], quotes=["AAA"])
    # What is printed from here on is read on one feed first, and then on the other.
    printed = [now.until("t")["i"] for _ in range(3)]
    first_late = late.until("t")
    assert venue.ctl()["connections"]["data"] == 2
    told = [first_late["i"]]
    while told[-1] < printed[-1]:
        told.append(late.until("t")["i"])
    assert set(printed) <= set(told)


# ---------------------------------------------------------------- the vendor's own client


def test_alpacas_own_client_gets_everything(venue: RunningVenue) -> None:
    got: dict[str, list[Any]] = {
        "Trade": [],
        "Quote": [],
        "TradingStatus": [],
        "TradeCancel": [],
        "TradeCorrection": [],
    }

    async def keep(event: Any) -> None:
        got[type(event).__name__].append(event)

    def made() -> StockDataStream:
        url = f"ws://127.0.0.1:{venue.port}/data/v2/iex"
        stream = StockDataStream("K", "S", url_override=url)
        stream.subscribe_trades(keep, "AAA")
        stream.subscribe_quotes(keep, "AAA")
        stream.subscribe_trading_statuses(keep, "*")
        stream.register_trade_cancels(keep)
        stream.register_trade_corrections(keep)
        return stream

    with running(made()):
        venue.until(lambda: got["Trade"] and got["Quote"])
        venue.ctl(halt="AAA", break_trade={"symbol": "AAA"})
        venue.ctl(break_trade={"symbol": "AAA", "price": 99.5})
        venue.until(lambda: all(got.values()))
    trade, correction = got["Trade"][0], got["TradeCorrection"][0]
    assert (trade.symbol, trade.tape) == ("AAA", "C") and trade.timestamp.tzinfo is not None
    assert (correction.corrected_price, got["TradingStatus"][0].status_code) == (99.5, "H")


class running:  # noqa: N801 (reads like a statement)
    """Runs a client of alpaca-py on a thread."""

    def __init__(self, stream: StockDataStream) -> None:
        self._stream = stream
        self._thread = threading.Thread(target=stream.run, daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        stop: Callable[[], None] = self._stream.stop
        stop()
        self._thread.join(20)
        assert not self._thread.is_alive()


def test_a_reader_too_slow_is_told_so_and_closed() -> None:
    async def scene() -> None:
        stream = DataStream(
            scenario=load_scenario("demo"),
            check_keys=lambda key, secret: True,
            faults=Faults(),
            now_ns=lambda: 0,
        )
        app = web.Application()
        app.router.add_get("/data/v2/{feed}", stream.handle)
        async with TestClient(TestServer(app)) as client:
            socket = await client.ws_connect("/data/v2/iex")
            await socket.send_json({"action": "auth"})
            await socket.send_json({"action": "subscribe", "trades": ["*"]})
            async with asyncio.timeout(20):
                while not stream.wants("trades", delayed=False):  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
            for _ in range(2_100):
                stream.publish([("trades", "AAA", {"T": "t", "S": "AAA", "pad": "x" * 100})], delayed=False)
            last: Any = None
            while (message := await socket.receive(timeout=20)).type.name == "TEXT":
                last = message.json()
            assert last == [{"T": "error", "code": 407, "msg": "slow client"}]
            assert socket.close_code == 1008

    asyncio.run(scene())
