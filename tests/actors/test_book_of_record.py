"""The book of record as a reader beside the service sees it: the same state, and not a byte written."""

from __future__ import annotations

import os
from decimal import Decimal
from pathlib import Path

import pytest

from kyzlo_actors.actors.book_of_record import read_book
from kyzlo_actors.actors.layout import BROKER, Layout
from kyzlo_actors.actors.recovery import CrashMarker, SnapshotFile, input_record, skip_record
from kyzlo_actors.domain.broker import BrokerPosition, BrokerState
from kyzlo_actors.domain.broker_events import StateRead
from kyzlo_actors.domain.errors import Recoverable
from kyzlo_actors.domain.execution_core import ExecutionCore, ExecutionSettings
from kyzlo_actors.domain.messages import Started
from kyzlo_actors.infrastructure.journal import JournalWriter, SyncPolicy
from kyzlo_actors.infrastructure.journal_reader import prune
from tests.fakes.broker_desk import FakeDesk, broker_order
from tests.fakes.clock import FakeClock

SETTINGS = ExecutionSettings(symbols=("AAPL",))
READ = StateRead(
    reason="start",
    state=BrokerState(
        read_started_ns=5,
        account=FakeDesk().account(),
        orders=(broker_order(1),),
        positions=(BrokerPosition(symbol="AAPL", qty=Decimal(7), avg_entry_price=Decimal(100)),),
    ),
    now_ns=6,
)
INPUTS = (Started(incarnation=1, now_ns=4), READ, Started(incarnation=2, now_ns=9))


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    layout = Layout(state_directory=tmp_path, runtime_directory=tmp_path, symbols=("AAPL",))
    layout.journal(BROKER).mkdir(parents=True)
    layout.snapshots.mkdir()
    return layout


def write(layout: Layout, *bodies: bytes) -> None:
    writer = JournalWriter(
        layout.journal(BROKER), clock=FakeClock(), segment_bytes=1 << 12, sync=SyncPolicy.NONE
    )
    for body in bodies:
        writer.append(body)
    writer.close()


def names(directory: Path) -> dict[str, int]:
    """Every file with its time of change."""
    return {
        os.path.join(root, name): os.stat(os.path.join(root, name)).st_mtime_ns
        for root, _, files in os.walk(directory)
        for name in files
    }


def test_nobody_lived_here(layout: Layout, tmp_path: Path) -> None:
    assert read_book(layout) is None
    elsewhere = Layout(state_directory=tmp_path / "x", runtime_directory=tmp_path, symbols=())
    assert read_book(elsewhere) is None


def test_the_book_is_the_cores_own_state_and_reading_writes_nothing(layout: Layout) -> None:
    write(layout, *map(input_record, INPUTS))
    core = ExecutionCore(SETTINGS)
    for event in INPUTS:
        core.handle(event)
    before = names(layout.state_directory)
    assert read_book(layout) == core.state
    assert core.state.positions["AAPL"].qty == 7
    assert names(layout.state_directory) == before


def test_a_snapshot_saves_its_part_of_the_journal(layout: Layout) -> None:
    core = ExecutionCore(SETTINGS)
    for event in INPUTS[:2]:
        core.handle(event)
    write(layout, *map(input_record, INPUTS))
    SnapshotFile(layout.snapshots, BROKER).save(2, core.state, {})
    core.handle(INPUTS[2])
    assert read_book(layout) == core.state


def test_skipped_inputs_stay_out_and_so_does_one_that_is_under_suspicion(layout: Layout) -> None:
    write(layout, input_record(INPUTS[0]), input_record(READ), skip_record(2))
    book = read_book(layout)
    assert book is not None and not book.positions
    write(layout, input_record(READ))
    CrashMarker(layout.journal(BROKER)).begin(4, 1)
    book = read_book(layout)
    assert book is not None and not book.positions


def test_a_journal_with_a_hole_is_told_in_one_line(layout: Layout) -> None:
    write(layout, *(input_record(READ) for _ in range(20)))
    SnapshotFile(layout.snapshots, BROKER).save(1, ExecutionCore(SETTINGS).state, {})
    assert prune(layout.journal(BROKER), 10)
    with pytest.raises(Recoverable, match="cannot be read"):
        read_book(layout)


@pytest.mark.parametrize("snapshot", [None, '{"schema": 999}', "{"])
def test_half_a_journal_without_its_snapshot_is_no_book(layout: Layout, snapshot: str | None) -> None:
    write(layout, *(input_record(READ) for _ in range(20)))
    assert prune(layout.journal(BROKER), 10)
    if snapshot is not None:
        layout.snapshots.mkdir(exist_ok=True)
        SnapshotFile(layout.snapshots, BROKER).path.write_text(snapshot)
    with pytest.raises(Recoverable, match=r"begins at \d+.*broker.json is missing or cannot be read"):
        read_book(layout)
