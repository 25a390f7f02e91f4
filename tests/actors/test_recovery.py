"""Recovery: snapshot, then journal; what ended its actor twice is skipped; nothing unreadable stops a life."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import orjson
import pytest

from kyzlo_actors.actors.recovery import (
    CrashMarker,
    SnapshotFile,
    decision_record,
    input_record,
    replay,
    skip_record,
)
from kyzlo_actors.domain.effects import Schedule
from kyzlo_actors.domain.messages import TimerDue
from kyzlo_actors.domain.symbol_core import SymbolState
from kyzlo_actors.infrastructure.journal import JournalWriter, SyncPolicy
from tests.fakes.clock import FakeClock

LOG = logging.getLogger("recovery-test")


class Diary:
    """A core that remembers the names of its timers and dies of those called "poison"."""

    def __init__(self) -> None:
        self.state: list[str] = []

    def handle(self, event: Any) -> list[Any]:
        if event.name == "poison":
            raise RuntimeError("poisoned")
        self.state.append(event.name)
        return []


class Life:
    """One life after the other of an actor on the same journal; `boot` raises what recovery raises."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def write(self, *bodies: bytes) -> None:
        writer = JournalWriter(self.directory, clock=FakeClock(), segment_bytes=1 << 16, sync=SyncPolicy.NONE)
        for body in bodies:
            writer.append(body)
        writer.close()

    def boot(self, from_sequence: int = 1) -> Diary:
        core = Diary()
        recovered = replay(
            core,
            self.directory,
            from_sequence=from_sequence,
            beat=lambda: None,
            observe=lambda event: None,
            log=LOG,
        )
        if recovered.skipped_sequence is not None:
            self.write(skip_record(recovered.skipped_sequence))
        CrashMarker(self.directory).end()
        return core


@pytest.fixture
def life(tmp_path: Path) -> Life:
    (tmp_path / "journal").mkdir()
    return Life(tmp_path / "journal")


def timer(name: str) -> bytes:
    return input_record(TimerDue(name=name, due_ns=1, now_ns=2))


DECISION = decision_record([Schedule(name="x", due_ns=1)])


def test_inputs_are_taken_in_order_and_decisions_are_not_inputs(life: Life) -> None:
    life.write(timer("a"), DECISION, timer("b"), timer("c"), DECISION)
    assert life.boot().state == ["a", "b", "c"]
    assert life.boot(from_sequence=3).state == ["b", "c"]


def test_a_new_journal_has_nothing_to_tell(life: Life) -> None:
    assert life.boot().state == []


def test_an_input_that_ends_its_actor_twice_is_skipped_the_third_time(life: Life) -> None:
    life.write(timer("a"), timer("poison"))  # once alive: the journal ends with it
    with pytest.raises(RuntimeError):
        life.boot()  # and once in a recovery
    assert life.boot().state == ["a"]


def test_a_skipped_input_stays_skipped_in_every_later_life(life: Life) -> None:
    life.write(timer("a"), timer("poison"))
    with pytest.raises(RuntimeError):
        life.boot()
    life.boot()
    life.write(timer("b"), DECISION)
    assert life.boot().state == ["a", "b"]
    assert life.boot().state == ["a", "b"]


def test_a_second_poison_gets_its_own_two_chances(life: Life) -> None:
    life.write(timer("poison"))
    with pytest.raises(RuntimeError):
        life.boot()
    life.boot()
    life.write(timer("poison"))
    with pytest.raises(RuntimeError):
        life.boot()
    assert life.boot().state == []


def test_a_recovery_that_was_killed_for_another_reason_skips_no_decision(life: Life) -> None:
    life.write(timer("a"), DECISION)
    CrashMarker(life.directory).begin(2, 5)
    assert life.boot().state == ["a"]


def test_an_input_of_another_version_is_left_out_and_told(
    life: Life, caplog: pytest.LogCaptureFixture
) -> None:
    life.write(timer("a"), b'{"input":{"type":"Yesterday"}}', b'{"input":{"type":"TimerDue"}}', timer("b"))
    with caplog.at_level(logging.CRITICAL):
        assert life.boot().state == ["a", "b"]
    assert len(caplog.records) == 2


@pytest.mark.parametrize("content", [b"", b"[]", b"not json", b'{"attempts": 3}', b'{"sequence": null}'])
def test_a_marker_that_cannot_be_read_counts_nothing(life: Life, content: bytes) -> None:
    (life.directory / "recovering.json").write_bytes(content)
    assert CrashMarker(life.directory).attempts(1) == 0


def test_the_marker_is_about_one_input(life: Life) -> None:
    marker = CrashMarker(life.directory)
    marker.begin(7, 1)
    assert (marker.attempts(7), marker.attempts(8)) == (1, 0)
    marker.end()
    marker.end()
    assert marker.attempts(7) == 0


def test_a_snapshot_comes_back_as_it_was_saved(tmp_path: Path) -> None:
    state = SymbolState(incarnation=3, bar_count=9)
    snapshot = SnapshotFile(tmp_path, "symbol-AAA")
    assert snapshot.load() is None
    snapshot.save(41, state, {"strategy": {"ticks": 5}})
    assert snapshot.load() == (41, state, {"strategy": {"ticks": 5}})
    snapshot.save(42, state, {})
    assert snapshot.load() == (42, state, {})
    assert [path.name for path in tmp_path.iterdir()] == ["symbol-AAA.json"]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not json",
        b"[]",
        b"null",
        b'{"schema": 99, "sequence": 1, "state": {}, "extra": {}}',
        b'{"schema": 1, "sequence": 1, "state": {"type": "Yesterday"}, "extra": {}}',
        b'{"schema": 1, "sequence": 1, "state": {"type": "SymbolState", "orders": 7}, "extra": {}}',
        b'{"schema": 1, "sequence": 1, "state": 5, "extra": {}}',
        b'{"schema": 1, "state": {}}',
    ],
)
def test_a_snapshot_that_cannot_be_used_is_none_and_the_journal_tells_all(
    tmp_path: Path, content: bytes
) -> None:
    snapshot = SnapshotFile(tmp_path, "risk")
    snapshot.path.write_bytes(content)
    assert snapshot.load() is None


def test_the_sequence_of_a_snapshot_is_read_without_the_rest(tmp_path: Path) -> None:
    snapshot = SnapshotFile(tmp_path, "broker")
    assert snapshot.sequence() == 0
    snapshot.save(123_456_789, SymbolState(), {})
    assert snapshot.sequence() == 123_456_789
    for other in (b"", b"[]", b'{"schema":99,"sequence":5,', b'{"schema":1,"sequence":"5",'):
        snapshot.path.write_bytes(other)
        assert snapshot.sequence() == 0


def test_a_torn_draft_beside_the_snapshot_is_not_read(tmp_path: Path) -> None:
    snapshot = SnapshotFile(tmp_path, "risk")
    snapshot.save(1, SymbolState(), {})
    snapshot.path.with_suffix(".tmp").write_bytes(b"half")
    assert snapshot.load() is not None


def test_records_say_what_they_are() -> None:
    assert orjson.loads(timer("a"))["input"]["type"] == "TimerDue"
    assert orjson.loads(DECISION)["decision"][0]["type"] == "Schedule"
    assert orjson.loads(skip_record(5)) == {"skipped": 5}
