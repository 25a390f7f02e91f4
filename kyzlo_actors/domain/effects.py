"""What a core wants done. A shell journals the whole list first, then carries it out in order."""

from __future__ import annotations

from dataclasses import dataclass

from kyzlo_actors.domain.messages import Message
from kyzlo_actors.domain.order import OrderTicket
from kyzlo_actors.domain.values import Severity


@dataclass(frozen=True, slots=True, kw_only=True)
class Send:
    """Post `message` to the mailbox of `to` (an actor name such as `risk`, `broker`, `symbol-AAPL`, `guardian`).

    Void after `deadline_ns` (0 = never). If it cannot leave, the core gets SendRefused.
    """

    to: str
    message: Message
    deadline_ns: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """Write `message` to the journal only: it goes nowhere, but it must be explainable."""

    message: Message


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """Give me TimerDue(name) at `due_ns`. A later Schedule of the same name replaces it."""

    name: str
    due_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """Tell a person. `code` is stable, `text` is one line."""

    severity: Severity
    code: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitOrder:
    """POST this ticket to the broker, if halt byte, breaker, rate budget and deadline still allow it.

    `reserved` orders (closes) may use the part of the rate budget that is kept for them.
    """

    ticket: OrderTicket
    deadline_ns: int
    reserved: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelAtBroker:
    """DELETE the order. Without `venue_order_id` it is looked up first."""

    client_order_id: str
    venue_order_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LookUpOrder:
    """GET the order by its client order id, not before `due_ns`.

    A later LookUpOrder of the same id replaces one that has not left yet: so there is one at a time to an order.
    """

    client_order_id: str
    due_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadState:
    """Read orders, positions and account: StateRead or StateReadFailed comes back with the same `reason`."""

    reason: str
    window_start_ns: int
    client_order_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishSequence:
    """Publish the symbol's newest fill sequence in shared memory, so that a missed message is noticed."""

    symbol: str
    sequence: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviveActor:
    """Have the supervisor of the symbol forget its crashes, and start its actor if it was given up."""

    symbol: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LatchHalt:
    """Create the halt latch. It is a file: it works with every actor stuck."""

    code: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EndTree:
    """End the actors in order; what is left after two seconds the guardian kills."""

    halt_id: str


Effect = (
    Send
    | Record
    | Schedule
    | Alert
    | SubmitOrder
    | CancelAtBroker
    | LookUpOrder
    | ReadState
    | PublishSequence
    | ReviveActor
    | LatchHalt
    | EndTree
)

EFFECT_TYPES: tuple[type, ...] = (
    Send,
    Record,
    Schedule,
    Alert,
    SubmitOrder,
    CancelAtBroker,
    LookUpOrder,
    ReadState,
    PublishSequence,
    ReviveActor,
    LatchHalt,
    EndTree,
)
