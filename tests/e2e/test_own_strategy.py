"""The way of a new user: a strategy written by `kyzlo strategy new` trades on paper, found in the present directory."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

KYZLO = [sys.executable, "-P", "-m", "kyzlo_actors.cli"]
SECONDS = 100


@pytest.mark.e2e
@pytest.mark.slow
@pytest.mark.timeout(SECONDS + 50)
@pytest.mark.parametrize("options", [(), ("--frame",)])
def test_a_new_strategy_gets_a_fill(tmp_path: Path, options: tuple[str, ...]) -> None:
    environment = {**os.environ, "TMPDIR": "/tmp"}
    environment.pop("PYTHONPATH", None)
    subprocess.run(
        [*KYZLO, "strategy", "new", "momentum", *options],
        cwd=tmp_path,
        env=environment,
        check=True,
        timeout=50,
        stdout=subprocess.DEVNULL,
    )
    with open(tmp_path / "errors.txt", "wb") as errors:
        session = subprocess.Popen(
            [*KYZLO, "paper", "--strategy", "momentum.strategy:Momentum", "--symbols", "MSFT,NVDA", "--json"],
            cwd=tmp_path,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
        )
    # A reader that waits for ever for a fill ends with the session.
    watchdog = threading.Timer(SECONDS, session.send_signal, [signal.SIGINT])
    watchdog.start()
    try:
        assert session.stdout is not None
        seen = []
        for line in session.stdout:
            seen.append(json.loads(line))
            if seen[-1]["event"] == "fill":
                break
        session.send_signal(signal.SIGINT)
        rest, _ = session.communicate(timeout=45)
    finally:
        watchdog.cancel()
        if session.poll() is None:
            session.kill()
            session.wait(10)
    assert seen[-1]["event"] == "fill", (seen[-5:], rest[-2000:])
    assert seen[-1]["symbol"] in ("MSFT", "NVDA")
    assert session.returncode == 0
    assert (tmp_path / "errors.txt").read_bytes() == b""
