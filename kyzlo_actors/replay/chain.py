"""Reads journals back and rebuilds each order's chain: trigger → signal → proposal → verdict → order → its end.

Pure: it gets decoded journal bodies and follows nothing but the ids in them. Bound: memory grows with the orders
and triggers of the journals that are given, so give it a session, not a year.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from kyzlo_actors.domain.identity import event_id
from kyzlo_actors.domain.order import OrderStatus

Body = Mapping[str, Any]
"""One journal entry as plain data: `{"input": {...}}`, `{"decision": [{...}, ...]}` or `{"skipped": sequence}`."""

TRIGGER: Final = "trigger"
SIGNAL: Final = "signal"
PROPOSAL: Final = "proposal"
VERDICT: Final = "verdict"
STATUS: Final = "status"
FILL: Final = "fill"
DENIAL: Final = "denial"
# What must have caused an event of each kind, in the words of a report.
_CAUSE_OF: Final = {
    SIGNAL: "the tick or bar",
    PROPOSAL: "the signal",
    VERDICT: "the proposal",
    DENIAL: "the proposal or signal",
    STATUS: "the verdict or an earlier status",
    FILL: "the verdict or an earlier status",
}
_MAX_STEPS: Final = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainReport:
    """`orders` went to the broker or were meant to; `complete` of them have every link from trigger to end.

    `denied` were refused by us and never became orders. `unheard` proposals or approvals were written down, but their
    sender or their reader ended before they were read. `missing` names each missing link in one line.
    """

    orders: int
    complete: int
    denied: int
    missing: tuple[str, ...]
    unheard: int = 0


def read_chains(journals: Mapping[str, Iterable[Body]]) -> ChainReport:
    """The chains in `journals`, which maps each writer (`risk`, `broker`, `symbol-AAPL` …) to its entries in order."""
    facts = _Facts()
    for writer, bodies in journals.items():
        for body in bodies:
            if "input" in body:
                facts.take_input(writer, body["input"])
            for effect in body.get("decision", ()):
                facts.take_effect(effect)
    return facts.report()


@dataclass(slots=True)
class _Event:
    kind: str
    causation_id: str


@dataclass(slots=True)
class _Trail:
    """What the journals say about one client order id."""

    proposal_id: str = ""
    is_proposal_heard: bool = False
    approval_id: str = ""
    is_approval_heard: bool = False
    is_ordered: bool = False
    is_started: bool = False
    denial_id: str = ""
    last_id: str = ""
    is_over: bool = False
    filled_qty: Decimal = Decimal(0)
    cum_qty: Decimal = Decimal(0)
    seen: set[str] = field(default_factory=set)

    @property
    def was_at_broker(self) -> bool:
        return self.is_over or bool(self.filled_qty)


class _Facts:
    """Everything that was written down, by id."""

    def __init__(self) -> None:
        self._events: dict[str, _Event] = {}
        self._trails: dict[str, _Trail] = {}

    def take_input(self, writer: str, given: Body) -> None:
        match given:
            case {"type": "TickRead", "tick": tick}:
                key = f"T:{tick['exchange']}:{tick['trf']}:{tick['trade_id']}"
                self._trigger(tick["symbol"], tick["ts_event"], key)
            case {"type": "BarClosed", "bar": bar}:
                key = f"B:{bar['interval_ns']}:{bar['start_ns']}"
                self._trigger(bar["symbol"], bar["start_ns"] + bar["interval_ns"], key)
            case {"type": "TimerDue", "name": name, "due_ns": due_ns} if writer.startswith("symbol-"):
                self._trigger(writer.removeprefix("symbol-"), due_ns, f"N:{name}:{due_ns}")
            case {"type": "Received", "message": {"type": "ProposeOrder", "ticket": ticket}}:
                self._trail(ticket["client_order_id"]).is_proposal_heard = True
            case {"type": "Received", "message": {"type": "ApprovedOrder", "ticket": ticket}}:
                self._trail(ticket["client_order_id"]).is_approval_heard = True
            case {"type": "SubmitStarted", "client_order_id": order_id}:
                self._trail(order_id).is_started = True

    def take_effect(self, effect: Body) -> None:
        match effect:
            case {"type": "SubmitOrder", "ticket": ticket}:
                self._trail(ticket["client_order_id"]).is_ordered = True
            case {"type": "Record" | "Send", "message": message}:
                self._take_message(message)

    def _take_message(self, message: Body) -> None:
        match message:
            case {"type": "SignalRaised", "stamp": stamp}:
                self._event(SIGNAL, stamp)
            case {"type": "ProposeOrder", "stamp": stamp, "ticket": ticket}:
                self._trail(ticket["client_order_id"]).proposal_id = self._event(PROPOSAL, stamp)
            case {"type": "ApprovedOrder", "stamp": stamp, "ticket": ticket}:
                self._trail(ticket["client_order_id"]).approval_id = self._event(VERDICT, stamp)
            case {"type": "OrderDenied", "stamp": stamp, "client_order_id": order_id}:
                self._trail(order_id).denial_id = self._event(DENIAL, stamp)
            case {
                "type": "OrderStatusChanged",
                "stamp": stamp,
                "client_order_id": order_id,
                "status": status,
            }:
                trail = self._trail(order_id)
                trail.last_id = self._event(STATUS, stamp)
                trail.is_over = OrderStatus(status).is_terminal
            case {"type": "OrderFilled", "stamp": stamp, "client_order_id": order_id}:
                self._take_fill(self._trail(order_id), self._event(FILL, stamp), message)

    def _take_fill(self, trail: _Trail, fill_id: str, fill: Body) -> None:
        if fill_id in trail.seen:
            return  # the same fill is told to its symbol and to the gate
        trail.seen.add(fill_id)
        trail.last_id = fill_id
        trail.filled_qty += Decimal(fill["qty"])
        trail.cum_qty = max(trail.cum_qty, Decimal(fill["cum_qty"]))
        trail.is_over = OrderStatus(fill["status"]).is_terminal

    def report(self) -> ChainReport:
        """What it all adds up to."""
        orders = complete = denied = unheard = 0
        missing: list[str] = []
        for order_id, trail in self._trails.items():
            if _is_unheard(trail):
                unheard += 1
                continue
            if trail.denial_id and not trail.was_at_broker:
                denied += 1
                problems = self._walk(trail.denial_id)
            else:
                orders += 1
                problems = self._problems(trail)
                complete += not problems
            missing += [f"{order_id}: {problem}" for problem in problems]
        return ChainReport(
            orders=orders, complete=complete, denied=denied, missing=tuple(missing), unheard=unheard
        )

    def _problems(self, trail: _Trail) -> list[str]:
        """The missing links of an order, from the beginning of its chain to its end."""
        problems = self._walk(trail.last_id or trail.approval_id or trail.proposal_id)
        if not trail.proposal_id and "the proposal is missing" not in problems:
            problems.append("the proposal is missing")
        if not trail.is_proposal_heard:
            problems.append("the proposal never reached the risk gate")
        if not trail.approval_id and "the verdict or an earlier status is missing" not in problems:
            problems.append("the verdict is missing")
        if trail.approval_id and not trail.is_approval_heard:
            problems.append("the verdict never reached the broker actor")
        if not trail.is_ordered:
            problems.append("the order to submit is missing")
        if not trail.is_started:
            problems.append("the start of the submission is missing")
        if trail.filled_qty != trail.cum_qty:
            problems.append(f"fills of {trail.cum_qty - trail.filled_qty} shares are missing")
        if not trail.is_over:
            problems.append("its end (fill, cancel or rejection) is missing")
        return problems

    def _walk(self, last_id: str) -> list[str]:
        """Follow the causes from an event up to its trigger."""
        event = self._events.get(last_id)
        for _ in range(_MAX_STEPS):
            if event is None:
                return []
            if event.kind == TRIGGER:
                return []
            cause = self._events.get(event.causation_id)
            if cause is None:
                return [f"{_CAUSE_OF[event.kind]} is missing"]
            event = cause
        return [f"its causes do not end within {_MAX_STEPS} steps"]

    def _trigger(self, symbol: str, ts_event: int, natural_key: str) -> None:
        trigger_id = event_id("trigger", symbol, ts_event, natural_key)
        self._events[trigger_id] = _Event(TRIGGER, "")

    def _event(self, kind: str, stamp: Body) -> str:
        own_id: str = stamp["event_id"]
        self._events.setdefault(own_id, _Event(kind, stamp["causation_id"]))
        return own_id

    def _trail(self, order_id: str) -> _Trail:
        return self._trails.setdefault(order_id, _Trail())


def _is_unheard(trail: _Trail) -> bool:
    """Written down before it was sent, and then its sender or its reader ended: it never became an order."""
    if trail.denial_id or trail.last_id or trail.is_ordered or trail.is_started or trail.is_approval_heard:
        return False
    return bool(trail.approval_id) or not trail.is_proposal_heard
