"""The event mailbox: whole messages, visible refusals, fair turns, restarts on either side."""

from __future__ import annotations

import os
import select
from collections import Counter
from pathlib import Path

import pytest

from kyzlo_actors.domain.errors import BadInput, Fatal
from kyzlo_actors.infrastructure.mailbox.events import MESSAGE_BYTES, TURN_MESSAGES, EventMailbox, EventSender
from tests.infrastructure.processes import exit_code, forked, kill


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "m" / "box"


def collect(box: EventMailbox, count: int) -> list[bytes]:
    """Poll until `count` messages came; bounded by the test's time limit, and by turns without any."""
    messages: list[bytes] = []
    idle = 0
    while len(messages) < count and idle < 50:
        turn = box.poll(0.1)
        idle = 0 if turn else idle + 1
        messages += turn
    return messages


def test_messages_arrive_whole_and_in_order(path: Path) -> None:
    box, sender = EventMailbox(path), EventSender(path)
    payloads = [b"a", b"b" * MESSAGE_BYTES, b"c"]
    assert all(sender.send(payload) for payload in payloads)
    assert select.select([box], [], [], 5)[0]
    assert collect(box, 3) == payloads
    assert box.poll(0) == []


def test_a_full_mailbox_is_a_visible_refusal(path: Path) -> None:
    box, sender = EventMailbox(path), EventSender(path, send_buffer_bytes=16 * 1024)
    accepted = 0
    while sender.send(b"%08d" % accepted):
        accepted += 1
        assert accepted < 100_000
    assert sender.refused == 1
    assert collect(box, accepted) == [b"%08d" % number for number in range(accepted)]
    assert sender.send(b"again")
    assert collect(box, 1) == [b"again"]
    assert sender.refused == 1


def test_nobody_there_is_a_refusal(path: Path) -> None:
    sender = EventSender(path)
    assert not sender.send(b"x")
    assert sender.refused == 1
    box = EventMailbox(path)
    assert sender.send(b"y")
    assert collect(box, 1) == [b"y"]


def test_the_first_message_after_a_restart_is_not_lost(path: Path) -> None:
    sender = EventSender(path)

    def receive() -> None:
        box = EventMailbox(path)
        while True:
            box.poll(1.0)

    with forked(receive) as pid:
        while not sender.send(b"to the first life"):
            os.sched_yield()
        kill(pid)
    assert not sender.send(b"while it is away")
    box = EventMailbox(path)
    assert sender.send(b"one")
    assert collect(box, 1) == [b"one"]
    box.close()
    box = EventMailbox(path)
    assert sender.send(b"two")
    assert collect(box, 1) == [b"two"]


def test_unread_messages_at_a_death_do_not_lose_the_next_one(path: Path) -> None:
    box, sender = EventMailbox(path), EventSender(path)
    assert sender.send(b"never read")
    box.close()
    box = EventMailbox(path)
    assert sender.send(b"next")
    assert collect(box, 1) == [b"next"]
    assert sender.refused == 0


def test_a_dead_senders_last_words_are_read(path: Path) -> None:
    box = EventMailbox(path)

    def send() -> None:
        assert EventSender(path).send(b"last words")

    with forked(send) as pid:
        assert exit_code(pid) == 0
    assert collect(box, 1) == [b"last words"]
    box.poll(0)
    assert box.connection_count == 0


def test_a_flood_does_not_hold_up_the_others(path: Path) -> None:
    box = EventMailbox(path)
    flood = EventSender(path)
    quiet = [EventSender(path) for _ in range(5)]
    assert all(flood.send(b"flood") for _ in range(400))
    assert all(sender.send(b"quiet") for sender in quiet)
    box.poll(0)
    turn = Counter(box.poll(0))
    assert turn.total() == TURN_MESSAGES
    assert turn[b"quiet"] == 5
    assert Counter(collect(box, 405 - TURN_MESSAGES))[b"flood"] == 405 - TURN_MESSAGES


def test_connections_above_the_bound_wait_for_a_place(path: Path) -> None:
    box = EventMailbox(path, max_connections=2)
    first, second, third = (EventSender(path) for _ in range(3))
    assert first.send(b"1") and second.send(b"2") and third.send(b"3")
    assert sorted(collect(box, 2)) == [b"1", b"2"]
    assert box.poll(0) == []
    assert box.connection_count == 2
    first.close()
    assert collect(box, 1) == [b"3"]
    assert box.connection_count == 2


def test_a_full_backlog_refuses(path: Path) -> None:
    box = EventMailbox(path, max_connections=1)
    senders = [EventSender(path) for _ in range(200)]
    taken = sum(sender.send(b"x") for sender in senders)
    assert taken < 200
    assert sum(sender.refused for sender in senders) == 200 - taken
    box.close()


def test_other_descriptors_share_the_wait(path: Path) -> None:
    box, sender = EventMailbox(path), EventSender(path)
    fd = os.eventfd(0, os.EFD_NONBLOCK)
    calls: list[int] = []
    box.register(fd, lambda: calls.append(os.eventfd_read(fd)))
    os.eventfd_write(fd, 3)
    assert box.poll(5.0) == []
    assert calls == [3]
    os.eventfd_write(fd, 1)
    sender.send(b"x")
    assert collect(box, 1) == [b"x"]
    assert calls == [3, 1]
    os.eventfd_write(fd, 1)
    box.unregister(fd)
    box.unregister(fd)
    assert box.poll(0) == []
    os.close(fd)


@pytest.mark.parametrize("size", [0, MESSAGE_BYTES + 1])
def test_sizes_that_cannot_be_delivered_are_fatal(path: Path, size: int) -> None:
    EventMailbox(path)
    with pytest.raises(Fatal, match=f"this one has {size}"):
        EventSender(path).send(bytes(size))


def test_a_message_above_the_send_buffer_is_fatal(path: Path) -> None:
    box = EventMailbox(path)
    with pytest.raises(Fatal, match="does not fit a send buffer"):
        EventSender(path, send_buffer_bytes=4096).send(bytes(50_000))
    box.close()


def test_bad_places_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="107 bytes"):
        EventMailbox(tmp_path / ("x" * 120))
    tmp_path.chmod(0o777)
    with pytest.raises(BadInput, match="chmod 700"):
        EventMailbox(tmp_path / "box")


def test_a_stale_name_is_replaced(path: Path) -> None:
    def die() -> None:
        EventMailbox(path)

    with forked(die) as pid:
        assert exit_code(pid) == 0
    assert path.exists()
    box = EventMailbox(path)
    assert EventSender(path).send(b"x")
    assert collect(box, 1) == [b"x"]
