"""Wake-ups merge, never block, and find a receiver that restarted."""

from __future__ import annotations

import select
from pathlib import Path

import pytest

from kyzlo_actors.domain.errors import BadInput
from kyzlo_actors.infrastructure.mailbox.wake import WakeReceiver, WakeSender
from tests.infrastructure.processes import forked, kill


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "m" / "wake"


def readable(receiver: WakeReceiver, timeout_seconds: float = 0.0) -> bool:
    return bool(select.select([receiver], [], [], timeout_seconds)[0])


def test_a_call_wakes_and_drain_forgets_it(path: Path) -> None:
    receiver, sender = WakeReceiver(path), WakeSender(path)
    assert not readable(receiver)
    assert sender.wake()
    assert readable(receiver)
    assert receiver.drain() == 1
    assert not readable(receiver)
    receiver.close()
    sender.close()
    assert not path.exists()


def test_a_flood_merges_and_does_not_block(path: Path) -> None:
    receiver, sender = WakeReceiver(path), WakeSender(path)
    assert all(sender.wake() for _ in range(10_000))
    while receiver.drain():
        pass
    assert not readable(receiver)


def test_nobody_there_is_false_until_somebody_is(path: Path) -> None:
    sender = WakeSender(path)
    assert not sender.wake()
    receiver = WakeReceiver(path)
    assert sender.wake()
    assert readable(receiver)


def test_a_restarted_receiver_gets_the_first_call_already(path: Path) -> None:
    sender = WakeSender(path)

    def listen() -> None:
        with_socket = WakeReceiver(path)
        while True:
            select.select([with_socket], [], [])
            with_socket.drain()

    with forked(listen) as pid:
        while not sender.wake():
            pass
        kill(pid)
    assert not sender.wake()
    receiver = WakeReceiver(path)
    assert sender.wake()
    again = WakeReceiver(path)
    receiver.close()
    # The close above removed the name of the newer socket: bind it once more, as a restart does.
    again.close()
    again = WakeReceiver(path)
    assert sender.wake()
    assert readable(again)


def test_socket_and_directory_are_private(path: Path) -> None:
    WakeReceiver(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_a_directory_that_others_may_write_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    with pytest.raises(BadInput, match="chmod 700"):
        WakeReceiver(tmp_path / "wake")


def test_a_path_too_long_is_refused_clearly(tmp_path: Path) -> None:
    long = tmp_path / ("x" * 120)
    with pytest.raises(BadInput, match="107 bytes"):
        WakeReceiver(long)
    with pytest.raises(BadInput, match="107 bytes"):
        WakeSender(long)
