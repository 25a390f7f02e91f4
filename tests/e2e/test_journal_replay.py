"""A live session read back from its journals, crashes and all: every core decides again what it decided then."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from kyzlo_actors.actors.layout import BROKER, KILL_SWITCH, RISK
from kyzlo_actors.actors.recovery import Core
from kyzlo_actors.actors.wire import codec
from kyzlo_actors.domain.execution_core import ExecutionCore
from kyzlo_actors.domain.risk_core import RiskCore
from kyzlo_actors.domain.symbol_core import SymbolCore
from tests.actors.tree_process import RunningTree

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

SYMBOLS = ("AAA", "BBB")


@pytest.fixture(scope="module")
def tree() -> Iterator[RunningTree]:
    """Has traded, and has lost one actor after the other while it did."""
    running = RunningTree({symbol: {"every": 2} for symbol in SYMBOLS})
    for victim in ("symbol-AAA", BROKER, RISK, KILL_SWITCH):
        running.wait_fills("AAA")
        running.wait_fills("BBB")
        # Without notes the strategies are functions of their ticks alone, so nobody may be told to be quiet here.
        pid = running.kill(victim)
        running.wait_restarted(victim, pid)
    running.wait_all_ready()
    yield running
    running.stop()


def fresh_core(tree: RunningTree, actor: str) -> Core:
    registry = tree.registry
    if actor == BROKER:
        return ExecutionCore(registry.execution)
    if actor == RISK:
        return RiskCore(registry.risk_limits)
    plan = registry.symbols[actor.removeprefix("symbol-")]
    return SymbolCore(plan.settings, plan.make_strategy())


@pytest.mark.parametrize("actor", [BROKER, RISK, "symbol-AAA", "symbol-BBB"])
def test_the_same_inputs_give_the_same_decisions(tree: RunningTree, actor: str) -> None:
    core = fresh_core(tree, actor)
    entries = tree.journal(actor)
    compared = 0
    for entry, following in zip(entries, [*entries[1:], {}], strict=True):
        if "input" not in entry:
            continue
        effects = [codec().to_dict(effect) for effect in core.handle(codec().from_dict(entry["input"]))]
        if "decision" in following:
            assert effects == following["decision"], entry["seq"]
            compared += 1
        elif effects:
            # The actor died between the two, or the journal ends here.
            assert following == {} or following["input"]["type"] == "Started", entry["seq"]
    assert compared > 3


def test_every_fill_of_the_venue_stands_in_the_broker_actors_journal_once(tree: RunningTree) -> None:
    tree.settle()
    booked: dict[str, int] = {}
    for fill in tree.decided(BROKER, "OrderFilled"):
        booked[fill["client_order_id"]] = booked.get(fill["client_order_id"], 0) + 1
    filled = [o for o in tree.venue_state()["orders"] if o["status"] == "filled"]
    assert {order["client_order_id"] for order in filled} == set(booked)
    tree.assert_posted_once()
