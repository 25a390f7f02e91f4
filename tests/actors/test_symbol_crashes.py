"""Every way a symbol's process can end: it comes back, knows what it knew, trades again, and nobody else notices."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.actors.tree_process import RunningTree, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

WAYS = {"AAA": "raise", "BBB": "exit", "CCC": "fault", "DDD": "hang", "EEE": "kill"}


@pytest.fixture(scope="module")
def tree() -> Iterator[RunningTree]:
    # A hang is what is measured here, so it may not take for ever to be one.
    running = RunningTree(
        {symbol: {} for symbol in WAYS}, sections={"supervision": {"beat_seconds": 1, "hang_beats": 3}}
    )
    yield running
    running.stop()


@pytest.mark.parametrize(("symbol", "way"), WAYS.items(), ids=WAYS.values())
def test_a_symbol_that_ends_comes_back_and_trades_on(tree: RunningTree, symbol: str, way: str) -> None:
    actor = f"symbol-{symbol}"
    tree.wait_fills(symbol)
    before = tree.board()
    if way == "kill":
        tree.kill(actor)
    else:
        tree.note(symbol, "tick", way)
    tree.wait_restarted(actor, before[actor].pid)
    tree.wait_fills(symbol, 3)
    after = tree.board()
    others = {name for name in before if name != actor}
    assert {name: before[name].pid for name in others} == {name: after[name].pid for name in others}
    assert after[actor].restarts == before[actor].restarts + 1
    assert after[actor].incarnation == before[actor].incarnation + 1
    assert_nothing_forgotten(tree, actor)
    tree.settle()
    tree.assert_posted_once()


def assert_nothing_forgotten(tree: RunningTree, actor: str) -> None:
    """Each signal tells how many ticks, bars and fills the strategy had seen: as many as the journal holds."""
    seen = {"TickRead": 0, "BarClosed": 0}
    signals = 0
    for entry in tree.journal(actor):
        kind = entry.get("input", {}).get("type", "")
        if kind == "TickRead" or (kind == "BarClosed" and not entry["input"]["late"]):
            seen[kind] += 1
        for raised in signals_of(entry):
            signals += 1
            assert raised["indicators"]["ticks"] == seen["TickRead"]
            assert raised["indicators"]["bars"] == seen["BarClosed"]
    assert signals > 3


def signals_of(entry: dict[str, Any]) -> list[dict[str, Any]]:
    effects = entry.get("decision", ())
    return [e["message"] for e in effects if e["type"] == "Record" and e["message"]["type"] == "SignalRaised"]


def test_the_position_survives_a_crash_in_the_middle_of_a_fill(tree: RunningTree) -> None:
    actor = "symbol-AAA"
    pid = tree.pid(actor)
    tree.note("AAA", "fill", "raise")
    tree.wait_restarted(actor, pid)
    tree.wait_fills("AAA", 3)
    tree.settle()
    tree.assert_posted_once()


def test_a_fill_that_ends_its_actor_twice_is_skipped_and_the_books_still_agree(tree: RunningTree) -> None:
    actor = "symbol-BBB"
    deaths = tree.board()[actor].restarts
    tree.note("BBB", "fill", "poison")
    wait_until("it was skipped", lambda: skips(tree, actor), tree=tree)
    tree.wait_fills("BBB", 3)
    tree.settle()
    tree.assert_posted_once()
    assert tree.board()[actor].restarts == deaths + 2
    (skipped,) = skips(tree, actor)
    entry = next(entry for entry in tree.journal(actor) if entry["seq"] == skipped)
    assert entry["input"]["message"]["type"] == "OrderFilled"


def test_a_tick_that_ends_its_actor_twice_is_skipped_for_ever(tree: RunningTree) -> None:
    actor = "symbol-CCC"
    tree.note("CCC", "tick", "poison")
    wait_until("it was skipped", lambda: skips(tree, actor), tree=tree)
    tree.wait_fills("CCC", 2)
    restarts = tree.board()[actor].restarts
    # Another death later: the recovery reads past the poisoned tick once more, and must not take it.
    pid = tree.kill(actor)
    tree.wait_restarted(actor, pid)
    tree.wait_fills("CCC", 2)
    assert len(skips(tree, actor)) == 1
    assert tree.board()[actor].restarts == restarts + 1
    tree.settle()


def skips(tree: RunningTree, actor: str) -> list[int]:
    return [entry["skipped"] for entry in tree.journal(actor) if "skipped" in entry]
