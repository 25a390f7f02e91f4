"""Counts what happened in a session, from its journals. Pure: decoded journal bodies in, numbers out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from kyzlo_actors.domain.position import Position
from kyzlo_actors.domain.values import Side
from kyzlo_actors.replay.chain import Body


@dataclass(slots=True)
class SessionTally:
    """Counts of one session. `ticks` and `bars` are those that the symbols read and could act on; `orders` began to
    leave for the broker. `denials` by code, `restarts` by actor (only where there were any), `positions` by symbol."""

    ticks: int = 0
    bars: int = 0
    signals: int = 0
    orders: int = 0
    fills: int = 0
    denials: Counter[str] = field(default_factory=Counter)
    restarts: Counter[str] = field(default_factory=Counter)
    positions: dict[str, Position] = field(default_factory=dict)

    @property
    def realized_pnl(self) -> Decimal:
        """Dollars over all symbols, fees taken off."""
        return sum((net_pnl(position) for position in self.positions.values()), Decimal(0))


def net_pnl(position: Position) -> Decimal:
    """Realized profit and loss less fees, in dollars."""
    return position.realized_pnl - position.fees


def tally(journals: Mapping[str, Iterable[Body]]) -> SessionTally:
    """Count `journals`, which maps each writer to its entries in order."""
    result = SessionTally()
    told: set[str] = set()
    for writer, bodies in journals.items():
        lives = 0
        for body in bodies:
            given = body.get("input", {})
            lives += given.get("type") == "Started"
            _count_input(result, given)
            for effect in body.get("decision", ()):
                message = effect.get("message", {})
                # One message may go to two actors: it is one thing that happened.
                if (own_id := message.get("stamp", {}).get("event_id")) and own_id not in told:
                    told.add(own_id)
                    _count_message(result, message)
        if lives > 1:
            result.restarts[writer] = lives - 1
    return result


def _count_input(result: SessionTally, given: Body) -> None:
    match given:
        case {"type": "TickRead"}:
            result.ticks += 1
        case {"type": "BarClosed", "late": False, "bar": {"revision": 0}}:
            result.bars += 1
        case {"type": "SubmitStarted"}:
            result.orders += 1


def _count_message(result: SessionTally, message: Body) -> None:
    match message:
        case {"type": "SignalRaised"}:
            result.signals += 1
        case {"type": "OrderDenied", "code": code}:
            result.denials[code] += 1
        case {"type": "OrderFilled", "symbol": symbol}:
            result.fills += 1
            before = result.positions.get(symbol, Position())
            result.positions[symbol] = before.filled(
                Side(message["side"]),
                Decimal(message["qty"]),
                Decimal(message["price"]),
                Decimal(message["fee"]),
            )
