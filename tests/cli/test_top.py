"""`kyzlo top`: a line of JSON a second, a table of any width, and what files add where they can be read."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path
from typing import Any

import orjson
import pytest
from rich.console import Console

from kyzlo_actors.actors.layout import Layout
from kyzlo_actors.cli import top as command
from kyzlo_actors.cli.top_table import silent_text, top_table
from kyzlo_actors.cli.top_view import TopView
from kyzlo_actors.domain.market import Tick
from kyzlo_actors.infrastructure.journal import JournalWriter, SyncPolicy
from kyzlo_actors.infrastructure.mailbox.latest_tick import TickSlots
from tests.cli.conftest import Kyzlo
from tests.fakes.admin_server import AdminServer, actor, status
from tests.fakes.clock import FakeClock

HELD = actor("symbol-AAPL", position=10.0, realized_pnl=5.0, unrealized_pnl=-2.5, last_price=101.0, signal=1)


def drawn(answer: dict[str, Any], width: int, height: int = 50) -> str:
    console = Console(file=StringIO(), width=width, height=height, color_system=None)
    console.print(top_table(answer, width=width, height=height))
    return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]


def test_the_table_says_how_it_stands() -> None:
    latch = {"by": "uid 0", "code": "operator", "reason": "lunch", "halt_id": "halt-1"}
    paused, gone = actor("symbol-MSFT", paused=True), actor("symbol-NVDA", quarantined=True, ready=False)
    rows = [actor("broker", restarts=2), HELD, paused, gone]
    text = drawn(status(actors=rows, gate="halted", latch=latch, entries_allowed=False, newest=["x"]), 120)
    for words in ("HALTED", "entries blocked", "lunch", "P&L +2.50", "+10", "long", "broker"):
        assert words in text, text
    lines = {line.split()[0]: line for line in text.splitlines() if line.strip()}
    assert "paused" in lines["MSFT"] and "quarantined" in lines["NVDA"] and "yes" in lines["AAPL"]


@pytest.mark.parametrize("width", [30, 60, 80, 200])
def test_it_fits_any_width(width: int) -> None:
    text = drawn(status(actors=[HELD, actor("broker")], newest=[]), width)
    assert max(len(line) for line in text.splitlines()) <= width and "AAPL" in text


def test_symbols_that_do_not_fit_are_counted() -> None:
    answer = status(*(f"S{number}" for number in range(40)), newest=[])
    text = drawn(answer, 100, height=30)
    assert "32 more symbols" in text and "S7 " in text and "S8 " not in text


def test_silence_is_shown() -> None:
    assert "does not answer" in silent_text("the guardian does not answer").plain


def test_lines_of_json_and_their_count(kyzlo: Kyzlo, runtime: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command.time, "sleep", lambda seconds: None)
    with AdminServer(runtime, lambda _: status("AAPL")) as server:
        done = kyzlo("top", "--count", 3, "--runtime-dir", runtime)
    assert done.code == 0
    looks = [json.loads(line) for line in done.out.splitlines()]
    assert len(looks) == 3 and all(look["state"] == "trading" for look in looks)
    rows = {row["actor"]: row for row in looks[0]["actors"]}
    assert rows["symbol-AAPL"]["price"] == 100.0 and looks[0]["newest"] == []
    assert {request["cmd"] for request in server.requests} == {"status"}


def test_ctrl_c_ends_it_well(kyzlo: Kyzlo, runtime: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(command.time, "sleep", interrupt)
    with AdminServer(runtime, lambda _: status("AAPL")):
        done = kyzlo("top", "--json", "--runtime-dir", runtime)
    assert (done.code, len(done.out.splitlines()), done.err) == (0, 1, "")


def test_a_guardian_that_falls_silent_is_a_line_too(
    kyzlo: Kyzlo, runtime: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command.time, "sleep", lambda seconds: None)
    answers = iter([status("AAPL"), status("AAPL"), {"ok": False, "error": "busy"}])
    with AdminServer(runtime, lambda _: next(answers)):
        done = kyzlo("top", "--json", "--count", 2, "--runtime-dir", runtime)
    first, second = (json.loads(line) for line in done.out.splitlines())
    assert first["ok"] and second == {"ok": False, "error": "the guardian refuses: busy"}
    assert kyzlo("top", "--runtime-dir", runtime / "none").code == 1


def test_files_add_prices_fills_and_denials(tmp_path: Path) -> None:
    layout = Layout(
        state_directory=tmp_path / "s", runtime_directory=tmp_path / "r", symbols=("AAPL", "MSFT")
    )
    layout.private_directory.mkdir(parents=True)
    slots = TickSlots.create(layout.slots, layout.symbols)
    slots.write(0, Tick("AAPL", 102.5, 1.0, 1, 1, 4, 0, "1"), None)
    writers = {
        name: JournalWriter(layout.journal(name), clock=FakeClock(), sync=SyncPolicy.NONE)
        for name in ("broker", "risk")
    }

    def tell(name: str, **message: str) -> None:
        body = {"decision": [{"type": "Send", "to": f"symbol-{message['symbol']}", "message": message}]}
        writers[name].append(orjson.dumps(body))

    old = {"type": "OrderDenied", "symbol": "AAPL", "code": "OLD", "detail": "before top began"}
    tell("risk", **old)
    places = {"state_directory": str(tmp_path / "s"), "runtime_directory": str(tmp_path / "r")}
    answer = status("AAPL", "MSFT", **places)
    view = TopView(answer)
    tell("broker", type="OrderFilled", symbol="AAPL", side="buy", qty="3", price="102.4")
    tell("risk", **{**old, "code": "PAUSED", "detail": "lunch"})
    view.poll()
    view.add_to(answer)
    aapl, msft = answer["actors"][1:]
    assert (aapl["price"], aapl["fills"], aapl["denials"]) == (102.5, 1, 1)
    assert (msft["price"], msft["fills"], msft["denials"]) == (100.0, 0, 0)
    assert answer["newest"] == ["bought 3 AAPL at 102.4", "denied AAPL: PAUSED (lunch)"]
    assert view.is_of(answer) and not view.is_of({**answer, "run_id": "run-2"})
    view.close()
    slots.close()
    for writer in writers.values():
        writer.close()
