"""The latch: first writer wins, anything named HALT.json halts, history remains; the gate byte fails shut."""

from __future__ import annotations

import os
from pathlib import Path
from threading import Barrier, Thread, get_native_id

import orjson
import pytest

from kyzlo_actors.domain.errors import Fatal
from kyzlo_actors.domain.values import TradingState
from kyzlo_actors.infrastructure import halt_latch
from kyzlo_actors.infrastructure.halt_latch import GateByte, HaltLatch, LatchRecord
from tests.fakes.clock import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(now_ns=1_000)


@pytest.fixture
def latch(tmp_path: Path, clock: FakeClock) -> HaltLatch:
    return HaltLatch(tmp_path, clock)


def test_engaged_latch_is_read_back_by_anyone(latch: HaltLatch, tmp_path: Path) -> None:
    assert not latch.is_latched
    assert latch.read() is None
    record = latch.engage(by="ann", reason="smells wrong")
    other = HaltLatch(tmp_path, FakeClock())
    assert other.is_latched
    assert other.read() == record
    assert record == LatchRecord(by="ann", reason="smells wrong", code="operator", engaged_ns=1_000)
    assert record.halt_id == "halt-1000"


def test_a_reason_cannot_play_tricks_on_a_terminal(latch: HaltLatch) -> None:
    assert (
        latch.engage(by="ann", reason="bad\x1b[2Jnews\n  trading, gate active").reason
        == "bad [2Jnews trading, gate active"
    )
    latch.path.write_text('{"reason": "a\\u001b[31m\\nb", "by": "x\\u0007y"}')
    record = latch.read()
    assert record is not None and (record.reason, record.by) == ("a [31m b", "x y")


def test_first_writer_wins_and_the_second_gets_his_record(latch: HaltLatch, clock: FakeClock) -> None:
    first = latch.engage(by="ann", reason="one", code="daily_loss")
    clock.advance(5)
    assert latch.engage(by="bob", reason="two") == first


def test_many_at_once_agree_on_one_record(tmp_path: Path) -> None:
    barrier = Barrier(8)
    seen: list[LatchRecord] = []

    def engage(number: int) -> None:
        mine = HaltLatch(tmp_path, FakeClock(now_ns=number, monotonic_ns=number))
        barrier.wait(timeout=20)
        seen.append(mine.engage(by=f"person {number}", reason="race"))

    threads = [Thread(target=engage, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=20)
    assert len(seen) == 8
    assert len(set(seen)) == 1
    assert os.listdir(tmp_path) == ["HALT.json"]


@pytest.mark.parametrize(
    "content", [b"", b"\0\0", b"stop!", b"[1]", b'"x"', b'{"by": null, "engaged_ns": "soon"}']
)
def test_a_file_made_by_hand_counts(latch: HaltLatch, content: bytes) -> None:
    latch.path.write_bytes(content)
    record = latch.read()
    assert latch.is_latched
    assert record is not None
    assert record.reason == "latched by hand"
    assert record.by == f"uid {os.getuid()}"
    assert record.engaged_ns == latch.path.stat().st_mtime_ns
    assert latch.engage(by="ann", reason="late") == record


def test_what_a_hand_made_file_does_say_is_kept(latch: HaltLatch) -> None:
    latch.path.write_bytes(b'{"reason": "fire in the hall"}')
    record = latch.read()
    assert record is not None
    assert record.reason == "fire in the hall"


def test_even_a_dangling_link_or_a_directory_halts(latch: HaltLatch) -> None:
    latch.path.symlink_to("nowhere")
    assert latch.is_latched
    assert latch.read() is not None
    latch.path.unlink()
    latch.path.mkdir()
    assert latch.is_latched
    assert latch.engage(by="ann", reason="late").reason == "latched by hand"


def test_clear_keeps_who_and_why(latch: HaltLatch, clock: FakeClock, tmp_path: Path) -> None:
    assert latch.clear(by="ann", reason="nothing there") is None
    record = latch.engage(by="ann", reason="drill")
    clock.advance(1)
    assert latch.clear(by="bob", reason="drill over") == record
    assert not latch.is_latched
    (history,) = tmp_path.glob("HALT.*.cleared.json")
    assert orjson.loads(history.read_bytes()) == {
        "by": "ann",
        "reason": "drill",
        "code": "operator",
        "engaged_ns": 1_000,
        "cleared_by": "bob",
        "cleared_reason": "drill over",
        "cleared_ns": 1_001,
    }
    assert latch.engage(by="eve", reason="again").by == "eve"


def test_a_hundred_cleared_latches_are_kept(latch: HaltLatch, clock: FakeClock, tmp_path: Path) -> None:
    for number in range(103):
        (tmp_path / f"HALT.{number:020d}.cleared.json").touch()
    clock.advance(1_000)
    latch.engage(by="ann", reason="drill")
    latch.clear(by="ann", reason="over")
    names = sorted(path.name for path in tmp_path.glob("HALT.*.cleared.json"))
    assert len(names) == halt_latch.KEPT_CLEARED_LATCHES
    assert names[-1] == f"HALT.{2_000:020d}.cleared.json"
    assert names[0] == f"HALT.{4:020d}.cleared.json"


def test_a_full_disk_still_halts(latch: HaltLatch, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(halt_latch, "write_all", full)
    latch.engage(by="ann", reason="disk and all")
    assert latch.is_latched


def test_a_planted_link_is_not_written_through(latch: HaltLatch, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("as it was")
    (tmp_path / f".HALT.{get_native_id()}.draft").symlink_to(precious)
    latch.engage(by="root", reason="test")
    assert latch.is_latched
    assert precious.read_text() == "as it was"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_what_root_latches_the_guardian_can_read(latch: HaltLatch, tmp_path: Path) -> None:
    os.chown(tmp_path, 12_345, 12_346)
    latch.engage(by="root", reason="test")
    stat = latch.path.stat()
    assert (stat.st_uid, stat.st_gid, stat.st_mode & 0o777) == (12_345, 12_346, 0o640)


def test_no_state_directory_is_fatal(tmp_path: Path) -> None:
    with pytest.raises(Fatal, match="could not be latched"):
        HaltLatch(tmp_path / "missing", FakeClock()).engage(by="ann", reason="x")


def test_clear_that_fails_leaves_it_latched(latch: HaltLatch) -> None:
    latch.path.mkdir()
    with pytest.raises(Fatal, match="could not be cleared"):
        latch.clear(by="ann", reason="x")
    assert latch.is_latched


def test_gate_starts_shut_and_is_seen_at_once(tmp_path: Path) -> None:
    guardian = GateByte.create(tmp_path / "gate")
    actor = GateByte.open(tmp_path / "gate")
    assert actor.state is TradingState.HALTED
    for state in TradingState:
        guardian.set(state)
        assert actor.state is state
    assert (tmp_path / "gate").stat().st_mode & 0o777 == 0o600
    guardian.close()
    actor.close()


def test_gate_made_again_is_shut_for_those_who_still_map_it(tmp_path: Path) -> None:
    first = GateByte.create(tmp_path / "gate")
    first.set(TradingState.ACTIVE)
    actor = GateByte.open(tmp_path / "gate")
    GateByte.create(tmp_path / "gate")
    assert actor.state is TradingState.HALTED


def test_zero_filled_and_unknown_bytes_are_halted(tmp_path: Path) -> None:
    path = tmp_path / "gate"
    for code in (0, 3, 77, 255):
        path.write_bytes(bytes([code]))
        assert GateByte.open(path).state is TradingState.HALTED


def test_only_the_guardian_sets_the_gate(tmp_path: Path) -> None:
    GateByte.create(tmp_path / "gate")
    with pytest.raises(Fatal, match="only the guardian"):
        GateByte.open(tmp_path / "gate").set(TradingState.ACTIVE)


def test_no_gate_is_fatal(tmp_path: Path) -> None:
    with pytest.raises(Fatal, match="gate byte"):
        GateByte.open(tmp_path / "gate")
    (tmp_path / "gate").touch()
    with pytest.raises(Fatal, match="gate byte"):
        GateByte.open(tmp_path / "gate")
