"""A strategy far too slow for its feed: it always reads the newest tick, nothing grows, and no bar is wrong."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import httpx
import pytest

from kyzlo_actors.domain.bars import BarBuilder
from kyzlo_actors.domain.market import Bar, Tick
from kyzlo_actors.domain.values import NS_PER_MILLISECOND, NS_PER_SECOND
from tests.actors.tree_process import REPOSITORY, RunningTree, first_line, wait_until
from tests.fakes.tape import trades

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

BUSY, IDLE = "BUSY", "IDLE"
RATES = {BUSY: 1_000, IDLE: 20}
WORK_MS = 20
GROWTH_KIB = 4 * 1_024


@pytest.fixture
def tape(tmp_path: Path) -> Iterator[str]:
    program = str(REPOSITORY / "tests" / "fakes" / "tape.py")
    rates = [f"{symbol}={rate}" for symbol, rate in RATES.items()]
    with open(tmp_path / "out", "wb") as out, open(tmp_path / "err", "wb") as err:
        process = subprocess.Popen(
            [sys.executable, program, *rates],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        )
    try:
        yield str(json.loads(wait_until("the tape is ready", lambda: first_line(tmp_path / "out")))["url"])
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize(
    ("settle_seconds", "run_seconds"),
    [(6, 12), pytest.param(15, 60, marks=pytest.mark.slow)],
    ids=["short", "minute"],
)
def test_overload_costs_ticks_and_neither_age_nor_memory_nor_bars(
    tape: str, settle_seconds: int, run_seconds: int
) -> None:
    tree = RunningTree(
        # Both keep quiet: orders are other tests' business.
        {BUSY: {"work_ms": WORK_MS, "every": 1_000_000}, IDLE: {"every": 1_000_000}},
        # One segment holds the whole run, so that nothing of it is pruned before it is compared.
        sections={"journal": {"segment_kib": 8_192}},
        feed_url=tape,
    )
    try:
        began = time.monotonic()
        time.sleep(settle_seconds)
        before = resident_kib(tree)
        time.sleep(max(0.0, run_seconds - (time.monotonic() - began)))
        after = resident_kib(tree)
        told = httpx.post("http" + tape.removeprefix("ws") + "/_stop", timeout=20).raise_for_status().json()
        assert set(before) == set(after)
        grown = {name: after[name] - before[name] for name in after}
        print(f"grown (KiB) from {settle_seconds} s to {run_seconds} s: {grown}")
        assert {name: growth for name, growth in grown.items() if growth > GROWTH_KIB} == {}
        compare_ages(tree)
        for symbol in RATES:
            compare_bars(tree, symbol, told)
        assert all(row.restarts == 0 for row in tree.board().values())
    finally:
        tree.stop()


def resident_kib(tree: RunningTree) -> dict[str, int]:
    """Resident memory of each process of the tree."""
    found = {}
    for name, pid in tree.all_pids().items():
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                found[name] = int(line.split()[1])
    return found


def compare_ages(tree: RunningTree) -> None:
    """How old the tick in the slot was when it was read; the idle symbol ran beside the busy one."""
    busy, idle = ticks(tree, BUSY), ticks(tree, IDLE)
    handling_ns = median(later["now_ns"] - earlier["now_ns"] for earlier, later in pairwise(busy))
    age_ns, idle_ns = p99(ages(busy)), p99(ages(idle))
    print(f"age p99 {age_ns / 1e6:.2f} ms, idle {idle_ns / 1e6:.2f} ms, handling {handling_ns / 1e6:.2f} ms")
    assert handling_ns >= WORK_MS * NS_PER_MILLISECOND
    assert age_ns <= handling_ns + 3 * idle_ns
    # It was overloaded indeed: far fewer ticks were read than were printed.
    assert len(busy) < 200 * len({tick["now_ns"] // NS_PER_SECOND for tick in busy})


def ticks(tree: RunningTree, symbol: str) -> list[dict[str, Any]]:
    return tree.inputs(f"symbol-{symbol}", "TickRead")


def ages(read: list[dict[str, Any]]) -> list[int]:
    return sorted(each["now_ns"] - each["tick"]["ts_init"] for each in read)


def p99(ordered: list[int]) -> int:
    return ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)]


def compare_bars(tree: RunningTree, symbol: str, told: dict[str, Any]) -> None:
    """Each bar the symbol got is the bar of all trades of that second, though most ticks were never read."""
    expected = bars_of_all_trades(symbol, told["first_ms"], told["sent"][symbol])
    got: dict[int, dict[str, Any]] = {}
    for event in tree.inputs(f"symbol-{symbol}", "BarClosed"):
        got[event["bar"]["start_ns"]] = event["bar"]  # revisions come in order: the last one counts
    last = max(got)
    assert len(got) >= 8
    # The tape starts inside of a second: the first bar is whole all the same, it is the tape's first.
    assert set(got) == {start for start in expected if start <= last}
    for start, bar in got.items():
        assert figures(bar) == figures(as_dict(expected[start])), (symbol, start)


def bars_of_all_trades(symbol: str, first_ms: int, count: int) -> dict[int, Bar]:
    builder = BarBuilder(symbol, NS_PER_SECOND)
    bars: list[Bar] = []
    now_ns = 0
    for trade in trades(symbol, first_ms, RATES[symbol], 0, count):
        now_ns = trade.ts_ms * NS_PER_MILLISECOND
        tick = Tick(symbol, trade.price, trade.size, now_ns, now_ns, 4, 0, str(trade.number + 1))
        bars += builder.on_trade(tick, updates_price=trade.moves_price, now_ns=now_ns)
    bars += builder.on_time(now_ns + 2 * NS_PER_SECOND)
    return {bar.start_ns: bar for bar in bars}


def as_dict(bar: Bar) -> dict[str, Any]:
    return {name: getattr(bar, name) for name in ("open", "high", "low", "close", "volume", "trade_count")}


def figures(bar: dict[str, Any]) -> dict[str, Any]:
    return {name: bar[name] for name in ("open", "high", "low", "close", "volume", "trade_count")}
