"""The vendors' own clients accept the venue: as it stands, and with every symbol, key and price changed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conformance.conftest import StartProcess
from tests.conformance.renamed import conformance_scenario, renaming

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(300)]
SCRIPT = Path(__file__).with_name("official_clients.py")
# 44 numbers, three of them once for each of the two market-data clients.
PRINTED_CHECKS = 47
SCRIPT_SECONDS = 240


def assert_all_pass(script: Path, port: int) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", str(script), str(port)],
        capture_output=True,
        text=True,
        timeout=SCRIPT_SECONDS,
    )
    lines = done.stdout.splitlines()
    failed = [line for line in lines if line.startswith("FAIL")]
    assert (failed, done.returncode) == ([], 0), done.stdout + done.stderr
    assert sum(line.startswith("PASS") for line in lines) == PRINTED_CHECKS, done.stdout
    assert lines[-1] == f"{PRINTED_CHECKS}/{PRINTED_CHECKS} passed"


def test_the_vendors_clients_accept_the_venue(venue_process: StartProcess) -> None:
    assert_all_pass(SCRIPT, venue_process("conformance")["port"])


@pytest.mark.parametrize("seed", [1, 2])
def test_nothing_hangs_on_a_name_a_key_or_a_price(
    venue_process: StartProcess, tmp_path: Path, seed: int
) -> None:
    other = renaming(seed)
    scenario, script = tmp_path / "renamed.json", tmp_path / "renamed.py"
    scenario.write_text(json.dumps(other.scenario(conformance_scenario())))
    script.write_text(other.script(SCRIPT.read_text()))
    assert_all_pass(script, venue_process(scenario)["port"])
