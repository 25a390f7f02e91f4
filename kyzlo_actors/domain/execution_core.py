"""The execution core: the order book of record. Every order's fate here is what the broker has proven, or UNKNOWN.

It numbers and books each fill once, by the delta of the order's cumulative quantity, whoever tells it first:
the order stream, a reply, a lookup or a reconciliation. This file says which event goes where; what happens then
stands in `execution/`, a noun a file.
"""

from __future__ import annotations

from typing import assert_never

from kyzlo_actors.domain.broker_events import (
    BookReport,
    CancelAnswered,
    CancelFailed,
    LookUpFailed,
    OrderLookedUp,
    OrderReport,
    StateRead,
    StateReadFailed,
    StreamConnected,
    StreamDisconnected,
    SubmitAnswered,
    SubmitRefused,
    SubmitRejected,
    SubmitStarted,
    SubmitUncertain,
    TradeUpdated,
)
from kyzlo_actors.domain.effects import Effect
from kyzlo_actors.domain.execution import (
    answers,
    cancels,
    halt,
    lookups,
    reconciliation,
    reports,
    start,
    submission,
)
from kyzlo_actors.domain.execution.draft import Draft
from kyzlo_actors.domain.execution.state import ExecutionSettings, ExecutionState
from kyzlo_actors.domain.messages import (
    ApprovedOrder,
    CalendarRead,
    CancelAllOrders,
    CancelOrder,
    CancelSymbolOrders,
    Message,
    Received,
    RequestBookSnapshot,
    RequestCalendar,
    RequestSnapshot,
    SendRefused,
    Started,
    TimerDue,
)

__all__ = ["ExecutionCore", "ExecutionEvent", "ExecutionSettings", "ExecutionState"]

ExecutionEvent = Started | Received | TimerDue | SendRefused | SubmitStarted | OrderReport | BookReport


class ExecutionCore:
    """Pure: time comes in the event, nothing leaves but effects. State is assigned last."""

    def __init__(self, settings: ExecutionSettings, state: ExecutionState | None = None) -> None:
        self.settings = settings
        self.state = state or ExecutionState()

    def handle(self, event: ExecutionEvent) -> list[Effect]:
        """Take one event; what must be done about it, in order."""
        draft = Draft(self.settings, self.state, event.now_ns)
        _take(draft, event)
        halt.report_change(draft, before=self.state)
        self.state = draft.state
        return draft.effects


def _take(draft: Draft, event: ExecutionEvent) -> None:
    match event:
        case Received():
            _on_message(draft, event.message)
        case StateRead() | StateReadFailed() | StreamConnected() | StreamDisconnected():
            _on_book_report(draft, event)
        case TimerDue():
            _on_timer(draft, event.name)
        case SubmitStarted():
            submission.on_submit_started(draft, event)
        case SendRefused():
            pass  # whoever missed a message sees it by the published sequence and asks for a snapshot
        case Started():
            start.on_started(draft, event)
        case _:
            _on_order_report(draft, event)


def _on_order_report(draft: Draft, event: OrderReport) -> None:
    match event:
        case TradeUpdated():
            reports.on_report(draft, event.order, execution=event)
        case SubmitAnswered():
            reports.apply(draft, event.client_order_id, event.order)
        case SubmitRefused():
            submission.on_submit_refused(draft, event)
        case SubmitRejected():
            submission.on_submit_rejected(draft, event)
        case SubmitUncertain():
            lookups.doubt(draft, event.client_order_id, event.detail)
        case CancelAnswered():
            cancels.on_answered(draft, event.client_order_id)
        case CancelFailed():
            cancels.on_failed(draft, event.client_order_id)
        case OrderLookedUp():
            if event.order is None:
                lookups.on_not_found(draft, event.client_order_id)
            else:
                reports.apply(draft, event.client_order_id, event.order)
        case LookUpFailed():
            lookups.look_up_again(draft, event.client_order_id)
        case _:
            assert_never(event)


def _on_book_report(draft: Draft, event: BookReport) -> None:
    match event:
        case StateRead():
            reconciliation.on_state(draft, event.state)
        case StateReadFailed():
            reconciliation.on_read_failed(draft, event)
        case StreamConnected():
            reconciliation.on_stream_connected(draft)
        case StreamDisconnected():
            reconciliation.on_stream_disconnected(draft, event)
        case _:
            assert_never(event)


def _on_message(draft: Draft, message: Message) -> None:
    match message:
        case ApprovedOrder():
            submission.on_approved(draft, message)
        case CancelOrder():
            cancels.cancel(draft, message.client_order_id)
        case CancelSymbolOrders():
            cancels.cancel_symbol(draft, message.symbol)
        case CancelAllOrders():
            halt.on_cancel_all(draft, message)
        case RequestSnapshot():
            answers.answer_symbol(draft, message)
        case RequestBookSnapshot():
            answers.answer_risk(draft, message)
        case RequestCalendar():
            answers.answer_calendar(draft, message)
        case CalendarRead():
            answers.hand_out_calendar(draft, message)
        case _:
            pass


def _on_timer(draft: Draft, name: str) -> None:
    if name == reconciliation.RECONCILE_TIMER:
        reconciliation.read_state(draft, "periodic")
    elif name == halt.HALT_TIMER:
        halt.go_on(draft)
    elif name.startswith(submission.SILENCE_TIMER):
        submission.on_silence(draft, name.removeprefix(submission.SILENCE_TIMER))
