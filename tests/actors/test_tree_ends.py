"""Who watches over the tree dies: every process of the tree is gone soon after, and none of them trades on alone."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from tests.actors.tree_process import RunningTree, is_alive, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]


@pytest.fixture
def tree() -> Iterator[RunningTree]:
    running = RunningTree({"AAA": {}, "BBB": {}})
    yield running
    running.stop()


def known(tree: RunningTree) -> dict[str, int]:
    pids = wait_until("the Admin is known", lambda: "admin" in tree.all_pids() and tree.all_pids(), tree=tree)
    assert {"root", "risk", "broker", "symbol-AAA", "admin", "logger-0"} <= set(pids)
    return pids


def assert_all_gone(tree: RunningTree, pids: dict[str, int]) -> None:
    def left() -> dict[str, int]:
        return {name: pid for name, pid in pids.items() if is_alive(pid)}

    wait_until("nobody of the tree is left", lambda: not left(), tree=tree, timeout_seconds=20)
    posts = len(tree.venue_state()["posts"])
    assert len(tree.venue_state()["posts"]) == posts


def test_the_guardian_dies(tree: RunningTree) -> None:
    pids = known(tree)
    tree.kill_guardian()
    assert_all_gone(tree, pids)


@pytest.mark.parametrize("victim", ["admin", "root"])
def test_the_top_of_the_actor_system_dies(tree: RunningTree, victim: str) -> None:
    pids = known(tree)
    os.kill(pids[victim], signal.SIGKILL)
    below = {name: pid for name, pid in pids.items() if name not in ("admin", "logger-0")}
    assert_all_gone(tree, below if victim == "root" else pids)


def test_an_actor_system_that_is_ended_in_the_middle_of_trading_leaves_nobody(tree: RunningTree) -> None:
    pids = known(tree)
    tree.wait_fills("AAA", 1)
    tree.stop()
    assert not [name for name, pid in pids.items() if is_alive(pid)]


def test_thespians_logger_dies_and_nothing_else(tree: RunningTree) -> None:
    """It is the Admin's to replace; the tree does not log through it."""
    pids = known(tree)
    os.kill(pids["logger-0"], signal.SIGKILL)
    tree.wait_fills("AAA", 2)
    answered = tree.report()["answered"]
    wait_until("pings are answered", lambda: tree.report()["answered"] > answered + 2, tree=tree)
    # Control messages still pass: a killed symbol is told to its supervisor and started by a message.
    tree.wait_restarted("symbol-BBB", tree.kill("symbol-BBB"))
    os.kill(pids["admin"], signal.SIGKILL)
    assert_all_gone(tree, pids)
