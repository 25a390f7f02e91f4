"""Frames that nobody of ours would send: counted, told, dropped; the actor, its state and its orders stay."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import orjson
import pytest

from kyzlo_actors.actors.wire import codec, encode_envelope
from kyzlo_actors.domain.messages import Message
from tests.actors.tree_process import RunningTree, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]


@pytest.fixture(scope="module")
def tree() -> Iterator[RunningTree]:
    running = RunningTree({"AAA": {"every": 2}, "BBB": {"every": 2}})
    yield running
    running.stop()


def mailboxes(tree: RunningTree) -> list[Path]:
    return sorted(tree.registry.layout.private_directory.glob("*.sock"))


def post(path: Path, *payloads: bytes) -> None:
    """What a process of our own user could do: connect and send anything."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as sender:
        sender.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        sender.settimeout(10)
        sender.connect(str(path))
        for payload in payloads:
            with suppress(OSError):  # larger than this kernel lets a datagram be
                sender.send(payload)


UNKNOWN_TYPE = orjson.dumps(
    {"type": "Envelope", "sender": "x", "incarnation": 1, "deadline_ns": 0, "message": {"type": "Boo"}}
)
GARBAGE = (
    b"\x00",
    b"not json at all",
    b"{}",
    b"[]",
    b"null",
    orjson.dumps({"type": "Envelope"}),
    orjson.dumps({"type": "TickRead", "tick": None, "now_ns": 0}),
    orjson.dumps({"type": ["Envelope"]}),
    UNKNOWN_TYPE,
    UNKNOWN_TYPE.replace(b'"incarnation":1', b'"incarnation":"many"'),
    b"[" * 5_000,
    b"9" * 60_000,
    b"x" * 200_000,
    bytes(range(256)) * 300,
)


def test_garbage_in_every_mailbox_harms_nobody(tree: RunningTree) -> None:
    tree.wait_fills("AAA")
    before = tree.board()
    found = mailboxes(tree)
    assert {"broker.sock", "risk.sock", "kill_switch.sock", "market_data.sock", "symbol-AAA.sock"} <= {
        path.name for path in found
    }
    for path in found:
        post(path, *GARBAGE)
    # A second round, so that "dropped" is said for more than the first frame.
    for path in found:
        post(path, *GARBAGE[:3])
    tree.wait_fills("AAA", 3)
    tree.wait_fills("BBB", 3)
    assert_unharmed(tree, before)
    for actor in ("broker", "risk", "kill_switch", "symbol-AAA", "market_data"):
        wait_until(f"{actor} tells of it", lambda: told(tree, actor), tree=tree)  # noqa: B023


def told(tree: RunningTree, actor: str) -> bool:
    lines = [orjson.loads(line) for line in tree.log().splitlines() if line.startswith("{")]
    return any(
        line["actor"] == actor and line["level"] == "CRITICAL" and "cannot be decoded" in line["msg"]
        for line in lines
    )


def assert_unharmed(tree: RunningTree, before: dict[str, object]) -> None:
    tree.settle()
    tree.assert_posted_once()
    after = tree.board()
    assert {name: row.pid for name, row in after.items()} == {name: row.pid for name, row in before.items()}  # type: ignore[attr-defined]


def test_wake_up_sockets_take_anything(tree: RunningTree) -> None:
    before = tree.board()
    for path in tree.registry.layout.private_directory.glob("*.wake"):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.setblocking(False)
            sender.connect(str(path))
            for payload in (b"", b"x" * 4_000, b"\xff" * 100):
                with suppress(BlockingIOError):
                    sender.send(payload)
    tree.wait_fills("AAA", 2)
    assert_unharmed(tree, before)


def test_messages_of_ours_to_the_wrong_actor_or_said_twice_change_nothing(tree: RunningTree) -> None:
    """Every message that went over a mailbox, once more to everybody: the books stay right, no order is sent again."""
    tree.quiet()
    before = tree.board()
    messages: dict[str, Message] = {}
    for actor in ("broker", "risk", "kill_switch", "symbol-AAA", "symbol-BBB"):
        for entry in tree.journal(actor):
            event = entry.get("input", {})
            if event.get("type") == "Received" and event["message"]["type"] not in (
                "CalendarRead",
                "SymbolQuarantined",
            ):
                messages.setdefault(event["message"]["type"], codec().from_dict(event["message"]))  # type: ignore[arg-type]
    assert {"ProposeOrder", "ApprovedOrder", "OrderFilled", "PositionSnapshot"} <= set(messages)
    replayed = [
        encode_envelope(sender="test", incarnation=1, deadline_ns=0, message=message)
        for message in messages.values()
    ]
    for path in mailboxes(tree):
        post(path, *replayed)
    tree.resume()
    tree.wait_fills("AAA", 3)
    tree.wait_fills("BBB", 3)
    assert_unharmed(tree, before)


def test_a_proposal_for_a_symbol_that_is_not_ours_is_denied(tree: RunningTree) -> None:
    before = tree.board()
    proposal = tree.inputs("risk", "ProposeOrder")[-1]
    proposal["ticket"]["symbol"] = "ZZZZ"
    message = codec().from_dict(proposal)
    post(
        tree.registry.layout.mailbox("risk"),
        encode_envelope(sender="test", incarnation=1, deadline_ns=0, message=message),  # type: ignore[arg-type]
    )
    wait_until(
        "it is denied",
        lambda: any(d["symbol"] == "ZZZZ" for d in tree.decided("risk", "OrderDenied")),
        tree=tree,
    )
    tree.wait_fills("AAA", 2)
    assert_unharmed(tree, before)
