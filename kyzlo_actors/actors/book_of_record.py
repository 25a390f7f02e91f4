"""The order book of record as its files tell it: for readers beside the service, which may be up or down.

Snapshot, then the journal's inputs once more, with every effect suppressed. Nothing is written, no lock is taken.
"""

from __future__ import annotations

import logging
from typing import Any, Final

from kyzlo_actors.actors.layout import BROKER, Layout
from kyzlo_actors.actors.recovery import CrashMarker, SnapshotFile, feed, is_skipped
from kyzlo_actors.domain.errors import Recoverable
from kyzlo_actors.domain.execution_core import ExecutionCore, ExecutionSettings, ExecutionState
from kyzlo_actors.infrastructure.journal_reader import read_journal
from kyzlo_actors.infrastructure.journal_segment import JournalCorrupt, JournalRecord, first_seqs

# The service may prune what it has stored between our look at the snapshot and our look at the journal.
_ATTEMPTS: Final = 3


def read_book(layout: Layout) -> ExecutionState | None:
    """The newest state of BrokerActor's core; None when it never lived here.

    Raises: Recoverable: the journal cannot be read as a whole. PermissionError: the files are somebody else's.
    """
    for attempt in range(_ATTEMPTS):
        try:
            return _read(layout)
        except JournalCorrupt as error:
            if attempt == _ATTEMPTS - 1:
                raise Recoverable(f"the book of record cannot be read: {error}") from None
    return None


def _read(layout: Layout) -> ExecutionState | None:
    core = ExecutionCore(ExecutionSettings(symbols=layout.symbols))
    directory = layout.journal(BROKER)
    # Looking into a directory that may not be read would look like an empty one.
    if directory.exists():
        next(directory.iterdir(), None)
    snapshot = SnapshotFile(layout.snapshots, BROKER)
    loaded = snapshot.load()
    begins = next(iter(first_seqs(directory)), 1)
    if loaded is None and begins > 1:
        # What came before was pruned because the snapshot had it: the rest would be a book with half its fills.
        raise JournalCorrupt(
            f"the journal begins at {begins}, and {snapshot.path} is missing or cannot be read"
        )
    sequence = 0
    if loaded is not None:
        sequence, core.state, _ = loaded
    held: JournalRecord | None = None
    is_empty = True
    log = logging.getLogger("kyzlo")
    for record in read_journal(directory, sequence + 1):
        is_empty = False
        if held is not None and not is_skipped(held, record):
            feed(core, held, _ignore, log)
        held = record
    # The last entry may be an input that ended the actor, and be skipped by its next life.
    if held is not None and not CrashMarker(directory).attempts(held.seq):
        feed(core, held, _ignore, log)
    return None if is_empty and loaded is None else core.state


def _ignore(_: Any) -> None:
    """Nobody watches this replay."""
