"""BrokerActor killed while orders are on their way: each order is resolved, or UNKNOWN and blocks its symbol alone."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from kyzlo_actors.actors.layout import BROKER
from kyzlo_actors.domain.order import OrderStatus
from tests.actors.tree_process import RunningTree, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

SYMBOLS = ("AAA", "BBB", "CCC", "DDD")
ROUNDS = 4


@pytest.fixture
def tree() -> Iterator[RunningTree]:
    running = RunningTree({symbol: {"every": 2} for symbol in SYMBOLS})
    yield running
    running.stop()


def test_killed_again_and_again_while_orders_fly(tree: RunningTree) -> None:
    for round_number in range(ROUNDS):
        # Replies that are late keep more orders in flight at the moment of the kill.
        tree.ctl(delay_post_reply_ms=30 * round_number)
        free = [symbol for symbol in SYMBOLS if symbol not in blocked(tree)]
        tree.wait_fills(free[0], 3)
        pid = tree.kill(BROKER)
        tree.wait_restarted(BROKER, pid)
    tree.ctl(delay_post_reply_ms=0)
    for symbol in SYMBOLS:
        goal = tree.filled(symbol) + 2
        wait_until(
            f"{symbol} trades or is blocked",
            lambda: tree.filled(symbol) >= goal or symbol in blocked(tree),  # noqa: B023
            tree=tree,
        )
    tree.assert_posted_once()
    posts = tree.venue_state()["posts"]
    for symbol, order_ids in blocked(tree).items():
        # Killed between the record and the first byte: the venue never saw it, but nobody here can know that.
        assert all(order_id not in posts for order_id in order_ids), symbol
    for symbol in SYMBOLS:
        tree.note(symbol, "quiet")
    for symbol in SYMBOLS:
        wait_until(f"all agree on {symbol}", lambda: len(set(tree.positions(symbol))) == 1, tree=tree)  # noqa: B023


def blocked(tree: RunningTree) -> dict[str, list[str]]:
    """Symbols with an order of unknown fate, and those orders. Looked up for a while, so that it lasts."""
    found: dict[str, list[str]] = {}
    for order in tree.rebuilt(BROKER).orders.values():
        if order.status is OrderStatus.UNKNOWN:
            found.setdefault(order.ticket.symbol, []).append(order.ticket.client_order_id)
    return found
