"""The day's profit and loss, measured at the newest prices and reported to the kill switch."""

from __future__ import annotations

from dataclasses import replace
from math import isfinite
from typing import Final

from kyzlo_actors.domain.identity import event_id
from kyzlo_actors.domain.messages import DailyLossMeasured, MarksObserved
from kyzlo_actors.domain.risk.draft import Draft
from kyzlo_actors.domain.stamp import Stamp
from kyzlo_actors.domain.values import NS_PER_SECOND, Severity

LOSS_REPORT_NS: Final = NS_PER_SECOND


def on_marks(draft: Draft, event: MarksObserved) -> None:
    """Take the prices; report the loss once a second, and at once as long as the limit is reached."""
    _take_prices(draft, event)
    state = draft.state
    if not state.synced or state.book.unpriced(draft.limits.max_position):
        # A guessed loss could halt everything: it is not measured before each position has a price.
        return
    pnl, limit = state.daily_pnl, draft.limits.daily_loss
    breached = pnl <= -limit
    if not breached and draft.now_ns - state.loss_reported_ns < LOSS_REPORT_NS:
        return
    if breached and not state.loss_breached:
        draft.alert(Severity.CRITICAL, "DAILY_LOSS", f"daily loss {pnl} has reached the limit {limit}")
    trigger = Stamp.first(event_id("marks", state.incarnation, draft.now_ns), draft.now_ns)
    measured = DailyLossMeasured(
        stamp=trigger.caused(event_id("daily_loss", trigger.event_id), ts_event=draft.now_ns),
        pnl=pnl,
        limit=limit,
        equity=state.book.equity(),
        breached=breached,
    )
    draft.send("kill_switch", measured)
    draft.state = replace(state, loss_reported_ns=draft.now_ns, loss_breached=breached)


def _take_prices(draft: Draft, event: MarksObserved) -> None:
    # One odd price must not poison equity, and with it the gate, for good.
    sound = {mark.symbol: mark for mark in event.marks if isfinite(mark.price) and mark.price > 0}
    book = draft.state.book
    draft.state = replace(draft.state, book=replace(book, marks={**book.marks, **sound}))
