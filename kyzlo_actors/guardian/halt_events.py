"""What the guardian's core hears, and what it wants done."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from kyzlo_actors.domain.broker import BrokerOrder, BrokerPosition
from kyzlo_actors.domain.effects import Alert
from kyzlo_actors.domain.messages import HaltAcknowledged, HaltFinished, HaltProgressed
from kyzlo_actors.domain.values import TradingState
from kyzlo_actors.guardian.certificate import CertificateFacts
from kyzlo_actors.guardian.moment import Moment
from kyzlo_actors.infrastructure.halt_latch import LatchRecord

# --- events ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class LatchSeen:
    """The latch file is there. Repeats are harmless."""

    at: Moment
    record: LatchRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeAnswered:
    """RootActor answered a ping."""

    at: Moment


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeDied:
    """Admin or RootActor is gone; `what` is one line."""

    at: Moment
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeEnded:
    """No actor lives any more."""

    at: Moment


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeKilled:
    """KillTree was carried out: name and pid of everything that was alive, and of what still is."""

    at: Moment
    killed: tuple[tuple[str, int], ...]
    left: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """KillSwitchActor reports."""

    at: Moment
    message: HaltAcknowledged | HaltProgressed | HaltFinished


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticked:
    """Time passes (at least 20 times a second). `broker_ready`: BrokerActor's row says it is reconciled."""

    at: Moment
    broker_ready: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerRead:
    """The answer to a READ over the guardian's own connection."""

    at: Moment
    call: int
    orders: tuple[BrokerOrder, ...]
    positions: tuple[BrokerPosition, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelsAsked:
    """The answer to CANCEL_ALL: venue order ids that were asked to be canceled. It proves nothing."""

    at: Moment
    call: int
    venue_order_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryRead:
    """The answer to HISTORY: every order since the window's start, with its status."""

    at: Moment
    call: int
    orders: tuple[BrokerOrder, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskFailed:
    """The broker gave no answer to a call."""

    at: Moment
    call: int
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StopRequested:
    """End in order (SIGTERM). A second one means: without waiting."""

    at: Moment


@dataclass(frozen=True, slots=True, kw_only=True)
class ResumeRequested:
    """A person at the command line wants to trade again; `by` names the uid."""

    at: Moment
    by: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsChecked:
    """New settings are to be taken, and were checked: `problem` says why they cannot be, "" that they can."""

    at: Moment
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class HaltRepeated:
    """Somebody asked to halt what is halted: a resume under way must not win over that."""

    at: Moment


@dataclass(frozen=True, slots=True, kw_only=True)
class LatchCleared:
    """ClearLatch was carried out."""

    at: Moment


@dataclass(frozen=True, slots=True, kw_only=True)
class LatchClearFailed:
    """ClearLatch could not be carried out."""

    at: Moment
    error: str


DeskEvent = BrokerRead | CancelsAsked | HistoryRead | DeskFailed
GuardianEvent = (
    LatchSeen
    | TreeAnswered
    | TreeDied
    | TreeEnded
    | TreeKilled
    | Told
    | Ticked
    | DeskEvent
    | StopRequested
    | ResumeRequested
    | SettingsChecked
    | HaltRepeated
    | LatchCleared
    | LatchClearFailed
)

# --- effects -----------------------------------------------------------------------------------------------------


class DeskRequest(StrEnum):
    """What is asked over the guardian's own broker connection."""

    READ = "read"  # open orders and positions -> BrokerRead
    CANCEL_ALL = "cancel_all"  # -> CancelsAsked
    HISTORY = "history"  # all orders since `window_start_ns` -> HistoryRead


@dataclass(frozen=True, slots=True, kw_only=True)
class SetGate:
    """Write the byte that is read before every order."""

    state: TradingState


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderHalt:
    """Post HaltOrdered to KillSwitchActor. It may be lost: the core repeats it."""

    halt_id: str
    by: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KillTree:
    """SIGKILL everything by pid -> TreeKilled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallDesk:
    """One call over the own broker connection; the answer carries the same number."""

    call: int
    request: DeskRequest
    window_start_ns: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ReopenDesk:
    """The last call never came back: leave that connection to itself and open another."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteCertificate:
    """Make it durable. A later one of the same halt replaces what the earlier one said."""

    facts: CertificateFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class ClearLatch:
    """Open the latch, for a resume -> LatchCleared or LatchClearFailed."""

    by: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerResume:
    """Tell whoever asked to resume what came of it."""

    accepted: bool
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reexec:
    """Become a new process of the same command line, which starts the tree and carries on this resume."""

    by: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerRenewal:
    """Tell whoever asked for the new settings what came of it."""

    accepted: bool
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StartAnew:
    """Become a new process of the same command line: it reads the new settings and recovers as after a crash."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exit:
    """End the guardian."""

    code: int


GuardianEffect = (
    SetGate
    | OrderHalt
    | KillTree
    | CallDesk
    | ReopenDesk
    | WriteCertificate
    | ClearLatch
    | AnswerResume
    | Reexec
    | AnswerRenewal
    | StartAnew
    | Exit
    | Alert
)
