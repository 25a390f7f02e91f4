"""glibc's allocator, kept from holding on to what was used once: processes here live for weeks."""

from __future__ import annotations

import ctypes
from typing import Final

_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3
_M_ARENA_MAX: Final = -8
_LARGE_BYTES: Final = 256 * 1024
_ARENAS: Final = 2


def keep_memory_small() -> bool:
    """Give large blocks back when they are freed, and share two arenas among all threads; False without glibc.

    Left alone, glibc raises its own idea of "large" with every freed snapshot or reply and gives each thread an arena:
    a process then grows for hours though its objects do not. Forked children inherit it, so call it before the first.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    options = {_M_MMAP_THRESHOLD: _LARGE_BYTES, _M_TRIM_THRESHOLD: _LARGE_BYTES, _M_ARENA_MAX: _ARENAS}
    return [mallopt(option, value) for option, value in options.items()] == [1, 1, 1]
