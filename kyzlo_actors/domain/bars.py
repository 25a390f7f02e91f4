"""Bars from trades as they arrive, late ones included. Pure: the time comes with every call."""

from __future__ import annotations

from dataclasses import dataclass

from kyzlo_actors.domain.market import Bar, Tick
from kyzlo_actors.domain.values import NS_PER_MILLISECOND, NS_PER_SECOND

CLOSE_GRACE_NS = 50 * NS_PER_MILLISECOND
LATE_BARS = 2
MAX_AHEAD_NS = 5 * NS_PER_SECOND


class BarBuilder:
    """Builds one symbol's bars of one length, aligned to the UTC epoch.

    A bar closes when a trade of a later window arrives, or by time (`on_time`). A late trade for one of the
    two windows before the current one re-emits that bar with `revision + 1`; older trades are counted in
    `late_dropped`, trades more than an interval plus five seconds ahead of `now_ns` in `future_dropped` (one
    absurd timestamp must not declare all later trades late). Where no trade may move the price there is no
    bar; volume-only trades then wait in the window for the first price.

    Within a bar trades are ordered by `ts_event`; equal times keep their order of arrival.
    """

    def __init__(self, symbol: str, interval_ns: int, *, grace_ns: int = CLOSE_GRACE_NS) -> None:
        if interval_ns <= 0:
            raise ValueError(f"interval_ns must be positive, not {interval_ns}")
        self.symbol = symbol
        self.interval_ns = interval_ns
        self.grace_ns = grace_ns
        self.late_dropped = 0
        self.future_dropped = 0
        # The current window and the LATE_BARS before it, never more.
        self._cells: dict[int, _Cell] = {}
        self._current: int | None = None

    def on_trade(self, tick: Tick, *, updates_price: bool, now_ns: int) -> list[Bar]:
        """Count one trade; the bars that it closed or revised, oldest first.

        `updates_price` False: the trade counts for volume only (odd lots and the like).
        """
        if tick.ts_event > now_ns + self.interval_ns + MAX_AHEAD_NS:
            self.future_dropped += 1
            return []
        start = tick.ts_event - tick.ts_event % self.interval_ns
        current = self._current
        if current is None or start > current:
            closed = self._close(current, now_ns)
            self._move_to(start)
            self._cell(start).add(tick, updates_price)
            return closed
        if start < current - LATE_BARS * self.interval_ns:
            self.late_dropped += 1
            return []
        cell = self._cell(start)
        cell.add(tick, updates_price)
        return [] if start == current else self._emit(start, cell, now_ns)

    def on_time(self, now_ns: int) -> list[Bar]:
        """Close the current bar once `now_ns` is `grace_ns` past its end; the bar, or nothing.

        With a delayed feed pass the feed's time, not the wall's, or every trade becomes a revision.
        """
        current = self._current
        if current is None or now_ns < current + self.interval_ns + self.grace_ns:
            return []
        closed = self._close(current, now_ns)
        self._move_to(current + self.interval_ns)
        return closed

    @property
    def running(self) -> Bar | None:
        """The bar of the current window so far, or None when nothing in it has moved the price."""
        cell = self._cells.get(self._current) if self._current is not None else None
        if cell is None or self._current is None or not cell.has_price:
            return None
        return self._bar(self._current, cell, cell.ts_init)

    def _move_to(self, start: int) -> None:
        self._current = start
        oldest = start - LATE_BARS * self.interval_ns
        for old in [key for key in self._cells if key < oldest]:
            del self._cells[old]

    def _cell(self, start: int) -> _Cell:
        cell = self._cells.get(start)
        if cell is None:
            cell = self._cells[start] = _Cell()
        return cell

    def _close(self, start: int | None, now_ns: int) -> list[Bar]:
        cell = self._cells.get(start) if start is not None else None
        if start is None or cell is None:
            return []
        return self._emit(start, cell, now_ns)

    def _emit(self, start: int, cell: _Cell, now_ns: int) -> list[Bar]:
        if not cell.has_price:
            return []
        cell.revision += 1
        return [self._bar(start, cell, now_ns)]

    def _bar(self, start: int, cell: _Cell, ts_init: int) -> Bar:
        return Bar(
            symbol=self.symbol,
            interval_ns=self.interval_ns,
            start_ns=start,
            open=cell.open,
            high=cell.high,
            low=cell.low,
            close=cell.close,
            volume=cell.volume,
            trade_count=cell.trade_count,
            revision=max(cell.revision, 0),
            repaired=False,
            ts_init=ts_init,
        )


@dataclass(slots=True)
class _Cell:
    """What is known of one window. `revision` is -1 until the bar was emitted."""

    open: float = 0.0
    high: float = 0.0
    low: float = 0.0
    close: float = 0.0
    volume: float = 0.0
    trade_count: int = 0
    revision: int = -1
    has_price: bool = False
    first_ts: int = 0
    last_ts: int = 0
    ts_init: int = 0

    def add(self, tick: Tick, updates_price: bool) -> None:
        self.volume += tick.size
        self.trade_count += 1
        self.ts_init = tick.ts_init
        if not updates_price:
            return
        price, ts = tick.price, tick.ts_event
        if not self.has_price:
            self.open = self.high = self.low = self.close = price
            self.first_ts = self.last_ts = ts
            self.has_price = True
            return
        if price > self.high:
            self.high = price
        if price < self.low:
            self.low = price
        if ts < self.first_ts:
            self.open, self.first_ts = price, ts
        if ts >= self.last_ts:
            self.close, self.last_ts = price, ts
