"""The outbox on real mailboxes: what cannot leave is refused, and a peer that comes back is found again."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from kyzlo_actors.actors.layout import RISK, Layout
from kyzlo_actors.actors.outbox import Outbox
from kyzlo_actors.actors.wire import decode_envelope
from kyzlo_actors.domain.effects import Send
from kyzlo_actors.domain.messages import EntriesAllowed, SendRefused
from kyzlo_actors.domain.stamp import Stamp
from kyzlo_actors.infrastructure.mailbox.events import EventMailbox
from tests.fakes.clock import FakeClock

EFFECT = Send(to=RISK, message=EntriesAllowed(stamp=Stamp.first("allowed-1", 5)), deadline_ns=77)


@pytest.fixture
def layout() -> Iterator[Layout]:
    directory = Path(tempfile.mkdtemp(prefix="kz", dir="/tmp"))  # a socket's name must be short
    places = Layout(state_directory=directory / "s", runtime_directory=directory, symbols=("AAA",))
    places.private_directory.mkdir(mode=0o700)
    yield places
    shutil.rmtree(directory)


@pytest.fixture
def outbox(layout: Layout) -> Iterator[Outbox]:
    made = Outbox("broker", layout, FakeClock(now_ns=123))
    made.incarnation = 4
    yield made
    made.close()


def test_a_message_carries_sender_life_and_deadline(layout: Layout, outbox: Outbox) -> None:
    mailbox = EventMailbox(layout.mailbox(RISK))
    assert outbox.send(EFFECT) is None
    (payload,) = received(mailbox)
    envelope = decode_envelope(payload)
    assert (envelope.sender, envelope.incarnation, envelope.deadline_ns) == ("broker", 4, 77)
    assert envelope.message == EFFECT.message
    mailbox.close()


def received(mailbox: EventMailbox) -> list[bytes]:
    found: list[bytes] = []
    for _ in range(20):
        found += mailbox.poll(0.5)
        if found:
            break
    return found


def test_a_missing_peer_is_a_refusal_that_names_the_message(outbox: Outbox) -> None:
    assert outbox.send(EFFECT) == SendRefused(to=RISK, message_id="allowed-1", now_ns=123)


def test_a_peer_that_restarts_is_found_again(layout: Layout, outbox: Outbox) -> None:
    first = EventMailbox(layout.mailbox(RISK))
    assert outbox.send(EFFECT) is None
    assert len(received(first)) == 1
    first.close()
    assert outbox.send(EFFECT) is not None
    second = EventMailbox(layout.mailbox(RISK))
    assert outbox.send(EFFECT) is None
    assert len(received(second)) == 1
    second.close()


def test_a_full_mailbox_refuses_and_never_blocks(layout: Layout, outbox: Outbox) -> None:
    mailbox = EventMailbox(layout.mailbox(RISK))
    assert outbox.send(EFFECT) is None
    for _ in range(100_000):
        if outbox.send(EFFECT) is not None:
            break
    else:
        pytest.fail("a mailbox that nobody reads took everything")
    assert received(mailbox)
    assert outbox.send(EFFECT) is None
    mailbox.close()
