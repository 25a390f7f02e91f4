"""One event's work in the order book of record."""

from __future__ import annotations

from dataclasses import replace

from kyzlo_actors.domain import draft
from kyzlo_actors.domain.execution.state import ExecutionSettings, ExecutionState
from kyzlo_actors.domain.identity import event_id
from kyzlo_actors.domain.layered import Layered
from kyzlo_actors.domain.messages import Message
from kyzlo_actors.domain.order import Order
from kyzlo_actors.domain.position import Position
from kyzlo_actors.domain.stamp import Stamp


class Draft(draft.Draft[ExecutionState]):
    """The next state of the book, and who must be told of it."""

    def __init__(self, settings: ExecutionSettings, state: ExecutionState, now_ns: int) -> None:
        super().__init__(state, now_ns)
        self.settings = settings

    def put(self, order: Order) -> None:
        """Keep the order as it is now; a terminal one is neither live nor to be canceled any more."""
        order_id = order.ticket.client_order_id
        orders = Layered.of(self.state.orders).with_item(order_id, order)
        if order.status.is_terminal:
            live, canceling = self.state.live - {order_id}, self.state.canceling - {order_id}
        else:
            live, canceling = self.state.live | {order_id}, self.state.canceling
        self.state = replace(self.state, orders=orders, live=live, canceling=canceling)

    def hold(self, symbol: str, position: Position) -> int:
        """Hold `position` from here on; returns its number in the sequence that the symbol's followers compare."""
        sequence = self.state.sequences.get(symbol, 0) + 1
        self.state = replace(
            self.state,
            positions={**self.state.positions, symbol: position},
            sequences={**self.state.sequences, symbol: sequence},
        )
        return sequence

    def send_followers(self, symbol: str, message: Message) -> None:
        """Post a message to both who follow the symbol's orders: itself and the risk gate."""
        self.send(f"symbol-{symbol}", message)
        self.send("risk", message)

    def own_stamp(self, kind: str) -> Stamp:
        """The stamp of something that this actor says of itself."""
        return Stamp.first(event_id(kind, self.state.incarnation, self.now_ns), self.now_ns)
