"""What a person tells the risk gate about one symbol, and what the gate answers once it has taken it."""

from __future__ import annotations

from dataclasses import dataclass

from kyzlo_actors.domain.stamp import Stamp


def one_line(words: str) -> str:
    """Somebody's words as one line that does nothing to a terminal: no breaks, no control characters."""
    return " ".join("".join(each if each.isprintable() else " " for each in words).split())


@dataclass(frozen=True, slots=True, kw_only=True)
class PauseSymbol:
    """Deny entries of `symbol` until it is released; exits go on. `by` is who asked, as the kernel knows it.

    The event id names the command: it may come twice, and does the same then.
    """

    stamp: Stamp
    symbol: str
    by: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseSymbol:
    """Lift the pause of `symbol`, and its quarantine: its crashes are forgotten, and its actor is started again."""

    stamp: Stamp
    symbol: str
    by: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SymbolRestricted:
    """The gate has taken the command that caused this; how it treats the symbol from now on."""

    stamp: Stamp
    symbol: str
    paused: bool
    quarantined: bool
