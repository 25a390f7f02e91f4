"""`ops/systemd/kyzlo.service` under a real systemd: it is sound, tight, and does not loop on bad settings."""

from __future__ import annotations

import textwrap

import pytest

from tests.e2e.systemd_box.box import CHECKOUT, SystemdBox

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

DROP_IN = "/etc/systemd/system/kyzlo.service.d/test.conf"
# What `systemd-analyze security` may say at most, in tenths: 0 is a closed box, 100 wide open.
EXPOSURE_AT_MOST = "20"
# Reaches everything that the real command will need from inside the sandbox, then says so.
PROBE = textwrap.dedent(
    """
    import mmap, os, pathlib, signal, socket, sys, tempfile
    import aiohttp, cattrs, httpx, orjson, pydantic, rich, thespian.actors, toml, typer, websocket
    import kyzlo_actors
    for name in ("STATE_DIRECTORY", "RUNTIME_DIRECTORY"):
        path = pathlib.Path(os.environ[name], "probe")
        path.write_bytes(bytes(4096))
        with path.open("r+b") as file:
            mmap.mmap(file.fileno(), 0)[0] = 1
    with socket.socket() as loopback:
        loopback.bind(("127.0.0.1", 0))
    os.close(os.pidfd_open(os.getpid()))
    child = os.fork()
    if child == 0:
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.sendto(b"READY=1", os.environ["NOTIFY_SOCKET"])
    signal.pause()
    """
)


@pytest.fixture(scope="module")
def installed(systemd_box: SystemdBox) -> SystemdBox:
    """The box after the installation steps of ops/systemd/README.md; the service is not started."""
    systemd_box.install_kyzlo()
    systemd_box.run(
        "useradd", "--system", "--home-dir", "/var/lib/kyzlo", "--shell", "/usr/sbin/nologin", "kyzlo"
    )
    systemd_box.write("/etc/kyzlo/settings.toml", "")
    systemd_box.write("/opt/kyzlo/probe.py", PROBE)
    unit = (CHECKOUT / "ops/systemd/kyzlo.service").read_text()
    systemd_box.write("/etc/systemd/system/kyzlo.service", unit)
    systemd_box.run("systemctl", "daemon-reload")
    return systemd_box


def start(box: SystemdBox, command: str) -> int:
    """Start the unit with another command in the place of `kyzlo run`; the exit code of `systemctl start`."""
    box.write(DROP_IN, f"[Service]\nExecStart=\nExecStart={command}\nRestartSec=100ms\nWatchdogSec=0\n")
    box.run("systemctl", "daemon-reload")
    box.run("systemctl", "stop", "kyzlo", check=False)
    box.run("systemctl", "reset-failed", "kyzlo", check=False)
    return box.run("systemctl", "start", "kyzlo", check=False).returncode


def test_systemd_finds_no_fault_in_it(installed: SystemdBox) -> None:
    done = installed.run("systemd-analyze", "verify", "/etc/systemd/system/kyzlo.service")
    assert "kyzlo.service" not in done.stdout + done.stderr, done.stdout + done.stderr


def test_it_is_tight(installed: SystemdBox) -> None:
    unit = "/etc/systemd/system/kyzlo.service"
    installed.run("systemd-analyze", "security", "--offline=true", f"--threshold={EXPOSURE_AT_MOST}", unit)


def test_everything_it_needs_works_inside_its_sandbox(installed: SystemdBox) -> None:
    code = start(installed, "/opt/kyzlo/.venv/bin/python -I /opt/kyzlo/probe.py")
    assert code == 0, installed.journal("kyzlo.service")
    assert installed.show("kyzlo.service", "ActiveState") == {"ActiveState": "active"}
    installed.run("systemctl", "stop", "kyzlo")


@pytest.mark.parametrize("code", [2, 78])
def test_what_trying_again_cannot_cure_is_not_tried_again(installed: SystemdBox, code: int) -> None:
    start(installed, f"/bin/sh -c 'exit {code}'")
    installed.wait_for(
        "failed", lambda: installed.show("kyzlo.service", "ActiveState")["ActiveState"] == "failed"
    )
    unit = installed.show("kyzlo.service", "NRestarts", "ExecMainStatus", "Result")
    assert unit == {"NRestarts": "0", "ExecMainStatus": str(code), "Result": "exit-code"}


def test_a_crash_is_tried_again_a_bounded_number_of_times(installed: SystemdBox) -> None:
    start(installed, "/bin/sh -c 'exit 1'")
    installed.wait_for(
        "failed", lambda: installed.show("kyzlo.service", "ActiveState")["ActiveState"] == "failed"
    )
    assert 1 <= int(installed.show("kyzlo.service", "NRestarts")["NRestarts"]) <= 5
