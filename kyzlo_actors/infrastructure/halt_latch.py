"""The halt latch (a file that outlives everything) and the gate byte (what is read before every order)."""

from __future__ import annotations

import mmap
import os
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import get_native_id
from typing import Final

import orjson

from kyzlo_actors.domain.errors import Fatal
from kyzlo_actors.domain.operator import one_line
from kyzlo_actors.domain.values import TradingState
from kyzlo_actors.infrastructure.files import fsync_directory, write_all, write_durable
from kyzlo_actors.ports.clock import Clock

LATCH_NAME: Final = "HALT.json"
KEPT_CLEARED_LATCHES: Final = 100
_BY_HAND: Final = "latched by hand"
_RECORD_BYTES: Final = 64 * 1024
# A lost race against another writer is over at once: his file is there. The bound is for a clear in between.
_ENGAGE_ATTEMPTS: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class LatchRecord:
    """Who halted, why, under which code (`operator`, `daily_loss` …), and when (ns UTC)."""

    by: str
    reason: str
    code: str
    engaged_ns: int

    @property
    def halt_id(self) -> str:
        """The name of this halt in certificates and messages."""
        return f"halt-{self.engaged_ns}"


class HaltLatch:
    """`<state_directory>/HALT.json`: while it exists nobody trades, whatever is in it.

    Bounds: what is read of the file ends at 64 KiB; at most 100 cleared latches are kept, the oldest go.
    """

    def __init__(self, state_directory: Path, clock: Clock) -> None:
        self._directory = state_directory
        self._clock = clock
        self.path = state_directory / LATCH_NAME

    @property
    def is_latched(self) -> bool:
        """Whether the latch is there. One `lstat`; when the answer cannot be had, it counts as latched."""
        try:
            os.lstat(self.path)
        except FileNotFoundError:
            return False
        except OSError:
            return True
        return True

    def engage(self, *, by: str, reason: str, code: str = "operator") -> LatchRecord:
        """Latch, durably, and return the record that holds: the first writer's, if someone was faster.

        On a full disk an empty latch is made instead: it halts all the same.
        Raises: Fatal: not even an empty file could be made.
        """
        record = LatchRecord(by=by, reason=one_line(reason), code=code, engaged_ns=self._clock.now_ns())
        for _ in range(_ENGAGE_ATTEMPTS):
            if self._try_engage(record):
                return record
            if (first := self.read()) is not None:
                return first
        raise Fatal(f"{self.path} was cleared again and again while it was being latched")

    def read(self) -> LatchRecord | None:
        """The record of the latch, or None when nothing is latched.

        A file that is empty or not ours (made with `touch`) counts: its owner and time stand for the record.
        """
        try:
            stat = os.lstat(self.path)
        except FileNotFoundError:
            return None
        except OSError as error:
            return LatchRecord(
                by="unknown", reason=f"latch unreadable: {error}", code="operator", engaged_ns=0
            )
        by_hand = LatchRecord(
            by=f"uid {stat.st_uid}", reason=_BY_HAND, code="operator", engaged_ns=stat.st_mtime_ns
        )
        return _parsed(self._content(), by_hand)

    def clear(self, *, by: str, reason: str) -> LatchRecord | None:
        """Open the latch (resume only) and keep it, with who and why, as `HALT.<ns>.cleared.json`.

        Returns the record that was cleared, None when nothing was latched. The history is durable before the
        latch goes: a crash in between leaves it latched. Raises: Fatal: the file system refused.
        """
        record = self.read()
        if record is None:
            return None
        cleared_ns = self._clock.now_ns()
        history = asdict(record) | {"cleared_by": by, "cleared_reason": reason, "cleared_ns": cleared_ns}
        draft = self._draft()
        try:
            write_durable(draft, orjson.dumps(history, option=orjson.OPT_INDENT_2), mode=0o640)
            os.rename(draft, self._directory / f"HALT.{cleared_ns:020d}.cleared.json")
            fsync_directory(self._directory)
            os.unlink(self.path)
            fsync_directory(self._directory)
        except OSError as error:
            raise Fatal(f"{self.path} could not be cleared: {error}") from error
        self._forget_oldest()
        return record

    def _try_engage(self, record: LatchRecord) -> bool:
        draft = self._draft()
        try:
            self._write_draft(draft, orjson.dumps(asdict(record), option=orjson.OPT_INDENT_2))
            # A link is atomic and never replaces: the first writer wins, readers see all or nothing.
            os.link(draft, self.path)
        except FileExistsError:
            return False
        except OSError:
            return self._engage_empty()
        finally:
            with suppress(OSError):
                os.unlink(draft)
        self._sync_name()
        return True

    def _write_draft(self, draft: Path, data: bytes) -> None:
        with suppress(FileNotFoundError):
            os.unlink(draft)  # a process died with it
        # Exclusive: root may be writing into a directory of the service's user, who could have put a link there.
        fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640)
        try:
            if os.geteuid() == 0:
                # The guardian must be able to read who halted, and why; unreadable still halts.
                owner = os.stat(self._directory)
                with suppress(OSError):
                    os.fchown(fd, owner.st_uid, owner.st_gid)
            write_all(fd, data, 0)
            os.fsync(fd)
        finally:
            os.close(fd)

    def _engage_empty(self) -> bool:
        """The last resort when no byte can be written (disk full, no links): the name alone halts."""
        try:
            os.close(os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640))
        except FileExistsError:
            return False
        except OSError as error:
            raise Fatal(f"{self.path} could not be latched: {error}") from error
        self._sync_name()
        return True

    def _sync_name(self) -> None:
        # The latch is visible to everybody already; a failed flush must not stop the halt that follows.
        with suppress(OSError):
            fsync_directory(self._directory)

    def _content(self) -> bytes:
        try:
            fd = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            return b""
        try:
            return os.read(fd, _RECORD_BYTES)
        except OSError:
            return b""
        finally:
            os.close(fd)

    def _draft(self) -> Path:
        # The native id differs between all threads of all processes: nobody else writes this draft.
        return self._directory / f".HALT.{get_native_id()}.draft"

    def _forget_oldest(self) -> None:
        kept = sorted(self._directory.glob("HALT.*.cleared.json"))
        for old in kept[:-KEPT_CLEARED_LATCHES]:
            with suppress(OSError):
                old.unlink()


def _parsed(content: bytes, by_hand: LatchRecord) -> LatchRecord:
    """The record in `content`; what it does not say, or says in no form of ours, is taken from `by_hand`."""
    try:
        fields = orjson.loads(content)
    except orjson.JSONDecodeError:
        return by_hand
    if not isinstance(fields, dict):
        return by_hand
    engaged_ns = fields.get("engaged_ns")
    return LatchRecord(
        by=one_line(str(fields.get("by") or by_hand.by)),
        reason=one_line(str(fields.get("reason") or by_hand.reason)),
        code=one_line(str(fields.get("code") or by_hand.code)),
        engaged_ns=engaged_ns if type(engaged_ns) is int else by_hand.engaged_ns,
    )


# HALTED is 0, so that a zero-filled file is safe; a byte that is none of ours is HALTED too.
_BY_CODE: Final = (TradingState.HALTED, TradingState.REDUCING, TradingState.ACTIVE) + (
    TradingState.HALTED,
) * 253


class GateByte:
    """One byte of shared memory that says what the tree may do; read before every order (about 0.1 µs).

    The guardian alone creates and sets it; everybody else opens it for reading.
    """

    __slots__ = ("_map", "_writable")

    def __init__(self, memory: mmap.mmap, *, writable: bool) -> None:
        self._map = memory
        self._writable = writable

    @classmethod
    def create(cls, path: Path) -> GateByte:
        """Make the file (0600) or take over the one that is there, and shut the gate. Raises: Fatal."""
        try:
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                # Kept, not replaced: whoever still maps it must see the gate shut. Written, not only
                # truncated: a hole on a full disk would be a SIGBUS later.
                os.pwrite(fd, b"\0", 0)
                return cls(mmap.mmap(fd, 1), writable=True)
            finally:
                os.close(fd)
        except OSError as error:
            raise Fatal(f"gate byte {path}: {error}") from error

    @classmethod
    def open(cls, path: Path) -> GateByte:
        """Map the guardian's byte for reading. Raises: Fatal: there is none."""
        try:
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                return cls(mmap.mmap(fd, 1, prot=mmap.PROT_READ), writable=False)
            finally:
                os.close(fd)
        except (OSError, ValueError) as error:
            raise Fatal(f"gate byte {path}: {error}") from error

    @property
    def state(self) -> TradingState:
        """The state now."""
        return _BY_CODE[self._map[0]]

    def set(self, state: TradingState) -> None:
        """Change the state for every process at once. Raises: Fatal: this one was opened for reading."""
        if not self._writable:
            raise Fatal("the gate byte was opened for reading: only the guardian sets it")
        self._map[0] = _BY_CODE.index(state)

    def close(self) -> None:
        """Unmap it."""
        self._map.close()
