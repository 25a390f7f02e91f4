"""Symbols that crashed too often: denied, their orders canceled until the last is proven over."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from kyzlo_actors.domain.identity import event_id
from kyzlo_actors.domain.messages import CancelSymbolOrders, QuarantineReleased, SymbolQuarantined
from kyzlo_actors.domain.risk.draft import Draft
from kyzlo_actors.domain.stamp import Stamp
from kyzlo_actors.domain.values import NS_PER_SECOND, Severity

QUARANTINE_TIMER: Final = "quarantine:"
QUARANTINE_RETRY_NS: Final = 5 * NS_PER_SECOND


def on_quarantined(draft: Draft, gone: SymbolQuarantined) -> None:
    """Its supervisor gave it up: nobody else looks after its orders any more."""
    stamp = gone.stamp.caused(event_id("cancel_symbol", gone.stamp.event_id), ts_event=draft.now_ns)
    reason = f"quarantined after {gone.restarts} restarts"
    draft.send("broker", CancelSymbolOrders(stamp=stamp, symbol=gone.symbol, reason=reason))
    _watch(draft, gone.symbol)
    draft.send("kill_switch", gone)
    qty = draft.state.book.qty(gone.symbol)
    text = f"{gone.symbol} is quarantined after {gone.restarts} restarts; position {qty}"
    draft.alert(Severity.CRITICAL, "QUARANTINED", text)
    draft.state = replace(draft.state, quarantined=draft.state.quarantined | {gone.symbol})


def on_released(draft: Draft, released: QuarantineReleased) -> None:
    """They are judged like any other symbol again."""
    symbols = frozenset(released.symbols) & draft.state.quarantined
    if not symbols:
        return
    text = f"{', '.join(sorted(symbols))}: quarantine released ({released.reason})"
    draft.alert(Severity.INFO, "QUARANTINE_RELEASED", text)
    draft.state = replace(draft.state, quarantined=draft.state.quarantined - symbols)


def on_started(draft: Draft) -> None:
    """The timers of an earlier life died with it."""
    for symbol in sorted(draft.state.quarantined):
        _watch(draft, symbol)


def on_timer(draft: Draft, symbol: str) -> None:
    """Cancel again as long as an order of it may work."""
    state = draft.state
    if symbol not in state.quarantined or (state.synced and not state.book.open_orders(symbol)):
        return
    own_id = event_id("cancel_symbol", state.incarnation, symbol, draft.now_ns)
    stamp = Stamp.first(own_id, draft.now_ns)
    cancel = CancelSymbolOrders(stamp=stamp, symbol=symbol, reason="quarantined, and still at work")
    draft.send("broker", cancel)
    _watch(draft, symbol)


def _watch(draft: Draft, symbol: str) -> None:
    draft.schedule(QUARANTINE_TIMER + symbol, QUARANTINE_RETRY_NS)
