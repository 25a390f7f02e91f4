"""The way of somebody new: init, keys, check, doctor, run, status, halt; each command says what the next one needs."""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(180)]

KYZLO = (sys.executable, "-m", "kyzlo_actors.cli")
PATIENCE_SECONDS = 60.0
KEYS = {"ALPACA_API_KEY": "PKDEMO", "ALPACA_API_SECRET": "demo-secret", "POLYGON_API_KEY": "demo-polygon"}


class Person:
    """Somebody in an empty directory; only the venue's addresses are exported."""

    def __init__(self, directory: Path, venue: dict[str, Any]) -> None:
        self.directory = directory
        self.variables = {
            "PATH": os.environ["PATH"],
            "HOME": str(directory),
            "XDG_RUNTIME_DIR": str(directory),
            "ALPACA_BASE_URL": venue["rest"],
            "POLYGON_BASE_URL": venue["polygon_rest"],
            "POLYGON_WEBSOCKET_URL": venue["polygon_ws"],
        }

    def kyzlo(self, *arguments: str) -> tuple[int, str]:
        """Exit code and everything that was said."""
        done = subprocess.run(
            (*KYZLO, *arguments),
            env=self.variables,
            cwd=self.directory,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )
        return done.returncode, done.stdout

    def doctor(self) -> tuple[int, dict[str, str]]:
        """Its exit code, and the verdict of each check."""
        code, said = self.kyzlo("doctor", "--json")
        return code, {check["check"]: check["verdict"] for check in json.loads(said)["checks"]}


@pytest.fixture
def venue() -> Iterator[dict[str, Any]]:
    """Where a venue listens."""
    with subprocess.Popen((*KYZLO, "venue", "--seed", "5"), stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            assert select.select([process.stdout], [], [], PATIENCE_SECONDS)[0], "no ready line"
            yield json.loads(process.stdout.readline())
        finally:
            process.terminate()


@pytest.fixture
def person(venue: dict[str, Any]) -> Iterator[Person]:
    directory = Path(tempfile.mkdtemp(prefix="kz"))  # short, for sockets
    yield Person(directory, venue)
    shutil.rmtree(directory)


def until(condition: Callable[[], bool], what: str) -> None:
    """Wait for it."""
    end = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.2)


def test_from_an_empty_directory_to_a_halted_service(person: Person) -> None:
    assert person.kyzlo("config", "check") == (
        2,
        "kyzlo: config/settings.toml: a missing file cannot be used; "
        "`kyzlo init` writes one, or name another with --settings\n",
    )
    code, said = person.kyzlo("init", "--symbols", "AAPL,MSFT", "--secrets")
    assert code == 0 and "config/secrets.toml" in said
    code, said = person.kyzlo("config", "check")
    assert code == 2 and all(name in said for name in KEYS)
    secrets = person.directory / "config" / "secrets.toml"
    text = secrets.read_text()
    for name, value in KEYS.items():
        text = text.replace(f'{name} = ""', f'{name} = "{value}"')
    secrets.write_text(text)
    assert person.kyzlo("config", "check")[0] == 0
    code, verdicts = person.doctor()
    assert (code, set(verdicts.values())) == (0, {"ok"}), verdicts

    with open(person.directory / "log", "wb") as log:
        service = subprocess.Popen(
            (*KYZLO, "run"), env=person.variables, cwd=person.directory, stdout=log, stderr=log
        )
    try:
        until(lambda: "trading" in person.kyzlo("status")[1], "the service does not trade")
        code, verdicts = person.doctor()
        assert code == 0
        assert verdicts["market data stream"] == "skipped"
        code, said = person.kyzlo("halt", "--reason", "test", "--wait", "30")
        assert code == 0 and "PROVEN" in said
        code, verdicts = person.doctor()
        assert (code, verdicts["halt latch"]) == (3, "fail")
        assert person.kyzlo("status")[0] == 3
    finally:
        service.send_signal(signal.SIGTERM)
        assert service.wait(PATIENCE_SECONDS) == 0
