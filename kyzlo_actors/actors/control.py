"""Control-plane messages, sent by Thespian: few, small, without secrets."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class StartActor:
    """First message of every actor: its name and the count of its lives. Everything else is in the registry."""

    name: str
    incarnation: int
    restarts: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class StartTree:
    """The guardian to RootActor; RootActor ends everything when `guardian_pid` dies."""

    guardian_pid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Ping:
    """The guardian to RootActor: is the tree's top answering?"""

    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Pong:
    """The answer, with the ping's number."""

    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviveSymbol:
    """RiskActor to a SymbolSupervisor: forget the crashes of this symbol, and start its actor if it was given up."""

    symbol: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EndActors:
    """KillSwitchActor to RootActor: end the tree in order."""

    halt_id: str
