"""What a running session looks like from outside: shared memory and journals, never a question to an actor."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from kyzlo_actors.actors.layout import BROKER, MARKET_DATA, RISK, Layout, symbol_actor
from kyzlo_actors.domain.errors import Fatal
from kyzlo_actors.domain.market import Bar
from kyzlo_actors.domain.values import TradingState
from kyzlo_actors.infrastructure.halt_latch import GateByte
from kyzlo_actors.infrastructure.journal_reader import JournalFollower
from kyzlo_actors.infrastructure.mailbox.board import Board, BoardRow
from kyzlo_actors.infrastructure.mailbox.latest_tick import TickSlots

_READ_AT_ONCE: Final = 2_000
_KEPT_FILLS: Final = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class SymbolLine:
    """One symbol. `bar` is the running one, else the last; `pnl` realized and unrealized, in dollars."""

    symbol: str
    price: float
    bar: Bar | None
    signal: int
    position: float
    pnl: float
    pid: int
    restarts: int
    ready: bool
    fills: int
    denials: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionPicture:
    """Everything at one moment. `ticks` are those the feed brought, `bars` the closed ones of all symbols."""

    state: TradingState
    ticks: int
    bars: int
    lines: tuple[SymbolLine, ...]

    @property
    def fills(self) -> int:
        """Fills of all symbols."""
        return sum(line.fills for line in self.lines)

    @property
    def denials(self) -> int:
        """Orders that the gate refused, of all symbols."""
        return sum(line.denials for line in self.lines)

    @property
    def pnl(self) -> float:
        """Dollars over all symbols."""
        return sum(line.pnl for line in self.lines)

    @property
    def restarts(self) -> int:
        """Restarts of symbol actors."""
        return sum(line.restarts for line in self.lines)

    def line(self, symbol: str) -> SymbolLine:
        """One symbol's line."""
        return next(line for line in self.lines if line.symbol == symbol)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fill:
    """A fill as the broker actor booked it."""

    symbol: str
    client_order_id: str
    side: str
    qty: str
    price: str

    def __str__(self) -> str:
        word = "bought" if self.side == "buy" else "sold"
        return f"{word} {self.qty} {self.symbol} at {self.price}"


@dataclass(slots=True)
class Followed:
    """What the journals of risk and broker have brought so far: counts by symbol, and the newest fills."""

    fills: Counter[str] = field(default_factory=Counter)
    denials: Counter[str] = field(default_factory=Counter)
    newest: deque[Fill] = field(default_factory=lambda: deque(maxlen=_KEPT_FILLS))


class SessionView:
    """Open once the service has made its shared memory; `poll` reads on in the journals, `picture` looks."""

    def __init__(self, layout: Layout) -> None:
        """Raises: Fatal: the service has not made (all of) its shared memory yet."""
        self._layout = layout
        self._gate = GateByte.open(layout.gate)
        self._board = Board.open(layout.board, layout.actors)
        self._slots = TickSlots.open(layout.slots, layout.symbols)
        self._broker = JournalFollower(layout.journal(BROKER), 1)
        self._risk = JournalFollower(layout.journal(RISK), 1)
        self.followed = Followed()

    def poll(self) -> list[Fill]:
        """The fills that were booked since the last call."""
        fills = [
            _fill(message)
            for message in _messages(self._broker, to="symbol-")
            if message["type"] == "OrderFilled"
        ]
        self.followed.newest += fills
        self.followed.fills.update(fill.symbol for fill in fills)
        for message in _messages(self._risk, to="symbol-"):
            if message["type"] == "OrderDenied":
                self.followed.denials[message["symbol"]] += 1
        return fills

    def picture(self) -> SessionPicture:
        """How it looks now."""
        rows = {row.name: row for row in self._board.snapshot()}
        lines = tuple(
            self._line(index, symbol, rows[symbol_actor(symbol)])
            for index, symbol in enumerate(self._layout.symbols)
        )
        return SessionPicture(
            state=self._gate.state,
            ticks=rows[MARKET_DATA].sequence,
            bars=sum(rows[symbol_actor(symbol)].bar_count for symbol in self._layout.symbols),
            lines=lines,
        )

    def close(self) -> None:
        """Let go of memory and files."""
        self._broker.close()
        self._risk.close()
        self._slots.close()
        self._board.close()
        self._gate.close()

    def _line(self, index: int, symbol: str, row: BoardRow) -> SymbolLine:
        view = self._slots.read(index)
        tick = None if view is None else view.tick
        bar = None if view is None else view.running
        if bar is None:
            bars = self._slots.bars_from(index, self._slots.bar_count(index) - 1).bars
            bar = bars[-1] if bars else None
        return SymbolLine(
            symbol=symbol,
            price=row.last_price if tick is None else tick.price,
            bar=bar,
            signal=row.signal,
            position=row.position,
            pnl=row.realized_pnl + row.unrealized_pnl,
            pid=row.pid,
            restarts=row.restarts,
            ready=bool(row.ready),
            fills=self.followed.fills[symbol],
            denials=self.followed.denials[symbol],
        )


class LifeView:
    """Follows one symbol's journal from now on, to know which orders its *next* life proposed."""

    def __init__(self, layout: Layout, symbol: str) -> None:
        directory = layout.journal(symbol_actor(symbol))
        self._follower = JournalFollower(directory, 1)
        self._is_next_life = False
        self.order_ids: set[str] = set()
        while self._follower.poll(_READ_AT_ONCE):
            pass

    def poll(self) -> None:
        """Read on."""
        for record in self._follower.poll(_READ_AT_ONCE):
            body = orjson.loads(record.body)
            if body.get("input", {}).get("type") == "Started":
                self._is_next_life = True
            for effect in body.get("decision", ()):
                message = effect.get("message", {})
                if self._is_next_life and message.get("type") == "ProposeOrder":
                    self.order_ids.add(message["ticket"]["client_order_id"])

    def close(self) -> None:
        """Let go of the file."""
        self._follower.close()


def open_view(layout: Layout) -> SessionView | None:
    """The view, or None while the service has not made its shared memory."""
    try:
        return SessionView(layout)
    except Fatal:
        return None


def _messages(follower: JournalFollower, *, to: str) -> list[Mapping[str, Any]]:
    """New messages in decisions, to actors whose names begin with `to`."""
    return [
        effect["message"]
        for record in follower.poll(_READ_AT_ONCE)
        if record.body.startswith(b'{"decision"')
        for effect in orjson.loads(record.body)["decision"]
        if effect["type"] == "Send" and effect["to"].startswith(to)
    ]


def _fill(message: Mapping[str, Any]) -> Fill:
    return Fill(
        symbol=message["symbol"],
        client_order_id=message["client_order_id"],
        side=message["side"],
        qty=message["qty"],
        price=message["price"],
    )
