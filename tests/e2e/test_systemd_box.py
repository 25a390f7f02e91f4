"""The box itself: it boots, keeps services alive as systemd does, and leaves nothing behind."""

from __future__ import annotations

import os
import textwrap
from pathlib import Path

import pytest

from tests.e2e.systemd_box import box as machinery
from tests.e2e.systemd_box.box import BoxCommandFailed, BoxUnavailable, SystemdBox

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

TOY = textwrap.dedent(
    """
    import os, socket, signal, sys
    import kyzlo_actors, thespian  # the house and its packages can be reached from inside the unit's sandbox
    print("toy", os.getpid(), "uid", os.getuid(), flush=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.sendto(b"READY=1\\nSTATUS=toying", os.environ.pop("NOTIFY_SOCKET"))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    signal.pause()
    """
)
UNIT = textwrap.dedent(
    """
    [Service]
    Type=notify
    NotifyAccess=main
    ExecStart=/opt/kyzlo/.venv/bin/python -I /opt/kyzlo/toy.py
    User=nobody
    PrivateTmp=yes
    ProtectHome=yes
    ProtectSystem=strict
    Restart=on-failure
    RestartSec=100ms
    """
)


@pytest.fixture(scope="module")
def toy(systemd_box: SystemdBox) -> SystemdBox:
    """The box with a Type=notify service installed, not started."""
    systemd_box.install_kyzlo()
    systemd_box.write("/opt/kyzlo/toy.py", TOY)
    systemd_box.write("/etc/systemd/system/toy.service", UNIT)
    systemd_box.run("systemctl", "daemon-reload")
    return systemd_box


def main_pid(box: SystemdBox) -> str:
    """The toy's main process while it is active, else "0"."""
    unit = box.show("toy.service", "ActiveState", "MainPID")
    return unit["MainPID"] if unit["ActiveState"] == "active" else "0"


def test_systemd_is_pid_1(systemd_box: SystemdBox) -> None:
    assert systemd_box.run("systemctl", "is-system-running").stdout.strip() == "running"
    assert systemd_box.run("cat", "/proc/1/comm").stdout.strip() == "systemd"
    assert systemd_box.run("hostname").stdout.strip() == "box"


def test_its_network_is_loopback_only(systemd_box: SystemdBox) -> None:
    interfaces = systemd_box.run("cat", "/proc/net/dev").stdout.splitlines()[2:]
    assert [line.split(":")[0].strip() for line in interfaces if ":" in line] == ["lo"]
    assert int(systemd_box.run("cat", "/sys/class/net/lo/flags").stdout, 16) & 1, "loopback is down"


def test_the_checkout_is_visible(systemd_box: SystemdBox) -> None:
    systemd_box.run("test", "-e", f"{machinery.CHECKOUT}/setup.cfg")


def test_what_is_written_in_the_box_stays_in_it(systemd_box: SystemdBox) -> None:
    systemd_box.run("touch", "/etc/kyzlo-box-was-here")
    assert systemd_box.path("/etc/kyzlo-box-was-here").exists()
    assert not Path("/etc/kyzlo-box-was-here").exists()
    systemd_box.run("touch", f"{machinery.CHECKOUT}/kyzlo-box-was-here")
    assert not (machinery.CHECKOUT / "kyzlo-box-was-here").exists()


def test_a_failing_command_is_loud(systemd_box: SystemdBox) -> None:
    with pytest.raises(BoxCommandFailed, match="ended with 3"):
        systemd_box.run("sh", "-c", "exit 3")
    assert systemd_box.run("sh", "-c", "exit 3", check=False).returncode == 3


def test_a_notify_service_becomes_active_and_is_restarted_when_killed(toy: SystemdBox) -> None:
    toy.run("systemctl", "start", "toy.service")
    first = main_pid(toy)
    assert first != "0"
    assert toy.show("toy.service", "StatusText")["StatusText"] == "toying"
    assert toy.processes("toy.service") == [int(first)]
    assert "uid 65534" in toy.journal("toy.service")

    toy.run("kill", "-9", first)
    toy.wait_for("a new main process", lambda: main_pid(toy) not in {"0", first})
    assert toy.show("toy.service", "NRestarts")["NRestarts"] == "1"

    toy.run("systemctl", "stop", "toy.service")
    assert toy.show("toy.service", "ActiveState", "Result") == {
        "ActiveState": "inactive",
        "Result": "success",
    }
    assert toy.processes("toy.service") == []


@pytest.mark.usefixtures("systemd_box")
def test_nothing_is_left_of_a_box(tmp_path: Path) -> None:
    with SystemdBox(tmp_path) as box:
        pid, groups = box.pid, list(box._cgroup_paths)
        box.run("sh", "-c", "setsid sleep 1000 >/dev/null 2>&1 &")
        assert groups and all(group.exists() for group in groups)
    assert not Path(f"/proc/{pid}").exists()
    assert not any(group.exists() for group in groups)
    assert str(tmp_path) not in Path("/proc/self/mounts").read_text()
    owners = [_box_of(process) for process in Path("/proc").glob("[0-9]*")]
    assert str(tmp_path) not in owners


def test_a_box_that_cannot_boot_says_so_and_leaves_nothing(
    systemd_box: SystemdBox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "broken.sh"
    broken.write_text("echo no such luck; exit 1\n")
    monkeypatch.setattr(machinery, "MACHINE", broken)
    box = SystemdBox(tmp_path / "box")
    with pytest.raises(BoxUnavailable, match="no such luck"):
        box.up()
    assert box._cgroup_paths == []
    name = f"{machinery.NAME}-{os.getpid()}-*"
    alive = set(systemd_box._cgroup_paths)
    assert {path for own in machinery._own_cgroups() for path in own.glob(name)} <= alive


def _box_of(process: Path) -> str | None:
    """The scratch directory of the box that a process of this machine belongs to, or None."""
    try:
        variables = process.joinpath("environ").read_bytes().split(b"\0")
    except OSError:
        return None
    return next((v.removeprefix(b"BOX=").decode() for v in variables if v.startswith(b"BOX=")), None)
