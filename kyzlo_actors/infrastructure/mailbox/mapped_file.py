"""A plain file mapped into the memory of several processes, with a header that says what it holds.

A plain file, not `multiprocessing.shared_memory`: on Python 3.11 a mere reader of that unlinks it at exit.
"""

from __future__ import annotations

import hashlib
import mmap
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from kyzlo_actors.domain.errors import Fatal

HEADER_BYTES: Final = 64
_MAGIC: Final = b"KYZLOMAP"


class MappedFile:
    """`memory` is the map; `words` and `floats` view it as 8-byte native ints and floats.

    One assignment to a word is one store of the processor, so another process sees the old or the new value,
    never a mixture. (`struct` with `<` would store byte by byte.) That stores become visible in their order
    is a promise of x86-64; on weakly ordered machines (ARM) only the interpreter's own work stands in for
    barriers.
    """

    __slots__ = ("floats", "memory", "reused", "words")

    def __init__(self, memory: mmap.mmap, *, reused: bool) -> None:
        self.memory = memory
        self.reused = reused
        view = memoryview(memory)
        self.words = view.cast("q")
        self.floats = view.cast("d")

    @classmethod
    def create(cls, path: Path, layout: str, names: Sequence[str], size: int) -> MappedFile:
        """Take over the file at `path` if it has the same layout and names, else put a new one (0600) there.

        The same file is kept so that processes that still map it see what follows. Raises: Fatal.
        """
        header = _header(layout, names)
        try:
            if _has_header(path, header, size):
                return cls._map(path, size, reused=True, writable=True)
            draft = path.with_name(f".{path.name}.{os.getpid()}.draft")
            fd = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            try:
                # Room is taken now: a hole on a full disk would be a SIGBUS in mid-write.
                os.posix_fallocate(fd, 0, size)
                os.pwrite(fd, header, 0)
            finally:
                os.close(fd)
            os.rename(draft, path)
            return cls._map(path, size, reused=False, writable=True)
        except OSError as error:
            raise Fatal(f"shared file {path}: {error}") from error

    @classmethod
    def open(cls, path: Path, layout: str, names: Sequence[str], size: int, *, writable: bool) -> MappedFile:
        """Map an existing file.

        Raises: Fatal: it is missing, or was made with another layout or other names.
        """
        try:
            if not _has_header(path, _header(layout, names), size):
                raise Fatal(f"shared file {path} is missing, or was made for other names or another layout")
            return cls._map(path, size, reused=True, writable=writable)
        except OSError as error:
            raise Fatal(f"shared file {path}: {error}") from error

    @classmethod
    def _map(cls, path: Path, size: int, *, reused: bool, writable: bool) -> MappedFile:
        fd = os.open(path, (os.O_RDWR if writable else os.O_RDONLY) | os.O_CLOEXEC)
        try:
            protection = mmap.PROT_READ | (mmap.PROT_WRITE if writable else 0)
            return cls(mmap.mmap(fd, size, prot=protection), reused=reused)
        finally:
            os.close(fd)

    def close(self) -> None:
        """Unmap it."""
        self.words.release()
        self.floats.release()
        self.memory.close()


def _header(layout: str, names: Sequence[str]) -> bytes:
    if len(set(names)) != len(names):
        raise Fatal(f"names of a shared file must differ: {list(names)}")
    digest = hashlib.blake2b("\n".join((layout, *names)).encode(), digest_size=32).digest()
    return (_MAGIC + digest).ljust(HEADER_BYTES, b"\0")


def _has_header(path: Path, header: bytes, size: int) -> bool:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        return os.fstat(fd).st_size == size and os.pread(fd, HEADER_BYTES, 0) == header
    finally:
        os.close(fd)
