"""Readers: a clean prefix whatever happened to the tail, gaps are told, followers miss and repeat nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kyzlo_actors.infrastructure.clock import SystemClock
from kyzlo_actors.infrastructure.journal import (
    JournalCorrupt,
    JournalFollower,
    JournalWriter,
    SyncPolicy,
    prune,
    read_journal,
    sync_segments,
)
from kyzlo_actors.infrastructure.journal_segment import HEADER, first_seqs, framed, segment_name
from tests.fakes.clock import FakeClock
from tests.infrastructure.processes import forked

SEGMENT = 4096


def writer(path: Path) -> JournalWriter:
    return JournalWriter(
        path, clock=FakeClock(), segment_bytes=SEGMENT, limit_bytes=1 << 20, sync=SyncPolicy.NONE
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal"


@pytest.fixture
def written(path: Path) -> Path:
    """Forty records of 500 bytes in six segments, seven in each but the last."""
    journal = writer(path)
    for number in range(40):
        journal.append(b"%04d" % number * 125)
    journal.close()
    assert first_seqs(path) == [1, 8, 15, 22, 29, 36]
    return path


BODIES = st.lists(st.binary(max_size=60), min_size=1, max_size=8)


@given(bodies=BODIES, data=st.data())
@settings(deadline=None)
def test_any_damage_of_the_tail_leaves_a_clean_prefix(
    tmp_path_factory: pytest.TempPathFactory, bodies: list[bytes], data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("tail")
    whole = [framed(number, number * 10, body) for number, body in enumerate(bodies, 1)]
    content = bytearray(b"".join(whole) + bytes(200))
    start = data.draw(st.integers(0, len(content) - 1), label="damage from")
    if data.draw(st.booleans(), label="truncate"):
        del content[start:]
    else:
        noise = data.draw(st.binary(min_size=1, max_size=80), label="noise")
        content[start : start + len(noise)] = noise
    (path / segment_name(1)).write_bytes(content)
    records = [record.body for record in read_journal(path)]
    untouched = 0
    position = 0
    for frame in whole:
        position += len(frame)
        untouched += position <= start
    # Never less than what was before the damage, never anything else than what was written.
    assert records[:untouched] == bodies[:untouched]
    assert records == bodies[: len(records)]


@given(bodies=BODIES, data=st.data())
@settings(deadline=None, max_examples=50)
def test_a_writer_goes_on_behind_any_damage(
    tmp_path_factory: pytest.TempPathFactory, bodies: list[bytes], data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("reopen")
    content = b"".join(framed(number, number * 10, body) for number, body in enumerate(bodies, 1))
    keep = data.draw(st.integers(0, len(content)), label="kept")
    noise = data.draw(st.binary(max_size=80), label="noise")
    (path / segment_name(1)).write_bytes(content[:keep] + noise)
    before = [record.body for record in read_journal(path)]
    journal = writer(path)
    assert journal.append(b"after") == len(before) + 1
    journal.close()
    assert [record.body for record in read_journal(path)] == [*before, b"after"]


def test_nothing_there_is_nothing_to_read(path: Path) -> None:
    assert list(read_journal(path)) == []
    assert JournalFollower(path, 1).poll(10) == []
    assert prune(path, 10) == 0
    sync_segments(path)


def test_reading_begins_anywhere(written: Path) -> None:
    for start in (1, 7, 8, 9, 40):
        assert [record.seq for record in read_journal(written, start)] == list(range(start, 41))
    assert list(read_journal(written, 41)) == []
    assert list(read_journal(written, 99)) == []


@pytest.mark.parametrize("first_seq", [8, 22])
def test_a_lost_segment_is_a_gap(written: Path, first_seq: int) -> None:
    (written / segment_name(first_seq)).unlink()
    with pytest.raises(JournalCorrupt, match=f"record {first_seq} is missing"):
        list(read_journal(written))


def test_damage_before_the_newest_segment_is_told(written: Path) -> None:
    with open(written / segment_name(8), "r+b") as file:
        file.seek(600)
        file.write(b"\xff")
    with pytest.raises(JournalCorrupt, match="record 9 is missing or damaged"):
        list(read_journal(written))
    with pytest.raises(JournalCorrupt, match="record 9 is missing or damaged"):
        JournalFollower(written, 12).poll(1)


def test_a_follower_gives_each_record_once(path: Path) -> None:
    journal = writer(path)
    follower = JournalFollower(path, 1)
    seen: list[int] = []
    for number in range(60):
        journal.append(b"x" * (number * 37 % 900))
        if number % 7 == 0:
            records = follower.poll(5)
            assert len(records) <= 5
            seen += [record.seq for record in records]
    while records := follower.poll(5):
        seen += [record.seq for record in records]
    assert seen == list(range(1, 61))
    assert follower.next_seq == 61
    follower.close()
    journal.append(b"after a close it opens again")
    assert [record.seq for record in follower.poll(5)] == [61]


def test_a_follower_of_the_future_waits_for_it(path: Path) -> None:
    journal = writer(path)
    journal.append(b"1")
    follower = JournalFollower(path, 3)
    assert follower.poll(5) == []
    journal.append(b"2")
    assert follower.poll(5) == []
    journal.append(b"3")
    assert [record.body for record in follower.poll(5)] == [b"3"]


def test_a_follower_does_not_believe_a_half_written_record(path: Path) -> None:
    journal = writer(path)
    journal.append(b"one")
    follower = JournalFollower(path, 1)
    frame = framed(2, 2**61, b"two")
    with open(path / segment_name(1), "r+b") as file:
        file.seek(HEADER.size + 3)
        file.write(frame[:-1])
        file.flush()
        assert [record.seq for record in follower.poll(5)] == [1]
        file.write(frame[-1:])
        file.flush()
        assert [record.seq for record in follower.poll(5)] == [2]


def test_following_another_process_over_rolls(path: Path) -> None:
    total = 5_000

    def write() -> None:
        journal = JournalWriter(
            path, clock=SystemClock(), segment_bytes=SEGMENT, limit_bytes=1 << 26, sync=SyncPolicy.NONE
        )
        for number in range(1, total + 1):
            journal.append(b"%d" % number * 20)

    follower = JournalFollower(path, 1)
    next_seq = 1
    with forked(write):
        while next_seq <= total:
            for record in follower.poll(64):
                assert record.seq == next_seq
                assert record.body == b"%d" % next_seq * 20
                next_seq += 1


def test_prune_keeps_what_is_not_stored_and_the_newest_segment(written: Path) -> None:
    assert prune(written, 7) == 1
    assert prune(written, 20) == 1
    assert first_seqs(written) == [15, 22, 29, 36]
    assert [record.seq for record in read_journal(written)] == list(range(15, 41))
    with pytest.raises(JournalCorrupt, match="oldest kept is 15"):
        list(read_journal(written, 14))
    with pytest.raises(JournalCorrupt, match="oldest kept is 15"):
        JournalFollower(written, 1).poll(1)
    assert prune(written, 1_000) == 3
    assert first_seqs(written) == [36]
    journal = writer(written)
    assert journal.append(b"numbering carries on") == 41


def test_segments_are_flushed_for_their_writer(written: Path) -> None:
    sync_segments(written)
    sync_segments(written, 30)
    sync_segments(written, 10_000)
