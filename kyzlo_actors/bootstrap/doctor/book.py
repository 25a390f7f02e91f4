"""Our book beside the broker's: open orders and positions that only one of them knows."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from kyzlo_actors.bootstrap.doctor.finding import Finding, Verdict, counted, fail, ok, warn
from kyzlo_actors.domain.broker import BrokerOrder, BrokerPosition
from kyzlo_actors.domain.execution_core import ExecutionState
from kyzlo_actors.domain.identity import is_ours

BOOK: Final = "reconciliation"
_NAMED: Final = 5


def book_findings(
    book: ExecutionState | None,
    orders: Sequence[BrokerOrder],
    positions: Sequence[BrokerPosition],
    *,
    is_running: bool,
) -> list[Finding]:
    """`book` None: nothing was ever traded here. A running service may be ahead of what we just read."""
    state = book or ExecutionState()
    found = [
        *_only_ours(state, orders),
        *_only_theirs(state, orders),
        *_positions(state, positions, has_book=book is not None and book.reconciled_ns > 0),
    ]
    if is_running:
        found = [_softened(finding) for finding in found]
    if found:
        return found
    counts = f"{counted(len(orders), 'open order')} and {counted(len(positions), 'position')}"
    return [ok(BOOK, f"{counts}, in the book as at the broker")]


def _only_ours(state: ExecutionState, orders: Sequence[BrokerOrder]) -> list[Finding]:
    theirs = {order.client_order_id for order in orders}
    lost = [o.ticket.client_order_id for o in state.live_orders() if o.ticket.client_order_id not in theirs]
    if not lost:
        return []
    text = f"{counted(len(lost), 'order')} open in the book and not at the broker: {_named(lost)}"
    return [warn(BOOK, text, "nothing: the service looks each up and books its end")]


def _only_theirs(state: ExecutionState, orders: Sequence[BrokerOrder]) -> list[Finding]:
    found = []
    unknown = [order for order in orders if order.client_order_id not in state.live]
    ours = [order.client_order_id for order in unknown if is_ours(order.client_order_id)]
    foreign = [f"{o.symbol} {o.client_order_id}" for o in unknown if not is_ours(o.client_order_id)]
    if ours:
        text = f"{counted(len(ours), 'order')} of ours open at the broker and not in the book: {_named(ours)}"
        found.append(warn(BOOK, text, "is this the right state directory? Else the service takes them over"))
    if foreign:
        text = f"{counted(len(foreign), 'foreign order')} open: {_named(foreign)}"
        found.append(warn(BOOK, text, "cancel them at the broker; a halt or a stop cancels them too"))
    return found


def _positions(
    state: ExecutionState, positions: Sequence[BrokerPosition], *, has_book: bool
) -> list[Finding]:
    theirs = {position.symbol: position.qty for position in positions}
    symbols = sorted(set(theirs) | {symbol for symbol, held in state.positions.items() if held.qty})
    found = []
    for symbol in symbols:
        held, qty = state.position(symbol).qty, theirs.get(symbol, Decimal(0))
        if held == qty:
            continue
        text = f"{symbol}: the broker holds {qty:f}, the book {held:f}"
        if not has_book:
            found.append(warn(BOOK, text, "the first start takes it over; close it first if it is not meant"))
        elif any(order.status.may_be_at_broker for order in state.live_orders(symbol)):
            found.append(warn(BOOK, text, "nothing yet: an open order may explain it, the service will tell"))
        else:
            cure = "entries stay blocked until they agree: undo the foreign trade at the broker"
            found.append(fail(BOOK, text, cure))
    return found


def _softened(finding: Finding) -> Finding:
    if finding.verdict is not Verdict.FAIL:
        return finding
    return warn(finding.check, finding.finding, "the service runs: look again in a moment, and at its log")


def _named(names: Sequence[str]) -> str:
    return ", ".join(names[:_NAMED]) + (" …" if len(names) > _NAMED else "")
