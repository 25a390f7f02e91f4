"""What `kyzlo` says to the shell when it ends."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """The same for every command."""

    OK = 0
    FAILED = 1
    BAD_INPUT = 2
    HALTED = 3
