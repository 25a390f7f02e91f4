"""A market that was: the trades of files, sorted on disk and played back by their time."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final

from kyzlo_actors.domain.errors import BadInput
from kyzlo_actors.domain.values import NS_PER_MILLISECOND
from kyzlo_actors.replay.matching_messages import Quote
from kyzlo_actors.venue.market.intraday import Halt
from kyzlo_actors.venue.market.jumps import Jumps
from kyzlo_actors.venue.market.prints import Band, Print, VenueBar
from kyzlo_actors.venue.market.replay_file import ReadTally, read_trades
from kyzlo_actors.venue.options import MAX_SYMBOLS
from kyzlo_actors.venue.scenario import Scenario, SymbolPart

END_OF_TIME_MS: Final = 1 << 42
_BATCH: Final = 10_000
_CACHE_KB: Final = 32_000
_COLUMNS: Final = (
    "trade_id, exchange, tape, price, size, conditions, ts_ms, participant_ms, sequence, trf, trf_ms, "
    "correction"
)
_TABLE: Final = (
    "CREATE TABLE trades (symbol TEXT, second INTEGER, moves INTEGER, trade_id TEXT, exchange INTEGER, "
    "tape INTEGER, price REAL, size REAL, conditions TEXT, ts_ms INTEGER, participant_ms INTEGER, "
    "sequence INTEGER, trf INTEGER, trf_ms INTEGER, correction INTEGER)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """A market, the scenario with the file's symbols, and how the reading went."""

    market: ReplayMarket
    scenario: Scenario
    tally: ReadTally


def load_replay(paths: Sequence[Path], scenario: Scenario, symbols: Sequence[str] = ()) -> Replay:
    """Read the files into a temporary database on disk: memory stays bounded, however large they are.

    `symbols` are the only ones wanted; without any, the scenario's and as many others as there is room for.
    Raises: BadInput: a file cannot be used, or holds no trade that is wanted.
    """
    # The empty name is a database of its own on disk, which ends with its connection.
    base = sqlite3.connect("")
    for pragma in ("journal_mode = OFF", "synchronous = OFF", f"cache_size = -{_CACHE_KB}"):
        base.execute(f"PRAGMA {pragma}")
    base.execute(_TABLE)
    tally = ReadTally()
    choice = _Choice(symbols, scenario)
    first: dict[str, Print] = {}
    for path in paths:
        trades = read_trades(path, tally, choice.wants)
        while batch := list(islice(trades, _BATCH)):
            for trade in batch:
                first.setdefault(trade.symbol, trade)
            base.executemany(f"INSERT INTO trades VALUES ({', '.join('?' * 15)})", map(_row, batch))
    if not first:
        problem = tally.first_bad or "it holds no trade that is wanted"
        raise BadInput("replay", ", ".join(map(str, paths)), problem)
    base.execute("CREATE INDEX by_symbol ON trades (symbol, second, ts_ms)")
    base.execute("CREATE INDEX by_time ON trades (second, ts_ms)")
    parts = tuple(scenario.symbol(name) or _default_part(first[name]) for name in sorted(first))
    played = scenario.model_copy(update={"symbols": parts})
    return Replay(market=ReplayMarket(base, played), scenario=played, tally=tally)


class _Choice:
    """Which symbols are played: a bounded number, with room kept for those of the scenario."""

    def __init__(self, symbols: Sequence[str], scenario: Scenario) -> None:
        self._only = frozenset(symbols)
        self._known = frozenset(part.symbol for part in scenario.symbols)
        self._others: set[str] = set()

    def wants(self, symbol: str) -> bool:
        """Whether its trades are played."""
        if self._only:
            return symbol in self._only
        if symbol in self._known or symbol in self._others:
            return True
        if len(self._known) + len(self._others) >= MAX_SYMBOLS:
            return False
        self._others.add(symbol)
        return True


class ReplayMarket:
    """A `MarketSource`. Quotes stand around the last price, by the scenario's spread."""

    def __init__(self, base: sqlite3.Connection, scenario: Scenario) -> None:
        self.symbols = tuple(part.symbol for part in scenario.symbols)
        self.version = 0
        self._base = base
        self._spread_bps = scenario.market.spread_bps
        self._jumps = Jumps()
        (self.first_ms, self.last_ms) = base.execute("SELECT min(ts_ms), max(ts_ms) FROM trades").fetchone()

    def span_ms(self) -> tuple[int, int] | None:
        """From the first trade to the last."""
        return self.first_ms, self.last_ms

    def quiet_until_ms(self, ts_ms: int) -> int:
        """The next trade from `ts_ms` on, or the end of time."""
        query = "SELECT ts_ms FROM trades WHERE second >= ? AND ts_ms >= ? ORDER BY second, ts_ms LIMIT 1"
        row = self._base.execute(query, (ts_ms // 1_000, ts_ms)).fetchone()
        return int(row[0]) if row else END_OF_TIME_MS

    def prints(self, symbol: str, second: int) -> list[Print]:
        """All trades of `symbol` that were reported in that second, in order of time."""
        query = (
            f"SELECT symbol, {_COLUMNS} FROM trades WHERE symbol = ? AND second = ? ORDER BY ts_ms, sequence"
        )
        return self._read(self._base.execute(query, (symbol, second)))

    def due(self, second: int) -> list[Print]:
        """The same of all symbols."""
        query = f"SELECT symbol, {_COLUMNS} FROM trades WHERE second = ? ORDER BY ts_ms, symbol, sequence"
        return self._read(self._base.execute(query, (second,)))

    def on_time(self, symbol: str, second: int) -> list[Print]:
        """Bars go by the time of the report."""
        return self.prints(symbol, second)

    def late(self, symbol: str, start_ms: int, end_ms: int) -> list[Print]:
        """None: bars go by the time of the report."""
        return []

    def sketch(self, symbol: str, start_ms: int, end_ms: int) -> VenueBar | None:
        """None: only the trades can tell."""
        return None

    def quote(self, symbol: str, ts_ms: int) -> Quote:
        """Around the last price at `ts_ms`; before the first trade, around its price."""
        query = (
            "SELECT price FROM trades WHERE symbol = ? AND second <= ? AND ts_ms <= ? AND moves = 1 "
            "ORDER BY second DESC, ts_ms DESC LIMIT 1"
        )
        row = self._base.execute(query, (symbol, ts_ms // 1_000, ts_ms)).fetchone()
        if row is None:
            first = "SELECT price FROM trades WHERE symbol = ? ORDER BY moves DESC, second, ts_ms LIMIT 1"
            row = self._base.execute(first, (symbol,)).fetchone()
        last = float(row[0]) * self._jumps.factor(symbol, ts_ms)
        tick = 100 if last >= 1 else 10_000
        half = max(0.5 / tick, last * self._spread_bps / 20_000)
        bid = max(1, math.floor((last - half) * tick + 0.5)) / tick
        ask = max(bid + 1 / tick, math.floor((last + half) * tick + 0.5) / tick)
        return Quote(symbol, round(bid, 4), round(ask, 4), round(last, 4), ts_ms * NS_PER_MILLISECOND)

    def jump(self, symbol: str, price: float, ts_ms: int) -> None:
        """From `ts_ms` on the price is `price`, and what follows is scaled with it.

        Raises: Recoverable: too many jumps were asked for already.
        """
        plain = self.quote(symbol, ts_ms).last / self._jumps.factor(symbol, ts_ms)
        self._jumps.add(symbol, price / plain, ts_ms)
        self.version += 1

    def halt_at(self, symbol: str, second: int) -> Halt | None:
        """The file does not say."""
        return None

    def band(self, symbol: str, ts_ms: int) -> Band | None:
        """The file does not say."""
        return None

    def _read(self, rows: Iterable[tuple[object, ...]]) -> list[Print]:
        trades = []
        for symbol, own_id, exchange, tape, price, size, conditions, *rest in rows:
            numbers = tuple(int(part) for part in str(conditions).split())
            trade = Print(symbol, own_id, exchange, tape, price, size, numbers, *rest)  # type: ignore[arg-type]
            trade.price = round(trade.price * self._jumps.factor(trade.symbol, trade.ts_ms), 6)
            trades.append(trade)
        return trades


def _row(trade: Print) -> tuple[object, ...]:
    return (
        trade.symbol,
        trade.ts_ms // 1_000,
        int(trade.moves_price),
        trade.trade_id,
        trade.exchange,
        trade.tape,
        trade.price,
        trade.size,
        " ".join(map(str, trade.conditions)),
        trade.ts_ms,
        trade.participant_ms,
        trade.sequence,
        trade.trf,
        trade.trf_ms,
        trade.correction,
    )


def _default_part(trade: Print) -> SymbolPart:
    """A symbol that the scenario does not know."""
    return SymbolPart(
        symbol=trade.symbol,
        name=trade.symbol,
        exchange={1: "NYSE", 2: "ARCA", 3: "NASDAQ"}[trade.tape],
        tape=trade.tape,
        start_price=max(1.0, trade.price),
        ticks_per_second=1.0,
        volatility=0.0,
    )
