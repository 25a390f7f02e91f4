"""A broker that takes an order and does not say so, and a stream that loses, repeats and delays its reports."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from kyzlo_actors.actors.layout import BROKER
from tests.actors.tree_process import RunningTree, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

SYMBOLS = ("AAA", "BBB")


@pytest.fixture(scope="module")
def tree() -> Iterator[RunningTree]:
    # The breaker has a test of its own: here single faults must not open it.
    running = RunningTree(
        {symbol: {"every": 3} for symbol in SYMBOLS},
        sections={"broker": {"breaker_failures": 100, "reconcile_seconds": 2}},
    )
    yield running
    running.stop()


@pytest.mark.parametrize("fault", ["drop_after_post", "fail_post_5xx_taken"])
def test_an_order_that_was_taken_without_an_answer_is_adopted(tree: RunningTree, fault: str) -> None:
    known = set(unknown_ids(tree))
    pids = {name: row.pid for name, row in tree.board().items()}
    # The stream may tell the fill before the answer is missed; then nothing was ever unknown. So it is late here.
    tree.ctl(delay_events_ms=500, **{fault: 1})
    order_id = wait_until(
        "an order's fate is unknown", lambda: set(unknown_ids(tree)) - known, tree=tree
    ).pop()
    tree.ctl(delay_events_ms=0)
    wait_until("it was looked up and adopted", lambda: statuses(tree, order_id)[-1] == "filled", tree=tree)
    symbol = symbol_of(tree, order_id)
    assert "unknown" in statuses(tree, order_id)
    assert tree.venue_state()["posts"][order_id] == 1
    for each in SYMBOLS:
        tree.wait_fills(each, 3)
    tree.settle()
    tree.assert_posted_once()
    assert no_order_left_before_it_was_known(tree, symbol, order_id)
    assert pids == {name: row.pid for name, row in tree.board().items()}


def test_an_order_that_was_not_taken_and_not_answered_blocks_its_symbol_alone() -> None:
    """Its deadline is over before the same id may be sent again: it stays UNKNOWN, the rule says, and is told."""
    tree = RunningTree({symbol: {"every": 3} for symbol in SYMBOLS})
    try:
        tree.ctl(fail_post_5xx=1)
        (order_id,) = wait_until("an order's fate is unknown", lambda: set(unknown_ids(tree)), tree=tree)
        symbol = symbol_of(tree, order_id)
        (other,) = set(SYMBOLS) - {symbol}
        wait_until("a person is told", lambda: "ORDER_UNKNOWN" in tree.log(), tree=tree)
        before = tree.filled(symbol)
        tree.wait_fills(other, 5)
        assert tree.filled(symbol) == before
        tree.assert_posted_once()
    finally:
        tree.stop()


@pytest.mark.parametrize(
    "faults",
    [{"duplicate_events": 30}, {"drop_events": 12}, {"delay_events_ms": 400}],
    ids=["repeated", "lost", "late"],
)
def test_positions_are_the_venues_whatever_the_stream_does(tree: RunningTree, faults: dict[str, int]) -> None:
    tree.ctl(**faults)
    for symbol in SYMBOLS:
        tree.wait_fills(symbol, 4)
    tree.ctl(**dict.fromkeys(faults, 0))
    for symbol in SYMBOLS:
        tree.wait_fills(symbol, 2)
    tree.settle()
    tree.assert_posted_once()


def test_a_stream_that_is_cut_again_and_again(tree: RunningTree) -> None:
    for _ in range(3):
        tree.wait_fills("AAA", 1)
        tree.ctl(abort_streams=True)
        tree.wait_fills("BBB", 1)
        tree.ctl(abort_polygon=True)
    tree.wait_fills("AAA", 2)
    tree.settle()
    tree.assert_posted_once()


def test_the_breaker_opens_after_failures_in_a_row_and_lets_one_try() -> None:
    tree = RunningTree(
        {symbol: {"every": 3} for symbol in ("AAA", "BBB", "CCC", "DDD")},
        sections={"broker": {"breaker_failures": 2, "breaker_open_seconds": 3}},
    )
    try:
        # Each failure leaves one symbol blocked; the breaker refuses the others meanwhile.
        tree.ctl(fail_post_5xx_taken=4)
        wait_until(
            "the breaker refuses",
            lambda: any(
                refused["code"] == "BREAKER_OPEN" for refused in tree.inputs(BROKER, "SubmitRefused")
            ),
            tree=tree,
        )
        for symbol in tree.symbols:
            tree.wait_fills(symbol, 2)
        tree.settle()
        tree.assert_posted_once()
    finally:
        tree.stop()


def unknown_ids(tree: RunningTree) -> list[str]:
    return [
        change["client_order_id"]
        for change in tree.decided(BROKER, "OrderStatusChanged")
        if change["status"] == "unknown"
    ]


def statuses(tree: RunningTree, order_id: str) -> list[str]:
    changes = tree.decided(BROKER, "OrderStatusChanged")
    return [change["status"] for change in changes if change["client_order_id"] == order_id] or [""]


def symbol_of(tree: RunningTree, order_id: str) -> str:
    changes = tree.decided(BROKER, "OrderStatusChanged")
    return next(str(change["symbol"]) for change in changes if change["client_order_id"] == order_id)


def no_order_left_before_it_was_known(tree: RunningTree, symbol: str, order_id: str) -> bool:
    """Between "unknown" and the next word about it, nothing of its symbol was submitted."""
    is_unknown = False
    for entry in tree.journal(BROKER):
        for effect in entry.get("decision", ()):
            message = effect.get("message", {})
            if message.get("type") == "OrderStatusChanged" and message["client_order_id"] == order_id:
                is_unknown = message["status"] == "unknown"
            if is_unknown and effect["type"] == "SubmitOrder" and effect["ticket"]["symbol"] == symbol:
                return False
    return True
