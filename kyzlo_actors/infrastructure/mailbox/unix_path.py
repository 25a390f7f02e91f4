"""Where unix sockets may live: a short path in a directory that nobody else can write."""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from pathlib import Path
from typing import Final

from kyzlo_actors.domain.errors import BadInput, Fatal

# sun_path holds 108 bytes, the last of them a NUL.
PATH_BYTES: Final = 107


def checked_unix_path(path: Path) -> str:
    """`path` as text. Raises: BadInput: too long for a unix socket."""
    if len(os.fsencode(path)) > PATH_BYTES:
        raise BadInput(
            "socket path", str(path), f"use a runtime directory so short that {PATH_BYTES} bytes suffice"
        )
    return str(path)


def bind_private(bound: socket.socket, path: Path) -> None:
    """Bind `bound` to `path`, in place of a stale socket file; only its owner may connect.

    The directory is made (0700) if it is missing. Raises: BadInput: path too long, or others may write the
    directory. Fatal: the system refused.
    """
    name = checked_unix_path(path)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if path.parent.stat().st_mode & 0o022:
            raise BadInput("socket directory", str(path.parent), "others may write it: chmod 700")
        with suppress(FileNotFoundError):
            path.unlink()
        # Before bind, so that there is no moment in which others may connect.
        os.fchmod(bound.fileno(), 0o600)
        bound.bind(name)
    except OSError as error:
        raise Fatal(f"socket {path}: {error}") from error
