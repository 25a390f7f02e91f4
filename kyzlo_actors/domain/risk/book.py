"""The risk gate's book: positions, marks and reservations, and the exposure that follows from them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Final

from kyzlo_actors.domain.market import Mark
from kyzlo_actors.domain.messages import PositionView
from kyzlo_actors.domain.position import Position
from kyzlo_actors.domain.stamp import Stamp
from kyzlo_actors.domain.values import Side

ZERO: Final = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reservation:
    """Exposure of an order that was approved and is not proven over. `leaves_qty` shares may still trade.

    `generation` counts the book snapshots asked for before the approval: a snapshot of a later question that
    lacks the order proves that it is over or never was.
    """

    client_order_id: str
    symbol: str
    side: Side
    leaves_qty: Decimal
    price: Decimal
    generation: int
    approval_id: str
    correlation_id: str
    unknown: bool = False

    def caused(self, event_id: str, *, ts_event: int) -> Stamp:
        """The stamp of something that the approval caused directly."""
        return Stamp(
            event_id=event_id,
            causation_id=self.approval_id,
            correlation_id=self.correlation_id,
            ts_event=ts_event,
            ts_init=ts_event,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskBook:
    """What is held and what may come to be held. Mappings are replaced, never changed."""

    positions: Mapping[str, PositionView] = field(default_factory=dict)
    reservations: Mapping[str, Reservation] = field(default_factory=dict)
    marks: Mapping[str, Mark] = field(default_factory=dict)
    cash: Decimal = ZERO
    last_equity: Decimal = ZERO

    def qty(self, symbol: str) -> Decimal:
        """Signed shares held."""
        view = self.positions.get(symbol)
        return ZERO if view is None else view.qty

    def view(self, symbol: str) -> PositionView:
        """The position as the broker actor's book has it; flat when nothing ever traded."""
        return self.positions.get(symbol) or PositionView.of(symbol, Position(), 0)

    def with_reservation(self, reservation: Reservation) -> RiskBook:
        """The same with this reservation, instead of what was reserved for its order."""
        return replace(self, reservations={**self.reservations, reservation.client_order_id: reservation})

    def without_reservation(self, client_order_id: str) -> RiskBook:
        """The same with the order's exposure freed."""
        remaining = {key: value for key, value in self.reservations.items() if key != client_order_id}
        return replace(self, reservations=remaining)

    def reserved(self, symbol: str, side: Side) -> Decimal:
        """Shares of working orders of one side."""
        return sum(
            (r.leaves_qty for r in self.reservations.values() if r.symbol == symbol and r.side is side), ZERO
        )

    def open_orders(self, symbol: str) -> int:
        """How many orders of the symbol are not proven over."""
        return sum(1 for r in self.reservations.values() if r.symbol == symbol)

    def worst_position(self, symbol: str, side: Side | None = None, qty: Decimal = ZERO) -> Decimal:
        """Largest absolute position if everything on one side fills, a further order of `qty` included."""
        held = self.qty(symbol)
        longest = held + self.reserved(symbol, Side.BUY) + (qty if side is Side.BUY else ZERO)
        shortest = held - self.reserved(symbol, Side.SELL) - (qty if side is Side.SELL else ZERO)
        return max(abs(longest), abs(shortest))

    def reduces(self, symbol: str, side: Side, qty: Decimal) -> bool:
        """Whether the order can only shrink the position, even if every working order of its side fills first."""
        held = self.qty(symbol)
        if held == 0 or (held > 0) == (side is Side.BUY) or not (qty.is_finite() and qty > 0):
            return False
        return qty + self.reserved(symbol, side) <= abs(held)

    def price(self, symbol: str) -> Decimal:
        """Newest price of our feed, else the broker's, else the average cost, else zero."""
        mark = self.marks.get(symbol)
        if mark is not None:
            return Decimal(repr(mark.price))
        view = self.positions.get(symbol)
        if view is None:
            return ZERO
        return view.avg_cost if view.price is None else view.price

    def gross_notional(self, symbol: str, side: Side, qty: Decimal, price: Decimal) -> Decimal:
        """Worst-case gross exposure in dollars over all symbols, with a further order in `symbol` at `price`."""
        names = {r.symbol for r in self.reservations.values()}
        names.update(name for name, view in self.positions.items() if view.qty)
        names.discard(symbol)
        others = sum((self.worst_position(name) * self._exposure_price(name) for name in names), ZERO)
        own = self.worst_position(symbol, side, qty) * max(price, self._exposure_price(symbol))
        return others + own

    def unpriced(self, symbols: Iterable[str]) -> tuple[str, ...]:
        """Which of `symbols` are held without any price: as long as there is one, equity is a guess."""
        return tuple(
            sorted(
                name
                for name in symbols
                if self.qty(name) and name not in self.marks and self.view(name).price is None
            )
        )

    def equity(self) -> Decimal:
        """Cash plus every position at its newest price."""
        return self.cash + sum((v.qty * self.price(name) for name, v in self.positions.items()), ZERO)

    def _exposure_price(self, symbol: str) -> Decimal:
        reserved = [r.price for r in self.reservations.values() if r.symbol == symbol]
        return max([self.price(symbol), *reserved])
