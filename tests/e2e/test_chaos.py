"""Anybody dies or stands still at any instant while the broker misbehaves; afterwards every book is right.

The seed of a run is printed; `CHAOS_SEED` and `CHAOS_ROUNDS` repeat or lengthen one.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest

from kyzlo_actors.actors.layout import BROKER, ROOT
from kyzlo_actors.domain.order import OrderStatus
from tests.actors.tree_process import RunningTree, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(600)]

SYMBOLS = ("AAA", "BBB", "CCC", "DDD")
ROUNDS = 25


@pytest.fixture
def tree() -> Iterator[RunningTree]:
    running = RunningTree(
        {symbol: {"every": 3} for symbol in SYMBOLS},
        sections={
            "supervision": {"hang_beats": 3, "max_restarts": 1_000, "symbols_per_supervisor": 2},
            "broker": {"breaker_failures": 1_000},
        },
    )
    yield running
    running.stop()


def test_whatever_happens_nothing_is_doubled_and_all_agree_in_the_end(tree: RunningTree) -> None:
    seed = int(os.environ.get("CHAOS_SEED", time.time_ns() % 1_000_000))
    print(f"CHAOS_SEED={seed}")
    rng = random.Random(seed)
    for _ in range(int(os.environ.get("CHAOS_ROUNDS", ROUNDS))):
        strike(tree, rng)
        # Sometimes into the middle of a recovery.
        time.sleep(rng.choice((0.0, 0.05, 0.3, 1.0, 2.5)))
    calm(tree)
    tree.wait_all_ready()
    for symbol in SYMBOLS:
        goal = tree.filled(symbol) + 2
        wait_until(
            f"{symbol} trades or is blocked",
            lambda: tree.filled(symbol) >= goal or bool(unknown(tree, symbol)),  # noqa: B023
            tree=tree,
        )
    tree.assert_posted_once()
    for symbol in SYMBOLS:
        tree.note(symbol, "quiet")
    for symbol in SYMBOLS:
        # Unknown for good are only those that never reached the venue: killed between record and first byte.
        posts = tree.venue_state()["posts"]
        wait_until(
            f"{symbol}: what the venue has is known",
            lambda: all(order_id not in posts for order_id in unknown(tree, symbol)),  # noqa: B023
            tree=tree,
        )
        wait_until(f"all agree on {symbol}", lambda: len(set(tree.positions(symbol))) == 1, tree=tree)  # noqa: B023
    assert tree.board()[ROOT].restarts == 0


def strike(tree: RunningTree, rng: random.Random) -> None:
    """One trouble."""
    kind = rng.random()
    if kind < 0.6:
        victim = rng.choice([name for name in tree.board() if name != ROOT])
        with suppress(ProcessLookupError):
            if pid := tree.pid(victim):
                os.kill(pid, rng.choice((signal.SIGKILL, signal.SIGKILL, signal.SIGSTOP)))
    elif kind < 0.75:
        tree.note(
            rng.choice(SYMBOLS),
            rng.choice(("tick", "fill")),
            rng.choice(("raise", "exit", "fault", "poison")),
        )
    else:
        fault, value = rng.choice(
            [
                ("drop_after_post", 1),
                ("fail_post_5xx_taken", 1),
                ("drop_events", 5),
                ("duplicate_events", 5),
                ("delay_events_ms", 200),
                ("delay_post_reply_ms", 200),
                ("abort_streams", True),
                ("abort_polygon", True),
            ]
        )
        tree.ctl(**{fault: value})


def calm(tree: RunningTree) -> None:
    faults = tree.venue_state()["faults"]
    tree.ctl(**{name: type(value)(0) for name, value in faults.items()})
    for symbol in SYMBOLS:
        for name in ("tick", "fill"):
            tree.forget(symbol, name)


def unknown(tree: RunningTree, symbol: str) -> list[str]:
    orders = tree.rebuilt(BROKER).orders.values()
    return [
        order.ticket.client_order_id
        for order in orders
        if order.ticket.symbol == symbol and order.status is OrderStatus.UNKNOWN
    ]
