"""The live table at several widths, the status line, and the stage without a terminal."""

from __future__ import annotations

import io
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.cells import cell_len
from rich.console import Console

from kyzlo_actors.actors.layout import BROKER, MARKET_DATA, RISK, Layout
from kyzlo_actors.cli import paper_loop
from kyzlo_actors.cli.live_table import live_table, status_line
from kyzlo_actors.cli.session_view import Fill, LifeView, SessionPicture, SessionView, SymbolLine, open_view
from kyzlo_actors.cli.stage import JsonStage, Stage
from kyzlo_actors.domain.market import Bar, Tick
from kyzlo_actors.domain.values import TradingState
from kyzlo_actors.infrastructure.halt_latch import GateByte
from kyzlo_actors.infrastructure.journal import JournalWriter, SyncPolicy
from kyzlo_actors.infrastructure.mailbox.board import NO_SIGNAL, Board
from kyzlo_actors.infrastructure.mailbox.latest_tick import TickSlots
from tests.fakes.clock import FakeClock

BAR = Bar("AAPL", 10**9, 0, 291.4, 292.5, 290.11, 291.95, 900.0, 7, 0, False, 1)


def line(symbol: str, **changes: object) -> SymbolLine:
    fields: dict[str, object] = {
        "symbol": symbol,
        "price": 1234.5,
        "bar": BAR,
        "signal": 1,
        "position": 10.0,
        "pnl": -12.34,
        "pid": 4194303,
        "restarts": 1,
        "ready": True,
        "fills": 12,
        "denials": 3,
    }
    return SymbolLine(**{**fields, **changes})  # type: ignore[arg-type]


PICTURE = SessionPicture(
    state=TradingState.ACTIVE,
    ticks=4321,
    bars=99,
    lines=(
        line("AAPL"),
        line("BRK.B", price=0.0, bar=None, signal=NO_SIGNAL, position=0.0, pid=0, ready=False, pnl=0.0),
        line("MSFT", signal=-1, position=-5.0, restarts=0, pnl=9.99),
    ),
)


def rendered(width: int) -> list[str]:
    console = Console(file=io.StringIO(), width=width, force_terminal=False)
    with console.capture() as captured:
        console.print(live_table(PICTURE, seconds=12.3, width=width, note="waiting"))
    return captured.get().splitlines()


@pytest.mark.parametrize("width", [20, 40, 60, 80, 110, 200])
def test_the_table_fits_and_names_every_symbol(width: int) -> None:
    lines = rendered(width)
    assert max(map(cell_len, lines)) <= width
    text = "\n".join(lines)
    assert "ACTIVE" in text
    if width >= 40:
        assert "…" not in text
        assert all(part in text for part in ("AAPL", "BRK.B", "MSFT", "-12.34", "1,234.50"))


def test_a_wide_table_tells_everything() -> None:
    text = "\n".join(rendered(110))
    for part in (
        "291.40 292.50 290.11 291.95",
        "long",
        "short",
        "4194303",
        "+10",
        "-5",
        "12",
        "waiting",
        "–",
    ):
        assert part in text


def test_a_narrow_table_leaves_columns_out_rather_than_cutting_them() -> None:
    assert "bar" not in "".join(rendered(80)) and "pid" in "".join(rendered(80))
    assert "pid" not in "".join(rendered(45)) and "…" not in "".join(rendered(45))


def test_the_status_line() -> None:
    text = status_line(PICTURE, seconds=12.3)
    assert text == (
        " 12.3 s  ACTIVE  4321 ticks  36 fills  9 denied  P&L -2.35  restarts 2  positions: AAPL+10 MSFT-5"
    )


def test_without_a_terminal_the_stage_prints_lines_and_not_too_many() -> None:
    out = io.StringIO()
    with Stage(Console(file=out, width=60)) as stage:
        stage.say("hello [bold]world")
        for _ in range(50):
            stage.show(PICTURE)
    lines = out.getvalue().splitlines()
    assert lines[0] == "hello [bold]world" and len(lines) == 2 and "ACTIVE" in lines[1]


@pytest.mark.parametrize("ci", [True, False])
def test_a_build_server_gets_lines_even_with_a_terminal(ci: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    if ci:
        monkeypatch.setenv("CI", "true")
    out = io.StringIO()
    with Stage(Console(file=out, force_terminal=True, width=120)) as stage:
        stage.show(PICTURE)
        stage.say("above")
    assert ("restarts 2" in out.getvalue()) == ci
    assert ("symbol" in out.getvalue()) != ci


def test_programs_get_one_json_line_an_event(capsys: pytest.CaptureFixture[str]) -> None:
    bought = Fill(symbol="AAPL", client_order_id="kyzlo.x.1", side="buy", qty="5", price="291.5")
    with JsonStage() as stage:
        stage.say("hello\n")
        stage.show(PICTURE, "", [bought])
        stage.show(PICTURE, "", [bought])
        stage.say("certificate …", event="certificate", certificate={"proven": True})
        stage.end(0)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["event"] for line in lines] == ["note", "fill", "state", "fill", "certificate", "end"]
    assert all(line["seconds"] >= 0 for line in lines)
    assert (lines[0]["text"], lines[1]["price"]) == ("hello", "291.5")
    assert lines[2]["state"] == str(TradingState.ACTIVE)
    assert lines[2]["symbols"]["AAPL"]["position"] == 10.0
    assert (lines[4]["certificate"], lines[5]["exit_code"]) == ({"proven": True}, 0)


# --- from shared memory and journals ----------------------------------------------------------------------------


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    layout = Layout(
        state_directory=tmp_path / "s", runtime_directory=tmp_path / "r", symbols=("AAPL", "MSFT")
    )
    layout.private_directory.mkdir(parents=True)
    return layout


def written(layout: Layout, actor: str, *bodies: bytes) -> None:
    directory = layout.journal(actor)
    directory.mkdir(parents=True, exist_ok=True)
    writer = JournalWriter(
        directory, clock=FakeClock(), segment_bytes=1 << 16, limit_bytes=1 << 20, sync=SyncPolicy.NONE
    )
    for body in bodies:
        writer.append(body)
    writer.close()


def fill(order_id: str) -> bytes:
    return (
        b'{"decision":[{"type":"Send","to":"symbol-AAPL","message":{"type":"OrderFilled","symbol":"AAPL",'
        b'"client_order_id":"%s","side":"sell","qty":"5","price":"291.5"}},{"type":"Send","to":"risk",'
        b'"message":{"type":"OrderFilled","symbol":"AAPL"}},{"type":"PublishSequence"}]}' % order_id.encode()
    )


DENIAL = b'{"decision":[{"type":"Send","to":"symbol-MSFT","message":{"type":"OrderDenied","symbol":"MSFT"}}]}'


def test_nothing_is_seen_before_the_service_made_its_shared_memory(layout: Layout) -> None:
    assert open_view(layout) is None
    GateByte.create(layout.gate).close()
    Board.create(layout.board, layout.actors).close()
    assert open_view(layout) is None


def test_the_view_reads_board_slots_gate_and_journals(layout: Layout) -> None:
    gate = GateByte.create(layout.gate)
    board = Board.create(layout.board, layout.actors)
    slots = TickSlots.create(layout.slots, layout.symbols)
    view = SessionView(layout)
    assert view.poll() == [] and view.picture().state is TradingState.HALTED

    gate.set(TradingState.ACTIVE)
    row = board.row("symbol-AAPL")
    row.start(77, 3)
    row.publish(position=5, realized_pnl=1.5, unrealized_pnl=-0.5, restarts=2, signal=1, ready=1, bar_count=8)
    board.row(MARKET_DATA).publish(sequence=123)
    slots.append_bar(0, BAR)
    slots.write(0, Tick("AAPL", 291.5, 1.0, 1, 2, 4, 0, "9"), None)
    written(layout, BROKER, b'{"input":{"type":"OrderFilled"}}', fill("a"))
    written(layout, RISK, DENIAL)

    assert [str(each) for each in view.poll()] == ["sold 5 AAPL at 291.5"]
    assert view.poll() == []
    picture = view.picture()
    assert (picture.state, picture.ticks, picture.bars) == (TradingState.ACTIVE, 123, 8)
    assert (picture.fills, picture.denials, picture.restarts, picture.pnl) == (1, 1, 2, 1.0)
    apple = picture.line("AAPL")
    assert (apple.price, apple.bar, apple.pid, apple.fills, apple.ready) == (291.5, BAR, 77, 1, True)
    assert picture.line("MSFT").bar is None and picture.line("MSFT").denials == 1
    view.close()


def test_only_orders_of_the_next_life_count(layout: Layout) -> None:
    def proposed(order_id: bytes) -> bytes:
        return (
            b'{"decision":[{"type":"Send","to":"risk","message":{"type":"ProposeOrder","ticket":'
            b'{"client_order_id":"%s"}}}]}' % order_id
        )

    started = b'{"input":{"type":"Started"}}'
    written(layout, "symbol-AAPL", started, proposed(b"before"))
    life = LifeView(layout, "AAPL")
    written(layout, "symbol-AAPL", proposed(b"last breath"))
    life.poll()
    assert life.order_ids == set()
    written(layout, "symbol-AAPL", started, proposed(b"new"))
    life.poll()
    assert life.order_ids == {"new"}
    life.close()


def test_actors_that_end_again_and_again_are_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    crashing = SessionPicture(
        state=TradingState.ACTIVE, ticks=1, bars=1, lines=(line("KO", restarts=3, ready=False), line("AAPL"))
    )
    view = SimpleNamespace(poll=list, picture=lambda: crashing, close=lambda: None)
    monkeypatch.setattr(paper_loop, "open_view", lambda layout: view)
    out = io.StringIO()
    session: Any = SimpleNamespace(children=(), layout=None)
    with Stage(Console(file=out, width=200)) as stage:
        loop = paper_loop.PaperLoop(session, stage)
        loop.await_view()
        loop.turn()
        loop.turn()
    assert out.getvalue().count("its actor ended 3 times") == 1 and "KO: its actor" in out.getvalue()
