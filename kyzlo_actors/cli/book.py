"""The book of record for `orders`, `positions` and `symbols`: read from the state directory, service up or down."""

from __future__ import annotations

import os
import pwd
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from kyzlo_actors.actors.layout import BROKER, Layout
from kyzlo_actors.domain.errors import Recoverable

if TYPE_CHECKING:
    from kyzlo_actors.domain.execution_core import ExecutionState


def load_book(state: Path) -> ExecutionState | None:
    """The newest state of the book; None when BrokerActor never lived in this state directory.

    Raises: Recoverable: there is no such directory, it is not ours to read, or its journal is damaged.
    """
    layout = layout_at(state)
    # Before anything is imported: the answer to a wrong place should come at once.
    check_readable(layout.journal(BROKER), state)
    from kyzlo_actors.actors.book_of_record import read_book

    try:
        return read_book(layout)
    except PermissionError:
        raise Recoverable(not_ours(state)) from None


def layout_at(state: Path, runtime: Path | None = None, symbols: tuple[str, ...] = ()) -> Layout:
    """The places below a state directory (and a runtime directory, for shared memory of these symbols)."""
    return Layout(state_directory=state, runtime_directory=runtime or state, symbols=symbols)


def check_readable(directory: Path, state: Path) -> None:
    """Raises: Recoverable: the state directory is missing, or `directory` in it is not ours to read."""
    try:
        if not state.is_dir():
            cure = "name it with --state-dir, or its settings with --settings"
            raise Recoverable(f"there is no state directory {state}: {cure}")
        is_ours = not directory.exists() or os.access(directory, os.R_OK | os.X_OK)
    except PermissionError:
        is_ours = False
    if not is_ours:
        raise Recoverable(not_ours(state))


def not_ours(state: Path) -> str:
    """Who may read it, and how to become that user: one line."""
    owner = "root"
    try:
        uid = os.stat(state).st_uid
        owner = pwd.getpwuid(uid).pw_name
    except KeyError:
        owner = f"#{uid}"
    except OSError:
        pass  # not even its name is ours to see: root's is
    command = shlex.join(["kyzlo", *sys.argv[1:]])
    return f"the state directory {state} may be read by {owner} only: sudo -u {owner} {command}"
