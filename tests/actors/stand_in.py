"""A stand-in for the guardian: starts a tree, opens the gate, pings, writes down what it sees, and ends with it.

Run as a program with the tree's directory as its argument. It dies with whoever started it.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from pathlib import Path

import orjson

from kyzlo_actors.actors.tree import Tree
from kyzlo_actors.bootstrap.settings import load_settings
from kyzlo_actors.bootstrap.wiring import build_registry
from kyzlo_actors.domain.values import TradingState
from kyzlo_actors.infrastructure.halt_latch import GateByte
from kyzlo_actors.infrastructure.mailbox.board import Board
from kyzlo_actors.infrastructure.mailbox.latest_tick import TickSlots

ACCOUNT = "PA3TREE"
TURN_SECONDS = 0.3
PING_SECONDS = 5.0


def main(directory: Path) -> None:
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)
    settings = load_settings(directory / "settings.toml", os.environ).settings
    registry = build_registry(settings, account=ACCOUNT, run_id=directory.name, live=False)
    layout = registry.layout
    for path in (layout.private_directory, layout.snapshots, layout.archive, layout.certificates):
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    (layout.state_directory / "journal").mkdir(mode=0o700, exist_ok=True)
    gate = GateByte.create(layout.gate)
    Board.create(layout.board, layout.actors)
    TickSlots.create(layout.slots, layout.symbols).close()
    tree = Tree.launch(registry)
    is_ending: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: is_ending.append(number))
    gate.set(TradingState.ACTIVE)
    answered = 0
    while not is_ending:
        answered += tree.ping(PING_SECONDS)
        report = directory / "report.tmp"
        report.write_bytes(orjson.dumps({"answered": answered, "pids": tree.pids()}))
        report.replace(directory / "report.json")
        time.sleep(TURN_SECONDS)
    tree.kill()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
