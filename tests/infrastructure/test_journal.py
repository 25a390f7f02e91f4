"""The journal's promises: gapless, surviving kill -9, bounded on the disk, fail-stop on a bad flush."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from kyzlo_actors.domain.errors import BadInput, Fatal
from kyzlo_actors.infrastructure.clock import SystemClock
from kyzlo_actors.infrastructure.journal import (
    CUT_NAME,
    JournalBroken,
    JournalFull,
    JournalWriter,
    RecordTooLarge,
    SyncPolicy,
    prune,
    read_journal,
)
from kyzlo_actors.infrastructure.journal_segment import HEADER, first_seqs, framed, segment_name
from tests.fakes.clock import FakeClock
from tests.infrastructure.processes import forked, kill

SEGMENT = 4096


def writer(
    path: Path,
    *,
    sync: SyncPolicy = SyncPolicy.NONE,
    limit_bytes: int = 1 << 20,
    clock: FakeClock | None = None,
) -> JournalWriter:
    return JournalWriter(
        path, clock=clock or FakeClock(), segment_bytes=SEGMENT, limit_bytes=limit_bytes, sync=sync
    )


def accepts(journal: JournalWriter) -> bool:
    """A call, because a type checker takes a property to be the same when asked twice."""
    return journal.accepts_entries


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal"


@pytest.mark.parametrize("sync", list(SyncPolicy))
def test_records_come_back_in_order_over_many_segments(path: Path, sync: SyncPolicy) -> None:
    journal = writer(path, sync=sync)
    bodies = [b"%d" % number * (number % 90) for number in range(300)]
    assert [journal.append(body) for body in bodies] == list(range(1, 301))
    records = list(read_journal(path))
    assert [record.body for record in records] == bodies
    assert [record.seq for record in records] == list(range(1, 301))
    assert len(first_seqs(path)) > 5
    journal.close()
    again = writer(path, sync=sync)
    assert again.append(b"more") == 301
    again.close()
    assert [record.seq for record in read_journal(path, 300)] == [300, 301]


def test_times_rise_strictly_also_when_the_clock_goes_back(path: Path) -> None:
    clock = FakeClock(now_ns=100)
    journal = writer(path, clock=clock)
    journal.append(b"a")
    journal.append(b"b")
    clock.set_wall(50)
    journal.append(b"c")
    journal.append(b"d", tx_time=1_000)
    journal.append(b"e", tx_time=7)
    journal.close()
    reopened = writer(path, clock=FakeClock(now_ns=1))
    reopened.append(b"f")
    assert [record.tx_time for record in read_journal(path)] == [100, 101, 102, 1_000, 1_001, 1_002]


def test_time_rises_over_an_empty_newest_segment(path: Path) -> None:
    journal = writer(path, clock=FakeClock(now_ns=500))
    journal.append(b"x" * (SEGMENT - HEADER.size))
    journal.close()
    # A crash between the new segment's name and its first record.
    (path / segment_name(2)).write_bytes(bytes(SEGMENT))
    reopened = writer(path, clock=FakeClock(now_ns=1))
    assert reopened.append(b"y") == 2
    assert [record.tx_time for record in read_journal(path)] == [500, 501]


def test_a_second_writer_is_refused(path: Path) -> None:
    first = writer(path)
    with pytest.raises(Fatal, match="already has a writer"):
        writer(path)
    first.close()
    writer(path).close()


def test_kill_nine_ten_times_with_torn_tails(path: Path) -> None:
    expected = 0
    for life in range(10):
        read_end, write_end = os.pipe()

        def live(acknowledge: int = write_end) -> None:
            journal = JournalWriter(
                path, clock=SystemClock(), segment_bytes=SEGMENT, limit_bytes=1 << 26, sync=SyncPolicy.NONE
            )
            while True:
                os.write(acknowledge, b"%020d" % journal.append(os.urandom(200)))

        with forked(live) as pid:
            os.close(write_end)
            for _ in range(60):
                os.read(read_end, 20)
            kill(pid)
        with os.fdopen(read_end, "rb") as pipe:
            acknowledged = int(pipe.read()[-20:] or 0)
        records = list(read_journal(path))
        assert [record.seq for record in records] == list(range(1, len(records) + 1))
        assert len(records) >= max(acknowledged, expected + 60)
        expected = len(records)
        _tear(path, expected + 1, keep=life * 5 + 1)
        assert len(list(read_journal(path))) == expected


def _tear(path: Path, seq: int, keep: int) -> None:
    """Leave the first `keep` bytes of record `seq` behind the tail, as a death inside a write does."""
    newest = first_seqs(path)[-1]
    offset = sum(HEADER.size + len(record.body) for record in read_journal(path, newest))
    with open(path / segment_name(newest), "r+b") as file:
        file.seek(offset)
        file.write(framed(seq, 2**62, b"torn" * 20)[:keep])


def test_a_torn_tail_is_zeroed_and_overwritten(path: Path) -> None:
    journal = writer(path)
    journal.append(b"whole")
    journal.close()
    _tear(path, 2, keep=60)
    reopened = writer(path)
    assert reopened.cut_bytes == 60
    assert (path / CUT_NAME).read_bytes() == framed(2, 2**62, b"torn" * 20)[:60]
    assert reopened.append(b"next") == 2
    content = (path / segment_name(1)).read_bytes()
    assert b"torn" not in content
    assert [record.body for record in read_journal(path)] == [b"whole", b"next"]


def test_a_shortened_segment_is_filled_up_again(path: Path) -> None:
    journal = writer(path)
    journal.append(b"one")
    journal.append(b"two")
    journal.close()
    os.truncate(path / segment_name(1), HEADER.size * 2 + 5)
    reopened = writer(path)
    assert reopened.append(b"zwei") == 2
    assert (path / segment_name(1)).stat().st_size == SEGMENT
    assert [record.body for record in read_journal(path)] == [b"one", b"zwei"]


def test_a_record_that_fits_no_segment_is_refused_clearly(path: Path) -> None:
    journal = writer(path)
    journal.append(b"x" * (SEGMENT - HEADER.size))
    with pytest.raises(RecordTooLarge, match="room for 4072"):
        journal.append(b"x" * (SEGMENT - HEADER.size + 1))
    assert journal.append(b"small") == 2


def test_a_limit_below_two_segments_is_bad_input(path: Path) -> None:
    with pytest.raises(BadInput, match="two segments"):
        writer(path, limit_bytes=SEGMENT)


def test_over_the_limit_entries_are_refused_but_recording_goes_on(path: Path) -> None:
    clock = FakeClock()
    journal = writer(path, limit_bytes=3 * SEGMENT, clock=clock)
    assert accepts(journal)
    while accepts(journal):
        journal.append(b"x" * 1_000)
    assert len(first_seqs(path)) == 4
    last = journal.append(b"an exit, still recorded")
    assert not accepts(journal)
    assert prune(path, last) == 3
    # Noticed within a second of the writer's clock, not by a walk over the disk for each question.
    assert not accepts(journal)
    clock.advance(1_000_000_000)
    assert accepts(journal)
    assert list(read_journal(path))[-1].seq == last


@pytest.mark.parametrize("sync", list(SyncPolicy))
def test_durable_is_told(path: Path, sync: SyncPolicy) -> None:
    journal = writer(path, sync=sync)
    seq = journal.append(b"x")
    assert journal.wait_durable(seq, 30.0)
    assert journal.durable_seq == seq
    if sync is SyncPolicy.GROUP:
        assert not journal.wait_durable(seq + 1, 0.01)
    journal.close()


def test_group_flushes_by_itself_over_rolls(path: Path) -> None:
    journal = writer(path, sync=SyncPolicy.GROUP)
    for _ in range(100):
        journal.append(b"x" * 1_000)
    assert journal.wait_durable(100, 30.0)
    journal.close()
    with pytest.raises(Fatal, match="closed"):
        journal.append(b"late")


def test_strict_returns_after_the_flush(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = writer(path, sync=SyncPolicy.STRICT)
    flushed: list[int] = []
    real = os.fdatasync

    def flush(fd: int) -> None:
        flushed.append(fd)
        real(fd)

    monkeypatch.setattr(os, "fdatasync", flush)
    assert journal.durable_seq < journal.append(b"x") == journal.durable_seq
    assert flushed


def test_descriptors_of_old_segments_are_bounded_without_a_syncer(path: Path) -> None:
    journal = writer(path)
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(200):
        journal.append(b"x" * 1_000)
    assert len(os.listdir("/proc/self/fd")) <= before + 6


@pytest.mark.parametrize("sync", list(SyncPolicy))
def test_a_failed_flush_stops_for_ever(path: Path, sync: SyncPolicy, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = writer(path, sync=sync)
    calls: list[int] = []

    def fail(fd: int) -> None:
        calls.append(fd)
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fdatasync", fail)
        with pytest.raises(JournalBroken, match="Input/output"):
            journal.wait_durable(journal.append(b"x"), 30.0)
    assert len(calls) == 1
    # The disk "works" again: the lost pages do not come back, so nothing may be believed.
    with pytest.raises(JournalBroken):
        journal.append(b"y")
    with pytest.raises(JournalBroken):
        journal.sync()
    assert not accepts(journal)
    journal.close()
    assert len(calls) == 1


def test_a_failed_write_stops_for_ever(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = writer(path)

    def fail(*_: object) -> int:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr(os, "pwrite", fail)
        with pytest.raises(JournalBroken):
            journal.append(b"x")
    with pytest.raises(JournalBroken):
        journal.append(b"y")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KiB: sixteen segments of room."""
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)]
    try:
        mounted = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
        problem = mounted.stderr.strip() if mounted.returncode else ""
    except OSError as error:
        problem = str(error)
    if problem:
        if os.environ.get("CI") == "true" and os.geteuid() == 0:
            pytest.fail(f"no small disk: {problem}")
        pytest.skip(f"mounting a small disk is not allowed here: {problem}")
    try:
        yield disk
    finally:
        subprocess.run(["umount", "-l", str(disk)], timeout=30, check=True)


def test_a_full_disk_first_refuses_entries_then_spends_the_ballast_then_stops(small_disk: Path) -> None:
    clock = FakeClock()
    journal = writer(small_disk / "j", clock=clock)
    count = 0
    while accepts(journal):
        count = journal.append(b"x" * 1_000)
        assert count < 100
    # Low, but what must be recorded (fills, the halt) still is.
    assert journal.append(b"y" * 1_000) == count + 1
    with pytest.raises(JournalFull):
        for _ in range(100):
            count = journal.append(b"z" * 1_000)
    assert not (small_disk / "j" / "ballast").exists()
    records = list(read_journal(small_disk / "j"))
    assert [record.seq for record in records] == list(range(1, count + 1))
    with pytest.raises(JournalFull):
        journal.append(b"z" * 1_000)
    prune(small_disk / "j", count)
    assert journal.append(b"room again") == count + 1
    clock.advance(1_000_000_000)
    assert accepts(journal)
    assert (small_disk / "j" / "ballast").exists()


def test_a_writer_opens_on_a_full_disk_and_reads_on(small_disk: Path) -> None:
    journal = writer(small_disk / "j")
    journal.append(b"before")
    journal.close()
    with open(small_disk / "filler", "wb", buffering=0) as filler, pytest.raises(OSError):
        while True:
            filler.write(bytes(4096))
    (small_disk / "j" / "ballast").unlink()
    (small_disk / "filler2").write_bytes(bytes(4096))
    reopened = writer(small_disk / "j")
    assert not accepts(reopened)
    assert reopened.append(b"an exit") == 2
