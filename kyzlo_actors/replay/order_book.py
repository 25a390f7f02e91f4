"""Every order of an account's life, and the indexes over those that are open."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from kyzlo_actors.domain.order import ZERO
from kyzlo_actors.domain.values import OrderClass, Side
from kyzlo_actors.replay.venue_order import VenueOrder


class OrderBook:
    """Keeps orders; who may change them and how is the engine's business. Grows with the orders of one run."""

    def __init__(self) -> None:
        # In order of submission: ids stay known for ever.
        self.orders: dict[str, VenueOrder] = {}
        self.open_count = 0
        self.reserved = ZERO
        # Open orders of each symbol, oldest first; a symbol without any is not in it.
        self.open_ids: dict[str, dict[str, None]] = {}
        # Symbols of which an order changed since somebody last looked.
        self.changed: set[str] = set()
        self._id_by_client_order_id: dict[str, str] = {}
        # The new order of a replace that is under way, by the id of the old one.
        self._successor: dict[str, str] = {}

    def add(self, order: VenueOrder) -> None:
        """A new order."""
        self._id_by_client_order_id[order.ticket.client_order_id] = order.venue_order_id
        self.open_ids.setdefault(order.ticket.symbol, {})[order.venue_order_id] = None
        self.open_count += 1
        self.reserved += order.reserved
        self.orders[order.venue_order_id] = order
        self.changed.add(order.ticket.symbol)
        if order.replaces is not None:
            self._successor[order.replaces] = order.venue_order_id

    def put(self, order: VenueOrder) -> VenueOrder:
        """The order of that id is now `order`; returns it."""
        old, symbol = self.orders[order.venue_order_id], order.ticket.symbol
        assert not old.status.is_terminal, f"{old.venue_order_id} is {old.status}: it cannot change"
        if order.status.is_terminal:
            del self.open_ids[symbol][order.venue_order_id]
            if not self.open_ids[symbol]:
                del self.open_ids[symbol]
            self.open_count -= 1
        if order.replaces is not None and not order.awaits_replace:
            self._successor.pop(order.replaces, None)
        self.reserved += order.reserved - old.reserved
        self.orders[order.venue_order_id] = order
        self.changed.add(symbol)
        return order

    def by_client_order_id(self, client_order_id: str) -> VenueOrder | None:
        """The (newest) order of that id, ever."""
        venue_order_id = self._id_by_client_order_id.get(client_order_id)
        return self.orders[venue_order_id] if venue_order_id else None

    def open_orders(self, symbol: str | None = None) -> list[VenueOrder]:
        """Orders that are not terminal, of one symbol or of all, oldest first within a symbol."""
        groups: Iterable[dict[str, None]] = (
            self.open_ids.values() if symbol is None else (self.open_ids.get(symbol, {}),)
        )
        return [self.orders[venue_order_id] for group in groups for venue_order_id in group]

    def successor(self, order: VenueOrder) -> VenueOrder | None:
        """The new order that shall replace `order`, while that is under way."""
        venue_order_id = self._successor.get(order.venue_order_id)
        return self.orders[venue_order_id] if venue_order_id else None

    def sibling(self, order: VenueOrder) -> VenueOrder | None:
        """The other exit for the same shares, if it is still open."""
        if order.parent_id is None:
            others = self.legs_of(order) if order.ticket.order_class is OrderClass.OCO else []
        elif order.ticket.order_class is OrderClass.OCO:
            others = [self.orders[order.parent_id]]
        else:
            others = self.legs_of(self.orders[order.parent_id])
        same = order.venue_order_id
        return next((o for o in others if o.venue_order_id != same and not o.status.is_terminal), None)

    def legs_of(self, parent: VenueOrder) -> list[VenueOrder]:
        """Its legs; instead of one that was replaced, the one that replaced it."""
        return [self._newest(venue_order_id) for venue_order_id in parent.legs]

    def claimed_qty(self, symbol: str, side: Side) -> Decimal:
        """Shares that the open orders of one side shall close.

        The two exits for the same shares, and the two orders of a replace, claim them once. Legs that wait for their
        parent claim what it has filled so far.
        """
        claims: dict[str, Decimal] = {}
        for order in self.open_orders(symbol):
            if order.closes and order.ticket.side is side:
                family = self._family(order)
                claims[family] = max(claims.get(family, ZERO), self._claim(order))
        return sum(claims.values(), ZERO)

    def _newest(self, venue_order_id: str) -> VenueOrder:
        order = self.orders[venue_order_id]
        while order.replaced_by is not None:
            order = self.orders[order.replaced_by]
        return order

    def _claim(self, order: VenueOrder) -> Decimal:
        if order.parent_id is not None and not order.activated and not order.awaits_replace:
            parent = self.orders[order.parent_id]
            if parent.closes:
                return order.leaves_qty
            return min(order.leaves_qty, parent.chain_qty + parent.own_filled_qty)
        return order.leaves_qty

    def _family(self, order: VenueOrder) -> str:
        """One name for all orders that claim the same shares."""
        if order.awaits_replace and order.replaces is not None:
            return self._family(self.orders[order.replaces])
        if order.parent_id is not None:
            return order.parent_id
        return order.venue_order_id
