"""The guardian's clients: where it lives, and one question over its admin socket. Light: `halt` imports it."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from kyzlo_actors.bootstrap.environment import directory_defaults
from kyzlo_actors.domain.errors import BadInput, Recoverable

ANSWER_SECONDS: Final = 5.0
_ANSWER_BYTES: Final = 4 << 20
# Where the service of ops/systemd lives.
_SERVICE_STATE: Final = Path("/var/lib/kyzlo")
_SERVICE_RUNTIME: Final = Path("/run/kyzlo")

StateOption = Annotated[
    Path | None,
    typer.Option("--state-dir", metavar="DIR", help="Its state directory; found by itself if not given."),
]
RuntimeOption = Annotated[
    Path | None,
    typer.Option("--runtime-dir", metavar="DIR", help="Its runtime directory; found by itself if not given."),
]


def find_directories(
    state: Path | None, runtime: Path | None, environ: Mapping[str, str] | None = None
) -> tuple[Path, Path]:
    """State and runtime directory: as named, else systemd's variables, else the service's, else the user's.

    Settings are not read: a halt must not depend on them. `ops/halt` looks in the same places.
    """
    environ = os.environ if environ is None else environ
    defaults = directory_defaults(environ, os.getuid())
    if state is None:
        named = "STATE_DIRECTORY" in environ or not _SERVICE_STATE.is_dir()
        state = Path(defaults["state_directory"].value) if named else _SERVICE_STATE
    if runtime is None:
        named = (
            bool(environ.get("RUNTIME_DIRECTORY")) or state != _SERVICE_STATE or not _SERVICE_RUNTIME.is_dir()
        )
        runtime = Path(defaults["runtime_directory"].value) if named else _SERVICE_RUNTIME
    return state.absolute(), runtime.absolute()


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
