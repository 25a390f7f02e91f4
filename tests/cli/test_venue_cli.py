"""`kyzlo venue` serves on a free port and ends when told."""

from __future__ import annotations

import json
import select
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

ROOT = Path(__file__).resolve().parents[2]
KYZLO = [
    sys.executable,
    "-c",
    "import sys; sys.argv[0] = 'kyzlo'; from kyzlo_actors.cli.main import main; main()",
]


@pytest.mark.e2e
def test_a_venue_starts_tells_where_and_ends() -> None:
    command = [*KYZLO, "venue", "--port", "0", "--seed", "3", "--account-number", "PA7TEST"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as venue:
        assert venue.stdout is not None
        try:
            assert select.select([venue.stdout], [], [], 40)[0], "no ready line in 40 s"
            ready = json.loads(venue.stdout.readline())
            assert ready["ready"] is True
            assert ready["rest"].startswith("http://127.0.0.1:")
            assert httpx.get(f"{ready['rest']}/v2/account", timeout=10).status_code in (401, 403)
            venue.terminate()
            assert venue.wait(20) == 0
        finally:
            venue.kill()


def test_an_unknown_scenario_is_bad_input() -> None:
    done = subprocess.run(
        [*KYZLO, "venue", "--scenario", "no-such-scenario"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("kyzlo: scenario: 'no-such-scenario' cannot be used")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--speed", "0"], "--speed: 0.0 cannot be used; give a number above 0"),
        (["--speed", "nan"], "--speed: nan cannot be used; give a number above 0"),
        (
            ["--symbols", "A,B"],
            "--symbols: 'A,B' cannot be used; give 1 to 500 symbols, and files with --replay",
        ),
        (
            ["--replay", "no-such-file.csv"],
            "replay: 'no-such-file.csv' cannot be used; give a file of trades",
        ),
    ],
)
def test_options_that_cannot_be_used_are_one_line(options: list[str], words: str) -> None:
    done = subprocess.run(
        [*KYZLO, "venue", *options], cwd=ROOT, capture_output=True, text=True, timeout=50, check=False
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"kyzlo: {words}") and done.stderr.count("\n") == 1
