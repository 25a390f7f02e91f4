"""The running service as `kyzlo symbols` sees it: whether there is one, how a symbol stands, and commands to it."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from kyzlo_actors.cli.admin_client import ask_guardian, ask_status
from kyzlo_actors.domain.errors import Recoverable

# The guardian's own bound for a command is 10 s.
_COMMAND_SECONDS: Final = 15.0


def command(runtime: Path, cmd: str, symbol: str, reason: str) -> dict[str, Any]:
    """Have the gate pause or release a symbol; the answer of the core that took it. Raises: Recoverable: it did not."""
    request = {"cmd": cmd, "symbol": symbol, "reason": reason}
    answer = ask_guardian(runtime, request, timeout_seconds=_COMMAND_SECONDS)
    if not answer.get("ok"):
        raise Recoverable(f"{symbol}: {cmd}: {answer.get('error')}")
    return answer


def running_status(runtime: Path) -> dict[str, Any] | None:
    """The guardian's status; None when no service runs there. Raises: Recoverable: one runs, but does not answer."""
    try:
        return ask_status(runtime)
    except Recoverable:
        if (runtime / "admin.sock").exists() and _is_listening(runtime):
            raise
        return None


def _is_listening(runtime: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        try:
            client.connect(str(runtime / "admin.sock"))
        except ConnectionRefusedError:
            return False  # left behind by a service that was killed
        except OSError:
            return True
        return True


def state_of(row: Mapping[str, Any] | None, status: Mapping[str, Any] | None) -> str:
    """How the symbol of a status row stands, in one word or two."""
    if row is None or status is None:
        return "not running"
    if row.get("quarantined"):
        return "quarantined"
    if row.get("paused"):
        return "paused"
    if status["gate"] == "halted":
        return "halted"
    return "trading" if row["ready"] else "starting"
