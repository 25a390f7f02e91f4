"""Pause and release over the admin socket: answered when RiskActor has taken them, never before."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kyzlo_actors.actors.layout import GUARDIAN, RISK, Layout
from kyzlo_actors.actors.wire import decode_envelope, encode_envelope
from kyzlo_actors.domain.identity import event_id
from kyzlo_actors.domain.operator import PauseSymbol, ReleaseSymbol, SymbolRestricted
from kyzlo_actors.guardian.admin_socket import Held, Peer
from kyzlo_actors.guardian.symbol_commands import ANSWER_NS, MOST_COMMANDS, SymbolCommands
from kyzlo_actors.infrastructure.mailbox.events import EventMailbox, EventSender
from tests.fakes.clock import FakeClock
from tests.guardian.conftest import StartGuardian
from tests.guardian.guardian_process import GuardianInThread, ask, wait_until

PEER = Peer(pid=3, uid=4, gid=5)
Command = PauseSymbol | ReleaseSymbol


class Risk:
    """Stands in for RiskActor: notes what it gets, answers when told to."""

    def __init__(self, runtime: Path) -> None:
        layout = Layout(state_directory=runtime, runtime_directory=runtime, symbols=("AAPL", "MSFT"))
        (runtime / "private").mkdir(mode=0o700, exist_ok=True)
        self.layout = layout
        self.mailbox = EventMailbox(layout.mailbox(RISK))
        self.guardian = EventSender(layout.mailbox(GUARDIAN))
        self.got: list[Command] = []

    def poll(self) -> list[Command]:
        messages = [decode_envelope(payload).message for payload in self.mailbox.poll(0.05)]
        new = [message for message in messages if isinstance(message, PauseSymbol | ReleaseSymbol)]
        self.got += new
        return new

    def wait_for(self, count: int) -> list[Command]:
        """Everything it got, once that is so many."""
        wait_until(lambda: self.poll() is not None and len(self.got) >= count)
        return self.got

    def close(self) -> None:
        self.mailbox.close()
        self.guardian.close()


@pytest.fixture
def risk(runtime: Path) -> Iterator[Risk]:
    stand_in = Risk(runtime)
    yield stand_in
    stand_in.close()


def restricted(command: Command) -> SymbolRestricted:
    stamp = command.stamp.caused(event_id("done", command.stamp.event_id), ts_event=1)
    paused = isinstance(command, PauseSymbol)
    return SymbolRestricted(stamp=stamp, symbol=command.symbol, paused=paused, quarantined=False)


class Desk:
    """SymbolCommands with a clock in hand."""

    def __init__(self, risk: Risk) -> None:
        self.clock = FakeClock()
        self.answers: list[tuple[str, dict[str, Any]]] = []
        self.commands = SymbolCommands(risk.layout, self.clock, lambda *told: self.answers.append(told))

    def begin(self, cmd: str = "pause", symbol: str = "AAPL", reason: str = "why") -> Any:
        return self.commands.begin({"cmd": cmd, "symbol": symbol}, reason, PEER)


def test_a_command_is_answered_under_its_own_key_once_it_was_taken(risk: Risk) -> None:
    desk = Desk(risk)
    held = desk.begin()
    assert isinstance(held, Held) and desk.answers == []
    (command,) = risk.wait_for(1)
    assert isinstance(command, PauseSymbol)
    assert (command.symbol, command.by, command.reason) == ("AAPL", "uid 4 (pid 3)", "why")
    assert command.stamp.event_id == held.key
    desk.commands.told(restricted(command))
    assert desk.answers == [(held.key, {"ok": True, "symbol": "AAPL", "paused": True, "quarantined": False})]
    desk.commands.told(restricted(command))
    assert len(desk.answers) == 1


def test_it_is_repeated_until_it_is_answered_and_given_up_in_the_end(risk: Risk) -> None:
    desk = Desk(risk)
    held = desk.begin("release")
    for _ in range(3):
        desk.clock.advance(300_000_000)
        desk.commands.turn()
    assert len({command.stamp.event_id for command in risk.wait_for(4)}) == 1
    desk.clock.advance(ANSWER_NS)
    desk.commands.turn()
    ((key, answer),) = desk.answers
    assert key == held.key and not answer["ok"] and "not known" in answer["error"]
    desk.commands.told(restricted(risk.got[0]))
    assert len(desk.answers) == 1, "too late: nobody waits any more"


def test_strangers_and_floods_are_refused(risk: Risk) -> None:
    desk = Desk(risk)
    assert desk.begin(symbol="ZZZ") == {
        "ok": False,
        "error": "ZZZ is not traded here: one of AAPL, MSFT",
    }
    kinds = [type(desk.begin(reason=str(number))) for number in range(MOST_COMMANDS + 1)]
    assert kinds == [Held] * MOST_COMMANDS + [dict]


def answered(guardian: GuardianInThread, risk: Risk, request: dict[str, Any]) -> dict[str, Any]:
    """The guardian's answer, while the stand-in answers whatever comes."""
    answers: list[dict[str, Any]] = []
    client = threading.Thread(target=lambda: answers.append(ask(guardian.runtime, request)), daemon=True)
    client.start()
    for _ in range(400):
        for command in risk.poll():
            message = restricted(command)
            payload = encode_envelope(sender=RISK, incarnation=1, deadline_ns=0, message=message)
            assert risk.guardian.send(payload)
        if answers:
            break
    client.join(5)
    return answers[0]


def test_over_the_socket(start_guardian: StartGuardian, risk: Risk) -> None:
    guardian = start_guardian().trading()
    told = answered(guardian, risk, {"cmd": "pause", "symbol": "AAPL", "reason": "earnings"})
    assert told == {"ok": True, "symbol": "AAPL", "paused": True, "quarantined": False}
    assert risk.got[0].by == f"uid {os.getuid()} (pid {os.getpid()})"
    told = answered(guardian, risk, {"cmd": "release", "symbol": "AAPL", "reason": "over"})
    assert told["ok"] and not told["paused"]


def test_without_a_tree_it_says_so(start_guardian: StartGuardian, runtime: Path) -> None:
    guardian = start_guardian().trading()
    ask(runtime, {"cmd": "halt", "reason": "r"})
    guardian.wait_for("halted")
    told = ask(runtime, {"cmd": "pause", "symbol": "AAPL"})
    assert told == {"ok": False, "error": "the guardian is halted: no actor runs"}
