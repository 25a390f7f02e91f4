"""The guardian's loop on real files and sockets, over a fake tree and a fake desk."""

from __future__ import annotations

import json
import os
import socket
import stat
from pathlib import Path

from kyzlo_actors.domain.values import TradingState
from kyzlo_actors.guardian.admin_socket import MAX_CONNECTIONS, REQUEST_BYTES
from kyzlo_actors.guardian.certificate_store import CertificateStore
from kyzlo_actors.guardian.options import RESUME_VARIABLE
from kyzlo_actors.infrastructure.clock import SystemClock
from kyzlo_actors.infrastructure.halt_latch import HaltLatch
from tests.fakes.broker_desk import FakeDesk, broker_order
from tests.guardian.conftest import StartGuardian
from tests.guardian.guardian_process import ask, wait_until


def test_it_trades_and_tells_its_status(start_guardian: StartGuardian, runtime: Path) -> None:
    guardian = start_guardian().trading()
    status = guardian.status()
    assert (status["state"], status["gate"], status["latch"]) == ("trading", "active", None)
    (broker,) = [actor for actor in status["actors"] if actor["actor"] == "broker"]
    assert (broker["ready"], broker["incarnation"], broker["restarts"]) == (True, 2, 2)
    assert stat.S_IMODE(os.stat(runtime / "admin.sock").st_mode) == 0o660
    assert stat.S_IMODE(os.stat(runtime / "private").st_mode) == 0o700


def test_a_halt_over_the_socket(start_guardian: StartGuardian, state: Path, runtime: Path) -> None:
    guardian = start_guardian(FakeDesk((broker_order(1), broker_order(2)))).trading()
    answer = ask(runtime, {"cmd": "halt", "reason": "enough"})
    assert answer["ok"] and guardian.gate.state is TradingState.HALTED
    certificate = guardian.certificate(answer["halt_id"])
    record = HaltLatch(state, SystemClock()).read()
    assert record is not None
    assert (record.reason, record.by) == ("enough", f"uid {os.getuid()} (pid {os.getpid()})")
    assert certificate["graceful"] and certificate["killed"]["admin"]
    # Open before, if the first read was faster than the tree; gone after, in any case.
    assert {order["proof"] for order in certificate["orders"]} <= {"canceled"}
    assert guardian.wait_for("halted")["halt"]["proven"]
    assert CertificateStore(state / "certificates").broken_links() == []


def test_a_latch_made_by_hand_halts_a_stuck_tree(start_guardian: StartGuardian, state: Path) -> None:
    guardian = start_guardian(FakeDesk((broker_order(1),)), graceful=False).trading()
    (state / "HALT.json").touch()
    status = guardian.wait_for("halted")
    certificate = guardian.certificate(status["latch"]["halt_id"])
    assert not certificate["graceful"] and guardian.tree.kills >= 1
    assert [(order["proof"], order["cancel_asked_by"]) for order in certificate["orders"]] == [
        ("canceled", "guardian")
    ]
    assert guardian.tree.ordered[0].halt_id == status["latch"]["halt_id"]


def test_a_mute_broker_is_not_taken_for_a_clean_one(start_guardian: StartGuardian, runtime: Path) -> None:
    guardian = start_guardian(FakeDesk((broker_order(1),)), graceful=False).trading()
    guardian.desk.mute = True
    halt_id = ask(runtime, {"cmd": "halt", "reason": "r"})["halt_id"]
    assert "does not answer" in guardian.certificate(halt_id, proven=False)["trouble"]
    assert not ask(runtime, {"cmd": "resume", "reason": "hurry"})["ok"]
    guardian.desk.mute = False
    assert guardian.certificate(halt_id)["sequence"] == 2


def test_stubborn_orders_are_canceled_again(start_guardian: StartGuardian, runtime: Path) -> None:
    desk = FakeDesk((broker_order(1),))
    desk.stubborn = 2
    guardian = start_guardian(desk, graceful=False).trading()
    guardian.certificate(ask(runtime, {"cmd": "halt", "reason": "r"})["halt_id"])
    assert desk.cancels == 3


def test_a_stuck_broker_call_does_not_stop_the_loop(start_guardian: StartGuardian, runtime: Path) -> None:
    guardian = start_guardian(graceful=False).trading()
    guardian.desk.free.clear()
    halt_id = ask(runtime, {"cmd": "halt", "reason": "r"})["halt_id"]
    assert not guardian.certificate(halt_id, proven=False)["proven"]
    guardian.desk.free.set()
    assert guardian.certificate(halt_id)["proven"]


def test_a_dead_root_ends_the_guardian_with_70(start_guardian: StartGuardian) -> None:
    guardian = start_guardian().trading()
    wait_until(lambda: guardian.status()["state"] == "trading" and guardian.guardian._watch._vital)
    guardian.tree.die("root")
    assert guardian.joined() == 70
    assert guardian.gate.state is TradingState.HALTED
    assert guardian.tree.pids() == {}


def test_a_mute_root_ends_the_guardian_with_70(start_guardian: StartGuardian) -> None:
    guardian = start_guardian().trading()
    guardian.tree.answers = False
    assert guardian.joined() == 70
    assert guardian.tree.kills >= 1


def test_an_orderly_stop(start_guardian: StartGuardian, state: Path, runtime: Path) -> None:
    guardian = start_guardian(FakeDesk((broker_order(1),))).trading()
    assert guardian.stop() == 0
    assert guardian.desk.open_orders() == ()
    assert not (state / "HALT.json").exists()
    assert not (runtime / "admin.sock").exists()
    (certificate,) = (state / "certificates").glob("*.json")
    assert json.loads(certificate.read_text())["kind"] == "stop"


def test_a_later_start_stays_shut_until_it_is_resumed(
    start_guardian: StartGuardian, state: Path, runtime: Path
) -> None:
    latch = HaltLatch(state, SystemClock())
    record = latch.engage(by="test", reason="while it was down")
    guardian = start_guardian(FakeDesk((broker_order(1),)))
    guardian.wait_for("shut")
    # Nobody had proven that halt: it is done now.
    guardian.certificate(record.halt_id)
    assert guardian.desk.cancels >= 1
    wait_until(lambda: guardian.status()["broker_ready"])
    answer = ask(runtime, {"cmd": "resume", "reason": "checked"})
    assert (answer["ok"], answer["state"]) == (True, "trading")
    assert guardian.gate.state is TradingState.ACTIVE
    assert not latch.is_latched
    (history,) = state.glob("HALT.*.cleared.json")
    assert json.loads(history.read_text())["cleared_reason"] == "checked"


def test_a_resume_after_a_halt_starts_anew(start_guardian: StartGuardian, runtime: Path) -> None:
    guardian = start_guardian().trading()
    guardian.certificate(ask(runtime, {"cmd": "halt", "reason": "r"})["halt_id"])
    guardian.wait_for("halted")
    answer = ask(runtime, {"cmd": "resume", "reason": "checked"})
    assert answer["ok"]
    environment = wait_until(lambda: guardian.reexecs)[0]
    assert json.loads(environment[RESUME_VARIABLE])["reason"] == "checked"
    assert guardian.gate.state is TradingState.HALTED


# --- the admin socket --------------------------------------------------------------------------------------------


def test_bad_requests_get_a_line_and_do_no_harm(start_guardian: StartGuardian, runtime: Path) -> None:
    guardian = start_guardian().trading()
    for request in (
        b"{\n",
        b"[]\n",
        b'{"cmd": "trade"}\n',
        b'{"cmd": "resume", "reason": " "}\n',
        b"x" * REQUEST_BYTES,
    ):
        assert ask(runtime, request)["ok"] is False
    assert guardian.status()["state"] == "trading"


def test_silent_clients_are_bounded_and_do_not_keep_others_out(
    start_guardian: StartGuardian, runtime: Path
) -> None:
    guardian = start_guardian().trading()
    clients = []
    for _ in range(MAX_CONNECTIONS + 4):
        client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        client.connect(str(runtime / "admin.sock"))
        clients.append(client)
    wait_until(lambda: len(guardian.guardian._admin._connections) == MAX_CONNECTIONS)
    assert guardian.status()["ok"]  # once the silent ones are past their 2 s
    for client in clients:
        client.close()


def test_a_client_that_does_not_read_harms_nobody(start_guardian: StartGuardian, runtime: Path) -> None:
    guardian = start_guardian().trading()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.connect(str(runtime / "admin.sock"))
        client.sendall(b'{"cmd": "status"}\n')
        assert guardian.status()["ok"]


def test_a_mailbox_full_of_something_else_is_ignored(start_guardian: StartGuardian, runtime: Path) -> None:
    guardian = start_guardian().trading()
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as sender:
        sender.connect(str(runtime / "private" / "guardian.sock"))
        for payload in (
            b"x",
            b"{}",
            b'{"type": "Nothing"}',
            b'{"type": "Schedule", "name": "x", "due_ns": 1}',
        ):
            sender.send(payload)
    assert guardian.status()["state"] == "trading"
