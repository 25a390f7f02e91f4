"""`kyzlo run` with something that cannot be used: one clear line, exit 2, no traceback, no secret."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import orjson
import pytest

from kyzlo_actors.bootstrap.instance import claim_instance

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

KYZLO = (sys.executable, "-m", "kyzlo_actors.cli")
ACCOUNT = "PA3BADSTART"
KEY, SECRET, POLYGON_KEY = "PKDEMO", "demo-secret", "demo-polygon"
WRONG_SECRET = "not-the-secret-0123456789"
# A start that is refused needs a second or two; the machine may be busy.
RUN_SECONDS = 60.0
GOOD = """
RISK_DAILY_LOSS_LIMIT = 500
RISK_MAX_NOTIONAL = 25000

[paths]
state_directory = "{state}"
runtime_directory = "{runtime}"

[symbols.AAPL]
strategy = "golden_cross"
quantity = 5
max_position = 10
parameters = {{fast = 5, slow = 20}}
"""


@dataclass(frozen=True, slots=True)
class Start:
    """What `kyzlo run` is started with."""

    directory: Path
    settings: str
    variables: dict[str, str]
    arguments: tuple[str, ...] = ()

    @property
    def state(self) -> Path:
        """The state directory that the good settings name."""
        return self.directory / "state"

    @property
    def file(self) -> Path:
        """The settings file."""
        return self.directory / "settings.toml"

    def with_variables(self, **variables: str) -> Start:
        """The same with these variables exported."""
        return replace(self, variables={**self.variables, **variables})

    def with_text(self, old: str, new: str) -> Start:
        """The same with something else in the settings file."""
        assert old in self.settings
        return replace(self, settings=self.settings.replace(old, new))

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run it to its end."""
        if not self.file.exists():
            self.file.write_text(self.settings)
        arguments = (*KYZLO, *(command or ("run",)), "--settings", str(self.file), *self.arguments)
        return subprocess.run(
            arguments,
            env=self.variables,
            cwd=self.directory,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=RUN_SECONDS,
            check=False,
        )


@dataclass(frozen=True, slots=True)
class Bad:
    """One way to spoil a start, and what the line must say: field, value (as shown) and cure."""

    name: str
    spoil: Callable[[Start], Start]
    words: tuple[str, ...]
    # `config check` knows as much, without a network.
    offline: bool = field(default=True)


def without(name: str) -> Callable[[Start], Start]:
    """Nobody gives this variable."""
    return lambda good: replace(
        good, variables={key: value for key, value in good.variables.items() if key != name}
    )


def open_secrets(good: Start) -> Start:
    """A secrets file that everybody may read."""
    path = good.directory / "secrets.toml"
    path.write_text(f'ALPACA_API_SECRET = "{SECRET}"\n')
    path.chmod(0o644)
    return good


def no_file(good: Start) -> Start:
    """A directory stands where the settings file should (root may read everything else)."""
    good.file.mkdir()
    return good


def another_account(good: Start) -> Start:
    """The state directory was used with other keys before."""
    claim_instance(good.state, "PA3SOMEBODY", live=False).release()
    return good


def deep_runtime(good: Start) -> Start:
    """A path that no socket's name can hold."""
    return good.with_text(f'"{good.directory}/run"', f'"{good.directory}/{"deep" * 25}"')


BAD = (
    Bad("missing key", without("ALPACA_API_KEY"), ("ALPACA_API_KEY", "a missing value", "export it")),
    Bad(
        "missing secret", without("ALPACA_API_SECRET"), ("ALPACA_API_SECRET", "a missing value", "export it")
    ),
    Bad(
        "negative limit",
        lambda good: good.with_text("LOSS_LIMIT = 500", "LOSS_LIMIT = -500"),
        ("RISK_DAILY_LOSS_LIMIT", "-500", "give a number above 0"),
    ),
    Bad(
        "negative limit in the environment",
        lambda good: good.with_variables(RISK_MAX_NOTIONAL="-1"),
        ("RISK_MAX_NOTIONAL", "-1", "give a number above 0", "environment"),
    ),
    Bad(
        "live URL with paper keys",
        lambda good: good.with_variables(ALPACA_BASE_URL="https://api.alpaca.markets"),
        ("ALPACA_BASE_URL", "https://api.alpaca.markets", "give https://paper-api.alpaca.markets"),
    ),
    Bad(
        "live on purpose, with paper keys",
        lambda good: replace(
            good.with_variables(ALPACA_BASE_URL="https://api.alpaca.markets"), arguments=("--live",)
        ),
        ("ALPACA_API_KEY", f"({len(KEY)} characters)", "paper keys do not work"),
    ),
    Bad("unreadable file", no_file, ("settings.toml", "an unreadable file", "name another with --settings")),
    Bad(
        "secrets that everybody may read",
        open_secrets,
        ("secrets.toml", "mode 0644", "chmod 600"),
    ),
    Bad(
        "not TOML",
        lambda good: good.with_text("quantity = 5\n", "quantity 5\n"),
        ("settings.toml", "not TOML", "name = value"),
    ),
    Bad(
        "unknown field",
        lambda good: good.with_text("quantity = 5", "quantity = 5\nquantities = 6"),
        ("symbols.AAPL.quantities", "an unknown field", "did you mean quantity?"),
    ),
    Bad(
        "unknown strategy",
        lambda good: good.with_text("golden_cross", "golden_crass"),
        ("symbols.AAPL.strategy", "golden_crass", "golden_cross"),
    ),
    Bad(
        "strategy that cannot be imported",
        lambda good: good.with_text("golden_cross", "nowhere.at_all:Nothing"),
        ("symbols.AAPL.strategy", "nowhere.at_all:Nothing", "importable"),
    ),
    Bad(
        "unknown strategy parameter",
        lambda good: good.with_text("fast = 5", "fats = 5"),
        ("symbols.AAPL.parameters.fats", "5", "fast"),
    ),
    Bad(
        "strategy parameter of another type",
        lambda good: good.with_text("fast = 5", 'fast = "five"'),
        ("symbols.AAPL.parameters.fast", "five", "int"),
    ),
    Bad(
        "strategy parameters that contradict each other",
        lambda good: good.with_text("slow = 20", "slow = 3"),
        ("symbols.AAPL.parameters", "'slow': 3", "fast"),
    ),
    Bad("runtime path too long", deep_runtime, ("paths.runtime_directory", "deepdeep", "at most 72 bytes")),
    Bad(
        "wrong secret",
        lambda good: good.with_variables(ALPACA_API_SECRET=WRONG_SECRET),
        ("ALPACA_API_KEY", "401", "check key, secret and URL"),
        offline=False,
    ),
    Bad(
        "wrong market-data key",
        lambda good: good.with_variables(POLYGON_API_KEY="not-the-key"),
        ("POLYGON_API_KEY", "401", "check key and URL"),
        offline=False,
    ),
    Bad(
        "unknown symbol",
        lambda good: good.with_text("symbols.AAPL", "symbols.ZZZZ"),
        ("symbols.ZZZZ", "'ZZZZ'", "the broker has no such symbol"),
        offline=False,
    ),
    Bad(
        "state directory of another account",
        another_account,
        ("paths.state_directory", "PA3SOMEBODY", ACCOUNT, "name another directory"),
        offline=False,
    ),
)


@pytest.fixture(scope="module")
def venue() -> Iterator[str]:
    """The address of a venue."""
    command = (*KYZLO, "venue", "--port", "0", "--account-number", ACCOUNT)
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            yield orjson.loads(process.stdout.readline())["rest"]
        finally:
            process.kill()


@pytest.fixture
def directory() -> Iterator[Path]:
    """A directory with a short name: names of sockets in it hold 108 bytes, and pytest's own may be long."""
    with tempfile.TemporaryDirectory(prefix="kyzlo-", dir="/tmp") as name:
        yield Path(name)


@pytest.fixture
def good(directory: Path, venue: str) -> Start:
    """A start that would trade the venue."""
    settings = GOOD.format(state=directory / "state", runtime=directory / "run")
    stream = venue.replace("http", "ws", 1)
    variables = {
        "PATH": os.environ["PATH"],
        "HOME": str(directory),
        "ALPACA_API_KEY": KEY,
        "ALPACA_API_SECRET": SECRET,
        "ALPACA_BASE_URL": venue,
        "POLYGON_API_KEY": POLYGON_KEY,
        "POLYGON_WEBSOCKET_URL": f"{stream}/stocks",
        "POLYGON_BASE_URL": venue,
    }
    return Start(directory, settings, variables)


def the_line(done: subprocess.CompletedProcess[str], code: int = 2) -> str:
    """The one line that a refused start leaves on stderr."""
    lines = done.stderr.splitlines()
    assert (done.returncode, done.stdout, len(lines)) == (code, "", 1), f"{done.returncode}: {done.stderr}"
    assert lines[0].startswith("kyzlo: ")
    for told in ("Traceback", "internal error", SECRET, WRONG_SECRET, POLYGON_KEY):
        assert told not in lines[0]
    return lines[0]


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: bad.name)
def test_a_bad_start_is_one_clear_line(good: Start, bad: Bad) -> None:
    start = bad.spoil(good)
    line = the_line(start.run())
    for words in bad.words:
        assert words in line, line


@pytest.mark.parametrize("bad", [bad for bad in BAD if bad.offline], ids=lambda bad: bad.name)
def test_config_check_says_the_same_without_a_network(good: Start, bad: Bad) -> None:
    start = bad.spoil(good)
    if start.variables.get("ALPACA_BASE_URL") == good.variables["ALPACA_BASE_URL"]:
        start = start.with_variables(ALPACA_BASE_URL=f"http://127.0.0.1:{closed_port()}")
    line = the_line(start.run("config", "check"))
    for words in bad.words:
        assert words in line, line


def test_a_second_instance_on_one_state_directory(good: Start) -> None:
    with claim_instance(good.state, ACCOUNT, live=False):
        line = the_line(good.run())
    for words in ("paths.state_directory", str(good.state), f"pid {os.getpid()}", "stop that one"):
        assert words in line


def test_a_second_instance_in_one_runtime_directory(good: Start) -> None:
    with claim_instance(
        good.directory / "other", ACCOUNT, live=False, runtime_directory=good.directory / "run"
    ):
        line = the_line(good.run())
    for words in ("paths.runtime_directory", f"pid {os.getpid()}", "stop that one"):
        assert words in line


def test_several_problems_are_a_line_each(good: Start) -> None:
    start = good.with_text("LOSS_LIMIT = 500", "LOSS_LIMIT = -500").with_text("quantity = 5", "quantity = 0")
    done = start.run()
    assert done.returncode == 2
    told = [line.split(": ")[1] for line in done.stderr.splitlines()]
    assert sorted(told) == ["RISK_DAILY_LOSS_LIMIT", "symbols.AAPL.quantity"]


def test_a_broker_that_does_not_answer_is_worth_another_try(good: Start) -> None:
    url = f"http://127.0.0.1:{closed_port()}"
    impatient = good.with_text("[paths]", "[broker]\nstart_wait_seconds = 0\n\n[paths]")
    line = the_line(impatient.with_variables(ALPACA_BASE_URL=url).run(), code=1)
    assert "ALPACA_BASE_URL" in line and url in line and "try again" in line


def test_a_refused_start_leaves_the_first_instance_alone(good: Start) -> None:
    """Two real ones: the second ends with its line, the first goes on and ends in order."""
    good.file.write_text(good.settings)
    with (good.directory / "first.log").open("wb") as log:
        first = subprocess.Popen(
            (*KYZLO, "run", "--settings", str(good.file)),
            env=good.variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=log,
        )
    try:
        wait_until_it_answers(good.directory / "run/admin.sock", first)
        line = the_line(good.run())
        assert f"pid {first.pid}" in line and "paths.state_directory" in line
        assert first.poll() is None
        wait_until_it_answers(good.directory / "run/admin.sock", first)
        first.send_signal(signal.SIGTERM)
        assert first.wait(RUN_SECONDS) == 0, (good.directory / "first.log").read_text()[-2_000:]
    finally:
        first.kill()
        first.wait()


def wait_until_it_answers(path: Path, process: subprocess.Popen[bytes]) -> None:
    """Until the guardian of `process` says that it trades; the test's own timeout is the bound."""
    state = ""
    while state != "trading":
        assert process.poll() is None
        try:
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(str(path))
                client.sendall(b'{"cmd": "status"}\n')
                with client.makefile("rb") as answer:
                    state = orjson.loads(answer.readline() or b"{}").get("state", "")
        except OSError:
            time.sleep(0.1)


def closed_port() -> int:
    """A port on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
