"""The book compared with complete reads of the broker: at the start, at each connect, and periodically."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from kyzlo_actors.domain.broker import BrokerState
from kyzlo_actors.domain.broker_events import StateReadFailed, StreamDisconnected
from kyzlo_actors.domain.effects import PublishSequence, ReadState
from kyzlo_actors.domain.execution import entries, lookups, reports
from kyzlo_actors.domain.execution.draft import Draft
from kyzlo_actors.domain.execution.state import ZERO
from kyzlo_actors.domain.layered import Layered
from kyzlo_actors.domain.position import Position
from kyzlo_actors.domain.values import NS_PER_SECOND, Severity

STATE_RETRY_NS: Final = NS_PER_SECOND
OVERLAP_NS: Final = 300 * NS_PER_SECOND
# The broker's account, positions and orders may lag each other by seconds (wire spec 12, no. 9).
BROKER_LAG_NS: Final = 10 * NS_PER_SECOND
# Terminal orders older than this leave the book: no report of them can matter any more.
KEEP_NS: Final = 24 * 3600 * NS_PER_SECOND
PRUNE_EVERY_NS: Final = 3600 * NS_PER_SECOND
# A larger book (4 KB an order, all of it in every snapshot) keeps terminal orders only as long as reads and repeated
# frames may still name them; what were to come later shows as drift. At 200 orders a minute it holds about 2,000.
BOOK_ORDERS: Final = 200
KEEP_FULL_NS: Final = 600 * NS_PER_SECOND
PRUNE_FULL_EVERY_NS: Final = 60 * NS_PER_SECOND
CLOCK_SLACK_NS: Final = 60 * NS_PER_SECOND
RECONCILE_TIMER: Final = "reconcile"


def read_state(draft: Draft, reason: str) -> None:
    """Ask for a complete read: every live order, everything since the last read, positions, account."""
    window_ns = max(0, (draft.state.reconciled_ns or draft.now_ns) - OVERLAP_NS)
    draft.do(ReadState(reason=reason, window_start_ns=window_ns, client_order_ids=draft.state.open_orders))


def on_state(draft: Draft, read: BrokerState) -> None:
    """Apply a complete read: orders first (their fills move positions), then compare positions, then cash."""
    listed = {report.client_order_id: report for report in read.orders}
    for report in listed.values():
        reports.on_report(draft, report)
    for order_id in sorted(draft.state.live - set(listed)):
        order = draft.state.orders[order_id]
        is_old = order.status.may_be_at_broker and order.submitted_ns < read.read_started_ns
        if is_old and not lookups.is_going_on(draft, order):
            lookups.look_up(draft, order_id, draft.now_ns)
    first = not draft.state.reconciled_ns
    _compare_positions(draft, read, first=first)
    if first or _is_quiet(draft, read):
        draft.state = replace(draft.state, cash=read.account.cash)
    draft.state = replace(
        draft.state,
        last_equity=read.account.last_equity,
        buying_power=read.account.buying_power,
        # A read that began before the stream was up cannot know what happened in between.
        reconciled=draft.state.stream_up and read.read_started_ns >= draft.state.stream_since_ns,
        reconciled_ns=max(read.read_started_ns, draft.state.reconciled_ns),
        read_in_this_life=True,
        prices={p.symbol: p.current_price for p in read.positions if p.current_price is not None},
    )
    _prune(draft, read.read_started_ns)
    draft.schedule(RECONCILE_TIMER, draft.settings.reconcile_ns)
    if not read.account.may_trade:
        entries.block(draft, "ACCOUNT_BLOCKED", f"the broker says status {read.account.status}")
    elif draft.state.drift:
        _check_drift(draft)
    else:
        entries.allow(draft)


def on_read_failed(draft: Draft, event: StateReadFailed) -> None:
    """Nothing is proven any more, and soon tried again."""
    entries.block(draft, "RECONCILIATION", event.detail)
    draft.schedule(RECONCILE_TIMER, STATE_RETRY_NS)


def on_stream_connected(draft: Draft) -> None:
    """What happened while it was down only a read can tell."""
    draft.state = replace(draft.state, stream_up=True, stream_since_ns=draft.now_ns)
    read_state(draft, "stream connected")


def on_stream_disconnected(draft: Draft, event: StreamDisconnected) -> None:
    """Without the stream the book goes stale: no entries."""
    draft.state = replace(draft.state, stream_up=False, reconciled=False)
    entries.block(draft, "STREAM_DOWN", event.detail)


def _is_quiet(draft: Draft, read: BrokerState) -> bool:
    """Whether the broker's cash and our book speak of the same fills: else one fill's worth would be lost
    or counted twice, which looks like a day's loss."""
    settled_ns = draft.state.last_fill_ns + BROKER_LAG_NS
    return not draft.state.live and not draft.state.drift and settled_ns <= read.read_started_ns


def _prune(draft: Draft, read_started_ns: int) -> None:
    """Drop terminal orders of earlier days; where there are many, of earlier minutes."""
    is_full = len(draft.state.orders) > BOOK_ORDERS
    horizon_ns = read_started_ns - (KEEP_FULL_NS if is_full else KEEP_NS)
    if horizon_ns < draft.state.forgotten_ns + (PRUNE_FULL_EVERY_NS if is_full else PRUNE_EVERY_NS):
        return
    kept = {
        order_id: order
        for order_id, order in draft.state.orders.items()
        if order_id in draft.state.live or max(order.submitted_ns, order.deadline_ns) >= horizon_ns
    }
    # Their clock is not ours: what we sent just before the horizon may be just after it for them.
    forgotten_ns = horizon_ns + CLOCK_SLACK_NS
    draft.state = replace(draft.state, orders=Layered(kept), forgotten_ns=forgotten_ns)


def _compare_positions(draft: Draft, read: BrokerState, *, first: bool) -> None:
    theirs = {position.symbol: position for position in read.positions}
    symbols = sorted(set(theirs) | {s for s, p in draft.state.positions.items() if p.qty})
    drift: dict[str, int] = {}
    for symbol in symbols:
        held = draft.state.position(symbol)
        position = theirs.get(symbol)
        qty = position.qty if position is not None else ZERO
        if qty == held.qty:
            continue
        if first:
            cost = position.avg_entry_price if position is not None else ZERO
            _rebase(draft, symbol, replace(held, qty=qty, avg_cost=cost))
            text = f"{symbol}: took over the broker's position {qty} (ours was {held.qty})"
            draft.alert(Severity.WARNING, "POSITION_ADOPTED", text)
        elif not any(o.status.may_be_at_broker for o in draft.state.live_orders(symbol)):
            drift[symbol] = draft.state.drift.get(symbol, draft.now_ns)
    draft.state = replace(draft.state, drift=drift)


def _check_drift(draft: Draft) -> None:
    """Orders and positions of the broker may disagree for seconds: only drift that lasts blocks entries."""
    lasting = sorted(
        symbol
        for symbol, since in draft.state.drift.items()
        if draft.now_ns - since >= draft.settings.drift_ns
    )
    if lasting:
        text = f"positions differ from the broker's: {', '.join(lasting)}"
        draft.alert(Severity.CRITICAL, "DRIFT", text)
        entries.block(draft, "DRIFT", text)
    else:
        draft.schedule(RECONCILE_TIMER, draft.settings.drift_ns)
        entries.allow(draft)


def _rebase(draft: Draft, symbol: str, position: Position) -> None:
    sequence = draft.hold(symbol, position)
    # Whoever follows this symbol sees the jump in the sequence and asks for a snapshot.
    draft.do(PublishSequence(symbol=symbol, sequence=sequence))
