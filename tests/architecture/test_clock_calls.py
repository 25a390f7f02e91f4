"""Time arrives in the event: only a clock may read the clock, and ids are never drawn at random."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.architecture.house import ROOT, copy_house, ruff_check, write_module

BANNED = [
    "import time\n\nNOW = time.time()\n",
    "from time import time_ns\n\nNOW = time_ns()\n",
    "from datetime import datetime\n\nNOW = datetime.now()\n",
    "import datetime\n\nNOW = datetime.datetime.utcnow()\n",
    "from datetime import date\n\nTODAY = date.today()\n",
    "from uuid import uuid4\n\nID = uuid4()\n",
]


def verdict(tmp_path: Path, module: str, body: str) -> tuple[int, str]:
    """What ruff's import rules say about `module` with `body`, under the project's own settings."""
    package = copy_house(tmp_path)
    path = write_module(package, module, f'"""A deliberate violation."""\n\n{body}')
    return ruff_check(tmp_path, "--select=TID", str(path.relative_to(tmp_path)))


def test_nobody_reads_the_clock() -> None:
    code, output = ruff_check(ROOT, "--select=TID", "kyzlo_actors")
    assert code == 0, output


@pytest.mark.parametrize("body", BANNED)
@pytest.mark.parametrize("module", ["domain.intruder", "actors.intruder"])
def test_a_deliberate_violation_is_found(tmp_path: Path, module: str, body: str) -> None:
    code, output = verdict(tmp_path, module, body)
    assert code != 0
    assert "TID251" in output, output


@pytest.mark.parametrize("module", ["infrastructure.clock", "venue.clock"])
def test_a_clock_may(tmp_path: Path, module: str) -> None:
    code, output = verdict(tmp_path, module, BANNED[0])
    assert code == 0, output
