"""The automatic halt: a position loses more than the day may lose, and the service halts itself, with proof."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

KYZLO = (sys.executable, "-m", "kyzlo_actors.cli")
WAIT_SECONDS = 60.0
SETTINGS = """
RISK_DAILY_LOSS_LIMIT = 200
RISK_MAX_NOTIONAL = 50000

[paths]
state_directory = "{directory}/state"
runtime_directory = "{directory}/run"

[symbols.NVDA]
strategy = "golden_cross"
quantity = 20
max_position = 20
bar_seconds = 1
parameters = {{fast = 5, slow = 20, on = "ticks"}}

[symbols.TSLA]
strategy = "golden_cross"
quantity = 10
max_position = 10
bar_seconds = 1
parameters = {{fast = 5, slow = 20, on = "ticks"}}
"""


@pytest.fixture
def directory() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="kyzlo-", dir="/tmp") as name:
        yield Path(name)


@pytest.fixture
def venue(directory: Path) -> Iterator[str]:
    command = (*KYZLO, "venue", "--port", "0", "--account-number", "PA3LOSS")
    with (
        open(directory / "venue.log", "wb") as log,
        subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log) as process,
    ):
        try:
            assert process.stdout is not None
            yield orjson.loads(process.stdout.readline())["rest"]
        finally:
            process.kill()


@pytest.fixture
def service(directory: Path, venue: str) -> Iterator[subprocess.Popen[bytes]]:
    (directory / "settings.toml").write_text(SETTINGS.format(directory=directory))
    variables = {
        "PATH": os.environ["PATH"],
        "HOME": str(directory),
        "ALPACA_API_KEY": "PKDEMO",
        "ALPACA_API_SECRET": "demo-secret",
        "ALPACA_BASE_URL": venue,
        "POLYGON_API_KEY": "demo-polygon",
        "POLYGON_WEBSOCKET_URL": venue.replace("http", "ws", 1) + "/stocks",
        "POLYGON_BASE_URL": venue,
    }
    command = (*KYZLO, "run", "--settings", str(directory / "settings.toml"))
    with (
        open(directory / "service.log", "wb") as log,
        subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=variables) as process,
    ):
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()


def until(what: str, look: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + WAIT_SECONDS
    while not (found := look()):
        assert time.monotonic() < deadline, f"waited too long: {what}"
        time.sleep(0.1)
    return found


def test_a_days_loss_halts_everything_by_itself(
    directory: Path, venue: str, service: subprocess.Popen[bytes]
) -> None:
    def state() -> dict[str, Any]:
        return dict(httpx.get(f"{venue}/_ctl", trust_env=False).json())

    held = until("a position", lambda: state()["positions"])[0]["symbol"]
    price = float(state()["prices"][held])

    # Within the gate's price collar nobody would have asked: it is what is held that loses.
    httpx.post(f"{venue}/_ctl", json={"set_price": {"symbol": held, "price": price * 0.8}}, trust_env=False)
    certificates = directory / "state/certificates"
    path = until("a certificate", lambda: sorted(certificates.glob("*.json")))[0]
    certificate = orjson.loads(path.read_bytes())

    assert (certificate["code"], certificate["by"], certificate["proven"]) == (
        "DAILY_LOSS",
        "kill_switch",
        True,
    )
    assert "has reached the limit 200" in certificate["reason"]
    # The strategy may have sold before the halt came: what is left is what the venue says.
    left = {position["symbol"]: position["qty"] for position in certificate["positions"]}
    assert left == {position["symbol"]: position["qty"] for position in state()["positions"]}
    assert orjson.loads((directory / "state/HALT.json").read_bytes())["code"] == "DAILY_LOSS"
    posts = state()["posts"]
    time.sleep(2)
    assert state()["posts"] == posts and set(posts.values()) == {1}
    assert service.poll() is None, "the guardian stays and answers"
