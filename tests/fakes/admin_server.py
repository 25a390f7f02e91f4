"""An admin socket that answers as a test says, one thread, one request a connection as the guardian's."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

Json = dict[str, Any]


def status(*symbols: str, **changes: Any) -> Json:
    """What a guardian answers to `status` while it trades these symbols."""
    return {
        "ok": True,
        "state": "trading",
        "gate": "active",
        "run_id": "run-1",
        "pid": 4711,
        "state_directory": "/nowhere/state",
        "runtime_directory": "/nowhere/run",
        "settings": None,
        "live": False,
        "up_seconds": 75.0,
        "broker_ready": True,
        "entries_allowed": True,
        "latch": None,
        "halt": None,
        "resume_refused": "",
        "actors": [actor("broker"), *(actor(f"symbol-{symbol}", last_price=100.0) for symbol in symbols)],
        **changes,
    }


def actor(name: str, **changes: Any) -> Json:
    """One row of a status."""
    return {
        "actor": name,
        "pid": 4712,
        "incarnation": 1,
        "restarts": 0,
        "beat_age_seconds": 0.2,
        "ready": True,
        "paused": False,
        "quarantined": False,
        "position": 0.0,
        "realized_pnl": 0.0,
        "unrealized_pnl": 0.0,
        "last_price": 0.0,
        "signal": None,
        "bar_count": 0,
        "sequence": 0,
        **changes,
    }


class AdminServer:
    """A context. `answer` gets each request; `requests` are those that came."""

    def __init__(self, runtime: Path, answer: Callable[[Json], Json]) -> None:
        self.requests: list[Json] = []
        self._answer = answer
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(runtime / "admin.sock"))
        self._listener.listen(16)
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def __enter__(self) -> AdminServer:
        return self

    def __exit__(self, *_: object) -> None:
        # Closing alone would not wake who waits in accept.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join(5)
        self._listener.close()

    def commands(self) -> list[str]:
        """The names of the commands that came, without `status`."""
        return [request["cmd"] for request in self.requests if request["cmd"] != "status"]

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection, connection.makefile("rb") as reader:
                request = json.loads(reader.readline() or b"{}")
                if not request:
                    continue  # only a look whether somebody listens
                self.requests.append(request)
                connection.sendall(json.dumps(self._answer(request)).encode() + b"\n")
