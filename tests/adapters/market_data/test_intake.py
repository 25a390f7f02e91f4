"""From a trade print to the listener: once only, filtered, lag measured."""

from __future__ import annotations

from datetime import date, time

from kyzlo_actors.adapters.market_data.intake import LagMeter, TradeIntake
from kyzlo_actors.adapters.market_data.parse import TradePrint
from kyzlo_actors.domain.market import Tick
from kyzlo_actors.infrastructure.new_york import new_york_ns
from tests.fakes.feed_listener import RecordingListener

NOON = new_york_ns(date(2026, 11, 20), time(12))


def printed(number: int, *conditions: int, delay_ns: int = 0, symbol: str = "AAPL") -> TradePrint:
    tick = Tick(symbol, 10.0, 5.0, NOON, NOON + 1_000, 4, 0, str(number))
    return TradePrint(tick, conditions, delay_ns)


def test_prints_reach_the_right_call() -> None:
    listener = RecordingListener()
    intake = TradeIntake(["AAPL"], listener)
    intake.take(printed(1))
    intake.take(printed(2, 37))
    intake.take(printed(3, 15))
    intake.take(printed(4, delay_ns=2_000_000_001))
    intake.take(printed(5, symbol="MSFT"))
    intake.take(printed(6, 999))
    assert [tick.trade_id for tick in listener.ticks] == ["1"]
    assert [tick.trade_id for tick in listener.volumes] == ["2", "4"]
    assert intake.counters.ignored == 3
    assert intake.counters.late_reports == 1


def test_a_corrected_close_moves_the_price_without_volume() -> None:
    listener = RecordingListener()
    TradeIntake(["AAPL"], listener).take(printed(1, 38))
    assert [(tick.price, tick.size) for tick in listener.ticks] == [(10.0, 0.0)]


def test_a_repeated_print_counts_once() -> None:
    listener = RecordingListener()
    intake = TradeIntake(["AAPL"], listener)
    for _ in range(3):
        intake.take(printed(1))
    assert len(listener.ticks) == 1
    assert intake.counters.duplicates == 2


def test_the_memory_of_prints_is_bounded() -> None:
    intake = TradeIntake(["AAPL"], RecordingListener())
    for number in range((1 << 16) + 100):
        intake.take(printed(number))
    assert len(intake._seen) == len(intake._order) == 1 << 16


def test_lag_is_a_percentile_of_what_came_since_the_last_question() -> None:
    meter = LagMeter()
    assert meter.take_p99_ns() is None
    for lag in range(1, 101):
        meter.note(lag)
    assert meter.take_p99_ns() == 100
    assert meter.take_p99_ns() is None
