"""A venue and `kyzlo run` beside it in a short-lived directory, and `kyzlo …` commands as a person gives them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

ROOT = Path(__file__).resolve().parents[2]
KYZLO = (sys.executable, "-m", "kyzlo_actors.cli")
WAIT_SECONDS = 90.0
COMMAND_SECONDS = 150.0
# Crosses every few seconds: a swing of eight seconds, averages of two and four bars of a second.
_SWING = {"amplitude": 0.004, "period_seconds": 8}
_HEAD = """# what is traded, and how much may be lost
RISK_DAILY_LOSS_LIMIT = 10_000
RISK_MAX_NOTIONAL = 500_000 # dollars

[supervision]
max_restarts = 2
period_seconds = 3_600
backoff_first_seconds = 0.1
backoff_max_seconds = 0.2
"""
_TABLE = """
[symbols.{symbol}] # by hand
strategy = "golden_cross"
quantity = 3
max_position = 3
bar_seconds = 1
parameters = {{fast = 2, slow = 4}}
"""

Json = dict[str, Any]


class RunningService:
    """Trades `symbols`; the venue knows all of its demo's. A context: leaving it ends both."""

    def __init__(self, *symbols: str) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="kz", dir="/tmp"))
        self.settings = self.directory / "settings.toml"
        self._processes: list[subprocess.Popen[bytes]] = []
        self._environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.directory),
            "PYTHONPATH": str(ROOT),
            "NO_PROXY": "127.0.0.1",
        }
        try:
            self._start(symbols)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> RunningService:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the service in order, then the venue."""
        for process in reversed(self._processes):
            process.terminate()
            try:
                process.wait(25)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(5)
        if os.environ.get("KEEP_SERVICE") != "1":
            shutil.rmtree(self.directory, ignore_errors=True)

    # --- commands ------------------------------------------------------------------------------------------------

    def kyzlo(
        self, *arguments: str, code: int | None = 0, settings: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        """`kyzlo ARGUMENTS --settings …`; `code` is the exit code that it must have (None: any)."""
        done = subprocess.run(
            (*KYZLO, *arguments, "--settings", str(settings or self.settings)),
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
            env=self._environment,
            cwd=self.directory,
            check=False,
        )
        assert code is None or done.returncode == code, (arguments, done, self.log())
        return done

    def json(self, *arguments: str, code: int | None = 0) -> Json:
        """The same with `--json`; the answer."""
        answer: Json = json.loads(self.kyzlo(*arguments, "--json", code=code).stdout)
        return answer

    def states(self) -> dict[str, str]:
        """What `symbols list` says, by symbol."""
        return {row["symbol"]: row["state"] for row in self.json("symbols", "list")["symbols"]}

    def rows(self) -> dict[str, Json]:
        """The rows of `status`, by actor."""
        return {row["actor"]: row for row in self.json("status", code=None)["actors"]}

    def held(self, symbol: str) -> str:
        """Shares by `positions`."""
        rows = {row["symbol"]: row["qty"] for row in self.json("positions")["positions"]}
        return rows.get(symbol, "0")

    def open_orders(self, symbol: str) -> list[Json]:
        """By `orders`."""
        found: list[Json] = self.json("orders", "--symbol", symbol)["orders"]
        return found

    def denials(self, symbol: str, code: str) -> int:
        """How many orders of the symbol the gate refused with this code, among its newest records."""
        done = self.kyzlo("journal", "risk", "--last", "2000", "--symbol", symbol, "--json")
        bodies = [json.loads(line) for line in done.stdout.splitlines()]
        effects = [effect for body in bodies for effect in body.get("decision", ())]
        messages = [effect["message"] for effect in effects if effect["type"] == "Send"]
        return sum(message.get("code") == code and message["symbol"] == symbol for message in messages)

    # --- the venue -----------------------------------------------------------------------------------------------

    def venue(self) -> Json:
        """Its own truth."""
        return dict(httpx.get(f"{self.url}/_ctl", trust_env=False, timeout=20).json())

    def fills(self, symbol: str) -> int:
        """Filled orders of the symbol."""
        orders = self.venue()["orders"]
        return sum(order["symbol"] == symbol and order["status"] == "filled" for order in orders)

    def wait_for_fills(self, symbol: str, more: int = 1) -> None:
        """Wait until it has traded `more` times from now on."""
        goal = self.fills(symbol) + more
        self.wait(f"{symbol} trades", lambda: self.fills(symbol) >= goal)

    # --- waiting -------------------------------------------------------------------------------------------------

    def wait(self, what: str, look: Callable[[], Any]) -> Any:
        """The first true value of `look`."""
        deadline = time.monotonic() + WAIT_SECONDS
        while not (found := look()):
            assert self._processes[-1].poll() is None, f"the service ended; {self.log()}"
            assert time.monotonic() < deadline, f"waited too long: {what}; {self.log()}"
            time.sleep(0.2)
        return found

    def log(self) -> str:
        """The end of the service's log."""
        path = self.directory / "service.log"
        return path.read_text(errors="replace")[-4_000:] if path.exists() else ""

    # --- inside --------------------------------------------------------------------------------------------------

    def _start(self, symbols: tuple[str, ...]) -> None:
        scenario = json.loads((ROOT / "kyzlo_actors/venue/scenarios/demo.json").read_text())
        scenario["symbols"] = [{**each, "swing": _SWING, "volatility": 0.001} for each in scenario["symbols"]]
        (self.directory / "scenario.json").write_text(json.dumps(scenario))
        venue = self._spawn("venue", "venue", "--scenario", str(self.directory / "scenario.json"))
        assert venue.stdout is not None
        self.url = str(json.loads(venue.stdout.readline())["rest"])
        keys = scenario["keys"]
        places = (
            f'\n[paths]\nstate_directory = "{self.directory}/s"\nruntime_directory = "{self.directory}/r"\n'
        )
        tables = "".join(_TABLE.format(symbol=symbol) for symbol in symbols)
        self.settings.write_text(_HEAD + places + tables)
        self._environment |= {
            "ALPACA_API_KEY": keys["alpaca_key"],
            "ALPACA_API_SECRET": keys["alpaca_secret"],
            "ALPACA_BASE_URL": self.url,
            "POLYGON_API_KEY": keys["polygon_key"],
            "POLYGON_WEBSOCKET_URL": self.url.replace("http", "ws", 1) + "/stocks",
            "POLYGON_BASE_URL": self.url,
        }
        self._spawn("service", "run", "--settings", str(self.settings))
        self.wait("it trades", self._trades)

    def _trades(self) -> bool:
        done = self.kyzlo("status", "--json", code=None)
        return done.returncode == 0 and json.loads(done.stdout)["state"] == "trading"

    def _spawn(self, name: str, *arguments: str) -> subprocess.Popen[bytes]:
        with open(self.directory / f"{name}.log", "wb") as log:
            process = subprocess.Popen(
                (*KYZLO, *arguments),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE if name == "venue" else log,
                stderr=log,
                env=self._environment,
                cwd=self.directory,
            )
        self._processes.append(process)
        return process
