"""A throw-away machine with a real systemd as PID 1, made of namespaces: no container runtime, no packages.

The root is an overlay over "/", so the machine has whatever this one has, and every write in it is forgotten.
It has a network of its own with nothing but loopback. Root only.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from itertools import count
from pathlib import Path
from typing import Literal, Self

CgroupMode = Literal["hybrid", "unified"]

BOOT_SECONDS = 30.0
DOWN_SECONDS = 15.0
CHECKOUT = Path(__file__).resolve().parents[3]
MACHINE = Path(__file__).with_name("machine.sh")
TOOLS = ("unshare", "nsenter", "setpriv", "mount", "pivot_root", "systemctl", "bash", "awk")
CGROUPS = Path("/sys/fs/cgroup")
NAME = "kyzlo-box"
PYTHON_IN_BOX = "/opt/kyzlo-python"
PACKAGES_IN_BOX = "/opt/kyzlo-packages"
_numbers = count(1)


class BoxUnavailable(Exception):
    """This machine cannot run a box; the text says why."""


class BoxCommandFailed(AssertionError):
    """A command in the box ended with another exit code than 0; the text shows its output."""


class SystemdBox:
    """One machine. Use it as a context manager, or call `down()`: nothing is left of it then.

    `binds` maps host directories to places in the box (read-only). `cgroups` is found out when not given;
    hybrid has working MemoryMax/TasksMax, unified has working IPAddressDeny, where the host itself is hybrid.
    """

    def __init__(
        self,
        directory: Path,
        *,
        cgroups: CgroupMode | None = None,
        binds: Mapping[Path, str] | None = None,
    ) -> None:
        self.directory = directory
        self.cgroups: CgroupMode | None = cgroups
        self._binds = {**_python_binds(), **(binds or {})}
        self._process: subprocess.Popen[bytes] | None = None
        self._cgroup_paths: list[Path] = []
        self._pid: int | None = None

    @property
    def pid(self) -> int:
        """PID of the box's systemd, as this machine numbers it."""
        if self._pid is None:
            raise BoxUnavailable("the box is not up")
        return self._pid

    def up(self) -> Self:
        """Boot; returns when the manager says it is running. Raises BoxUnavailable."""
        reason = why_not()
        if reason:
            raise BoxUnavailable(reason)
        modes = [self.cgroups] if self.cgroups else _likely_modes()
        failures = []
        for mode in modes:
            try:
                self._boot(mode)
            except BoxUnavailable as failure:
                failures.append(f"{mode}: {failure}")
                self.down()
            except BaseException:
                self.down()
                raise
            else:
                self.cgroups = mode
                return self
        raise BoxUnavailable("; ".join(failures))

    def run(
        self, *command: str, stdin: str | None = None, check: bool = True, timeout_seconds: float = 60.0
    ) -> subprocess.CompletedProcess[str]:
        """Run a command as root in the box. `check` turns another exit code than 0 into BoxCommandFailed."""
        inside = ["nsenter", "--target", str(self.pid), "--all", "--root", "--wd", "env", "-i", *_ENVIRONMENT]
        done = subprocess.run(
            [*inside, *command],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=timeout_seconds,
            check=False,
        )
        if check and done.returncode:
            output = f"{done.stdout}{done.stderr}"
            raise BoxCommandFailed(f"{' '.join(command)} ended with {done.returncode}:\n{output}")
        return done

    def path(self, inside: str) -> Path:
        """The file `inside` (absolute) of the box, as this machine can open it."""
        return Path(f"/proc/{self.pid}/root") / inside.lstrip("/")

    def write(self, inside: str, text: str, *, mode: int = 0o644) -> None:
        """Write a file in the box, and the folders on the way to it."""
        path = self.path(inside)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(mode)

    def show(self, unit: str, *properties: str) -> dict[str, str]:
        """`systemctl show`: the unit's properties."""
        lines = self.run("systemctl", "show", unit, "--property", ",".join(properties)).stdout.splitlines()
        return dict(line.split("=", 1) for line in lines if "=" in line)

    def journal(self, unit: str) -> str:
        """What the unit has written to the journal, newest last (at most 500 lines)."""
        return self.run("journalctl", "--unit", unit, "--no-pager", "--output=cat", "--lines=500").stdout

    def processes(self, unit: str) -> list[int]:
        """PIDs, as the box numbers them, of everything in the unit's cgroup."""
        group = self.show(unit, "ControlGroup").get("ControlGroup", "")
        if not group:
            return []
        root = "/sys/fs/cgroup" if self.cgroups == "unified" else "/sys/fs/cgroup/systemd"
        found = self.run("sh", "-c", f"cat '{root}{group}/cgroup.procs' 2>/dev/null || true").stdout
        return [int(pid) for pid in found.split()]

    def wait_for(self, what: str, condition: Callable[[], bool], *, timeout_seconds: float = 30.0) -> None:
        """Ask until `condition` holds. Raises TimeoutError that names `what` and shows the console's end."""
        deadline = time.monotonic() + timeout_seconds
        while not condition():
            if time.monotonic() > deadline:
                raise TimeoutError(f"not within {timeout_seconds} s: {what}\n{self._console()}")
            time.sleep(0.1)

    def install_kyzlo(self) -> None:
        """Put this checkout at /opt/kyzlo with an environment at /opt/kyzlo/.venv, as `ops/systemd` asks for.

        Code and interpreter stand outside /root, /home and /tmp then, so a unit's sandbox does not hide them.
        The packages are those of the environment that runs the tests: nothing is fetched.
        """
        ignore = shutil.ignore_patterns(
            ".venv", ".git", "__pycache__", ".*_cache", ".hypothesis", "*.egg-info"
        )
        shutil.copytree(CHECKOUT, self.path("/opt/kyzlo"), ignore=ignore, dirs_exist_ok=True)
        self.run("chmod", "-R", "a+rX", "/opt/kyzlo")
        base = Path(sys.base_prefix)
        prefix = str(base) if base.is_relative_to("/usr") else PYTHON_IN_BOX
        # An interpreter with a shared libpython looks for it where it was built, which a sandbox may hide.
        self.write("/etc/ld.so.conf.d/kyzlo-python.conf", f"{prefix}/lib\n")
        self.run("ldconfig")
        version = f"python{sys.version_info.major}.{sys.version_info.minor}"
        self.run(f"{prefix}/bin/{version}", "-I", "-m", "venv", "--without-pip", "/opt/kyzlo/.venv")
        site = f"/opt/kyzlo/.venv/lib/{version}/site-packages"
        self.write(f"{site}/kyzlo.pth", f"/opt/kyzlo\n{PACKAGES_IN_BOX}\n")
        self.write("/opt/kyzlo/.venv/bin/kyzlo", _KYZLO_SCRIPT, mode=0o755)

    def down(self) -> None:
        """End the machine and remove its cgroups. Everything else it had dies with its namespaces."""
        process, self._process, self._pid = self._process, None, None
        if process is not None:
            # The machine's PID 1 takes everything in it along, and only then does its parent see it end.
            for pid in _children(process.pid) or [process.pid]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            process.wait(timeout=DOWN_SECONDS)
        deadline = time.monotonic() + DOWN_SECONDS
        for path in self._cgroup_paths:
            while not _remove_cgroup(path):
                if time.monotonic() > deadline:
                    raise TimeoutError(f"cgroup is still busy: {path}")
                time.sleep(0.05)
        self._cgroup_paths = []

    def __enter__(self) -> Self:
        return self.up()

    def __exit__(self, *_: object) -> None:
        self.down()

    def _boot(self, mode: CgroupMode) -> None:
        scratch = self.directory / mode
        scratch.mkdir(parents=True)
        self._cgroup_paths = _make_cgroups(f"{NAME}-{os.getpid()}-{next(_numbers)}")
        binds = "\n".join(f"{source}:{inside}" for source, inside in self._binds.items())
        box = {"BOX": str(scratch), "BOX_CGROUPS": mode, "BOX_BINDS": binds, "BOX_KEEP": str(CHECKOUT)}
        # It joins the cgroups before it unshares, so that they are the root of what it sees; and it dies with
        # this process, even when nobody gets to call down().
        join = 'for group; do echo $$ > "$group/cgroup.procs"; done; exec ' + " ".join(_UNSHARE)
        command = [
            "setpriv",
            "--pdeathsig",
            "KILL",
            "bash",
            "-ec",
            join,
            "box",
            *map(str, self._cgroup_paths),
        ]
        with (scratch / "console").open("wb") as console:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=subprocess.STDOUT,
                env={**os.environ, **box, "BOX_MACHINE": str(MACHINE), "PATH": _path()},
                start_new_session=True,
            )
        self._await_manager(scratch / "console")

    def _await_manager(self, console: Path) -> None:
        assert self._process is not None
        deadline = time.monotonic() + BOOT_SECONDS
        state = "no process"
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise BoxUnavailable(f"it ended early:\n{_tail(console)}")
            children = _children(self._process.pid)
            if children:
                self._pid = children[0]
                state = self._manager_state()
                if state in {"running", "degraded"}:
                    return
            time.sleep(0.05)
        raise BoxUnavailable(f"the manager is {state!r} after {BOOT_SECONDS} s:\n{_tail(console)}")

    def _manager_state(self) -> str:
        try:
            done = self.run("systemctl", "is-system-running", check=False, timeout_seconds=10)
        except subprocess.TimeoutExpired:
            return "mute"
        return done.stdout.strip()

    def _console(self) -> str:
        return "\n".join(_tail(path) for path in sorted(self.directory.glob("*/console")))


def why_not() -> str | None:
    """Why no box can run here, or None. What only a try can tell (namespaces, overlay) is not asked."""
    if os.geteuid() != 0:
        return "a systemd box needs root"
    missing = [tool for tool in TOOLS if shutil.which(tool, path=_path()) is None]
    if missing:
        return f"a systemd box needs {', '.join(missing)}"
    if not any(Path(prefix, "systemd/systemd").exists() for prefix in ("/lib", "/usr/lib")):
        return "a systemd box needs systemd"
    return None


_ENVIRONMENT = (
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME=/root",
    "LANG=C.UTF-8",
    "SYSTEMD_PAGER=",
    "SYSTEMD_COLORS=0",
)
# What the installer would write for the entry point of pyproject.toml.
_KYZLO_SCRIPT = """\
#!/opt/kyzlo/.venv/bin/python -I
import sys

from kyzlo_actors.cli.main import main

sys.exit(main())
"""
_UNSHARE = (
    "unshare --mount --propagation private --pid --fork --kill-child=KILL --ipc --uts --net --cgroup",
    'bash "$BOX_MACHINE"',
)


def _path() -> str:
    """Where commands are looked for: not every root shell has sbin on its path."""
    return f"{os.environ.get('PATH', '')}:/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin"


def _python_binds() -> dict[Path, str]:
    """The interpreter and its packages, wherever they stand, at places that no sandbox hides."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    binds = {Path(sys.prefix, "lib", version, "site-packages"): PACKAGES_IN_BOX}
    if not Path(sys.base_prefix).is_relative_to("/usr"):
        binds[Path(sys.base_prefix)] = PYTHON_IN_BOX
    return binds


def _likely_modes() -> list[CgroupMode]:
    """The host's own arrangement first; the other one as well, where the host has the controllers for it."""
    if (CGROUPS / "cgroup.controllers").exists():
        return ["unified"]
    return ["hybrid", "unified"]


def _own_cgroups() -> Iterator[Path]:
    """This process's own cgroup in every mounted hierarchy: children are made below these, never above."""
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if not controllers:
            mount = CGROUPS if (CGROUPS / "cgroup.controllers").exists() else CGROUPS / "unified"
        else:
            mount = CGROUPS / controllers.removeprefix("name=")
        own = mount / path.lstrip("/")
        if (own / "cgroup.procs").exists():
            yield own


def _make_cgroups(name: str) -> list[Path]:
    made = []
    for own in _own_cgroups():
        _sweep(own)
        path = own / name
        path.mkdir()
        made.append(path)
        for setting in ("cpuset.cpus", "cpuset.mems"):
            # A v1 cpuset starts empty, and takes no process while it is.
            if (path / "cgroup.clone_children").exists() and (path / setting).exists():
                (path / setting).write_text((own / setting).read_text())
    return made


def _sweep(own: Path) -> None:
    """Remove empty cgroups of boxes whose test run was killed."""
    for path in own.glob(f"{NAME}-*"):
        if not Path("/proc", path.name.split("-")[2]).exists():
            _remove_cgroup(path)


def _remove_cgroup(path: Path) -> bool:
    """Remove a cgroup and those in it; False while a process is still in one."""
    try:
        for folder, _, _ in os.walk(path, topdown=False):
            os.rmdir(folder)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def _children(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def _tail(console: Path) -> str:
    return "\n".join(console.read_text(errors="replace").splitlines()[-30:])
