"""`ops/_env.sh`: one complete environment, whatever happens while it is built. The installer is a fake."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BOUND_SECONDS = 40
pytestmark = [pytest.mark.e2e]

# Writes down each call. `uv venv` makes something that answers as an interpreter; `uv pip install` of the
# packages waits as long as the file "hold" exists (bounded), and fails when "fail" exists.
FAKE_UV = """\
#!/bin/bash
echo "$1 $2 ${*: -1}" >>"$FAKE/calls"
if [ "$1" = venv ]; then
    mkdir -p "${*: -1}/bin"
    printf '#!/bin/sh\\ncase "$*" in *"import pip"*) exit 1 ;; esac\\n' >"${*: -1}/bin/python"
    chmod +x "${*: -1}/bin/python"
    exit
fi
for _ in $(seq 300); do
    [ -e "$FAKE/hold" ] || break
    sleep 0.1
done
[ ! -e "$FAKE/fail" ] || { echo "no such package"; exit 1; }
"""


class Checkout:
    """A copy of what `_env.sh` reads, with a fake `uv` on the path."""

    def __init__(self, directory: Path) -> None:
        self.home = directory / "checkout"
        self.fake = directory / "fake"
        (self.home / "ops").mkdir(parents=True)
        self.fake.mkdir()
        for name in ("ops/_env.sh", "ops/requirements.lock", "pyproject.toml"):
            shutil.copy(ROOT / name, self.home / name)
        self.program("uv", FAKE_UV)

    def program(self, name: str, text: str) -> None:
        """Put a program of ours first on the path."""
        path = self.fake / name
        path.write_text(text)
        path.chmod(0o755)

    def start(self, *before: str, **environment: str) -> subprocess.Popen[str]:
        """What a script of ops/ does first; prints where the environment is."""
        variables = {
            **os.environ,
            "PATH": f"{self.fake}:{os.environ['PATH']}",
            "FAKE": str(self.fake),
            "KYZLO_PYTHON": "",
            **environment,
        }
        command = [
            *before,
            "bash",
            "-c",
            f'set -euo pipefail; . "{self.home}/ops/_env.sh"; echo "$KYZLO_VENV"',
        ]
        return subprocess.Popen(
            command,
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def finish(self, started: subprocess.Popen[str]) -> tuple[int, str, str]:
        """Exit code, standard output and standard error."""
        try:
            output, errors = started.communicate(timeout=BOUND_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(started.pid, signal.SIGKILL)
            raise
        return started.returncode, output.strip(), errors

    def build(self) -> None:
        """Start once and expect it to succeed with the environment in the checkout."""
        code, output, errors = self.finish(self.start())
        assert (code, output) == (0, str(self.home / ".venv")), errors

    def calls(self) -> list[str]:
        """The installer's calls so far, oldest first, as `venv`, `packages` or `project`."""
        path = self.fake / "calls"
        lines = path.read_text().splitlines() if path.exists() else []
        return ["venv" if line.startswith("venv") else self._kind(line) for line in lines]

    def _kind(self, line: str) -> str:
        return "packages" if line.endswith("requirements.lock") else "project"


@pytest.fixture
def checkout() -> Iterator[Checkout]:
    """A checkout without an environment, where other users may read it; nothing waits on it afterwards."""
    with tempfile.TemporaryDirectory(prefix="kyzlo-ops-", ignore_cleanup_errors=True) as directory:
        Path(directory).chmod(0o755)
        made = Checkout(Path(directory))
        yield made
        (made.fake / "hold").unlink(missing_ok=True)


def wait_for_packages(checkout: Checkout) -> None:
    """Until the installer is in the middle of the packages."""
    deadline = time.monotonic() + BOUND_SECONDS
    while "packages" not in checkout.calls():
        assert time.monotonic() < deadline, "the installer was not reached"
        time.sleep(0.05)


def test_it_is_built_once(checkout: Checkout) -> None:
    checkout.build()
    checkout.build()
    assert checkout.calls() == ["venv", "packages", "project"]


def test_two_at_once_build_one(checkout: Checkout) -> None:
    (checkout.fake / "hold").touch()
    first = checkout.start()
    wait_for_packages(checkout)
    second = checkout.start()
    time.sleep(0.3)
    (checkout.fake / "hold").unlink()
    assert checkout.finish(first)[0] == 0
    code, _, errors = checkout.finish(second)
    assert code == 0
    assert "waiting for it" in errors
    assert checkout.calls() == ["venv", "packages", "project"]


@pytest.mark.parametrize("everything", [True, False], ids=["installer too", "script alone"])
def test_what_a_killed_build_left_is_built_anew(checkout: Checkout, everything: bool) -> None:
    (checkout.fake / "hold").touch()
    victim = checkout.start()
    wait_for_packages(checkout)
    if everything:
        os.killpg(victim.pid, signal.SIGKILL)
    else:
        victim.kill()
    victim.wait(timeout=BOUND_SECONDS)
    assert (checkout.home / ".venv/bin/python").exists()
    (checkout.fake / "hold").unlink()
    checkout.build()
    assert checkout.calls() == ["venv", "packages", "venv", "packages", "project"]


def test_an_interrupted_build_takes_its_installer_along(checkout: Checkout) -> None:
    (checkout.fake / "hold").touch()
    victim = checkout.start()
    wait_for_packages(checkout)
    victim.send_signal(signal.SIGTERM)
    assert checkout.finish(victim)[0] == 130
    (checkout.fake / "hold").unlink()
    code, _, errors = checkout.finish(checkout.start())
    assert code == 0
    assert "waiting for it" not in errors


def test_another_lock_means_another_environment(checkout: Checkout) -> None:
    checkout.build()
    with (checkout.home / "ops/requirements.lock").open("a") as lock:
        lock.write("# moved\n")
    checkout.build()
    assert checkout.calls() == ["venv", "packages", "project"] * 2


def test_other_metadata_means_only_the_project(checkout: Checkout) -> None:
    checkout.build()
    with (checkout.home / "pyproject.toml").open("a") as project:
        project.write("# moved\n")
    checkout.build()
    assert checkout.calls() == ["venv", "packages", "project", "project"]


def test_a_moved_checkout_is_built_anew(checkout: Checkout) -> None:
    checkout.build()
    checkout.home = checkout.home.rename(checkout.home.with_name("elsewhere"))
    checkout.build()
    assert checkout.calls() == ["venv", "packages", "project"] * 2


def test_a_failed_build_shows_why_and_is_not_believed(checkout: Checkout) -> None:
    checkout.program("python3.11", '#!/bin/sh\ncase "$*" in *ensurepip*) exit 1 ;; esac\n')
    (checkout.fake / "fail").touch()
    code, _, errors = checkout.finish(checkout.start())
    assert code == 1
    assert "no such package" in errors
    assert "could not be built" in errors
    (checkout.fake / "fail").unlink()
    checkout.build()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can start it as somebody else")
def test_somebody_elses_checkout_gets_an_environment_in_the_cache(checkout: Checkout) -> None:
    (checkout.fake / "calls").touch()
    (checkout.fake / "calls").chmod(0o666)
    cache = checkout.fake.parent / "cache"
    cache.mkdir()
    os.chown(cache, 65534, 65534)
    nobody = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
    for _ in range(2):
        code, output, errors = checkout.finish(checkout.start(*nobody, XDG_CACHE_HOME=str(cache)))
        assert code == 0, errors
        assert output.startswith(f"{cache}/kyzlo/")
    assert checkout.calls() == ["venv", "packages", "project"]
    assert not (checkout.home / ".venv").exists()

    code, _, errors = checkout.finish(checkout.start(*nobody, XDG_CACHE_HOME="/proc/nowhere"))
    assert code == 1
    assert "set XDG_CACHE_HOME" in errors


OLD = '#!/bin/sh\ncase "$*" in *-V*) echo Python 3.9.2 ;; *) exit 1 ;; esac\n'
BARE = '#!/bin/sh\ncase "$*" in *ensurepip*) exit 1 ;; esac\n'


@pytest.mark.parametrize(
    ("python", "complaint"),
    [
        (OLD, "Python 3.11 or newer is needed (found only Python 3.9.2)"),
        (BARE, "apt-get install python3-venv"),
    ],
)
def test_a_machine_without_a_usable_python_is_told_what_to_install(
    checkout: Checkout, python: str, complaint: str
) -> None:
    (checkout.fake / "uv").unlink()
    for tool in (
        "bash",
        "cat",
        "cut",
        "dirname",
        "env",
        "flock",
        "head",
        "id",
        "mktemp",
        "readlink",
        "sha256sum",
    ):
        (checkout.fake / tool).symlink_to(shutil.which(tool) or pytest.fail(f"no {tool}"))
    checkout.program("python3", python)
    # The script looks in fixed places too, where this machine does have one.
    script = checkout.home / "ops/_env.sh"
    script.write_text(script.read_text().replace("/usr/bin/python3 /usr/local/bin/python3", ""))
    code, _, errors = checkout.finish(checkout.start(PATH=str(checkout.fake)))
    assert code == 1
    assert complaint in errors
    assert "KYZLO_PYTHON" in errors
