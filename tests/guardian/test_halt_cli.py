"""`kyzlo halt`, `resume` and `status` against a guardian, and with nothing running."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from kyzlo_actors.actors.layout import BROKER
from kyzlo_actors.cli import admin_client
from kyzlo_actors.cli import main as door
from kyzlo_actors.cli.resume import wait_for_trading
from kyzlo_actors.domain.errors import Recoverable
from kyzlo_actors.domain.values import TradingState
from kyzlo_actors.infrastructure.clock import SystemClock
from kyzlo_actors.infrastructure.halt_latch import HaltLatch
from kyzlo_actors.infrastructure.mailbox.board import Board
from tests.fakes.broker_desk import FakeDesk, broker_order
from tests.guardian.conftest import StartGuardian
from tests.guardian.guardian_process import wait_until

ROOT = Path(__file__).resolve().parents[2]
HEAVY = (
    "thespian",
    "pandas",
    "httpx",
    "websocket",
    "aiohttp",
    "kyzlo_actors.adapters",
    "kyzlo_actors.actors.wire",
)


class Kyzlo:
    """Runs `kyzlo ARGUMENTS` in this process, with the two directories of the test."""

    def __init__(self, state: Path, runtime: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch
        monkeypatch.setenv("STATE_DIRECTORY", str(state))
        monkeypatch.setenv("RUNTIME_DIRECTORY", str(runtime))

    def __call__(self, *arguments: str) -> int:
        self._monkeypatch.setattr(sys, "argv", ["kyzlo", *arguments])
        with pytest.raises(SystemExit) as caught:
            door.main()
        return int(caught.value.code or 0)


@pytest.fixture
def kyzlo(state: Path, runtime: Path, monkeypatch: pytest.MonkeyPatch) -> Kyzlo:
    return Kyzlo(state, runtime, monkeypatch)


def test_halt_status_and_resume_of_a_running_instance(
    kyzlo: Kyzlo, start_guardian: StartGuardian, capsys: pytest.CaptureFixture[str]
) -> None:
    guardian = start_guardian(FakeDesk((broker_order(1),))).trading()
    assert kyzlo("status") == 0
    table = capsys.readouterr().out.splitlines()
    assert table[0].startswith("trading, gate active")
    assert any(line.startswith("broker ") for line in table)
    assert kyzlo("halt", "--reason", "drill", "--wait", "30") == 0
    assert "PROVEN: nothing is open" in capsys.readouterr().out
    assert kyzlo("status", "--json") == 3
    assert json.loads(capsys.readouterr().out)["latch"]["reason"] == "drill"
    assert kyzlo("status") == 3
    assert "latched by uid" in capsys.readouterr().out
    # The fake re-exec does nothing, so the gate stays shut: that is an error of the command.
    guardian.wait_for("halted")
    assert kyzlo("resume", "--reason", "looked", "--wait", "1") == 1
    assert "still not trading" in capsys.readouterr().err


def test_the_status_tells_whether_entries_are_allowed(
    kyzlo: Kyzlo, start_guardian: StartGuardian, capsys: pytest.CaptureFixture[str]
) -> None:
    def told() -> tuple[bool, bool]:
        """`entries_allowed` of the JSON, and whether the text says that they are blocked; both exit 0."""
        assert kyzlo("status", "--json") == 0
        allowed = json.loads(capsys.readouterr().out)["entries_allowed"]
        assert kyzlo("status") == 0
        return allowed, "entries: blocked (see the log)" in capsys.readouterr().out.splitlines()

    guardian = start_guardian().trading()
    layout = guardian.tree._layout
    broker = Board.open(layout.board, layout.actors).row(BROKER)
    assert told() == (True, False)
    broker.publish(state=0)
    assert told() == (False, True)
    broker.publish(state=1, ready=0)
    assert told() == (False, True)
    broker.publish(ready=1)
    assert told() == (True, False)
    assert kyzlo("halt", "--reason", "drill", "--wait", "30") == 0
    capsys.readouterr()
    # A shut gate says it all.
    assert kyzlo("status") == 3
    assert "entries" not in capsys.readouterr().out
    assert guardian.status()["entries_allowed"] is False


def test_resume_opens_a_gate_that_was_shut_at_the_start(
    kyzlo: Kyzlo, start_guardian: StartGuardian, state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    HaltLatch(state, SystemClock()).engage(by="test", reason="r")
    guardian = start_guardian()
    wait_until(
        lambda: (
            (now := guardian.status())["halt"]["proven"] and now["broker_ready"] and now["state"] == "shut"
        )
    )
    assert kyzlo("resume", "--reason", "looked") == 0
    assert capsys.readouterr().out == "trading\n"
    assert guardian.gate.state is TradingState.ACTIVE
    assert kyzlo("resume", "--reason", "again") == 1
    assert "nothing is halted" in capsys.readouterr().err


def test_a_resume_that_the_next_guardian_refuses_says_why(
    kyzlo: Kyzlo,
    start_guardian: StartGuardian,
    state: Path,
    runtime: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """After a re-exec nobody is left to be answered: whoever waits reads the reason in the status."""
    HaltLatch(state, SystemClock()).engage(by="test", reason="r")
    desk = FakeDesk()
    guardian = start_guardian(desk)
    wait_until(
        lambda: (
            (now := guardian.status())["halt"]["proven"] and now["broker_ready"] and now["state"] == "shut"
        )
    )
    desk.orders = {"venue-1": broker_order(1, client_order_id="somebody-elses")}
    assert kyzlo("resume", "--reason", "looked") == 1
    assert "are not ours" in capsys.readouterr().err
    with pytest.raises(Recoverable, match="still halted: open orders at the broker are not ours"):
        wait_for_trading(runtime, time.monotonic() + 30)
    assert kyzlo("status") == 3
    assert "the last resume was refused: open orders" in capsys.readouterr().out


def test_with_nothing_running(kyzlo: Kyzlo, state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert kyzlo("status") == 1
    assert kyzlo("resume", "--reason", "r") == 1
    capsys.readouterr()
    assert kyzlo("halt", "--reason", "down", "--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["latched"], report["guardian"], report["proven"]) == (True, "does not answer", None)
    assert HaltLatch(state, SystemClock()).is_latched
    assert kyzlo("halt", "--reason", "down", "--wait", "0") == 1


@pytest.mark.parametrize("command", ["halt", "resume"])
def test_a_reason_is_asked_for(kyzlo: Kyzlo, command: str) -> None:
    assert kyzlo(command) == 2
    assert kyzlo(command, "--reason", "  ") == 2


def test_a_halt_that_can_latch_nowhere_fails(kyzlo: Kyzlo, tmp_path: Path) -> None:
    assert kyzlo("halt", "--reason", "r", "--state-dir", str(tmp_path / "nowhere")) == 1


def test_where_the_directories_are_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    service = tmp_path / "service"
    monkeypatch.setattr(admin_client, "_SERVICE_STATE", service)
    monkeypatch.setattr(admin_client, "_SERVICE_RUNTIME", tmp_path)
    environ = {"XDG_STATE_HOME": "/x", "XDG_RUNTIME_DIR": "/r"}
    state, runtime = admin_client.find_directories(None, None, environ)
    assert (str(state), runtime.parent) == ("/x/kyzlo", Path("/r"))
    service.mkdir()
    assert admin_client.find_directories(None, None, environ) == (service, tmp_path)
    named = {**environ, "STATE_DIRECTORY": "/s:/t", "RUNTIME_DIRECTORY": "/u"}
    assert admin_client.find_directories(None, None, named) == (Path("/s"), Path("/u"))
    given = admin_client.find_directories(Path("/a"), None, environ)
    assert (given[0], given[1].parent) == (Path("/a"), Path("/r"))


def test_these_commands_import_nothing_heavy(state: Path, runtime: Path) -> None:
    code = (
        "import sys\nfrom kyzlo_actors.cli import main\n"
        f"sys.argv = ['kyzlo', 'halt', '--reason', 'r', '--wait', '0', '--state-dir', {str(state)!r}, "
        f"'--runtime-dir', {str(runtime)!r}]\n"
        "try:\n    main.main()\nexcept SystemExit:\n    pass\n"
        f"print(sorted(set(sys.modules) & {set(HEAVY)!r}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True, cwd=ROOT
    )
    assert done.stdout.splitlines()[-1] == "[]"
