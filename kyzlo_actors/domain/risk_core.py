"""The risk core: the single portfolio gate. It alone turns a ProposeOrder into an ApprovedOrder.

Exposure counts what is held and every order that was approved and is not proven over. Judging stands here and in
`risk/rules.py`; how the gate follows the broker actor's book stands in `risk/`, a noun a file.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Final, assert_never

from kyzlo_actors.domain.effects import Effect
from kyzlo_actors.domain.identity import event_id
from kyzlo_actors.domain.messages import (
    ApprovedOrder,
    BookSnapshot,
    CalendarRead,
    CancelOrder,
    EntriesAllowed,
    EntriesBlocked,
    MarksObserved,
    Message,
    OrderDenied,
    OrderFilled,
    OrderStatusChanged,
    ProposeCancel,
    ProposeOrder,
    QuarantineReleased,
    Received,
    RequestSnapshot,
    SendRefused,
    SequenceObserved,
    Started,
    SymbolQuarantined,
    TimerDue,
    TradingStateChanged,
)
from kyzlo_actors.domain.operator import PauseSymbol, ReleaseSymbol
from kyzlo_actors.domain.risk import following, loss, pauses, quarantine, questions
from kyzlo_actors.domain.risk.book import Reservation
from kyzlo_actors.domain.risk.draft import Draft
from kyzlo_actors.domain.risk.limits import RiskLimits
from kyzlo_actors.domain.risk.rules import Denial, Question, intent_key, judge, order_price
from kyzlo_actors.domain.risk.state import RiskState
from kyzlo_actors.domain.stamp import Stamp
from kyzlo_actors.domain.values import NS_PER_SECOND

__all__ = ["RECENT_LIMIT", "RiskCore", "RiskEvent", "RiskState"]

RiskEvent = Started | Received | MarksObserved | SequenceObserved | TimerDue | SendRefused

RECENT_LIMIT: Final = 10_000


class RiskCore:
    """Pure: time comes in the event, nothing leaves but effects. State is assigned last."""

    def __init__(self, limits: RiskLimits, state: RiskState | None = None) -> None:
        self.limits = limits
        self.state = state or RiskState()

    def handle(self, event: RiskEvent) -> list[Effect]:
        """Take one event; what must be done about it, in order."""
        draft = Draft(self.limits, self.state, event.now_ns)
        _take(draft, event)
        self.state = draft.state
        return draft.effects


def _take(draft: Draft, event: RiskEvent) -> None:
    match event:
        case Received():
            _on_message(draft, event.message)
        case MarksObserved():
            loss.on_marks(draft, event)
        case SequenceObserved():
            questions.on_sequence(draft, event)
        case TimerDue() if event.name.startswith(quarantine.QUARANTINE_TIMER):
            quarantine.on_timer(draft, event.name.removeprefix(quarantine.QUARANTINE_TIMER))
        case TimerDue():
            questions.on_timer(draft)
        case SendRefused():
            _on_send_refused(draft, event)
        case Started():
            draft.state = replace(draft.state, incarnation=event.incarnation, symbol_incarnations={})
            pauses.on_started(draft)
            quarantine.on_started(draft)
            questions.ask(draft, "start")
        case _:
            assert_never(event)


def _on_message(draft: Draft, message: Message) -> None:
    match message:
        case ProposeOrder():
            _on_proposal(draft, message)
        case ProposeCancel():
            _pass_cancel(draft, message)
        case RequestSnapshot():
            _pass_question(draft, message)
        case OrderFilled():
            following.on_fill(draft, message)
        case OrderStatusChanged():
            following.on_status(draft, message)
        case OrderDenied():
            following.on_denied(draft, message)
        case BookSnapshot():
            questions.on_book(draft, message)
        case CalendarRead():
            draft.state = replace(draft.state, calendar=message.calendar)
        case EntriesBlocked():
            blocked = {**draft.state.blocked, message.code: message.detail}
            draft.state = replace(draft.state, blocked=blocked)
        case EntriesAllowed():
            _on_allowed(draft)
        case TradingStateChanged():
            draft.state = replace(draft.state, trading_state=message.state)
        case SymbolQuarantined():
            quarantine.on_quarantined(draft, message)
        case QuarantineReleased():
            quarantine.on_released(draft, message)
        case PauseSymbol():
            pauses.on_pause(draft, message)
        case ReleaseSymbol():
            pauses.on_release(draft, message)
        case _:
            pass


# --- judging ------------------------------------------------------------------------------------------------


def _on_proposal(draft: Draft, proposal: ProposeOrder) -> None:
    ticket = proposal.ticket
    known = draft.state.symbol_incarnations.get(ticket.symbol)
    if known is None or proposal.incarnation != known:
        numbers = {"incarnation": str(proposal.incarnation), "known": str(known)}
        denial = Denial(code="OLD_INCARNATION", detail="from an earlier life of the symbol", numbers=numbers)
        _deny(draft, proposal.stamp, ticket.symbol, ticket.client_order_id, denial)
        return
    question = _question(draft, proposal)
    verdict = judge(question)
    if verdict is None:
        _approve(draft, proposal, order_price(question), closing=question.closing)
    else:
        _deny(draft, proposal.stamp, ticket.symbol, ticket.client_order_id, verdict)


def _question(draft: Draft, proposal: ProposeOrder) -> Question:
    ticket, state = proposal.ticket, draft.state
    return Question(
        ticket=ticket,
        mark=proposal.mark,
        deadline_ns=proposal.deadline_ns,
        now_ns=draft.now_ns,
        closing=state.book.reduces(ticket.symbol, ticket.side, ticket.qty),
        limits=draft.limits,
        book=state.book,
        calendar=state.calendar,
        trading_state=state.trading_state,
        blocked=state.blocked,
        quarantined=state.quarantined,
        paused=state.paused,
        order_times=state.order_times,
        recent=state.recent,
        daily_pnl=state.daily_pnl,
        synced=state.synced,
    )


def _approve(draft: Draft, proposal: ProposeOrder, price: Decimal, *, closing: bool) -> None:
    """Let it through, reserve its exposure, and remember it for the rate and against repetition."""
    ticket, state, now_ns = proposal.ticket, draft.state, draft.now_ns
    stamp = proposal.stamp.caused(event_id("approved", ticket.client_order_id), ts_event=now_ns)
    approved = ApprovedOrder(stamp=stamp, ticket=ticket, deadline_ns=proposal.deadline_ns)
    draft.send("broker", approved, deadline_ns=proposal.deadline_ns)
    reservation = Reservation(
        client_order_id=ticket.client_order_id,
        symbol=ticket.symbol,
        side=ticket.side,
        leaves_qty=ticket.qty,
        price=price,
        generation=state.generation,
        approval_id=stamp.event_id,
        correlation_id=stamp.correlation_id,
    )
    window = tuple(ts for ts in state.order_times if now_ns - ts < 60 * NS_PER_SECOND)
    recent = {**state.recent, ticket.client_order_id: now_ns, intent_key(ticket, closing=closing): now_ns}
    if len(recent) > RECENT_LIMIT:
        # The oldest half goes; the broker itself refuses an id that was ever used.
        newest = sorted(recent.items(), key=lambda item: item[1])[RECENT_LIMIT // 2 :]
        recent = dict(newest)
    draft.state = replace(
        state,
        book=state.book.with_reservation(reservation),
        order_times=(*window, now_ns),
        recent=recent,
    )


def _deny(
    draft: Draft, cause: Stamp | Reservation, symbol: str, client_order_id: str, denial: Denial
) -> None:
    denied_id = event_id("denied", client_order_id, denial.code, draft.now_ns)
    denied = OrderDenied(
        stamp=cause.caused(denied_id, ts_event=draft.now_ns),
        symbol=symbol,
        client_order_id=client_order_id,
        code=denial.code,
        detail=denial.detail,
        numbers=dict(denial.numbers),
    )
    draft.send(f"symbol-{symbol}", denied)


# --- what passes the gate unjudged, so that nothing overtakes an order ----------------------------------------


def _pass_cancel(draft: Draft, cancel: ProposeCancel) -> None:
    stamp = cancel.stamp.caused(event_id("cancel", cancel.stamp.event_id), ts_event=draft.now_ns)
    order = CancelOrder(stamp=stamp, symbol=cancel.symbol, client_order_id=cancel.client_order_id)
    draft.send("broker", order)


def _pass_question(draft: Draft, request: RequestSnapshot) -> None:
    """It reaches the broker actor after every earlier approval, and tells which life of the symbol is the newest."""
    if request.incarnation < draft.state.symbol_incarnations.get(request.symbol, 0):
        return  # left over from an earlier life of the symbol
    draft.send("broker", request)
    known = {**draft.state.symbol_incarnations, request.symbol: request.incarnation}
    draft.state = replace(draft.state, symbol_incarnations=known)


# --- the broker actor, when it does not take orders -----------------------------------------------------------


def _on_allowed(draft: Draft) -> None:
    if not draft.state.blocked:
        return  # it only repeats what is known
    draft.state = replace(draft.state, blocked={})
    questions.ask(draft, "broker is reconciled", keep=draft.state.synced)


def _on_send_refused(draft: Draft, event: SendRefused) -> None:
    """An approval that provably never left frees its exposure and tells its symbol.

    A lost cancel or question is repeated by its symbol, a lost report by the next beat.
    """
    if event.to != "broker":
        return
    book = draft.state.book
    for reservation in book.reservations.values():
        if reservation.approval_id == event.message_id:
            break
    else:
        return
    denial = Denial(
        code="BROKER_UNREACHABLE", detail="the broker actor's mailbox refused it; nothing was sent"
    )
    _deny(draft, reservation, reservation.symbol, reservation.client_order_id, denial)
    draft.state = replace(draft.state, book=book.without_reservation(reservation.client_order_id))
