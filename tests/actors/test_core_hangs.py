"""An actor that stands still (no death, no notice): its heartbeat gives it away, and it is replaced."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from kyzlo_actors.actors.layout import BROKER, KILL_SWITCH, MARKET_DATA, PERSISTENCE, RISK
from tests.actors.tree_process import RunningTree

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

SYMBOLS = ("AAA", "BBB")
FAMILY = (RISK, "supervisor-0", "symbol-AAA", "symbol-BBB")


@pytest.fixture(scope="module")
def tree() -> Iterator[RunningTree]:
    running = RunningTree(
        {symbol: {"every": 2} for symbol in SYMBOLS}, sections={"supervision": {"hang_beats": 3}}
    )
    yield running
    running.stop()


@pytest.mark.parametrize(
    ("victim", "replaced"),
    [
        (BROKER, (BROKER,)),
        (MARKET_DATA, (MARKET_DATA,)),
        (PERSISTENCE, (PERSISTENCE,)),
        (KILL_SWITCH, (KILL_SWITCH,)),
        (RISK, FAMILY),
        ("supervisor-0", FAMILY),
        ("symbol-AAA", ("symbol-AAA",)),
    ],
)
def test_who_stands_still_is_replaced(tree: RunningTree, victim: str, replaced: tuple[str, ...]) -> None:
    tree.quiet()
    before = tree.board()
    os.kill(before[victim].pid, signal.SIGSTOP)
    tree.resume()
    for actor in replaced:
        tree.wait_restarted(actor, before[actor].pid)
    tree.wait_all_ready()
    for symbol in SYMBOLS:
        tree.wait_fills(symbol)
    tree.settle()
    tree.assert_posted_once()
    after = tree.board()
    assert {name for name in before if before[name].pid != after[name].pid} == set(replaced)
