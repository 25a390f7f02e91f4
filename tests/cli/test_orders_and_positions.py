"""`kyzlo orders` and `kyzlo positions` from files that nobody else has to run for."""

from __future__ import annotations

import json
import os
from decimal import Decimal
from pathlib import Path

import pytest

from kyzlo_actors.actors.layout import BROKER, Layout
from kyzlo_actors.actors.recovery import SnapshotFile
from kyzlo_actors.domain.execution_core import ExecutionState
from kyzlo_actors.domain.order import Order, OrderStatus, OrderTicket
from kyzlo_actors.domain.position import Position
from kyzlo_actors.domain.values import OrderType, Side
from kyzlo_actors.infrastructure.clock import SystemClock
from tests.cli.conftest import Kyzlo
from tests.fakes.admin_server import AdminServer, actor, status

D = Decimal
S = OrderStatus


def order(number: int, status: OrderStatus, symbol: str = "AAPL", **changes: object) -> Order:
    ticket = OrderTicket(
        client_order_id=f"kyzlo.t.{number}",
        symbol=symbol,
        side=Side.BUY,
        qty=D(10),
        order_type=OrderType.LIMIT,
        limit_price=D("101.50"),
    )
    submitted_ns = SystemClock().now_ns() - number * 60_000_000_000
    return Order(ticket=ticket, status=status, submitted_ns=submitted_ns, **changes)  # type: ignore[arg-type]


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A state directory with four orders and two positions in BrokerActor's snapshot."""
    directory = tmp_path / "state"
    layout = Layout(state_directory=directory, runtime_directory=directory, symbols=())
    layout.journal(BROKER).mkdir(parents=True)
    layout.snapshots.mkdir()
    orders = (
        order(1, S.FILLED, filled_qty=D(10), filled_avg_price=D("101.25")),
        order(2, S.NEW, reason="new"),
        order(3, S.UNKNOWN, symbol="MSFT", reason="the reply never came"),
        order(4, S.PARTIALLY_FILLED, filled_qty=D(4), filled_avg_price=D(100)),
    )
    core_state = ExecutionState(
        orders={each.ticket.client_order_id: each for each in orders},
        live=frozenset(each.ticket.client_order_id for each in orders if not each.status.is_terminal),
        positions={
            "AAPL": Position(qty=D(14), avg_cost=D("100.5"), realized_pnl=D("12.346"), fees=D("0.5")),
            "MSFT": Position(realized_pnl=D(-3)),
        },
        prices={"AAPL": D(99)},
    )
    SnapshotFile(layout.snapshots, BROKER).save(17, core_state, {})
    return directory


def files(state: Path) -> dict[str, tuple[int, int]]:
    return {
        str(path): (path.stat().st_size, path.stat().st_mtime_ns)
        for path in state.rglob("*")
        if path.is_file()
    }


def test_open_orders_with_the_unknown_ones_first(kyzlo: Kyzlo, state: Path) -> None:
    before = files(state)
    done = kyzlo("orders", "--state-dir", state)
    assert done.code == 0
    _, *lines = done.out.splitlines()
    assert [line.split()[0] for line in lines] == ["MSFT", "AAPL", "AAPL"]
    assert "UNKNOWN" in lines[0] and lines[0].endswith("the reply never came")
    assert "kyzlo.t.2" in lines[1] and "kyzlo.t.4" in lines[2]
    assert "1 UNKNOWN" in done.err and "1 that are over: --all" in done.err
    assert files(state) == before, "it only reads"


def test_orders_for_programs(kyzlo: Kyzlo, state: Path) -> None:
    answer = json.loads(kyzlo("orders", "--all", "--symbol", "aapl", "--state-dir", state, "--json").out)
    assert [row["client_order_id"] for row in answer["orders"]] == ["kyzlo.t.1", "kyzlo.t.2", "kyzlo.t.4"]
    filled, _, partly = answer["orders"]
    assert (filled["status"], filled["is_open"], filled["filled_avg_price"]) == ("filled", False, "101.25")
    assert (partly["qty"], partly["filled_qty"], partly["limit_price"]) == ("10", "4", "101.50")
    assert partly["age_seconds"] >= 240
    few = json.loads(kyzlo("orders", "--limit", 1, "--state-dir", state, "--json").out)
    assert (len(few["orders"]), few["left_out"]) == (1, 2)


def test_positions_at_the_brokers_price_when_nothing_runs(kyzlo: Kyzlo, state: Path, runtime: Path) -> None:
    done = kyzlo("positions", "--state-dir", state, "--runtime-dir", runtime)
    assert done.code == 0
    head, aapl, msft = (line.split() for line in done.out.splitlines())
    assert head[:2] == ["symbol", "qty"]
    assert aapl == ["AAPL", "14", "100.5000", "99", "broker", "-21.00", "+12.35", "+0.50"]
    assert msft == ["MSFT", "0", "-", "-", "-", "-3.00", "+0.00"]


def test_positions_at_our_own_price_when_the_service_runs(kyzlo: Kyzlo, state: Path, runtime: Path) -> None:
    def places(answer: dict[str, object]) -> dict[str, object]:
        return {**answer, "actors": [actor("symbol-AAPL", last_price=101.5)]}

    own = places(status(state_directory=str(state)))
    with AdminServer(runtime, lambda _: own):
        answer = json.loads(kyzlo("positions", "--state-dir", state, "--runtime-dir", runtime, "--json").out)
    aapl = answer["positions"][0]
    assert (aapl["price"], aapl["price_of"], aapl["unrealized_pnl"]) == ("101.5", "feed", "14.0")
    # Somebody else's service says nothing about this book.
    (runtime / "admin.sock").unlink()
    with AdminServer(runtime, lambda _: places(status())):
        answer = json.loads(kyzlo("positions", "--state-dir", state, "--runtime-dir", runtime, "--json").out)
    assert answer["positions"][0]["price_of"] == "broker"


def test_where_nothing_ever_ran_there_is_nothing(kyzlo: Kyzlo, tmp_path: Path, runtime: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    assert kyzlo("orders", "--state-dir", empty).out == "no open orders\n"
    assert kyzlo("positions", "--state-dir", empty, "--runtime-dir", runtime).out == "no positions\n"
    missing = kyzlo("orders", "--state-dir", tmp_path / "none")
    assert missing.code == 1 and "there is no state directory" in missing.err


@pytest.mark.parametrize("command", ["orders", "positions", "journal"])
def test_what_is_not_ours_to_read_names_the_cure(
    kyzlo: Kyzlo, state: Path, runtime: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    if os.geteuid() == 0:
        # Root reads everything: the kernel's answer to anybody else is played.
        monkeypatch.setattr(os, "access", lambda path, mode: False)
    else:
        state.chmod(0)
    done = kyzlo(command, "--state-dir", state)
    state.chmod(0o700)
    assert done.code == 1
    (line,) = done.err.splitlines()
    assert f"kyzlo {command} --state-dir {state}" in line and "sudo -u " in line
