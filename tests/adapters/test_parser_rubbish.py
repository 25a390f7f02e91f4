"""Parsers on damaged replies of the venue: nothing but the declared errors, everything unusable counted, all that comes
out fit for the journal and for the slots."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kyzlo_actors.actors.wire import codec
from kyzlo_actors.adapters.broker import parse as broker
from kyzlo_actors.adapters.broker.errors import classify
from kyzlo_actors.adapters.broker.reads import AlpacaReads
from kyzlo_actors.adapters.broker.stream_frames import Unusable, parse_stream_frame
from kyzlo_actors.adapters.broker.timestamps import timestamp_ns
from kyzlo_actors.adapters.market_data import parse as feed
from kyzlo_actors.adapters.market_data.aggregates import PolygonHistory
from kyzlo_actors.adapters.market_data.intake import TradeIntake
from kyzlo_actors.adapters.market_data.protocol import Session
from kyzlo_actors.domain.broker_events import StateRead, TradeUpdated
from kyzlo_actors.domain.errors import Fatal, Recoverable
from kyzlo_actors.domain.market import Bar, Tick
from kyzlo_actors.domain.values import Severity
from kyzlo_actors.infrastructure.http_exchange import HttpReply
from kyzlo_actors.infrastructure.mailbox.latest_tick import TickSlots
from tests.adapters.captured import Captured, capture
from tests.fakes.clock import FakeClock
from tests.fakes.local_server import paper_venue
from tests.fakes.rubbish import ODD_VALUES, damaged, damaged_bytes, each_part_spoilt

NOW = 1_795_200_000_000_000_000
HUGE_BYTES = 10 << 20
FUZZ = settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


@pytest.fixture(scope="module")
def captured(tmp_path_factory: pytest.TempPathFactory) -> Captured:
    with paper_venue(tmp_path_factory.mktemp("venue")) as venue:
        return capture(venue)


@pytest.fixture(scope="module")
def slots(tmp_path_factory: pytest.TempPathFactory) -> TickSlots:
    return TickSlots.create(tmp_path_factory.mktemp("slots") / "slots", ["AAA", "BBB"], bar_capacity=8)


class Pages:
    """A history whose pages come from nowhere; after the given ones a good end."""

    def __init__(self) -> None:
        self.history = PolygonHistory("http://127.0.0.1:1", "K", FakeClock(NOW))
        self._bodies: list[bytes] = []

    def exchange(self, *_: object, **__: object) -> HttpReply:
        return HttpReply(status=200, headers={}, body=self._bodies.pop(0))

    def read(self, *bodies: bytes) -> list[Bar]:
        self._bodies = [*bodies, orjson.dumps({"status": "OK"})]
        try:
            return self.history.bars("AAA", interval_ns=10**9, start_ns=NOW - 10**15, end_ns=NOW + 10**15)
        except (Recoverable, Fatal):
            return []


@pytest.fixture(scope="module")
def pages() -> Iterator[Pages]:
    made = Pages()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("kyzlo_actors.adapters.market_data.aggregates.exchange", made.exchange)
        yield made
    made.history.close()


PARSERS: dict[str, tuple[str, Callable[[Any, broker.ParseCounters], Any]]] = {
    "order": ("order", broker.parse_order),
    "orders": ("orders", broker.parse_order),
    "account": ("account", broker.parse_account),
    "position": ("positions", broker.parse_position),
    "clock": ("clock", broker.parse_clock),
    "calendar": ("calendar", broker.parse_calendar),
    "asset": ("assets", broker.parse_asset),
    "execution": ("activities", broker.parse_execution),
}


@pytest.mark.parametrize("name", PARSERS)
@FUZZ
@given(data=st.data())
def test_a_damaged_reply_is_a_record_or_counted(captured: Captured, name: str, data: st.DataObject) -> None:
    kind, parse = PARSERS[name]
    sample = captured.replies[kind]
    rows = sample if isinstance(sample, list) and name != "calendar" else [sample]
    take_reply(parse, data.draw(damaged(rows)))


def take_reply(parse: Callable[[Any, broker.ParseCounters], Any], data: object) -> None:
    counters = broker.ParseCounters()
    record = parse(data, counters)
    assert record is not None or counters.dropped == 1
    if record is not None:
        fits_the_journal(asdict(record))


@FUZZ
@given(data=st.data())
def test_a_damaged_stream_frame_is_an_event_or_counted(captured: Captured, data: st.DataObject) -> None:
    take_stream_frame(data.draw(damaged_bytes(captured.stream)))


def take_stream_frame(payload: bytes) -> None:
    counters = broker.ParseCounters()
    frame = parse_stream_frame(payload, NOW, counters)
    if isinstance(frame, Unusable):
        assert counters.dropped + counters.unknown_frames == 1
    if isinstance(frame, TradeUpdated):
        assert codec().decode(codec().encode(frame)) == frame


@FUZZ
@given(data=st.data(), status=st.sampled_from((400, 401, 403, 404, 408, 422, 429, 500, 502, 504, 302)))
def test_a_damaged_refusal_is_classified(captured: Captured, data: st.DataObject, status: int) -> None:
    samples = [captured.replies[name] for name in ("refusal", "unauthorized", "not_found")]
    failure = classify(status, data.draw(damaged_bytes(samples)))
    assert failure.http_status == status and len(failure.message) < 400
    fits_the_journal({"code": failure.code, "message": failure.message})


class RestOfRubbish:
    """Answers every read with what it was given."""

    def __init__(self, replies: Mapping[str, Any]) -> None:
        self._replies = replies

    def get(self, path: str, params: Mapping[str, str] | None = None) -> Any:
        return self._replies[path.partition("?")[0]]


@FUZZ
@given(data=st.data())
def test_a_read_of_rubbish_is_complete_or_fails(captured: Captured, data: st.DataObject) -> None:
    replies = captured.replies
    rest = RestOfRubbish(
        {
            "/v2/orders": data.draw(damaged([replies["orders"]])),
            "/v2/orders:by_client_order_id": data.draw(damaged([replies["order"], None])),
            "/v2/positions": data.draw(damaged([replies["positions"]])),
            "/v2/account": data.draw(damaged([replies["account"]])),
        }
    )
    reads = AlpacaReads(rest, FakeClock(NOW), broker.ParseCounters())  # type: ignore[arg-type]
    try:
        state = reads.state(NOW - 10**9, ["kyzlo.a.2"])
    except (Recoverable, Fatal):
        return
    read = StateRead(state=state, reason="r", now_ns=NOW)
    assert codec().decode(codec().encode(read)) == read


@FUZZ
@given(data=st.data())
def test_a_damaged_feed_frame_reaches_the_slots_or_is_counted(
    captured: Captured, slots: TickSlots, data: st.DataObject
) -> None:
    take_feed_frame(data.draw(damaged_bytes(captured.feed)), slots)


def take_feed_frame(payload: bytes, slots: TickSlots) -> None:
    counters = feed.ParseCounters()
    session = Session(api_key="K", symbols=["AAA", "BBB"])
    intake = TradeIntake(slots.symbols, SlotListener(slots))
    for event in feed.parse_frame(payload, NOW, counters):
        if isinstance(event, feed.TradePrint):
            intake.take(event)
        elif isinstance(event, feed.Status):
            session.react(event)
        else:
            slots.append_bar(0, event)
    assert counters.frames == 1


class SlotListener:
    """Writes every trade where a feed would."""

    def __init__(self, slots: TickSlots) -> None:
        self._slots = slots

    def on_tick(self, tick: Tick) -> None:
        self._slots.write(self._slots.symbols.index(tick.symbol), tick, None)

    def on_volume(self, tick: Tick) -> None:
        self.on_tick(tick)

    def on_idle(self, now_ns: int) -> None: ...

    def on_connected(self, now_ns: int, gap_start_ns: int | None) -> None: ...

    def on_disconnected(self, now_ns: int, detail: str) -> None: ...

    def on_notice(self, severity: Severity, code: str, text: str) -> None: ...


@FUZZ
@given(data=st.data())
def test_damaged_history_is_bars_or_a_declared_error(
    captured: Captured, slots: TickSlots, pages: Pages, data: st.DataObject
) -> None:
    sample = aggregates_with_a_next_page(captured)
    for bar in pages.read(*(data.draw(damaged_bytes([sample])) for _ in range(2))):
        slots.append_bar(0, bar)


def aggregates_with_a_next_page(captured: Captured) -> dict[str, Any]:
    page = captured.replies["aggregates"]
    return {**page, "results": page["results"][:2], "next_url": "https://127.0.0.1/v2/aggs?cursor=x"}


def test_each_part_of_a_feed_frame_may_be_anything(captured: Captured, slots: TickSlots) -> None:
    kinds = {row["ev"]: row for frame in captured.feed for row in frame}
    assert {"T", "A", "status"} <= set(kinds)
    for row in kinds.values():
        for spoilt in each_part_spoilt([row]):
            take_feed_frame(orjson.dumps(spoilt), slots)


def test_each_part_of_a_history_page_may_be_anything(
    captured: Captured, slots: TickSlots, pages: Pages
) -> None:
    for spoilt in each_part_spoilt(aggregates_with_a_next_page(captured)):
        for bar in pages.read(orjson.dumps(spoilt)):
            slots.append_bar(0, bar)


def test_each_part_of_an_order_event_may_be_anything(captured: Captured) -> None:
    for frame in captured.stream:
        for spoilt in each_part_spoilt(frame):
            take_stream_frame(orjson.dumps(spoilt))


@pytest.mark.parametrize("name", PARSERS)
def test_each_part_of_a_reply_may_be_anything(captured: Captured, name: str) -> None:
    kind, parse = PARSERS[name]
    sample = captured.replies[kind]
    row = sample[0] if isinstance(sample, list) and name != "calendar" else sample
    for spoilt in each_part_spoilt(row):
        take_reply(parse, spoilt)


@given(value=st.one_of(st.sampled_from(ODD_VALUES), st.text(max_size=40)))
def test_a_time_fits_64_bits_or_is_none(value: object) -> None:
    ts = timestamp_ns(value)
    assert ts is None or -(2**63) <= ts < 2**63


def test_a_huge_frame_is_no_accident(captured: Captured) -> None:
    update = next(frame for frame in captured.stream if frame["stream"] == "trade_updates")
    big = {**update, "padding": "x" * HUGE_BYTES}
    counters = broker.ParseCounters()
    assert isinstance(parse_stream_frame(orjson.dumps(big), NOW, counters), TradeUpdated)
    feed_counters = feed.ParseCounters()
    trade = next(row for frame in captured.feed for row in frame if row["ev"] == "T")
    assert (
        len(feed.parse_frame(orjson.dumps([{**trade, "padding": "x" * HUGE_BYTES}]), NOW, feed_counters)) == 1
    )
    assert feed.parse_frame(b"[" + b" " * feed.MAX_FRAME_BYTES + b"]", NOW, feed_counters) == []
    assert feed_counters.bad_frames == 1


def fits_the_journal(fields: dict[str, Any]) -> None:
    """What the journal's JSON cannot hold would end the actor that decides on it, in every life again."""
    orjson.dumps(fields, default=str)
