"""The archive: exactly once, torn tails, damage, days, one writer, and a kill in mid-write."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kyzlo_actors.adapters.persistence.archive import FileArchive, read_archive
from kyzlo_actors.adapters.persistence.archive_file import encode_frame
from kyzlo_actors.domain.errors import Fatal, Recoverable
from tests.adapters.contract_archive import records
from tests.fakes.clock import FakeClock

DAY_NS = 86_400 * 1_000_000_000


def sequences(directory: Path, writer_id: str = "risk") -> list[int]:
    return [record.sequence for record in read_archive(directory) if record.writer_id == writer_id]


def test_records_and_offsets_come_back(tmp_path: Path) -> None:
    archive = FileArchive(tmp_path, FakeClock())
    assert archive.offsets() == {}
    archive.store([*records(1, 3), *records(1, 2, "broker")], {"risk": 3, "broker": 2})
    archive.store(records(4, 4), {"risk": 4})
    archive.close()
    again = FileArchive(tmp_path, FakeClock())
    assert again.offsets() == {"risk": 4, "broker": 2}
    again.close()
    assert list(read_archive(tmp_path)) == [*records(1, 3), *records(1, 2, "broker"), *records(4, 4)]


def test_each_day_has_its_file_and_the_newest_tells_every_offset(tmp_path: Path) -> None:
    clock = FakeClock()
    archive = FileArchive(tmp_path, clock)
    archive.store([*records(1, 2), *records(1, 1, "broker")], {"risk": 2, "broker": 1})
    clock.advance(DAY_NS)
    archive.store(records(3, 3), {"risk": 3})
    clock.set_wall(clock.now_ns() - 2 * DAY_NS)
    archive.store(records(4, 4), {"risk": 4})
    archive.close()
    files = sorted(tmp_path.glob("archive-*.kyz"))
    assert len(files) == 2
    files[0].rename(tmp_path / "elsewhere")
    again = FileArchive(tmp_path, clock)
    assert again.offsets() == {"risk": 4, "broker": 1}
    again.close()


def test_a_day_whose_first_frame_is_torn_falls_back_to_the_day_before(tmp_path: Path) -> None:
    clock = FakeClock()
    archive = FileArchive(tmp_path, clock)
    archive.store(records(1, 2), {"risk": 2})
    archive.close()
    (tmp_path / "archive-99991231.kyz").write_bytes(b"KYZF\x10\x00")
    again = FileArchive(tmp_path, clock)
    assert again.offsets() == {"risk": 2}
    assert again.cut_bytes == 6
    again.store(records(3, 3), {"risk": 3})
    again.close()
    assert sequences(tmp_path) == [1, 2, 3]


def test_one_writer_at_a_time(tmp_path: Path) -> None:
    archive = FileArchive(tmp_path, FakeClock())
    with pytest.raises(Fatal, match="another process"):
        FileArchive(tmp_path, FakeClock())
    archive.close()
    FileArchive(tmp_path, FakeClock()).close()


@settings(max_examples=60, deadline=None)
@given(st.integers(min_value=1), st.binary(max_size=64), st.booleans())
def test_any_torn_tail_is_cut_to_whole_steps(
    tmp_path_factory: pytest.TempPathFactory, cut: int, junk: bytes, add_junk: bool
) -> None:
    directory = tmp_path_factory.mktemp("archive")
    archive = FileArchive(directory, FakeClock())
    archive.store(records(1, 2), {"risk": 2})
    (path,) = directory.glob("archive-*.kyz")
    whole = path.stat().st_size
    archive.store(records(3, 5), {"risk": 5})
    archive.close()
    last = path.stat().st_size - whole
    keep = whole + (last - 1 - cut % last)
    os.truncate(path, keep)
    if add_junk:
        with path.open("ab") as file:
            file.write(junk)
    again = FileArchive(directory, FakeClock())
    assert again.offsets() == {"risk": 2}
    again.store(records(3, 4), {"risk": 4})
    again.close()
    assert sequences(directory) == [1, 2, 3, 4]


def test_damage_before_sound_steps_is_never_cut(tmp_path: Path) -> None:
    archive = FileArchive(tmp_path, FakeClock())
    for number in range(1, 4):
        archive.store(records(number, number), {"risk": number})
    archive.close()
    (path,) = tmp_path.glob("archive-*.kyz")
    data = bytearray(path.read_bytes())
    data[len(encode_frame(records(1, 1), {"risk": 1})) + 20] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(Fatal, match="damaged"):
        FileArchive(tmp_path, FakeClock())
    with pytest.raises(Fatal, match="damaged"):
        list(read_archive(tmp_path))
    assert path.read_bytes() == data


def test_a_full_disk_stores_nothing_and_may_be_tried_again(tmp_path: Path) -> None:
    if not os.path.exists("/dev/full"):
        pytest.skip("no /dev/full here")
    archive = FileArchive(tmp_path, FakeClock())
    archive.store(records(1, 1), {"risk": 1})
    good = archive._fd
    archive._fd = os.open("/dev/full", os.O_RDWR)
    # A device cannot be truncated, so taking back fails as well: that is the fatal branch.
    with pytest.raises((Recoverable, Fatal)):
        archive.store(records(2, 2), {"risk": 2})
    os.close(archive._fd)
    archive._fd = good
    assert archive.offsets() == {"risk": 1}
    archive.close()
    assert sequences(tmp_path) == [1]


WRITER = """
import sys
from pathlib import Path
from kyzlo_actors.adapters.persistence.archive import FileArchive
from kyzlo_actors.infrastructure.clock import SystemClock
from kyzlo_actors.ports.persistence import StoredRecord
archive = FileArchive(Path(sys.argv[1]), SystemClock())
sequence = archive.offsets().get("risk", 0)
while True:
    batch = [
        StoredRecord(writer_id="risk", sequence=sequence + n, tx_time=n, body=b"x" * 20_000) for n in range(1, 9)
    ]
    archive.store(batch, {"risk": sequence + 8})
    sequence += 8
    print(sequence, flush=True)
"""


def test_a_kill_in_mid_write_loses_nothing_acknowledged(tmp_path: Path) -> None:
    acknowledged = 0
    pause = random.Random(7)
    for _ in range(5):
        acknowledged = max(acknowledged, _write_and_kill(tmp_path, pause))
    archive = FileArchive(tmp_path, FakeClock())
    stored = archive.offsets()["risk"]
    archive.close()
    assert stored >= acknowledged > 0
    assert sequences(tmp_path) == list(range(1, stored + 1))


def _write_and_kill(directory: Path, pause: random.Random) -> int:
    """The highest sequence that the writer said was stored before it was killed."""
    command: Sequence[str] = [sys.executable, "-c", WRITER, str(directory)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        lines = [writer.stdout.readline()]
        time.sleep(pause.random() / 20)
        writer.send_signal(signal.SIGKILL)
        lines += writer.stdout.read().splitlines()
    return max(int(line) for line in lines if line.strip().isdigit())
