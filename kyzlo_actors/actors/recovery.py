"""Back to where a core was: its snapshot, then the journal's inputs once more with every effect suppressed.

Start-up and crash recovery are this one path. An input that ended its actor twice is skipped and recorded.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import orjson

from kyzlo_actors.actors.wire import codec
from kyzlo_actors.infrastructure.codec import Undecodable, UnknownType
from kyzlo_actors.infrastructure.files import fsync_directory, write_durable
from kyzlo_actors.infrastructure.journal_reader import read_journal
from kyzlo_actors.infrastructure.journal_segment import JournalRecord

SNAPSHOT_SCHEMA: Final = 1
_HEAD_BYTES: Final = 64
_SEQUENCE: Final = re.compile(rb'\{"schema":%d,"sequence":(\d+),' % SNAPSHOT_SCHEMA)
# Once alive and once in a recovery: the second time proves that it was the input.
_FAILED_RECOVERIES: Final = 1
_BEAT_EVERY: Final = 256


class Core(Protocol):
    """What the shells need of a core."""

    @property
    def state(self) -> Any:
        """Its whole state, a frozen dataclass known to the codec."""

    def handle(self, event: Any) -> list[Any]:
        """Take one event."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovered:
    """How it went: the last journal sequence there was, inputs replayed, and the sequence that was skipped."""

    last_sequence: int
    replayed: int
    skipped_sequence: int | None


class SnapshotFile:
    """One actor's snapshot: written aside and renamed, so there is always a whole one (or none)."""

    def __init__(self, directory: Path, actor: str) -> None:
        self._directory = directory
        self.path = directory / f"{actor}.json"

    def save(self, sequence: int, state: Any, extra: dict[str, Any]) -> None:
        """Keep `state` as it was after journal entry `sequence`. Raises: OSError."""
        body = {
            "schema": SNAPSHOT_SCHEMA,
            "sequence": sequence,
            "state": codec().to_dict(state),
            "extra": extra,
        }
        temporary = self.path.with_suffix(".tmp")
        write_durable(temporary, orjson.dumps(body))
        temporary.replace(self.path)
        fsync_directory(self._directory)

    def load(self) -> tuple[int, Any, dict[str, Any]] | None:
        """Sequence, state and extra; None when there is none or it cannot be read (then the journal tells all)."""
        try:
            body = orjson.loads(self.path.read_bytes())
            if body["schema"] != SNAPSHOT_SCHEMA:
                return None
            return body["sequence"], codec().from_dict(body["state"]), body["extra"]
        except (OSError, ValueError, KeyError, TypeError, UnknownType, Undecodable):
            return None

    def sequence(self) -> int:
        """Its sequence alone, from its first bytes: a book of thousands of orders is not read for it. 0: none."""
        try:
            with self.path.open("rb") as file:
                found = _SEQUENCE.match(file.read(_HEAD_BYTES))
        except OSError:
            return 0
        return int(found[1]) if found else 0


class CrashMarker:
    """Counts how often the same last input was under way when the actor ended."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / "recovering.json"

    def attempts(self, sequence: int) -> int:
        """Recoveries begun with `sequence` as the last input and not ended."""
        try:
            body = orjson.loads(self._path.read_bytes())
            return int(body["attempts"]) if body["sequence"] == sequence else 0
        except (OSError, ValueError, KeyError, TypeError):
            return 0

    def begin(self, sequence: int, attempts: int) -> None:
        """A recovery begins. On a full disk it goes uncounted: that must not be what ends the actor."""
        with suppress(OSError):
            self._path.write_bytes(orjson.dumps({"sequence": sequence, "attempts": attempts}))

    def end(self) -> None:
        """It came through."""
        self._path.unlink(missing_ok=True)


def replay(
    core: Core,
    journal_directory: Path,
    *,
    from_sequence: int,
    beat: Callable[[], None],
    observe: Callable[[Any], None],
    log: logging.Logger,
) -> Recovered:
    """Feed the journal's inputs from `from_sequence` on to the core; `observe` sees each of them.

    Only the last entry can be an input that ended the actor: every other one was followed by something. An input
    that an earlier life skipped (its skip record follows at once) stays skipped, and one that cannot be decoded is
    left out.
    """
    marker = CrashMarker(journal_directory)
    replayed, last = 0, None
    skipped: int | None = None
    held: JournalRecord | None = None
    for record in read_journal(journal_directory, from_sequence):
        if held is not None and not is_skipped(held, record):
            replayed += feed(core, held, observe, log)
            if replayed % _BEAT_EVERY == 0:
                beat()
        held, last = record, record.seq
    if held is not None and last is not None:
        failed = marker.attempts(last)
        if failed >= _FAILED_RECOVERIES and is_input(held):
            log.critical("input %d ended this actor twice; it is skipped", last)
            skipped = last
        else:
            marker.begin(last, failed + 1)
            replayed += feed(core, held, observe, log)
    return Recovered(last_sequence=last or from_sequence - 1, replayed=replayed, skipped_sequence=skipped)


def input_record(event: Any) -> bytes:
    """The journal entry of an input."""
    return orjson.dumps({"input": codec().to_dict(event)})


def decision_record(effects: list[Any]) -> bytes:
    """The journal entry of what a core decided about the input before it."""
    return orjson.dumps({"decision": [codec().to_dict(effect) for effect in effects]})


def skip_record(sequence: int) -> bytes:
    """The journal entry that says which input was skipped."""
    return orjson.dumps({"skipped": sequence})


def is_input(record: JournalRecord) -> bool:
    """Whether the entry is an input of the core."""
    return record.body.startswith(b'{"input"')


def is_skipped(record: JournalRecord, following: JournalRecord) -> bool:
    """Whether the entry after it says that this input was skipped."""
    return following.body.startswith(b'{"skipped"') and orjson.loads(following.body)["skipped"] == record.seq


def feed(core: Core, record: JournalRecord, observe: Callable[[Any], None], log: logging.Logger) -> int:
    """Give the entry to the core if it is an input that can be decoded; how many inputs it took."""
    if not is_input(record):
        return 0
    try:
        event = codec().from_dict(orjson.loads(record.body)["input"])
    except (UnknownType, Undecodable) as error:
        # Of another version. What it told is asked for anew: every life begins with the broker's word.
        log.critical("input %d of the journal cannot be decoded and is left out: %s", record.seq, error)
        return 0
    observe(event)
    core.handle(event)
    return 1
