"""`kyzlo symbols` against a guardian that a test plays: what is asked of it, what is written, what is told."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from kyzlo_actors.actors.layout import BROKER, Layout
from kyzlo_actors.actors.recovery import SnapshotFile
from kyzlo_actors.cli import settings_change
from kyzlo_actors.domain.errors import Recoverable
from kyzlo_actors.domain.execution_core import ExecutionState
from kyzlo_actors.domain.order import Order, OrderStatus, OrderTicket
from kyzlo_actors.domain.position import Position
from kyzlo_actors.domain.values import Side
from tests.cli.conftest import Kyzlo
from tests.fakes.admin_server import AdminServer, Json, actor, status

SETTINGS = """# mine
RISK_DAILY_LOSS_LIMIT = 500
RISK_MAX_NOTIONAL = 25_000

[paths]
state_directory = "{state}"
runtime_directory = "{runtime}"

[symbols.AAPL] # apples
strategy = "golden_cross"
quantity = 10
max_position = 10

[symbols.MSFT]
strategy = "golden_cross"
quantity = 5
max_position = 5
"""
NEW = ("--strategy", "golden_cross", "--quantity", "3", "--max-position", "3")
DONE = {"ok": True, "symbol": "AAPL", "paused": True, "quarantined": False}


class Guardian:
    """Answers `status` with `rows`; after `renew` it has the symbols of the file."""

    def __init__(self, settings: Path, state: Path) -> None:
        self.settings, self.state = settings, state
        self.rows: list[Json] = [actor("symbol-AAPL"), actor("symbol-MSFT")]
        self.changes: Json = {}
        self.renewal: Json = {"ok": True, "state": "renewing", "detail": "every symbol is rebuilt"}
        self.after: list[Json] = []
        self.texts: list[str] = []
        self.command: Callable[[Json], Json] = lambda request: {**DONE, "symbol": request["symbol"]}

    def __call__(self, request: Json) -> Json:
        match request["cmd"]:
            case "status":
                own = {"settings": str(self.settings), "state_directory": str(self.state)}
                return status(actors=self.rows, **own, **self.changes)
            case "renew":
                self.texts.append(self.settings.read_text())
                if self.renewal["ok"]:
                    self.rows = self.after or self.rows
                return self.renewal
            case _:
                return self.command(request)


@pytest.fixture
def state(tmp_path: Path) -> Path:
    directory = tmp_path / "state"
    directory.mkdir()
    return directory


@pytest.fixture
def settings(tmp_path: Path, state: Path, runtime: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "settings.toml"
    path.write_text(SETTINGS.format(state=state, runtime=runtime))
    path.chmod(0o640)
    for name in [name for name in os.environ if name.startswith(("ALPACA", "APCA", "POLYGON", "MASSIVE"))]:
        monkeypatch.delenv(name)
    monkeypatch.setattr(settings_change.time, "sleep", lambda seconds: None)
    return path


@pytest.fixture
def guardian(settings: Path, state: Path) -> Guardian:
    return Guardian(settings, state)


def keep_book(state: Path, book: ExecutionState) -> None:
    layout = Layout(state_directory=state, runtime_directory=state, symbols=())
    layout.journal(BROKER).mkdir(parents=True)
    layout.snapshots.mkdir()
    SnapshotFile(layout.snapshots, BROKER).save(1, book, {})


# --- list, pause, release ------------------------------------------------------------------------------------------


def test_the_list_joins_the_file_and_the_service(
    kyzlo: Kyzlo, settings: Path, runtime: Path, guardian: Guardian
) -> None:
    down = json.loads(kyzlo("symbols", "list", "--settings", settings, "--json").out)["symbols"]
    assert [(row["symbol"], row["state"]) for row in down] == [
        ("AAPL", "not running"),
        ("MSFT", "not running"),
    ]
    guardian.rows = [
        actor("symbol-AAPL", paused=True),
        actor("symbol-NVDA", quarantined=True),
        actor("symbol-TSLA", ready=False),
    ]
    with AdminServer(runtime, guardian):
        done = kyzlo("symbols", "list", "--settings", settings)
        guardian.changes = {"gate": "halted"}
        halted = json.loads(kyzlo("symbols", "list", "--settings", settings, "--json").out)["symbols"]
    _, *lines = done.out.splitlines()
    assert [line.split() for line in lines] == [
        ["AAPL", "golden_cross", "10", "10", "paused"],
        ["MSFT", "golden_cross", "5", "5", "not", "running"],
        ["NVDA", "-", "-", "-", "quarantined"],
        ["TSLA", "-", "-", "-", "starting"],
    ]
    assert halted[-1]["state"] == "halted"


def test_a_pause_tells_what_the_gate_answered(
    kyzlo: Kyzlo, settings: Path, runtime: Path, guardian: Guardian
) -> None:
    with AdminServer(runtime, guardian) as server:
        done = kyzlo("symbols", "pause", "aapl", "--reason", "lunch", "--settings", settings)
        guardian.command = lambda _: {"ok": False, "error": "RiskActor did not answer in time"}
        silent = kyzlo("symbols", "pause", "AAPL", "--settings", settings)
    assert done.out == "AAPL: paused: its entries are denied, exits go on\n" and done.code == 0
    assert server.requests[0] == {"cmd": "pause", "symbol": "AAPL", "reason": "lunch"}
    assert (silent.code, silent.err) == (1, "kyzlo: AAPL: pause: RiskActor did not answer in time\n")
    assert kyzlo("symbols", "pause", "AAPL", "--settings", settings).code == 1, "nobody answers"
    assert kyzlo("symbols", "pause", "AAPL", "--reason", " ", "--settings", settings).code == 2


def test_a_release_waits_until_the_actor_is_ready(
    kyzlo: Kyzlo, settings: Path, runtime: Path, guardian: Guardian
) -> None:
    rows = iter([{"quarantined": True, "ready": False}, {"ready": False}, {}])
    plain = guardian.__call__

    def answer(request: Json) -> Json:
        if request["cmd"] == "status":
            guardian.rows = [actor("symbol-AAPL", **next(rows))]
        return plain(request)

    with AdminServer(runtime, answer):
        done = kyzlo("symbols", "release", "AAPL", "--settings", settings)
    assert (done.code, done.out) == (0, "AAPL: trading\n")


def test_a_release_without_a_ready_actor_says_so(
    kyzlo: Kyzlo, settings: Path, runtime: Path, guardian: Guardian
) -> None:
    guardian.rows = [actor("symbol-AAPL", ready=False)]
    with AdminServer(runtime, guardian):
        done = kyzlo("symbols", "release", "AAPL", "--wait", 1, "--settings", settings)
    assert done.code == 1 and "AAPL is released, but starting" in done.err


# --- add -----------------------------------------------------------------------------------------------------------


def test_added_with_the_service_down(kyzlo: Kyzlo, settings: Path) -> None:
    done = kyzlo("symbols", "add", "nvda", *NEW, "--param", "fast=5", "--settings", settings)
    assert done.code == 0 and "takes it when it starts anew" in done.out
    assert "ALPACA_API_KEY cannot be seen from here" in done.err
    text = settings.read_text()
    assert text.startswith("# mine") and "# apples" in text
    assert text.endswith("[symbols.NVDA.parameters]\nfast = 5\n")
    assert stat.S_IMODE(settings.stat().st_mode) == 0o640
    assert list(settings.parent.glob(".settings*")) == []


def test_a_running_service_takes_it_and_the_new_tree_is_waited_for(
    kyzlo: Kyzlo, settings: Path, runtime: Path, guardian: Guardian
) -> None:
    guardian.after = [*guardian.rows, actor("symbol-NVDA")]
    with AdminServer(runtime, guardian) as server:
        done = kyzlo("symbols", "add", "NVDA", *NEW, "--settings", settings)
    assert done.code == 0, done
    assert done.out.splitlines()[-1] == "NVDA: trading" and "without its actor" in done.out
    assert server.commands() == ["renew"]
    assert "[symbols.NVDA]" in guardian.texts[0], "the file is there before the service is asked"


def test_json_keeps_its_stream_clean(kyzlo: Kyzlo, settings: Path, runtime: Path, guardian: Guardian) -> None:
    guardian.after = [*guardian.rows, actor("symbol-NVDA")]
    with AdminServer(runtime, guardian):
        done = kyzlo("symbols", "add", "NVDA", *NEW, "--settings", settings, "--json")
    assert json.loads(done.out) == {
        "ok": True,
        "symbol": "NVDA",
        "settings": str(settings),
        "state": "trading",
    }


def test_a_refusal_of_the_service_leaves_the_file_as_it_was(
    kyzlo: Kyzlo, settings: Path, runtime: Path, guardian: Guardian
) -> None:
    before = settings.read_text()
    guardian.renewal = {"ok": False, "error": "symbols.NVDA: the broker has no such symbol"}
    with AdminServer(runtime, guardian):
        done = kyzlo("symbols", "add", "NVDA", *NEW, "--settings", settings)
    assert (done.code, settings.read_text()) == (1, before)
    assert "nothing is changed: symbols.NVDA: the broker has no such symbol" in done.err


def test_halted_the_next_resume_takes_it(
    kyzlo: Kyzlo, settings: Path, runtime: Path, guardian: Guardian
) -> None:
    guardian.renewal = {"ok": True, "state": "halted", "detail": "the next resume starts with it"}
    with AdminServer(runtime, guardian):
        done = kyzlo("symbols", "add", "NVDA", *NEW, "--settings", settings)
    assert done.code == 0 and "the next resume starts with it" in done.out
    assert "[symbols.NVDA]" in settings.read_text()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("AAPL", *NEW), "already"),
        (("NVDA", "--strategy", "gone", *NEW[2:]), "use one of"),
        (("NVDA", *NEW, "--param", "fast=-1"), "fast"),
        (("NVDA", *NEW, "--param", "=1"), "name=value"),
        (("NVDA", *NEW, "--bar-seconds", "7"), "bar_seconds"),
        (("NVDA", *NEW[:2], "--quantity", "9", "--max-position", "3"), "quantity"),
        (("NVDA", *NEW[:2], "--quantity", "many", "--max-position", "3"), "quantity"),
        (("not a symbol", *NEW), "NOT A SYMBOL"),
    ],
)
def test_what_cannot_be_used_is_told_before_it_is_written(
    kyzlo: Kyzlo, settings: Path, runtime: Path, guardian: Guardian, arguments: tuple[str, ...], words: str
) -> None:
    before = settings.read_text()
    with AdminServer(runtime, guardian) as server:
        done = kyzlo("symbols", "add", *arguments, "--settings", settings)
    assert (done.code, settings.read_text(), server.commands()) == (2, before, [])
    lines = [line for line in done.err.splitlines() if "note:" not in line]
    assert len(lines) == 1 and words in lines[0], done.err


def test_another_file_than_the_services_is_refused(
    kyzlo: Kyzlo, settings: Path, runtime: Path, guardian: Guardian
) -> None:
    guardian.settings = Path("/etc/kyzlo/settings.toml")
    before = settings.read_text()
    with AdminServer(runtime, guardian) as server:
        done = kyzlo("symbols", "add", "NVDA", *NEW, "--settings", settings)
        only_written = kyzlo("symbols", "add", "NVDA", *NEW, "--settings", settings, "--no-restart")
    assert done.code == 2 and "was started with /etc/kyzlo/settings.toml" in done.err
    assert server.commands() == []
    assert only_written.code == 0 and settings.read_text() != before


# --- remove --------------------------------------------------------------------------------------------------------


def test_removed_from_a_running_service_it_is_paused_first(
    kyzlo: Kyzlo, settings: Path, runtime: Path, guardian: Guardian
) -> None:
    guardian.after = [actor("symbol-AAPL")]
    with AdminServer(runtime, guardian) as server:
        done = kyzlo("symbols", "remove", "MSFT", "--settings", settings)
    assert done.code == 0 and done.out.splitlines()[-1] == "MSFT: not running"
    assert server.commands() == ["pause", "renew"]
    assert "MSFT" not in settings.read_text() and "# apples" in settings.read_text()


def test_refused_it_trades_on(kyzlo: Kyzlo, settings: Path, runtime: Path, guardian: Guardian) -> None:
    before = settings.read_text()
    guardian.renewal = {"ok": False, "error": "symbols.MSFT: it still has a position"}
    with AdminServer(runtime, guardian) as server:
        done = kyzlo("symbols", "remove", "MSFT", "--settings", settings)
        assert server.commands() == ["pause", "renew", "release"]
        guardian.rows = [actor("symbol-AAPL"), actor("symbol-MSFT", paused=True)]
        kyzlo("symbols", "remove", "MSFT", "--settings", settings)
    assert server.commands()[3:] == ["renew"], "somebody else's pause is not ours to lift"
    assert (done.code, settings.read_text()) == (1, before)


@pytest.mark.parametrize("is_running", [False, True])
@pytest.mark.parametrize("status_left", [OrderStatus.NEW, OrderStatus.UNKNOWN, None])
def test_a_symbol_that_still_has_something_stays(
    kyzlo: Kyzlo,
    settings: Path,
    state: Path,
    runtime: Path,
    guardian: Guardian,
    is_running: bool,
    status_left: OrderStatus | None,
) -> None:
    ticket = OrderTicket(client_order_id="kyzlo.t.1", symbol="MSFT", side=Side.BUY, qty=Decimal(1))
    book: Any = {"positions": {"MSFT": Position(qty=Decimal(-4))}}
    words = "a position of -4 shares"
    if status_left is not None:
        order = Order(ticket=ticket, status=status_left)
        book = {"orders": {"kyzlo.t.1": order}, "live": frozenset({"kyzlo.t.1"})}
        words = f"order kyzlo.t.1 ({status_left})"
    keep_book(state, ExecutionState(**book))
    before = settings.read_text()
    if is_running:
        with AdminServer(runtime, guardian) as server:
            done = kyzlo("symbols", "remove", "MSFT", "--settings", settings)
        assert server.commands() == []
    else:
        done = kyzlo("symbols", "remove", "MSFT", "--settings", settings)
    assert done.code == 1 and words in done.err and "pause MSFT" in done.err
    assert settings.read_text() == before
    assert kyzlo("symbols", "remove", "AAPL", "--settings", settings).code == 0


def test_removed_with_the_service_down(kyzlo: Kyzlo, settings: Path) -> None:
    assert kyzlo("symbols", "remove", "MSFT", "--settings", settings).code == 0
    gone = kyzlo("symbols", "remove", "MSFT", "--settings", settings)
    assert gone.code == 2 and "there are: AAPL" in gone.err
    last = kyzlo("symbols", "remove", "AAPL", "--settings", settings)
    assert last.code == 2 and "the only one" in last.err


def test_somebody_elses_change_meanwhile_is_not_lost(
    kyzlo: Kyzlo, settings: Path, runtime: Path, guardian: Guardian
) -> None:
    other = settings.read_text() + "# meanwhile\n"
    guardian.renewal = {"ok": False, "error": "no"}

    def answer(request: Json) -> Json:
        told = guardian(request)
        if request["cmd"] == "renew":
            settings.write_text(other)
        return told

    with AdminServer(runtime, answer):
        assert kyzlo("symbols", "add", "NVDA", *NEW, "--settings", settings).code == 1
    assert settings.read_text() == other


def test_a_byte_order_mark_stays(kyzlo: Kyzlo, settings: Path) -> None:
    settings.write_text("\ufeff" + settings.read_text())
    assert kyzlo("symbols", "add", "NVDA", *NEW, "--settings", settings).code == 0
    assert settings.read_text().count("\ufeff") == 1 and settings.read_text().startswith("\ufeff#")


def test_two_changes_at_once_do_not_swallow_each_other(
    kyzlo: Kyzlo, settings: Path, runtime: Path, guardian: Guardian
) -> None:
    refused: list[str] = []

    def answer(request: Json) -> Json:
        if request["cmd"] == "renew":  # the first one's text stands in the file, and nobody knows if it stays
            with pytest.raises(Recoverable) as second, settings_change.changing(settings):
                pass
            refused.append(str(second.value))
        return guardian(request)

    with AdminServer(runtime, answer):
        guardian.after = [*guardian.rows, actor("symbol-NVDA")]
        assert kyzlo("symbols", "add", "NVDA", *NEW, "--settings", settings).code == 0
    assert "somebody else is changing it" in refused[0]
    assert kyzlo("symbols", "remove", "MSFT", "--settings", settings).code == 0


def test_a_halt_meanwhile_is_not_waited_for(
    kyzlo: Kyzlo, settings: Path, runtime: Path, guardian: Guardian
) -> None:
    def answer(request: Json) -> Json:
        told = guardian(request)
        if request["cmd"] == "renew":
            guardian.changes = {"state": "halted", "gate": "halted"}
        return told

    with AdminServer(runtime, answer):
        done = kyzlo("symbols", "add", "NVDA", *NEW, "--settings", settings)
    assert done.code == 1 and "halted meanwhile" in done.err and "[symbols.NVDA]" in settings.read_text()


def test_many_at_once_add_their_symbol_or_say_that_they_did_not(settings: Path) -> None:
    names = [f"Z{letter}" for letter in "ABCDEF"]
    command = [sys.executable, "-m", "kyzlo_actors.cli", "symbols", "add"]
    running = {
        name: subprocess.Popen([*command, name, *NEW, "--settings", str(settings)], stderr=subprocess.PIPE)
        for name in names
    }
    done = {
        name
        for name, process in running.items()
        if process.communicate(timeout=50) and not process.returncode
    }
    assert done and {name for name in names if f"[symbols.{name}]" in settings.read_text()} == done
