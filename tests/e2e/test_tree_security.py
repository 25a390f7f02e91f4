"""Nobody outside can speak to the tree: every listener is on loopback, and a pickle at any port runs nothing."""

from __future__ import annotations

import os
import pickle
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.actors.tree_process import REPOSITORY, RunningTree, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

LISTEN = "0A"
LOOPBACK = {"0100007F", "00000000000000000000000001000000"}


@pytest.fixture(scope="module")
def tree() -> Iterator[RunningTree]:
    running = RunningTree({"AAA": {}, "BBB": {}})
    wait_until("the Admin is known", lambda: "admin" in running.all_pids(), tree=running)
    yield running
    running.stop()


def listeners(pids: dict[str, int]) -> dict[tuple[str, int], set[str]]:
    """(address in hex, port) of every listening TCP socket of these processes, and who holds it (forks share)."""
    inodes: dict[str, set[str]] = {}
    for name, pid in pids.items():
        with suppress(OSError):
            for link in os.scandir(f"/proc/{pid}/fd"):
                with suppress(OSError):
                    if found := re.fullmatch(r"socket:\[(\d+)\]", os.readlink(link.path)):
                        inodes.setdefault(found[1], set()).add(name)
    found_listeners: dict[tuple[str, int], set[str]] = {}
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        path = Path(table)
        for line in path.read_text().splitlines()[1:] if path.exists() else ():
            fields = line.split()
            if fields[3] == LISTEN and fields[9] in inodes:
                address, _, port = fields[1].partition(":")
                found_listeners[address, int(port, 16)] = inodes[fields[9]]
    return found_listeners


def test_every_listener_of_the_tree_is_on_loopback(tree: RunningTree) -> None:
    pids = tree.all_pids()
    assert {"admin", "logger-0", "root", "risk", "symbol-AAA"} <= set(pids)
    found = listeners(pids)
    # Each actor listens for Thespian's messages, so an empty table would prove nothing.
    assert set().union(*found.values()) >= {"admin", "root", "broker", "risk", "symbol-AAA", "symbol-BBB"}
    assert {address for address, _ in found} <= LOOPBACK


def test_the_check_would_see_a_listener_that_is_open_to_all() -> None:
    with socket.create_server(("0.0.0.0", 0)) as server:
        port = server.getsockname()[1]
        assert ("00000000", port) in listeners({"me": os.getpid()})


class Payload:
    """Unpickled, it writes a file."""

    def __init__(self, mark: Path) -> None:
        self._mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.write_text, (self._mark, "pwned"))


def attack(port: int, frame: bytes) -> None:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.sendall(frame)
        connection.settimeout(0.3)
        with suppress(OSError):
            connection.recv(64)


def frames(mark: Path) -> list[bytes]:
    """Thespian's framing is the length in decimal, `>`, and the body; with and without a made-up signature."""
    body = pickle.dumps(Payload(mark))
    bodies = [body, bytes(32) + body, os.urandom(32) + body, body[:-1], b""]
    return [b"%d>" % len(each) + each for each in bodies] + [os.urandom(400), b">" * 50]


STOCK = """
import ctypes, sys, time
ctypes.CDLL(None).prctl(1, 9)
from thespian.actors import ActorSystem
from kyzlo_actors.actors import system
system._bind_to_loopback()  # the one patch that this machine's neighbours must not miss
running = ActorSystem("multiprocTCPBase", {"Admin Port": int(sys.argv[1]), "Admin Address": "127.0.0.1"})
print("up", flush=True)
sys.stdin.read()
running.shutdown()
"""


def test_the_attack_works_on_an_actor_system_without_signed_frames(tmp_path: Path) -> None:
    """Else the test below would prove nothing."""
    mark = tmp_path / "mark"
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with subprocess.Popen(
        [sys.executable, "-c", STOCK, str(port)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=REPOSITORY,
        env={**os.environ, "THESPLOG_FILE": str(tmp_path / "thespian.log")},
    ) as stock:
        assert stock.stdout is not None and stock.stdin is not None
        assert stock.stdout.readline() == b"up\n"
        for frame in frames(mark):
            attack(port, frame)
        wait_until("it ran", mark.exists, timeout_seconds=20)
        stock.stdin.close()
        stock.wait(40)


def test_a_pickle_at_any_port_runs_nothing_and_the_tree_goes_on(tree: RunningTree, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    before = tree.board()
    ports = sorted(port for _, port in listeners(tree.all_pids()))
    for port in ports:
        for frame in frames(mark):
            attack(port, frame)
    answered = tree.report()["answered"]
    wait_until("pings are answered", lambda: tree.report()["answered"] > answered + 2, tree=tree)
    tree.wait_fills("AAA", 2)
    tree.wait_fills("BBB", 2)
    # Control messages still pass: a killed symbol is told to its supervisor and started by a message.
    pid = tree.kill("symbol-AAA")
    tree.wait_restarted("symbol-AAA", pid)
    tree.wait_fills("AAA", 2)
    assert not mark.exists()
    after = tree.board()
    assert {n for n in before if before[n].pid != after[n].pid} == {"symbol-AAA"}


@pytest.mark.skipif(sys.platform != "linux", reason="modes of unix sockets are Linux's")
def test_mailboxes_and_state_are_private(tree: RunningTree) -> None:
    layout = tree.registry.layout
    assert layout.private_directory.stat().st_mode & 0o777 == 0o700
    for path in (*layout.private_directory.iterdir(), layout.state_directory / "thespian.log"):
        assert path.exists()
        if path.suffix not in (".sock", ".wake"):
            assert path.stat().st_mode & 0o077 == 0, path


def test_no_secret_stands_in_any_file_of_the_tree(tree: RunningTree) -> None:
    secrets = (b"tree-secret-1", b"tree-polygon-1", b"TREEKEY1")
    files = [tree.directory / "tree.log", *(p for p in (tree.directory / "state").rglob("*") if p.is_file())]
    for path in files:
        content = path.read_bytes()
        assert not [secret for secret in secrets if secret in content], path
