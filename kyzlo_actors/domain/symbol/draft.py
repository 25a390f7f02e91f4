"""One event's work in the symbol core."""

from __future__ import annotations

from dataclasses import replace

from kyzlo_actors.domain import draft
from kyzlo_actors.domain.order import Order
from kyzlo_actors.domain.strategy.protocol import Context, Strategy
from kyzlo_actors.domain.symbol.state import SymbolSettings, SymbolState


class Draft(draft.Draft[SymbolState]):
    """The next state of the symbol, and the strategy that has its wishes."""

    def __init__(self, settings: SymbolSettings, strategy: Strategy, state: SymbolState, now_ns: int) -> None:
        super().__init__(state, now_ns)
        self.settings = settings
        self.strategy = strategy

    @property
    def context(self) -> Context:
        """What the strategy may know at this point."""
        return Context(
            symbol=self.settings.symbol,
            quantity=self.settings.quantity,
            position=self.state.position.qty,
            average_cost=self.state.position.avg_cost,
        )

    def put(self, order: Order) -> None:
        """Keep the order as it is now; a terminal one is dropped."""
        order_id = order.ticket.client_order_id
        if order.status.is_terminal:
            self.drop(order_id)
        else:
            self.state = replace(self.state, orders={**self.state.orders, order_id: order})

    def drop(self, order_id: str) -> None:
        """Forget an order that is over, or never was."""
        orders = {key: value for key, value in self.state.orders.items() if key != order_id}
        self.state = replace(self.state, orders=orders, canceling=self.state.canceling - {order_id})

    def end_pursuit(self, order: Order) -> None:
        """A wish that was refused or canceled is not repeated; a newer wish that waits behind its order lives on."""
        pursuit = self.state.pursuit
        if pursuit is not None and pursuit.stamp.correlation_id == order.correlation_id:
            self.state = replace(self.state, pursuit=None)
