"""A newly started service forgets its quarantines; a restarted actor within one life of the tree does not."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from kyzlo_actors.actors.control import StartActor
from kyzlo_actors.actors.kill_switch import KillSwitchShell
from kyzlo_actors.actors.quarantine import release
from kyzlo_actors.actors.risk import RiskShell
from kyzlo_actors.domain.kill_switch_core import KillSwitchState
from kyzlo_actors.domain.messages import QuarantineReleased
from kyzlo_actors.domain.risk.state import RiskState

NOW = 1_700_000_000_000_000_000


def test_nobody_quarantined_needs_no_release() -> None:
    assert release(frozenset(), sender="risk", now_ns=NOW) is None


def test_the_release_names_everyone_and_its_reason() -> None:
    event = release({"MSFT", "AAPL"}, sender="risk", now_ns=NOW)
    assert event is not None
    released = event.message
    assert isinstance(released, QuarantineReleased)
    assert (released.symbols, released.reason) == (("AAPL", "MSFT"), "service start")
    assert (event.sender, event.now_ns, released.stamp.ts_event) == ("risk", NOW, NOW)


@pytest.mark.parametrize("restarts", [0, 1])
def test_only_the_first_life_of_the_risk_gate_releases(tmp_path: Path, restarts: int) -> None:
    start = StartActor(name="risk", incarnation=restarts, restarts=restarts)
    shell: Any = RiskShell(start, registry(tmp_path), row=SimpleNamespace(), board=SimpleNamespace())  # type: ignore[arg-type]
    shell.core.state = RiskState(quarantined=frozenset({"AAPL"}))
    assert processed(shell) == (["AAPL"] if restarts == 0 else [])


@pytest.mark.parametrize("restarts", [0, 1])
def test_only_the_first_life_of_the_kill_switch_releases(tmp_path: Path, restarts: int) -> None:
    start = StartActor(name="kill_switch", incarnation=restarts, restarts=restarts)
    shell: Any = KillSwitchShell(start, registry(tmp_path), row=SimpleNamespace(), end_requested=-1)  # type: ignore[arg-type]
    shell.core.state = KillSwitchState(quarantined=frozenset({"AAPL"}))
    assert processed(shell) == (["AAPL"] if restarts == 0 else [])


def registry(directory: Path) -> Any:
    """As much of a registry as a shell looks at before its work thread runs."""
    layout = SimpleNamespace(symbols=(), snapshots=directory, state_directory=directory)
    return SimpleNamespace(
        layout=layout,
        clock=SimpleNamespace(now_ns=lambda: NOW),
        supervision=SimpleNamespace(beat_seconds=1.0),
        journal=SimpleNamespace(strict=False),
        risk_limits=None,
        kill_switch=None,
    )


def processed(shell: Any) -> list[str]:
    """The symbols that the shell releases when its core has just started."""
    inputs: list[Any] = []
    shell.process = inputs.append
    shell.on_started()
    return [symbol for event in inputs for symbol in event.message.symbols]
