"""A guardian with a fake tree and a fake desk, on real files and sockets: in a thread, or as a process (`__main__`).

As a process: `guardian_process.py STATE RUNTIME`, with `ORDERS=n` orders open at the broker.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from kyzlo_actors.actors.layout import Layout
from kyzlo_actors.actors.registry import Registry
from kyzlo_actors.domain.values import NS_PER_MILLISECOND, TradingState
from kyzlo_actors.guardian.halt_events import StopRequested
from kyzlo_actors.guardian.main import Guardian, run_guardian
from kyzlo_actors.guardian.moment import Moment
from kyzlo_actors.guardian.options import GuardianOptions
from kyzlo_actors.guardian.proof import HaltSettings
from kyzlo_actors.infrastructure.clock import SystemClock
from kyzlo_actors.infrastructure.halt_latch import GateByte
from tests.fakes.broker_desk import FakeDesk, broker_order
from tests.fakes.tree import FakeTree

# Short, but no test depends on how short: each waits for what it wants to see.
HALT = HaltSettings(
    graceful_ns=400 * NS_PER_MILLISECOND,
    clean_read_interval_ns=20 * NS_PER_MILLISECOND,
    end_ns=400 * NS_PER_MILLISECOND,
    prove_ns=800 * NS_PER_MILLISECOND,
    slow_ns=100 * NS_PER_MILLISECOND,
    settle_ns=200 * NS_PER_MILLISECOND,
)
WAIT_SECONDS = 20.0


def registry_of(state: Path, runtime: Path, desk: FakeDesk) -> Registry:
    """A registry that is enough for the guardian."""
    unused = cast(Any, None)
    return Registry(
        run_id="test-run",
        layout=Layout(state_directory=state, runtime_directory=runtime, symbols=("AAPL",)),
        clock=SystemClock(),
        symbols={},
        risk_limits=unused,
        execution=unused,
        kill_switch=unused,
        open_broker=unused,
        open_desk=lambda: desk,
        open_feed=unused,
        open_history=unused,
        open_archive=unused,
    )


def wait_until(what: Callable[[], Any], seconds: float = WAIT_SECONDS) -> Any:
    """The first true value of `what`; AssertionError when none comes in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := what():
            return found
        time.sleep(0.02)
    raise AssertionError("waited in vain")


def ask(runtime: Path, request: dict[str, Any] | bytes, seconds: float = WAIT_SECONDS) -> dict[str, Any]:
    """One question to the admin socket; {} when it closed without an answer."""
    line = request if isinstance(request, bytes) else json.dumps(request).encode() + b"\n"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(seconds)
        client.connect(str(runtime / "admin.sock"))
        client.sendall(line)
        with client.makefile("rb") as answer:
            received = answer.readline()
    return cast(dict[str, Any], json.loads(received)) if received else {}


class GuardianInThread:
    """Runs the loop in a thread of the test; `stop()` gives the exit code."""

    def __init__(self, state: Path, runtime: Path, desk: FakeDesk, **tree: Any) -> None:
        self.state, self.runtime, self.desk = state, runtime, desk
        self.reexecs: list[dict[str, str]] = []
        registry = registry_of(state, runtime, desk)
        cancel = tree.pop("cancel", desk.cancel_all)
        names = ("settings_path", "live", "check_settings", "environment")
        about = {name: tree.pop(name) for name in names if name in tree}
        trees: list[FakeTree] = []

        def launch(given: Registry) -> FakeTree:
            trees.append(FakeTree(given, cancel=cancel, **tree))
            return trees[0]

        options = GuardianOptions(
            halt=HALT,
            launch=launch,
            reexec=lambda environment: self.reexecs.append(dict(environment)),
            handle_signals=False,
            **about,
        )
        self.guardian = Guardian(registry, options)
        self.tree = trees[0]
        self.gate = GateByte.open(registry.layout.gate)
        self.exit_code: int | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self.exit_code = self.guardian.run()
        finally:
            self.guardian.close()

    def trading(self) -> GuardianInThread:
        wait_until(lambda: self.gate.state is TradingState.ACTIVE)
        return self

    def status(self) -> dict[str, Any]:
        return ask(self.runtime, {"cmd": "status"})

    def wait_for(self, state: str) -> dict[str, Any]:
        """The status, once its state is this one."""
        return cast(
            dict[str, Any], wait_until(lambda: (status := self.status())["state"] == state and status)
        )

    def certificate(self, halt_id: str, *, proven: bool = True) -> dict[str, Any]:
        """The certificate of the halt, once it is there."""

        def look() -> dict[str, Any] | None:
            found = ask(self.runtime, {"cmd": "certificate", "halt_id": halt_id})["certificate"]
            return cast(dict[str, Any], found) if found and found["proven"] is proven else None

        return cast(dict[str, Any], wait_until(look))

    def joined(self) -> int | None:
        """The exit code, once the guardian has ended."""
        self._thread.join(WAIT_SECONDS)
        assert not self._thread.is_alive()
        return self.exit_code

    def stop(self) -> int | None:
        """End it in order, if it has not ended."""
        if self._thread.is_alive():
            self.guardian._inbox.post(StopRequested(at=Moment.of(SystemClock())))
        code = self.joined()
        self.tree.close()
        return code


def main() -> int:
    desk = FakeDesk(tuple(broker_order(number) for number in range(int(os.environ.get("ORDERS", "0")))))
    registry = registry_of(Path(sys.argv[1]), Path(sys.argv[2]), desk)
    options = GuardianOptions(halt=HALT, launch=lambda given: FakeTree(given, cancel=desk.cancel_all))
    return run_guardian(registry, options)


if __name__ == "__main__":
    sys.exit(main())
