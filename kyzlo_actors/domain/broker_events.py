"""What reaches the execution core besides commands: how each request to the broker went, and what it tells us.

A request has exactly three endings: it was answered, it provably never left, or its fate is uncertain.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from kyzlo_actors.domain.broker import BrokerExecution, BrokerOrder, BrokerState


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitStarted:
    """Gate passed: the first byte is about to leave. Recorded before it does."""

    client_order_id: str
    now_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitRefused:
    """Our own gate refused before any byte left (halted, breaker open, rate budget, deadline, connection)."""

    client_order_id: str
    code: str
    detail: str
    now_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitAnswered:
    """The broker took the order (HTTP 200). It says nothing about fills."""

    client_order_id: str
    order: BrokerOrder
    now_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitRejected:
    """The broker refused the order with a definite answer (4xx). `duplicate`: it already has one by this id."""

    client_order_id: str
    http_status: int
    code: str
    message: str
    duplicate: bool
    now_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitUncertain:
    """Timeout, cut connection, 5xx or 429 after bytes left: the order may live. Never call it rejected."""

    client_order_id: str
    detail: str
    now_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelAnswered:
    """The cancel was taken (204): requested, not done."""

    client_order_id: str
    now_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelFailed:
    """The cancel was refused (422: evidence, read the order again), or its own fate is uncertain."""

    client_order_id: str
    http_status: int
    message: str
    now_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderLookedUp:
    """Answer to a lookup by id: the order, or None when the broker clearly said it has none (404)."""

    client_order_id: str
    order: BrokerOrder | None
    now_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LookUpFailed:
    """A lookup got no clear answer."""

    client_order_id: str
    detail: str
    now_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeUpdated:
    """One frame of the broker's order stream. `price` and `qty` belong to this execution only."""

    event: str
    order: BrokerOrder
    execution_id: str | None
    price: Decimal | None
    qty: Decimal | None
    ts_event: int
    now_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StateRead:
    """A complete read of orders, positions and account, asked for by `reason`."""

    state: BrokerState
    reason: str
    now_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StateReadFailed:
    """The read did not complete; nothing of it may be used."""

    reason: str
    detail: str
    now_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamConnected:
    """The order stream is connected, authenticated and listening. Nothing is replayed: reconcile."""

    now_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamDisconnected:
    """The order stream is gone; events may be lost from here on."""

    detail: str
    now_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionsRead:
    """Fills from the broker's ledger: the truth about prices."""

    executions: tuple[BrokerExecution, ...]
    now_ns: int


OrderReport = (
    SubmitRefused
    | SubmitAnswered
    | SubmitRejected
    | SubmitUncertain
    | CancelAnswered
    | CancelFailed
    | OrderLookedUp
    | LookUpFailed
    | TradeUpdated
)
"""What the broker's side tells about one order."""

BookReport = StateRead | StateReadFailed | StreamConnected | StreamDisconnected
"""What it tells about the whole account, and about how well we hear it."""

BROKER_EVENT_TYPES: tuple[type, ...] = (
    SubmitStarted,
    SubmitRefused,
    SubmitAnswered,
    SubmitRejected,
    SubmitUncertain,
    CancelAnswered,
    CancelFailed,
    OrderLookedUp,
    LookUpFailed,
    TradeUpdated,
    StateRead,
    StateReadFailed,
    StreamConnected,
    StreamDisconnected,
    ExecutionsRead,
)
