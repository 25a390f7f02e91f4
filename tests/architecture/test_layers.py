"""The import contracts of setup.cfg hold, and each of them has teeth: one deliberate violation each."""

from __future__ import annotations

from configparser import ConfigParser
from pathlib import Path

import pytest

from tests.architecture.house import ROOT, copy_house, lint_imports, write_module

FLOORS = "The house has floors"
THESPIAN = "Only actors, guardian and bootstrap know Thespian"
CLI_THESPIAN = "The command line does not import Thespian itself"
PURE = "Domain and ports are pure"
ADAPTERS = "Adapters do not know each other"

# contract, importing module (new, below kyzlo_actors), what it wrongly imports
VIOLATIONS = [
    (FLOORS, "bootstrap.intruder", "kyzlo_actors.cli"),
    (FLOORS, "guardian.intruder", "kyzlo_actors.bootstrap"),
    (FLOORS, "guardian.intruder", "kyzlo_actors.venue"),
    (FLOORS, "venue.intruder", "kyzlo_actors.guardian"),
    (FLOORS, "console.intruder", "kyzlo_actors.guardian"),
    (FLOORS, "actors.intruder", "kyzlo_actors.guardian"),
    (FLOORS, "actors.intruder", "kyzlo_actors.adapters"),
    (FLOORS, "adapters.intruder", "kyzlo_actors.actors"),
    (FLOORS, "frames.intruder", "kyzlo_actors.replay"),
    (FLOORS, "actors.intruder", "kyzlo_actors.frames"),
    (FLOORS, "replay.intruder", "kyzlo_actors.actors"),
    (FLOORS, "infrastructure.intruder", "kyzlo_actors.adapters"),
    (FLOORS, "ports.intruder", "kyzlo_actors.infrastructure"),
    (FLOORS, "domain.intruder", "kyzlo_actors.ports"),
    (FLOORS, "attic.intruder", "kyzlo_actors.domain"),  # exhaustive: a floor nobody planned
    (THESPIAN, "domain.intruder", "thespian.actors"),
    (THESPIAN, "adapters.intruder", "thespian.actors"),
    (THESPIAN, "infrastructure.intruder", "thespian.actors"),
    (THESPIAN, "venue.intruder", "thespian.actors"),
    (CLI_THESPIAN, "cli.intruder", "thespian.actors"),
    (PURE, "domain.intruder", "time"),
    (PURE, "domain.risk.intruder", "random"),
    (PURE, "domain.intruder", "logging"),
    (PURE, "ports.intruder", "socket"),
    (PURE, "ports.intruder", "httpx"),
    (ADAPTERS, "adapters.broker.intruder", "kyzlo_actors.adapters.market_data"),
    (ADAPTERS, "adapters.market_data.intruder", "kyzlo_actors.adapters.persistence"),
]


def contract_names() -> set[str]:
    """Every contract's name, from setup.cfg."""
    config = ConfigParser(interpolation=None)
    config.read(ROOT / "setup.cfg")
    return {config[s]["name"] for s in config.sections() if s.startswith("importlinter:contract:")}


def test_every_contract_is_kept() -> None:
    code, output = lint_imports(ROOT)
    assert code == 0, output
    for name in contract_names():
        assert f"{name} KEPT" in output


def test_no_contract_goes_unproven() -> None:
    assert contract_names() == {contract for contract, _, _ in VIOLATIONS}


@pytest.mark.parametrize(("contract", "importer", "imported"), VIOLATIONS)
def test_a_deliberate_violation_breaks_its_contract(
    tmp_path: Path, contract: str, importer: str, imported: str
) -> None:
    package = copy_house(tmp_path)
    write_module(package, importer, f'"""A deliberate violation."""\n\nimport {imported}\n')
    code, output = lint_imports(tmp_path)
    assert code != 0
    assert f"{contract} BROKEN" in output, output
