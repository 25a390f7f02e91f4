"""Reading sources: each thing that has no place in a strategy is found at its line, and nothing else is."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from kyzlo_actors.bootstrap.plugins import find_strategy, installed_strategies
from kyzlo_actors.bootstrap.trial.scan import scan
from kyzlo_actors.bootstrap.trial.sources import source_files

# The line that is at fault, and words of the remark; None: a warning, not an error.
ERRORS = [
    ("import time\ntime.time()", 2, "reads the clock"),
    ("import time as t\n\nt.monotonic_ns()", 3, "time.monotonic_ns() reads the clock"),
    ("from time import sleep as rest\nrest(1)", 2, "time.sleep() waits"),
    ("from datetime import datetime\ndatetime.now()", 2, "reads the clock"),
    ("import datetime as dt\ndt.datetime.now(dt.UTC)", 2, "reads the clock"),
    ("from datetime import date\ndate.today()", 2, "reads the clock"),
    ("import pandas as pd\npd.Timestamp.now()", 2, "reads the clock"),
    ("import pandas as pd\npd.Timestamp('now')", 2, "reads the clock"),
    ("import random\nrandom.random()", 2, "is random"),
    ("import random\nrandom.Random()", 2, "is random"),
    ("from random import choice\nchoice([1])", 2, "is random"),
    ("import numpy as np\nnp.random.normal()", 2, "is random"),
    ("import numpy as np\nnp.random.default_rng()", 2, "is random"),
    ("from uuid import uuid4\nuuid4()", 2, "is random"),
    ("import os\nos.getenv('X')", 2, "asks the machine"),
    ("open('x')", 1, "files"),
    ("import pandas as pd\npd.read_csv('x')", 2, "files"),
    ("frame.to_parquet('x')", 1, "files"),
    ("from pathlib import Path\nPath('x').write_text('y')", 2, "files"),
    ("import socket", 1, "network"),
    ("import urllib.request", 1, "network"),
    ("def f():\n    from requests import get", 2, "network"),
    ("import threading", 1, "one thread"),
    ("from concurrent.futures import Future", 1, "one thread"),
    ("import sqlite3", 1, "database"),
    ("def f():\n    global n\n    n = 1", 2, "global n"),
    ("SEEN = {}\ndef f():\n    SEEN['x'] = 1", 3, "changes SEEN of the module"),
    ("SEEN = []\ndef f():\n    SEEN.append(1)", 3, "changes SEEN of the module"),
    ("SEEN = {}\ndef f():\n    del SEEN['x']", 3, "changes SEEN of the module"),
    ("hash('x')", 1, "differs from process to process"),
    ("eval('1')", 1, "nobody can read"),
    ("x = (", 1, "not Python"),
]
WARNINGS = [
    ("print('x')", 1, "journaled"),
    ("import logging", 1, "journaled"),
    ("import os", 1, "files"),
    ("class S:\n    seen = []", 2, "S.seen is shared"),
    ("from collections import deque\nclass S:\n    seen: deque = deque()", 3, "S.seen is shared"),
]
HARMLESS = [
    "import math, statistics, decimal, collections, datetime, time, random",
    "import pandas as pd\npd.Timestamp('2026-01-02')",
    "import random\nrandom.Random(7).random()",
    "import numpy as np\nnp.random.default_rng(seed=3)",
    "from datetime import datetime, UTC\ndatetime.fromtimestamp(1, UTC)",
    "class S:\n    TABLE = {1: 2}",
    "from typing import ClassVar\nclass S:\n    table: ClassVar[dict] = {}",
    "TABLE = {}\ndef f(TABLE):\n    TABLE['x'] = 1",
    "SEEN = []\ndef f():\n    SEEN = []\n    SEEN.append(1)",
    "def f(self, time, random):\n    self.time.time()\n    random.choice()\n    return time.time()",
    "class S:\n    def open(self):\n        self.open()",
]


def remarks(tmp_path: Path, text: str) -> list[tuple[bool, int, str]]:
    path = tmp_path / "strategy.py"
    path.write_text(text)
    return [(r.is_error, int(r.place.rpartition(":")[2]), r.text) for r in scan(path)]


@pytest.mark.parametrize(("text", "line", "words"), ERRORS)
def test_errors_are_found_at_their_line(tmp_path: Path, text: str, line: int, words: str) -> None:
    errors = [(at, told) for is_error, at, told in remarks(tmp_path, text) if is_error]
    assert len(errors) == 1, errors
    assert errors[0][0] == line
    assert words in errors[0][1]


@pytest.mark.parametrize(("text", "line", "words"), WARNINGS)
def test_warnings_are_found_at_their_line(tmp_path: Path, text: str, line: int, words: str) -> None:
    assert [(is_error, at, words in told) for is_error, at, told in remarks(tmp_path, text)] == [
        (False, line, True)
    ]


@pytest.mark.parametrize("text", HARMLESS)
def test_what_is_harmless_is_left_alone(tmp_path: Path, text: str) -> None:
    assert remarks(tmp_path, text) == []


@pytest.mark.parametrize("name", ["breakout", "frame_trend", "golden_cross", "mean_reversion"])
def test_the_shipped_strategies_are_clean(name: str) -> None:
    assert name in installed_strategies()
    strategy = find_strategy(name, field="x")
    files = source_files(strategy)
    assert [path.name for path in files] == [f"{name}.py"]
    assert [remark for path in files for remark in scan(path)] == []


def test_every_module_of_its_own_package_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "kyzlo_scan_me"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "helper.py").write_text("import time\n")
    (package / "strategy.py").write_text(
        "import json\nfrom kyzlo_scan_me import helper\nclass S:\n    pass\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    __import__("kyzlo_scan_me.strategy")
    kind = sys.modules["kyzlo_scan_me.strategy"].S  # type: ignore[attr-defined]
    try:
        assert {path.name for path in source_files(kind)} == {"strategy.py", "helper.py"}
    finally:
        for name in [name for name in sys.modules if name.startswith("kyzlo_scan_me")]:
            del sys.modules[name]
