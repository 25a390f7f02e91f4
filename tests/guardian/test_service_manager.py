"""sd_notify: what is said when, and that nothing is said without a manager."""

from __future__ import annotations

import os
import socket
from pathlib import Path

from kyzlo_actors.domain.values import NS_PER_SECOND
from kyzlo_actors.guardian.service_manager import ServiceManager


class Listener:
    """The manager's end of the socket."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._socket.bind(str(path))

    def heard(self) -> list[str]:
        lines: list[str] = []
        while True:
            try:
                lines += self._socket.recv(4096).decode().splitlines()
            except BlockingIOError:
                return lines


def test_the_life_of_a_service(runtime: Path) -> None:
    listener = Listener(runtime / "notify")
    environ = {
        "NOTIFY_SOCKET": str(listener.path),
        "WATCHDOG_USEC": "3000000",
        "WATCHDOG_PID": str(os.getpid()),
    }
    manager = ServiceManager(environ)
    assert environ == {}
    assert manager.popped["WATCHDOG_USEC"] == "3000000"
    now_ns = 100 * NS_PER_SECOND
    manager.turn(now_ns, ready=False, alive=False, status="starting")
    assert listener.heard() == ["STATUS=starting"]
    manager.turn(now_ns, ready=False, alive=True, status="starting")
    assert listener.heard() == ["WATCHDOG=1", "EXTEND_TIMEOUT_USEC=15000000"]
    manager.turn(now_ns, ready=True, alive=True, status="trading")
    assert listener.heard() == ["READY=1", "STATUS=trading"]
    manager.turn(now_ns + NS_PER_SECOND, ready=True, alive=True, status="trading")
    assert listener.heard() == ["WATCHDOG=1"]
    manager.turn(now_ns + 9 * NS_PER_SECOND, ready=True, alive=False, status="trading")
    assert listener.heard() == []
    manager.stopping("bye")
    assert listener.heard() == ["STOPPING=1", "STATUS=bye"]
    manager.close()
    manager.stopping("after the end nothing is said")


def test_a_watchdog_of_another_process_is_not_ours(runtime: Path) -> None:
    listener = Listener(runtime / "notify")
    manager = ServiceManager({"NOTIFY_SOCKET": str(listener.path), "WATCHDOG_USEC": "9", "WATCHDOG_PID": "1"})
    manager.turn(NS_PER_SECOND * 9, ready=True, alive=True, status="")
    assert listener.heard() == ["READY=1"]
    manager.close()


def test_without_a_manager_or_with_a_dead_one_nothing_happens(runtime: Path) -> None:
    for environ in (
        {},
        {"NOTIFY_SOCKET": str(runtime / "nobody")},
        {"NOTIFY_SOCKET": "vsock:1"},
        {"WATCHDOG_USEC": "x"},
    ):
        manager = ServiceManager(dict(environ))
        manager.turn(0, ready=True, alive=True, status="trading")
        manager.close()
