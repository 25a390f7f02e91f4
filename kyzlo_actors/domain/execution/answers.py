"""Answers to those who ask for the book, or a part of it."""

from __future__ import annotations

from dataclasses import replace

from kyzlo_actors.domain.execution import entries
from kyzlo_actors.domain.execution.draft import Draft
from kyzlo_actors.domain.identity import event_id
from kyzlo_actors.domain.messages import (
    BookSnapshot,
    CalendarRead,
    PositionSnapshot,
    PositionView,
    RequestBookSnapshot,
    RequestCalendar,
    RequestSnapshot,
)
from kyzlo_actors.domain.stamp import Stamp


def answer_symbol(draft: Draft, request: RequestSnapshot) -> None:
    """The calendar, and the book of one symbol."""
    name = f"symbol-{request.symbol}"
    if draft.state.calendar.days:
        draft.send(name, _calendar(draft, request.stamp))
    if not draft.state.read_in_this_life:
        return  # nothing is proven yet; the symbol asks again each second
    stamp = request.stamp.caused(event_id("snapshot", request.stamp.event_id), ts_event=draft.now_ns)
    snapshot = PositionSnapshot(
        stamp=stamp,
        symbol=request.symbol,
        incarnation=request.incarnation,
        position=_view(draft, request.symbol),
        orders=tuple(draft.state.live_orders(request.symbol)),
    )
    draft.send(name, snapshot)


def answer_risk(draft: Draft, request: RequestBookSnapshot) -> None:
    """The calendar, the whole book, and whether entries are taken."""
    if draft.state.calendar.days:
        draft.send("risk", _calendar(draft, request.stamp))
    if not draft.state.read_in_this_life:
        entries.tell(draft)
        return
    stamp = request.stamp.caused(event_id("book", request.stamp.event_id), ts_event=draft.now_ns)
    symbols = sorted(set(draft.state.positions) | set(draft.state.sequences))
    snapshot = BookSnapshot(
        stamp=stamp,
        incarnation=draft.state.incarnation,
        cash=draft.state.cash,
        last_equity=draft.state.last_equity,
        buying_power=draft.state.buying_power,
        positions=tuple(_view(draft, symbol) for symbol in symbols),
        orders=tuple(draft.state.live_orders()),
    )
    draft.send("risk", snapshot)
    entries.tell(draft)


def answer_calendar(draft: Draft, request: RequestCalendar) -> None:
    """The calendar alone, for whoever has no other question."""
    draft.send(request.reply_to, _calendar(draft, request.stamp))


def hand_out_calendar(draft: Draft, read: CalendarRead) -> None:
    """A new calendar: to everybody who goes by it."""
    draft.state = replace(draft.state, calendar=read.calendar)
    for name in ("risk", "market_data", *(f"symbol-{symbol}" for symbol in draft.settings.symbols)):
        draft.send(name, read)


def _calendar(draft: Draft, cause: Stamp) -> CalendarRead:
    stamp = cause.caused(event_id("calendar", cause.event_id), ts_event=draft.now_ns)
    return CalendarRead(stamp=stamp, calendar=draft.state.calendar)


def _view(draft: Draft, symbol: str) -> PositionView:
    state = draft.state
    return PositionView.of(
        symbol, state.position(symbol), state.sequences.get(symbol, 0), state.prices.get(symbol)
    )
