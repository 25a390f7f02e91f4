"""KYZLO installed as a service in a systemd box, with a venue beside it, and questions to both."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from tests.e2e.systemd_box.box import CHECKOUT, PYTHON_IN_BOX, SystemdBox

UNIT = "kyzlo.service"
DROP_IN = f"/etc/systemd/system/{UNIT}.d/test.conf"
SETTINGS = "/etc/kyzlo/settings.toml"
LATCH = "/var/lib/kyzlo/HALT.json"
OPERATOR = "kyzlo-operator"
KYZLO = "/opt/kyzlo/.venv/bin/kyzlo"
PYTHON = "/opt/kyzlo/.venv/bin/python"
SYMBOLS = ("MSFT", "NVDA")
SECRETS = ("service-secret-0123456789", "service-polygon-0123456789")
WAIT_SECONDS = 90.0
ANSWER_SECONDS = 10.0
_PORT = 18_080
_VENUE = f"127.0.0.1:{_PORT}"
# Crosses every few seconds: a swing of eight seconds, averages of two and four bars of a second.
_SWING = {"amplitude": 0.004, "period_seconds": 8}
_TABLE = """
[symbols.{symbol}]
strategy = "golden_cross"
quantity = 3
max_position = 3
bar_seconds = 1
parameters = {{fast = 2, slow = 4}}
"""
# Sent to the interpreter in the box: nothing outside it reaches its loopback.
_ASK_VENUE = (
    "import http.client as h, sys; c = h.HTTPConnection(sys.argv[1], timeout=10); "
    "c.request(sys.argv[2], '/_ctl', sys.argv[3]); r = c.getresponse(); "
    "sys.stdout.write(r.read().decode()); sys.exit(r.status != 200)"
)

Json = dict[str, Any]


class ServiceInBox:
    """`install` once; afterwards the service is ended, its latch gone and its settings good at each `renew`."""

    def __init__(self, box: SystemdBox) -> None:
        self.box = box

    # --- installation ------------------------------------------------------------------------------------------

    def install(self) -> None:
        """The steps of ops/systemd/README.md with its own commands, settings for the venue, and an operator."""
        box = self.box
        box.install_kyzlo()
        for step in _readme_steps():
            box.run("sh", "-ec", step)
        environment = {
            "ALPACA_API_KEY": "PKSERVICE",
            "ALPACA_API_SECRET": SECRETS[0],
            "ALPACA_BASE_URL": f"http://{_VENUE}",
            "POLYGON_API_KEY": SECRETS[1],
            "POLYGON_WEBSOCKET_URL": f"ws://{_VENUE}/stocks",
            "POLYGON_BASE_URL": f"http://{_VENUE}",
        }
        lines = "".join(f"{name}={value}\n" for name, value in environment.items())
        box.path("/etc/kyzlo/environment").write_text(lines)
        self.write_settings()
        # An operator is in the service's group; /usr/bin/env must find an interpreter, wherever ours stands.
        box.run("useradd", "--groups", "kyzlo", "--shell", "/bin/sh", OPERATOR)
        box.run("sh", "-c", f"command -v python3 || ln -s {PYTHON_IN_BOX}/bin/python3 /usr/local/bin/python3")

    def start_venue(self) -> None:
        """A venue on the box's loopback; returns when it answers."""
        scenario = json.loads((CHECKOUT / "kyzlo_actors/venue/scenarios/demo.json").read_text())
        keys = {"alpaca_key": "PKSERVICE", "alpaca_secret": SECRETS[0], "polygon_key": SECRETS[1]}
        scenario["keys"] = keys
        scenario["symbols"] = [
            {**symbol, "swing": _SWING, "volatility": 0.001}
            for symbol in scenario["symbols"]
            if symbol["symbol"] in SYMBOLS
        ]
        # 0600: the secrets are in it, and nothing of them may stand in a process list.
        self.box.write("/opt/scenario.json", json.dumps(scenario), mode=0o600)
        command = (KYZLO, "venue", "--port", str(_PORT), "--scenario", "/opt/scenario.json")
        self.box.run("systemd-run", "--unit=venue", *command)
        self.box.wait_for("the venue answers", lambda: bool(self.venue(check=False)))

    def write_settings(self, limit: int = 1_000) -> None:
        """Good settings, unless `limit` is not."""
        text = f"RISK_DAILY_LOSS_LIMIT = {limit}\nRISK_MAX_NOTIONAL = 50000\n"
        self.box.path(SETTINGS).write_text(text + "".join(_TABLE.format(symbol=each) for each in SYMBOLS))

    def drop_in(self, *lines: str) -> None:
        """Change the unit for a test; nothing = as it is shipped."""
        self.box.write(DROP_IN, "\n".join(("[Service]", *lines, "")))
        self.box.run("systemctl", "daemon-reload")

    # --- life --------------------------------------------------------------------------------------------------

    def renew(self) -> None:
        """Whatever a test left behind: the service as shipped, not halted, trading."""
        self.venue(hold_fills=False)
        if self.state() == "trading" and not self.box.path(DROP_IN).exists():
            return
        self.box.run("systemctl", "kill", "--signal=KILL", UNIT, check=False)
        self.box.run("systemctl", "stop", UNIT, check=False)
        self.box.path(DROP_IN).unlink(missing_ok=True)
        self.box.path(LATCH).unlink(missing_ok=True)
        self.write_settings()
        self.box.run("systemctl", "daemon-reload")
        assert self.start() == 0, self.box.journal(UNIT)
        self.wait("it trades", lambda: self.state() == "trading")

    def start(self) -> int:
        """`systemctl start`; its exit code. The count of starts begins anew, or a dozen tests were a loop."""
        self.box.run("systemctl", "reset-failed", UNIT, check=False)
        return self.box.run("systemctl", "start", UNIT, check=False, timeout_seconds=WAIT_SECONDS).returncode

    def as_user(self, user: str, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command as somebody; its exit code is not checked."""
        return self.box.run("runuser", "-u", user, "--", *command, check=False, timeout_seconds=WAIT_SECONDS)

    # --- questions ---------------------------------------------------------------------------------------------

    def show(self, name: str) -> str:
        """One property of the unit."""
        return self.box.show(UNIT, name)[name]

    @property
    def main_pid(self) -> int:
        """The guardian's pid as the box numbers it, 0 = none."""
        return int(self.show("MainPID"))

    def ask(self, **request: str) -> Json:
        """One question over the admin socket; {} when nobody answers."""
        try:
            with socket.socket(socket.AF_UNIX) as client:
                client.settimeout(ANSWER_SECONDS)
                client.connect(os.fspath(self.box.path("/run/kyzlo/admin.sock")))
                client.sendall(json.dumps(request).encode() + b"\n")
                with client.makefile("rb") as answer:
                    found = json.loads(answer.readline() or b"{}")
        except OSError:
            return {}
        return dict(found)

    def state(self) -> str:
        """The guardian's phase, "" when it does not answer."""
        return str(self.ask(cmd="status").get("state", ""))

    def actors(self) -> dict[str, Json]:
        """Each actor's row by name."""
        return {row["actor"]: row for row in self.ask(cmd="status").get("actors", ())}

    def venue(self, *, check: bool = True, **trouble: object) -> Json:
        """What really happened, as the venue tells it; with `trouble` after it was told to make some."""
        request = ("POST", json.dumps(trouble)) if trouble else ("GET", "")
        done = self.box.run(PYTHON, "-I", "-S", "-c", _ASK_VENUE, _VENUE, *request, check=check)
        return dict(json.loads(done.stdout)) if done.stdout else {}

    def filled(self, symbol: str) -> set[str]:
        """Client order ids of the symbol's filled orders."""
        orders = self.venue()["orders"]
        return {o["client_order_id"] for o in orders if o["symbol"] == symbol and o["status"] == "filled"}

    def agrees(self) -> bool:
        """Whether the actors hold the positions that the venue has booked."""
        rows = self.actors()
        booked = {each["symbol"]: float(each["qty"]) for each in self.venue()["positions"]}
        held = {symbol: rows.get(f"symbol-{symbol}", {}).get("position") for symbol in SYMBOLS}
        return held == {symbol: booked.get(symbol, 0.0) for symbol in SYMBOLS}

    def processes(self) -> set[int]:
        """Every living process of the user kyzlo, wherever it is."""
        uid = int(self.box.run("id", "-u", "kyzlo").stdout)
        found = set()
        for process in self.box.path("/proc").glob("[0-9]*"):
            with suppress(OSError):  # it ended while we looked
                state = process.joinpath("stat").read_text().rpartition(")")[2].split()[0]
                if process.stat().st_uid == uid and state != "Z":
                    found.add(int(process.name))
        return found

    def command_lines(self) -> list[str]:
        """What a process list shows of everything in the box."""
        found = []
        for process in self.box.path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                found.append(process.joinpath("cmdline").read_text(errors="replace").replace("\0", " "))
        return found

    # --- waiting -----------------------------------------------------------------------------------------------

    def wait(self, what: str, condition: Callable[[], bool]) -> None:
        """Until it holds. Raises: AssertionError with the service's journal."""
        deadline = time.monotonic() + WAIT_SECONDS
        while not condition():
            if time.monotonic() > deadline:
                raise AssertionError(
                    f"not within {WAIT_SECONDS} s: {what}\n{self.box.journal(UNIT)[-6_000:]}"
                )
            time.sleep(0.3)

    def wait_for_fill(self, symbol: str) -> None:
        """Until an order of the symbol is filled that was not before."""
        before = self.filled(symbol)
        self.wait(f"a new fill of {symbol}", lambda: bool(self.filled(symbol) - before))

    def wait_for_trading(self) -> None:
        """Until the gate is open, each symbol has a new fill, and both sides agree on what is held."""
        self.wait("it trades", lambda: self.state() == "trading")
        for symbol in SYMBOLS:
            self.wait_for_fill(symbol)
        self.wait("positions agree with the venue's", self.agrees)


def _readme_steps() -> list[str]:
    """The commands of the numbered steps, without the second (the box has its environment already) and the start."""
    text = (CHECKOUT / "ops/systemd/README.md").read_text()
    steps = re.findall(r"^\d\. `([^`]+)`", text, re.MULTILINE)
    assert len(steps) == 6 and "_env.sh" in steps[1] and "enable --now" in steps[5], steps
    return [steps[0], *steps[2:5]]
