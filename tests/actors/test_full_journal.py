"""Journals at their limit: entries are refused with a code, exits and recording go on; pruned, it trades again."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from kyzlo_actors.actors import full_journal
from kyzlo_actors.actors.layout import PERSISTENCE
from kyzlo_actors.domain.market import Mark
from kyzlo_actors.domain.messages import ProposeOrder
from kyzlo_actors.domain.order import OrderTicket
from kyzlo_actors.domain.stamp import Stamp
from kyzlo_actors.domain.values import OrderType, Side
from tests.actors.tree_process import RunningTree, scenario, wait_until


def ticket(side: Side, qty: int) -> OrderTicket:
    return OrderTicket(
        client_order_id="kyzlo.x.1", symbol="AAA", side=side, qty=Decimal(qty), order_type=OrderType.MARKET
    )


@pytest.mark.parametrize(
    ("held", "side", "qty", "entry"),
    [
        (0, Side.BUY, 1, True),
        (0, Side.SELL, 1, True),
        (3, Side.BUY, 1, True),
        (3, Side.SELL, 3, False),
        (3, Side.SELL, 1, False),
        (3, Side.SELL, 4, True),
        (-3, Side.BUY, 3, False),
        (-3, Side.BUY, 4, True),
        (-3, Side.SELL, 1, True),
    ],
)
def test_an_entry_is_what_does_not_only_shrink_a_position(
    held: int, side: Side, qty: int, entry: bool
) -> None:
    assert full_journal.is_entry(ticket(side, qty), Decimal(held)) is entry


def test_the_denial_continues_the_chain_and_names_the_journal() -> None:
    stamp = Stamp.first("signal", 5)
    proposal = ProposeOrder(
        stamp=stamp,
        ticket=ticket(Side.BUY, 1),
        strategy="x",
        mark=Mark("AAA", 1.0, 5, 5),
        deadline_ns=9,
        incarnation=1,
    )
    denied = full_journal.denied(proposal, "risk", 7)
    assert (denied.code, denied.client_order_id, denied.symbol) == ("JOURNAL_FULL", "kyzlo.x.1", "AAA")
    assert "risk" in denied.detail
    assert (denied.stamp.causation_id, denied.stamp.correlation_id) == ("signal", "signal")


@pytest.fixture
def tree() -> Iterator[RunningTree]:
    # Ticks fill the symbol's journal long before orders fill anybody else's.
    fast = [{**each, "ticks_per_second": 200} for each in scenario(["AAA", "BBB"])["symbols"]]
    running = RunningTree(
        {"AAA": {"every": 60}, "BBB": {"every": 60}},
        sections={"journal": {"limit_mib": 1, "segment_kib": 64}, "supervision": {"hang_beats": 200}},
        market={"symbols": fast},
    )
    yield running
    running.stop()


@pytest.mark.e2e
@pytest.mark.slow
@pytest.mark.timeout(240)
def test_entries_stop_and_exits_go_on_until_there_is_room(tree: RunningTree) -> None:
    """The store hangs, so nothing is pruned; when it is back, what it has stored makes room."""
    tree.wait_fills("AAA", 2)
    os.kill(tree.pid(PERSISTENCE), signal.SIGSTOP)
    try:
        wait_until("an entry is refused", lambda: refusals(tree, "AAA"), tree=tree, timeout_seconds=90)
        wait_until("the position is closed", lambda: tree.venue_position("AAA") == 0, tree=tree)
        filled = tree.filled("AAA")
        recorded = len(tree.journal("symbol-AAA"))
        wait_until("recording goes on", lambda: len(tree.journal("symbol-AAA")) > recorded + 400, tree=tree)
        wait_until("the next is refused too", lambda: len(refusals(tree, "AAA")) >= 3, tree=tree)
        assert tree.filled("AAA") == filled
    finally:
        os.kill(tree.pid(PERSISTENCE), signal.SIGCONT)
    tree.wait_fills("AAA", 2)
    tree.settle()
    tree.assert_posted_once()
    assert all(row.restarts == 0 for row in tree.board().values())


def refusals(tree: RunningTree, symbol: str) -> list[dict[str, Any]]:
    return [
        denied
        for denied in tree.inputs(f"symbol-{symbol}", "OrderDenied")
        if denied["code"] == full_journal.CODE
    ]
