"""The death of each actor that the symbols depend on: the tree heals, the books agree, nothing went out twice."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from kyzlo_actors.actors.layout import BROKER, KILL_SWITCH, MARKET_DATA, PERSISTENCE, RISK, ROOT
from tests.actors.tree_process import RunningTree, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

SYMBOLS = ("AAA", "BBB", "CCC")


@pytest.fixture(scope="module")
def tree() -> Iterator[RunningTree]:
    # Two supervisors: what happens to one must not depend on its being the only one.
    running = RunningTree(
        {symbol: {"every": 2} for symbol in SYMBOLS}, sections={"supervision": {"symbols_per_supervisor": 2}}
    )
    yield running
    running.stop()


def heal(tree: RunningTree, *, killed: dict[str, int]) -> None:
    """Wait until the killed are replaced, everybody is ready and every symbol trades; then compare the books."""
    for actor, pid in killed.items():
        tree.wait_restarted(actor, pid)
    tree.wait_all_ready()
    for symbol in SYMBOLS:
        tree.wait_fills(symbol)
    tree.settle()
    tree.assert_posted_once()


@pytest.mark.parametrize("actor", [BROKER, MARKET_DATA, PERSISTENCE, KILL_SWITCH])
def test_one_that_owns_nobody_is_replaced_alone(tree: RunningTree, actor: str) -> None:
    before = tree.board()
    heal(tree, killed={actor: kill_between_orders(tree, actor)})
    after = tree.board()
    changed = {name for name in before if before[name].pid != after[name].pid}
    assert changed == {actor}


def kill_between_orders(tree: RunningTree, *actors: str) -> int:
    """Kill while no order is under way (what happens in the middle of one has a test of its own below)."""
    tree.quiet()
    pids = [tree.kill(actor) for actor in actors]
    tree.resume()
    return pids[0]


@pytest.mark.parametrize("victim", [RISK, "supervisor-0", "supervisor-1"])
def test_risk_and_its_symbols_live_and_die_together(tree: RunningTree, victim: str) -> None:
    before = tree.board()
    family = {RISK, "supervisor-0", "supervisor-1", *(f"symbol-{symbol}" for symbol in SYMBOLS)}
    tree.kill(victim)
    heal(tree, killed={name: before[name].pid for name in family})
    after = tree.board()
    assert {name for name in before if before[name].pid != after[name].pid} == family


def test_two_that_die_at_once_are_both_missed(tree: RunningTree) -> None:
    """Thespian forgets a death that comes while it tells another: the supervisor has to see it itself."""
    before = tree.board()
    kill_between_orders(tree, RISK, BROKER, KILL_SWITCH, PERSISTENCE)
    family = {name for name in before if name not in (ROOT, MARKET_DATA)}
    heal(tree, killed={name: before[name].pid for name in family})


def test_a_missing_gate_refuses_the_proposal_and_says_so(tree: RunningTree) -> None:
    """RiskActor is frozen, then gone: what was proposed meanwhile is over, not stuck."""
    denied_before = unreachable(tree)
    pid = tree.pid(RISK)
    path = tree.registry.layout.mailbox(RISK)
    hidden = path.with_suffix(".away")
    path.rename(hidden)
    try:
        # Symbols keep the connection that they have: a new life of one finds nobody.
        symbol_pid = tree.kill("symbol-AAA")
        wait_until("AAA is back", lambda: tree.pid("symbol-AAA") not in (0, symbol_pid), tree=tree)
        wait_until("it asks in vain", lambda: refused(tree, "symbol-AAA"), tree=tree)
    finally:
        hidden.rename(path)
    assert tree.pid(RISK) == pid
    heal(tree, killed={"symbol-AAA": symbol_pid})
    assert unreachable(tree) >= denied_before


def test_a_gate_that_dies_under_a_proposal(tree: RunningTree) -> None:
    """Stopped so that proposals pile up in its mailbox, then killed with them: each is over, none is sent late."""
    family = {RISK, "supervisor-0", "supervisor-1", *(f"symbol-{symbol}" for symbol in SYMBOLS)}
    before = tree.board()
    goal = {symbol: len(tree.decided(f"symbol-{symbol}", "ProposeOrder")) + 1 for symbol in SYMBOLS}
    os.kill(before[RISK].pid, signal.SIGSTOP)
    wait_until(
        "all have proposed",
        lambda: all(len(tree.decided(f"symbol-{s}", "ProposeOrder")) >= goal[s] for s in SYMBOLS),
        tree=tree,
    )
    tree.kill(RISK)
    heal(tree, killed={name: before[name].pid for name in family})


def test_the_root_still_answers(tree: RunningTree) -> None:
    answered = tree.report()["answered"]
    wait_until("pings are answered", lambda: tree.report()["answered"] > answered + 2, tree=tree)
    assert tree.board()[ROOT].restarts == 0


def refused(tree: RunningTree, actor: str) -> list[dict[str, Any]]:
    return [event for event in tree.inputs(actor, "SendRefused") if event["to"] == RISK]


def unreachable(tree: RunningTree) -> int:
    return sum(
        denied["code"] == "RISK_UNREACHABLE"
        for symbol in SYMBOLS
        for denied in tree.decided(f"symbol-{symbol}", "OrderDenied")
    )
