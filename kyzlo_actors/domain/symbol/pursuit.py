"""From a wish to orders: one at a time, each of them named by the trigger it came from."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Final

from kyzlo_actors.domain.identity import client_order_id, event_id
from kyzlo_actors.domain.market import Mark
from kyzlo_actors.domain.messages import OrderDenied, ProposeOrder, SignalRaised
from kyzlo_actors.domain.order import Order, OrderTicket
from kyzlo_actors.domain.stamp import Stamp
from kyzlo_actors.domain.strategy.protocol import Signal
from kyzlo_actors.domain.symbol import watch
from kyzlo_actors.domain.symbol.draft import Draft
from kyzlo_actors.domain.symbol.state import Pursuit
from kyzlo_actors.domain.values import OrderType, Side

ZERO: Final = Decimal(0)


def on_signal(draft: Draft, signal: Signal, natural_key: str, ts_event: int) -> None:
    """The strategy wants a position. `natural_key` and `ts_event` name the tick, bar or timer that made it."""
    symbol, name = draft.settings.symbol, draft.strategy.name
    trigger = Stamp.first(event_id("trigger", symbol, ts_event, natural_key), ts_event)
    signal_id = event_id("signal", symbol, name, ts_event, natural_key)
    raised = SignalRaised(
        stamp=trigger.caused(signal_id, ts_event=ts_event, ts_init=draft.now_ns),
        symbol=symbol,
        strategy=name,
        target_position=signal.target_position,
        price=draft.state.mark.price if draft.state.mark else 0.0,
        reason=signal.reason,
        natural_key=natural_key,
        indicators=dict(signal.indicators),
    )
    draft.record(raised)
    pursuit = Pursuit(
        target=signal.target_position,
        stamp=raised.stamp,
        natural_key=natural_key,
        limit_price=signal.limit_price,
    )
    if not signal.target_position.is_finite():
        _refuse_target(draft, pursuit)
        return
    draft.state = replace(draft.state, pursuit=pursuit, last_target=signal.target_position)
    # Not synced: the wish waits for the snapshot. If that takes too long the gate refuses its old price.
    pursue(draft)


def pursue(draft: Draft) -> None:
    """One step toward the target: cancel what works against it, or propose the next order, or be done."""
    state = draft.state
    pursuit = state.pursuit
    if pursuit is None or not state.synced or state.mark is None:
        return
    held = state.position.qty
    # The broker refuses an order that would turn a long into a short: close first, then open.
    crosses_zero = held * pursuit.target < 0
    step = ZERO if crosses_zero else pursuit.target
    if state.orders:
        working = sum((order.signed_leaves_qty for order in state.orders.values()), ZERO)
        if held + working != step:
            watch.cancel_all(draft, "superseded")
        elif not crosses_zero and state.canceling.isdisjoint(state.orders):
            # (An order that is being canceled may end without a fill: the wish must outlive it.)
            draft.state = replace(state, pursuit=None)
    elif held == pursuit.target:
        draft.state = replace(state, pursuit=None)
    else:
        _propose(draft, pursuit, state.mark, step - held)
        following = replace(pursuit, intent_index=pursuit.intent_index + 1) if crosses_zero else None
        draft.state = replace(draft.state, pursuit=following)


def _propose(draft: Draft, pursuit: Pursuit, mark: Mark, delta: Decimal) -> None:
    order_id = _order_id(draft, pursuit)
    ticket = OrderTicket(
        client_order_id=order_id,
        symbol=draft.settings.symbol,
        side=Side.BUY if delta > 0 else Side.SELL,
        qty=abs(delta),
        order_type=OrderType.MARKET if pursuit.limit_price is None else OrderType.LIMIT,
        limit_price=pursuit.limit_price,
    )
    proposal = ProposeOrder(
        stamp=pursuit.stamp.caused(event_id("propose", order_id), ts_event=draft.now_ns),
        ticket=ticket,
        strategy=draft.strategy.name,
        mark=mark,
        deadline_ns=mark.ts_init + draft.settings.max_price_age_ns,
        incarnation=draft.state.incarnation,
    )
    order = Order(
        ticket=ticket,
        correlation_id=proposal.stamp.correlation_id,
        causation_id=proposal.stamp.event_id,
        deadline_ns=proposal.deadline_ns,
    )
    draft.put(order)
    draft.send("risk", proposal, deadline_ns=proposal.deadline_ns)
    watch.proposed(draft, order)


def _refuse_target(draft: Draft, pursuit: Pursuit) -> None:
    """No number of shares (a strategy divided by zero, say): explained in the journal, and nothing else."""
    order_id = _order_id(draft, pursuit)
    denied = OrderDenied(
        stamp=pursuit.stamp.caused(event_id("denied", order_id, "BAD_TARGET"), ts_event=draft.now_ns),
        symbol=draft.settings.symbol,
        client_order_id=order_id,
        code="BAD_TARGET",
        detail=f"the strategy wants {pursuit.target} shares",
        numbers={"target": str(pursuit.target)},
    )
    draft.record(denied)


def _order_id(draft: Draft, pursuit: Pursuit) -> str:
    return client_order_id(
        account=draft.settings.account,
        symbol=draft.settings.symbol,
        strategy=draft.strategy.name,
        ts_event=pursuit.stamp.ts_event,
        natural_key=pursuit.natural_key,
        intent_index=pursuit.intent_index,
    )
