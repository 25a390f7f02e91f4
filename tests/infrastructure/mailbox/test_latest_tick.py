"""Slots and rings across real processes: never torn, survive a writer's death, say what was missed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kyzlo_actors.domain.errors import Fatal
from kyzlo_actors.domain.market import Bar, Tick
from kyzlo_actors.infrastructure.mailbox.latest_tick import TickSlots, cut_trade_id
from tests.infrastructure.processes import exit_code, forked, kill

SYMBOLS = ("AAPL", "MSFT", "NVDA")
WRITES = 200_000


def tick(number: int, symbol: str = "AAPL") -> Tick:
    """A tick whose every field follows from `number`, so that a mixture of two shows."""
    return Tick(
        symbol, float(number), number * 2.0, number * 3, number * 4, number % 20, number % 3, f"id{number}"
    )


def bar(number: int, symbol: str = "AAPL") -> Bar:
    value = float(number)
    return Bar(
        symbol,
        60,
        number * 60,
        value,
        value + 1,
        value - 1,
        value,
        9.5,
        number,
        number % 2,
        number % 2 == 1,
        number,
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ticks"


def test_what_is_written_is_read(path: Path) -> None:
    writer = TickSlots.create(path, SYMBOLS)
    reader = TickSlots.open(path, SYMBOLS)
    assert reader.read(1) is None
    assert reader.version(1) == 0
    writer.write(1, tick(7, "MSFT"), bar(3, "MSFT"))
    view = reader.read(1)
    assert view is not None
    assert view.tick == tick(7, "MSFT")
    assert view.running == bar(3, "MSFT")
    assert view.version == reader.version(1) != 0
    writer.write(1, tick(8, "MSFT"), None)
    newer = reader.read(1)
    assert newer is not None
    assert newer.version > view.version
    assert newer.running is None
    assert reader.read(0) is None
    assert path.stat().st_mode & 0o777 == 0o600


@given(trade_id=st.text(max_size=80))
def test_any_trade_id_comes_out_cut_the_same_way(
    tmp_path_factory: pytest.TempPathFactory, trade_id: str
) -> None:
    path = tmp_path_factory.getbasetemp() / "one-slot"
    slots = TickSlots.create(path, ("A",), bar_capacity=2)
    slots.write(0, Tick("A", 1.0, 1.0, 1, 1, 1, 0, trade_id), None)
    view = slots.read(0)
    assert view is not None and view.tick is not None
    assert view.tick.trade_id == cut_trade_id(trade_id)
    assert cut_trade_id(cut_trade_id(trade_id)) == cut_trade_id(trade_id)
    slots.close()


def test_long_ids_with_the_same_beginning_stay_different() -> None:
    assert cut_trade_id("x" * 32) == "x" * 32
    assert cut_trade_id("x" * 40 + "1") != cut_trade_id("x" * 40 + "2")
    assert len(cut_trade_id("é" * 40)) == 32


def test_a_reader_in_another_process_never_sees_a_mixture(path: Path) -> None:
    TickSlots.create(path, SYMBOLS)
    reader = TickSlots.open(path, SYMBOLS)

    def write() -> None:
        writer = TickSlots.create(path, SYMBOLS)
        for number in range(1, WRITES + 1):
            writer.write(0, tick(number), bar(number))

    reads = 0
    with forked(write):
        number = 0
        while number < WRITES:
            view = reader.read(0)
            if view is None or view.tick is None:
                continue
            assert number <= int(view.tick.price)
            number = int(view.tick.price)
            assert view.tick == tick(number)
            assert view.running == bar(number)
            assert view.version == number * 2
            reads += 1
    assert reads > 0


def test_a_value_that_does_not_fit_changes_nothing(path: Path) -> None:
    slots = TickSlots.create(path, SYMBOLS)
    slots.write(0, tick(1), None)
    bad = tick(2)
    bad.ts_event = 2**70
    with pytest.raises(Exception, match=r"int too large|argument out of range"):
        slots.write(0, bad, None)
    view = slots.read(0)
    assert view is not None
    assert view.tick == tick(1)


def test_a_writer_dead_inside_a_write_is_repaired_by_the_next(path: Path) -> None:
    dead = TickSlots.create(path, SYMBOLS)
    dead.write(0, tick(1), bar(1))
    dead.write(1, tick(5, "MSFT"), None)
    dead.append_bar(0, bar(1))
    dead._words[dead._slot_word(0)] += 1
    reader = TickSlots.open(path, SYMBOLS)
    assert reader.read(0) is None
    writer = TickSlots.create(path, SYMBOLS)
    view = reader.read(0)
    assert view is not None
    # Half of one tick and half of another must not be believed.
    assert (view.tick, view.running) == (None, None)
    other = reader.read(1)
    assert other is not None
    assert other.tick == tick(5, "MSFT")
    writer.write(0, tick(2), None)
    after = reader.read(0)
    assert after is not None
    assert after.tick == tick(2)
    assert after.version > view.version
    assert reader.bars_from(0, 0).bars == [bar(1)]


def test_writers_killed_at_any_moment_are_followed_by_new_ones(path: Path) -> None:
    TickSlots.create(path, SYMBOLS)
    reader = TickSlots.open(path, SYMBOLS)

    def write() -> None:
        writer = TickSlots.create(path, SYMBOLS)
        number = 0
        while True:
            number += 1
            writer.write(0, tick(number), bar(number))

    for _ in range(10):
        with forked(write) as pid:
            start = reader.version(0)
            while reader.version(0) < start + 200:
                os.sched_yield()
            kill(pid)
        writer = TickSlots.create(path, SYMBOLS)
        assert reader.version(0) % 2 == 0
        writer.write(0, tick(3), None)
        view = reader.read(0)
        assert view is not None
        assert view.tick == tick(3)


def test_bars_are_caught_up_in_order(path: Path) -> None:
    writer = TickSlots.create(path, SYMBOLS, bar_capacity=8)
    reader = TickSlots.open(path, SYMBOLS, 8)
    assert reader.bars_from(2, 0).bars == []
    for number in range(5):
        writer.append_bar(2, bar(number, "NVDA"))
    read = reader.bars_from(2, 2)
    assert (read.bars, read.next_position, read.missed) == ([bar(n, "NVDA") for n in (2, 3, 4)], 5, 0)
    assert reader.bars_from(2, 5).bars == []
    assert reader.bar_count(2) == 5
    assert reader.bar_count(0) == 0


def test_a_lapped_reader_is_told_how_many_it_missed(path: Path) -> None:
    writer = TickSlots.create(path, SYMBOLS, bar_capacity=8)
    reader = TickSlots.open(path, SYMBOLS, 8)
    for number in range(20):
        writer.append_bar(0, bar(number))
    read = reader.bars_from(0, 3)
    assert [b.trade_count for b in read.bars] == list(range(13, 20))
    assert (read.next_position, read.missed) == (20, 10)


def test_a_position_from_another_file_starts_over(path: Path) -> None:
    writer = TickSlots.create(path, SYMBOLS, bar_capacity=8)
    writer.append_bar(0, bar(0))
    read = writer.bars_from(0, 1_000)
    assert (read.bars, read.next_position, read.missed) == ([bar(0)], 1, 0)


def test_bars_read_while_being_lapped_are_whole_and_accounted_for(path: Path) -> None:
    total = 60_000
    TickSlots.create(path, SYMBOLS, bar_capacity=16)
    reader = TickSlots.open(path, SYMBOLS, 16)

    def write() -> None:
        writer = TickSlots.create(path, SYMBOLS, bar_capacity=16)
        for number in range(total):
            writer.append_bar(0, bar(number))

    position = seen = missed = 0
    with forked(write):
        while position < total:
            read = reader.bars_from(0, position)
            expected = position + read.missed
            assert read.bars == [bar(number) for number in range(expected, expected + len(read.bars))]
            assert read.next_position == expected + len(read.bars)
            position = read.next_position
            seen += len(read.bars)
            missed += read.missed
    assert seen + missed == total


def test_wrong_files_are_fatal(path: Path) -> None:
    with pytest.raises(Fatal, match="missing"):
        TickSlots.open(path, SYMBOLS)
    TickSlots.create(path, SYMBOLS)
    with pytest.raises(Fatal, match="other names"):
        TickSlots.open(path, ("AAPL", "NVDA", "MSFT"))
    with pytest.raises(Fatal, match="other names"):
        TickSlots.open(path, SYMBOLS, 128)
    with pytest.raises(Fatal, match="must differ"):
        TickSlots.create(path, ("A", "A"))
    with pytest.raises(Fatal, match="at least 2"):
        TickSlots.create(path, SYMBOLS, bar_capacity=1)


def test_readers_cannot_write(path: Path) -> None:
    TickSlots.create(path, SYMBOLS)
    reader = TickSlots.open(path, SYMBOLS)
    with pytest.raises(Fatal, match="only the feed"):
        reader.write(0, tick(1), None)
    with pytest.raises(Fatal, match="only the feed"):
        reader.append_bar(0, bar(1))
    with pytest.raises(IndexError):
        reader.read(3)


def test_a_new_writer_with_other_symbols_gets_a_new_file(path: Path) -> None:
    old = TickSlots.create(path, SYMBOLS)
    old.write(0, tick(1), None)
    new = TickSlots.create(path, ("TSLA",))
    assert new.read(0) is None

    def check() -> None:
        assert TickSlots.open(path, ("TSLA",)).read(0) is None

    with forked(check) as pid:
        assert exit_code(pid) == 0
