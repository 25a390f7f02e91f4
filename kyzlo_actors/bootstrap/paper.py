"""A paper session's processes: the venue, and the service that trades it. They die with whoever started them."""

from __future__ import annotations

import ctypes
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson

from kyzlo_actors.actors.layout import Layout
from kyzlo_actors.bootstrap.environment import RUN_ID_VARIABLE
from kyzlo_actors.bootstrap.paper_choice import PaperChoice
from kyzlo_actors.bootstrap.paper_places import PaperPlaces
from kyzlo_actors.bootstrap.paper_settings import (
    child_environment,
    service_environment,
    settings_text,
)
from kyzlo_actors.bootstrap.settings import load_settings
from kyzlo_actors.bootstrap.wiring import layout_of
from kyzlo_actors.domain.errors import Recoverable
from kyzlo_actors.venue.scenario import Scenario, load_scenario

VENUE_READY_SECONDS: Final = 30.0
STOP_SECONDS: Final = 25.0
_KILL_SECONDS: Final = 5.0
_POLL_SECONDS: Final = 0.05
_READY_LINE_BYTES: Final = 64 * 1024
_TAIL_BYTES: Final = 256 * 1024
# -P: what lies in the present directory must not take the place of what is installed.
_COMMAND: Final = (sys.executable, "-P", "-m", "kyzlo_actors.cli")
_PR_SET_PDEATHSIG: Final = 1


@dataclass(slots=True)
class Child:
    """One process of the session: `name` as people are told, and its log."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def exit_code(self) -> int | None:
        """None while it runs."""
        return self.process.poll()

    def stop(self, timeout_seconds: float) -> int | None:
        """SIGTERM, wait, then SIGKILL. Its exit code; None when it had to be killed."""
        with suppress(ProcessLookupError):
            self.process.terminate()
        try:
            return self.process.wait(timeout_seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(_KILL_SECONDS)
            return None

    def last_lines(self, count: int) -> list[str]:
        """The end of its log."""
        try:
            with open(self.log, "rb") as file:
                file.seek(max(0, os.fstat(file.fileno()).st_size - _TAIL_BYTES))
                return file.read().decode(errors="replace").splitlines()[-count:]
        except OSError:
            return []


class PaperSession:
    """A context: leaving it ends every process of the session and removes the runtime directory."""

    def __init__(
        self,
        places: PaperPlaces,
        *,
        environ: Mapping[str, str],
        scenario: str,
        seed: int,
        choice: PaperChoice,
    ) -> None:
        self.places = places
        self.choice = choice
        self.scenario: Scenario = load_scenario(scenario)
        self.children: list[Child] = []
        self.layout: Layout
        self._scenario_name = scenario
        self._environ = environ
        self._seed = seed

    def __enter__(self) -> PaperSession:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def start(self, *, account_number: str) -> None:
        """Start the venue, wait until it is ready, and start the service.

        Raises: Recoverable: the venue does not start.
        """
        addresses = self._start_venue(account_number)
        text = settings_text(
            self.scenario,
            state_directory=str(self.places.state_directory),
            runtime_directory=str(self.places.runtime_directory),
            choice=self.choice,
        )
        self.places.settings_file.write_text(text)
        environment = service_environment(
            self._environ, run_id=self.places.run_id, addresses=addresses, scenario=self.scenario
        )
        self.layout = layout_of(load_settings(self.places.settings_file, environment).settings)
        self._spawn(
            "the service",
            ("run", "--settings", str(self.places.settings_file)),
            environment,
            self.places.service_log,
        )

    def stop_service(self) -> int | None:
        """Orderly end of the service; its exit code, None when it had to be killed."""
        return next(c for c in reversed(self.children) if c.name == "the service").stop(STOP_SECONDS)

    def end(self) -> None:
        """End whatever still runs, the service first. Bounded; may be called twice."""
        for child in reversed(self.children):
            if child.exit_code is None:
                child.stop(STOP_SECONDS)
        kill_all(self.places.run_id, _KILL_SECONDS)
        self.places.leave()

    def _start_venue(self, account_number: str) -> dict[str, Any]:
        options = {"port": 0, "scenario": self._scenario_name, "seed": self._seed}
        options["account-number"] = account_number
        arguments = ("venue", *(f"--{name}={value}" for name, value in options.items()))
        environment = child_environment(self._environ, run_id=self.places.run_id)
        venue = self._spawn(
            "the venue", arguments, environment, self.places.venue_log, stdout=subprocess.PIPE
        )
        line = _read_line(venue, VENUE_READY_SECONDS)
        try:
            addresses: dict[str, Any] = orjson.loads(line)
        except orjson.JSONDecodeError:
            detail = " / ".join(venue.last_lines(3)) or "it said nothing"
            raise Recoverable(f"the venue does not start: {detail}") from None
        return addresses

    def _spawn(
        self,
        name: str,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        log: Path,
        stdout: int | None = None,
    ) -> Child:
        with open(log, "ab") as file:
            process = subprocess.Popen(
                (*_COMMAND, *arguments),
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=file if stdout is None else stdout,
                stderr=file,
                # Ctrl-C is for us alone: we end the others in order.
                start_new_session=True,
                preexec_fn=_die_with(os.getpid()),
            )
        child = Child(name, process, log)
        self.children.append(child)
        return child


def processes_of(run_id: str) -> dict[int, str]:
    """Pid and command line of every process whose environment carries the run id."""
    mark = f"{RUN_ID_VARIABLE}={run_id}".encode()
    found: dict[int, str] = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal():
            continue
        try:
            if mark in (entry / "environ").read_bytes().split(b"\0"):
                command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                found[int(entry.name)] = command.strip()
        except OSError:
            continue  # it ended, or it is another user's
    return found


def kill_all(run_id: str, timeout_seconds: float) -> dict[int, str]:
    """SIGKILL every process of the session until none is left; what is left at the end of the time."""
    deadline = time.monotonic() + timeout_seconds
    while (left := processes_of(run_id)) and time.monotonic() < deadline:
        for pid in left:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(_POLL_SECONDS)
    return left


def _die_with(parent: int) -> Callable[[], None]:
    # Looked up before the fork: in the child only plain system calls are safe.
    prctl = ctypes.CDLL(None).prctl

    def prepare() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)  # the parent died before the line above

    return prepare


def _read_line(child: Child, timeout_seconds: float) -> bytes:
    """The first line of its output; what there was of it when it ended or the time was over."""
    assert child.process.stdout is not None
    fd = child.process.stdout.fileno()
    line = b""
    deadline = time.monotonic() + timeout_seconds
    while not line.endswith(b"\n") and len(line) < _READY_LINE_BYTES:
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([fd], [], [], left)[0]:
            break
        chunk = os.read(fd, _READY_LINE_BYTES)
        if not chunk:
            break
        line += chunk
    return line
