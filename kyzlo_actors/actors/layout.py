"""Names and places of one running instance: who the actors are, and where their files and sockets lie.

The guardian makes the directories and files; every process computes the same paths from the same few facts.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = "root"
KILL_SWITCH: Final = "kill_switch"
BROKER: Final = "broker"
PERSISTENCE: Final = "persistence"
MARKET_DATA: Final = "market_data"
RISK: Final = "risk"
GUARDIAN: Final = "guardian"
# What the names of symbol actors begin with.
SYMBOL: Final = "symbol-"


def symbol_actor(symbol: str) -> str:
    """Name of the actor of one symbol."""
    return f"{SYMBOL}{symbol}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """`state_directory` outlives the instance (journals, latch); `runtime_directory` does not (sockets, slots)."""

    state_directory: Path
    runtime_directory: Path
    symbols: tuple[str, ...]
    symbols_per_supervisor: int = 50

    # --- who -----------------------------------------------------------------------------------------------------

    @property
    def supervisors(self) -> tuple[str, ...]:
        """Names of the SymbolSupervisors, one for each `symbols_per_supervisor` symbols."""
        count = -(-len(self.symbols) // self.symbols_per_supervisor)
        return tuple(f"supervisor-{index}" for index in range(count))

    def supervised(self, supervisor: str) -> tuple[str, ...]:
        """The symbols that one supervisor looks after."""
        first = int(supervisor.removeprefix("supervisor-")) * self.symbols_per_supervisor
        return self.symbols[first : first + self.symbols_per_supervisor]

    @property
    def actors(self) -> tuple[str, ...]:
        """Every actor of the tree; also the order of the board's rows."""
        symbols = tuple(symbol_actor(symbol) for symbol in self.symbols)
        return (ROOT, KILL_SWITCH, BROKER, PERSISTENCE, MARKET_DATA, RISK, *self.supervisors, *symbols)

    # --- where ---------------------------------------------------------------------------------------------------

    @property
    def private_directory(self) -> Path:
        """0700: mailboxes, slots, board, gate."""
        return self.runtime_directory / "private"

    @property
    def admin_socket(self) -> Path:
        """The guardian's admin socket (0660)."""
        return self.runtime_directory / "admin.sock"

    @property
    def gate(self) -> Path:
        """The byte that RiskActor and BrokerActor read before every order."""
        return self.private_directory / "gate"

    @property
    def board(self) -> Path:
        """One row for each actor: pid, heartbeat, position …"""
        return self.private_directory / "board"

    @property
    def slots(self) -> Path:
        """Latest-tick slots and bar rings of all symbols."""
        return self.private_directory / "slots"

    def mailbox(self, actor: str) -> Path:
        """The event mailbox of an actor (or of the guardian)."""
        return self.private_directory / f"{actor}.sock"

    def wake(self, symbol: str) -> Path:
        """The wake-up socket of a symbol actor."""
        return self.private_directory / f"{symbol}.wake"

    def journal(self, actor: str) -> Path:
        """The journal directory of an actor."""
        return self.state_directory / "journal" / actor

    @property
    def snapshots(self) -> Path:
        """Directory of the cores' snapshots."""
        return self.state_directory / "snapshots"

    @property
    def archive(self) -> Path:
        """Where PersistenceActor's file archive lies."""
        return self.state_directory / "archive"

    @property
    def certificates(self) -> Path:
        """Where halt certificates are kept."""
        return self.state_directory / "certificates"

    @property
    def thespian_log(self) -> Path:
        """Thespian's own log (else it is world-readable in the temporary directory)."""
        return self.state_directory / "thespian.log"
