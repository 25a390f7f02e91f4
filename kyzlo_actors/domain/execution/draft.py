"""One event's work: a draft of the next state, and the effects so far."""

from __future__ import annotations

from dataclasses import replace

from kyzlo_actors.domain.effects import Alert, Effect, Schedule, Send
from kyzlo_actors.domain.execution.state import ExecutionSettings, ExecutionState
from kyzlo_actors.domain.identity import event_id
from kyzlo_actors.domain.layered import Layered
from kyzlo_actors.domain.messages import Message
from kyzlo_actors.domain.order import Order
from kyzlo_actors.domain.stamp import Stamp
from kyzlo_actors.domain.values import Severity


class Draft:
    """It is thrown away if anything raises: the core takes over `state` only when the whole event is done."""

    def __init__(self, settings: ExecutionSettings, state: ExecutionState, now_ns: int) -> None:
        self.settings = settings
        self.state = state
        self.now_ns = now_ns
        self.effects: list[Effect] = []

    def put(self, order: Order) -> None:
        """Keep the order as it is now; a terminal one is neither live nor to be canceled any more."""
        order_id = order.ticket.client_order_id
        orders = Layered.of(self.state.orders).with_item(order_id, order)
        if order.status.is_terminal:
            live, canceling = self.state.live - {order_id}, self.state.canceling - {order_id}
        else:
            live, canceling = self.state.live | {order_id}, self.state.canceling
        self.state = replace(self.state, orders=orders, live=live, canceling=canceling)

    def do(self, effect: Effect) -> None:
        """Have `effect` carried out, after those before it."""
        self.effects.append(effect)

    def send(self, to: str, message: Message) -> None:
        """Post a message to one actor."""
        self.do(Send(to=to, message=message))

    def send_followers(self, symbol: str, message: Message) -> None:
        """Post a message to both who follow the symbol's orders: itself and the risk gate."""
        self.send(f"symbol-{symbol}", message)
        self.send("risk", message)

    def schedule(self, name: str, wait_ns: int) -> None:
        """Be woken with TimerDue(name) after `wait_ns`."""
        self.do(Schedule(name=name, due_ns=self.now_ns + wait_ns))

    def alert(self, severity: Severity, code: str, text: str) -> None:
        """Tell a person."""
        self.do(Alert(severity=severity, code=code, text=text))

    def own_stamp(self, kind: str) -> Stamp:
        """The stamp of something that this actor says of itself."""
        return Stamp.first(event_id(kind, self.state.incarnation, self.now_ns), self.now_ns)
