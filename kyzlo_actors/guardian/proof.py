"""Proving over the guardian's own broker connection that nothing is open: cancel, read, and read again. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Final, assert_never

from kyzlo_actors.domain.broker import BrokerOrder, BrokerPosition
from kyzlo_actors.domain.values import NS_PER_MILLISECOND, NS_PER_SECOND
from kyzlo_actors.guardian.halt_events import (
    BrokerRead,
    CallDesk,
    CancelsAsked,
    DeskEvent,
    DeskFailed,
    DeskRequest,
    GuardianEffect,
    HistoryRead,
    ReopenDesk,
)
from kyzlo_actors.guardian.moment import Moment

# A broker call ends by its own time limits long before this; after it the connection is given up.
CALL_NS: Final = 30 * NS_PER_SECOND
# Orders that only BrokerActor knew of are looked for this far back.
_HISTORY_NS: Final = 3_600 * NS_PER_SECOND
_UNSETTLED: Final = "all reads are clean, but an order sent at the last moment may still turn up"


@dataclass(frozen=True, slots=True, kw_only=True)
class HaltSettings:
    """`clean_reads` in a row, `clean_read_interval_ns` apart, prove a halt.

    `settle_ns`: what left at the last moment shows at the broker within this time; where something may have left, the
    last of the reads is no earlier than that.
    `graceful_ns`: for the tree to cancel by itself; `end_ns`: for it to end in order; `kill_ns`: for the kill to
    report. After `prove_ns` the certificate says `proven: false` and the reads go on every `slow_ns`, for ever.
    `start_ns`: for the tree's first answer; `silence_ns`: without an answer it counts as dead.
    """

    graceful_ns: int = 11 * NS_PER_SECOND
    clean_reads: int = 3
    clean_read_interval_ns: int = 500 * NS_PER_MILLISECOND
    end_ns: int = 2 * NS_PER_SECOND
    kill_ns: int = 5 * NS_PER_SECOND
    prove_ns: int = 15 * NS_PER_SECOND
    slow_ns: int = 3 * NS_PER_SECOND
    start_ns: int = 60 * NS_PER_SECOND
    silence_ns: int = 5 * NS_PER_SECOND
    settle_ns: int = 5 * NS_PER_SECOND


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubt:
    """What may still turn up at the broker after a clean read: a request on its way is in no list of open orders.

    `sealed`: BrokerActor said which orders there were, and `unended` are those whose end it did not report.
    `last_post_ns` (monotonic): no request left later.
    """

    sealed: bool
    unended: frozenset[str]
    last_post_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """How far the proof is.

    While `since` is None the tree is still canceling by itself: one read (`looked`), to know what was open. `call`
    is the number of the last desk call, `waiting` whether its answer is still to come. `seen` holds every order met,
    as it was last described; `met_open` the venue ids of those that a read showed open; `asked` those whose cancel the
    guardian asked for. `last_clean_ns` is when the newest clean read was begun (monotonic), `history` whether the ends
    were looked up.
    """

    since: Moment | None = None
    call: int = 0
    looked: bool = False
    waiting: bool = False
    called_ns: int = 0
    due_ns: int = 0
    next_request: DeskRequest = DeskRequest.READ
    clean_reads_ns: tuple[int, ...] = ()
    last_clean_ns: int = 0
    proven: bool = False
    seen: dict[str, BrokerOrder] = field(default_factory=dict)
    met_open: frozenset[str] = frozenset()
    still_open: tuple[str, ...] = ()
    asked: frozenset[str] = frozenset()
    history: bool = False
    positions: tuple[BrokerPosition, ...] = ()
    trouble: str = ""


def prove_from(proof: Proof, at: Moment) -> Proof:
    """The tree is gone (or never was): from now on cancel and count."""
    return replace(proof, since=at, due_ns=at.monotonic_ns)


def proof_tick(
    proof: Proof, at: Moment, *, slow: bool, settings: HaltSettings
) -> tuple[Proof, list[GuardianEffect]]:
    """Make the next call when its time has come; give up a call that does not come back."""
    if proof.proven:
        return proof, []
    now_ns = at.monotonic_ns
    effects: list[GuardianEffect] = []
    if proof.waiting:
        if now_ns - proof.called_ns < CALL_NS:
            return proof, []
        effects.append(ReopenDesk())
        trouble = f"the broker did not answer {proof.next_request} within {CALL_NS // NS_PER_SECOND} s"
        proof = replace(
            proof, waiting=False, clean_reads_ns=(), next_request=DeskRequest.READ, trouble=trouble
        )
    has_looked = proof.since is None and proof.looked
    if has_looked or now_ns < proof.due_ns:
        return proof, effects
    call = proof.call + 1
    effects.append(
        CallDesk(call=call, request=proof.next_request, window_start_ns=_window_start_ns(proof, at))
    )
    pause_ns = settings.slow_ns if slow else settings.clean_read_interval_ns
    due_ns = now_ns + pause_ns
    return replace(proof, call=call, looked=True, waiting=True, called_ns=now_ns, due_ns=due_ns), effects


def proof_answer(
    proof: Proof, event: DeskEvent, *, wanted_history: bool, doubt: Doubt, settings: HaltSettings
) -> Proof:
    """Take the answer to the last call (an answer to an earlier one, given up since, changes nothing).

    `wanted_history`: BrokerActor named orders, so that their ends must be looked up even when none was ever seen.
    `doubt`: while it is not settled, clean reads go on and prove nothing.
    """
    if not proof.waiting or event.call != proof.call:
        return proof
    proof = replace(proof, waiting=False)
    match event:
        case BrokerRead():
            return _after_read(proof, event, wanted_history, doubt, settings)
        case CancelsAsked():
            asked = proof.asked | set(event.venue_order_ids)
            return replace(proof, asked=asked, next_request=DeskRequest.READ)
        case HistoryRead():
            return _after_history(proof, event, doubt, settings)
        case DeskFailed() if proof.next_request is DeskRequest.HISTORY:
            # The clean reads are the proof; the ends of single orders only illustrate it.
            trouble = f"final states unknown: {event.error}"
            return _concluded(replace(proof, history=True), doubt, settings, trouble)
        case DeskFailed():
            # "In a row" means without a gap in what we know.
            return replace(proof, clean_reads_ns=(), next_request=DeskRequest.READ, trouble=event.error)
        case _:
            assert_never(event)


def _after_read(
    proof: Proof, event: BrokerRead, wanted_history: bool, doubt: Doubt, settings: HaltSettings
) -> Proof:
    proof = replace(
        proof,
        seen=proof.seen | {order.venue_order_id: order for order in event.orders},
        met_open=proof.met_open | {order.venue_order_id for order in event.orders},
        still_open=tuple(order.venue_order_id for order in event.orders),
        positions=event.positions,
    )
    if proof.since is None:
        return proof
    if event.orders:
        return replace(proof, clean_reads_ns=(), next_request=DeskRequest.CANCEL_ALL, due_ns=0)
    clean = (*proof.clean_reads_ns, event.at.wall_ns)[-settings.clean_reads :]
    # Begun, not answered: the broker may have looked at any time between.
    proof = replace(proof, clean_reads_ns=clean, last_clean_ns=proof.called_ns, next_request=DeskRequest.READ)
    if len(clean) < settings.clean_reads:
        return proof
    # The history may settle the doubt about named orders before the time does: once it is asked early.
    asks_early = doubt.sealed and not proof.history
    if (proof.seen or wanted_history) and (asks_early or _is_settled(proof, doubt, settings)):
        return replace(proof, next_request=DeskRequest.HISTORY, due_ns=0)
    return _concluded(proof, doubt, settings)


def _after_history(proof: Proof, event: HistoryRead, doubt: Doubt, settings: HaltSettings) -> Proof:
    seen = proof.seen | {order.venue_order_id: order for order in event.orders}
    alive = tuple(order.venue_order_id for order in event.orders if _may_live(order))
    if alive:
        # It came to light after the last clean read: begin again.
        return replace(
            proof,
            seen=seen,
            met_open=proof.met_open | set(alive),
            still_open=alive,
            clean_reads_ns=(),
            next_request=DeskRequest.CANCEL_ALL,
            due_ns=0,
        )
    return _concluded(replace(proof, seen=seen, history=True), doubt, settings)


def _concluded(proof: Proof, doubt: Doubt, settings: HaltSettings, trouble: str = "") -> Proof:
    """Everything asked was clean: it is proven, unless something may still turn up; then it is read on."""
    proven = _is_settled(proof, doubt, settings)
    return replace(
        proof, next_request=DeskRequest.READ, proven=proven, trouble=trouble if proven else _UNSETTLED
    )


def _is_settled(proof: Proof, doubt: Doubt, settings: HaltSettings) -> bool:
    ended = {order.client_order_id for order in proof.seen.values() if not _may_live(order)}
    if doubt.sealed and doubt.unended <= ended:
        return True
    return proof.last_clean_ns >= doubt.last_post_ns + settings.settle_ns


def _may_live(order: BrokerOrder) -> bool:
    return order.status is None or not order.status.is_terminal


def _window_start_ns(proof: Proof, at: Moment) -> int:
    known = [order.submitted_ns for order in proof.seen.values() if order.submitted_ns > 0]
    return min([at.wall_ns - _HISTORY_NS, *known])
