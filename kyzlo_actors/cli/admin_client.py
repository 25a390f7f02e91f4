"""The guardian's clients: where it lives, and one question over its admin socket. Light: `halt` imports it."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from kyzlo_actors.actors.layout import SYMBOL
from kyzlo_actors.bootstrap.environment import directory_defaults
from kyzlo_actors.bootstrap.settings_paths import written_directories
from kyzlo_actors.domain.errors import BadInput, Recoverable

ANSWER_SECONDS: Final = 5.0
_ANSWER_BYTES: Final = 4 << 20
_POLL_SECONDS: Final = 0.3
# Where the service of ops/systemd lives.
_SERVICE_STATE: Final = Path("/var/lib/kyzlo")
_SERVICE_RUNTIME: Final = Path("/run/kyzlo")

# Not `readable`: whom the directory does not belong to may still halt by the socket, and is told how to read.
StateOption = Annotated[
    Path | None,
    typer.Option(
        "--state-dir",
        metavar="DIR",
        readable=False,
        help="Its state directory; found by itself if not given.",
    ),
]
RuntimeOption = Annotated[
    Path | None,
    typer.Option(
        "--runtime-dir",
        metavar="DIR",
        readable=False,
        help="Its runtime directory; found by itself if not given.",
    ),
]


def find_directories(
    state: Path | None,
    runtime: Path | None,
    environ: Mapping[str, str] | None = None,
    *,
    settings: Path | None = None,
    forgiving: bool = False,
) -> tuple[Path, Path]:
    """State and runtime directory: as named; else what `[paths]` of the settings file says; else systemd's
    variables, the service's, the user's. Beside one that was named the settings' other would be somebody else's.

    `forgiving`: a settings file that cannot be used is as good as none, because a halt must not depend on it.
    `ops/halt` looks in the same places, but in no settings. Raises: BadInput: the settings file cannot be used.
    """
    environ = os.environ if environ is None else environ
    defaults = directory_defaults(environ, os.getuid())
    if state is None and runtime is None:
        written = _written_directories(settings, forgiving)
        state, runtime = written.get("state_directory"), written.get("runtime_directory")
    if state is None:
        named = "STATE_DIRECTORY" in environ or not _SERVICE_STATE.is_dir()
        state = Path(defaults["state_directory"].value) if named else _SERVICE_STATE
    if runtime is None:
        named = (
            bool(environ.get("RUNTIME_DIRECTORY")) or state != _SERVICE_STATE or not _SERVICE_RUNTIME.is_dir()
        )
        runtime = Path(defaults["runtime_directory"].value) if named else _SERVICE_RUNTIME
    return state.absolute(), runtime.absolute()


def _written_directories(settings: Path | None, forgiving: bool) -> dict[str, Path]:
    try:
        return written_directories(settings)
    except BadInput:
        if forgiving:
            return {}
        raise


def ask_status(runtime: Path) -> dict[str, Any]:
    """What the guardian answers to `status`. Raises: Recoverable: it does not answer, or refuses."""
    answer = ask_guardian(runtime, {"cmd": "status"})
    if not answer.get("ok"):
        raise Recoverable(f"the guardian refuses: {answer.get('error')}")
    return answer


def statuses(runtime: Path, deadline: float) -> Iterator[dict[str, Any]]:
    """What a guardian that becomes a new process answers, a few times a second until the monotonic `deadline`."""
    while time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)
        try:
            answer = ask_guardian(runtime, {"cmd": "status"})
        except Recoverable:
            continue  # between its two lives nobody listens
        yield answer


def symbol_rows(status: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The rows of a status that are symbols, by symbol."""
    rows = [row for row in status["actors"] if row["actor"].startswith(SYMBOL)]
    return {row["actor"].removeprefix(SYMBOL): row for row in rows}


def checked_reason(reason: str) -> str:
    """The reason, without blanks around it. Raises: BadInput: there is none."""
    reason = reason.strip()
    if not reason:
        raise BadInput("--reason", "", "say why, for the records")
    return reason


def ask_guardian(
    runtime: Path, request: dict[str, Any], *, timeout_seconds: float = ANSWER_SECONDS
) -> dict[str, Any]:
    """Its answer to one request. Raises: Recoverable: it does not run, or does not answer in time."""
    path = runtime / "admin.sock"
    try:
        answer = json.loads(_exchange(path, json.dumps(request).encode() + b"\n", timeout_seconds))
    except OSError as error:
        raise Recoverable(f"the guardian at {path} does not answer: {error.strerror or error}") from None
    except ValueError:
        raise Recoverable(f"the guardian at {path} gave no answer that can be read") from None
    if not isinstance(answer, dict):
        raise Recoverable(f"the guardian at {path} gave no answer that can be read")
    return answer


def _exchange(path: Path, request: bytes, timeout_seconds: float) -> bytes:
    deadline = time.monotonic() + timeout_seconds
    received = bytearray()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(timeout_seconds)
        client.connect(str(path))
        client.sendall(request)
        while not received.endswith(b"\n") and len(received) < _ANSWER_BYTES:
            client.settimeout(max(0.01, deadline - time.monotonic()))
            piece = client.recv(1 << 16)
            if not piece:
                break
            received += piece
    return bytes(received)
