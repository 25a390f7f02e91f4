"""The trading day's starting point: yesterday's closing prices, yesterday's equity, and what was traded since."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Final

from kyzlo_actors.domain.order import ZERO
from kyzlo_actors.domain.values import NS_PER_MILLISECOND
from kyzlo_actors.replay.matching import MatchingEngine
from kyzlo_actors.replay.matching_messages import Fill
from kyzlo_actors.venue.market.calendar import VenueCalendar
from kyzlo_actors.venue.market.source import MarketSource
from kyzlo_actors.venue.timestamps import new_york_date, new_york_ns

# Longest run of closed days that is searched for the previous session.
_SEARCH_DAYS: Final = 15


class TradingDay:
    """`roll` it before anything of a new day is booked; a day is one of New York's."""

    def __init__(
        self, engine: MatchingEngine, market: MarketSource, calendar: VenueCalendar, now_ns: int
    ) -> None:
        self.last_equity = engine.account.starting_cash
        self.ends_ns = 0
        self._engine = engine
        self._market = market
        self._calendar = calendar
        self._close_ms = 0
        self._prices: dict[str, Decimal] = {}
        self._traded: dict[str, Decimal] = {}
        self._start(now_ns)

    def roll(self, now_ns: int) -> None:
        """A new day has begun: what is held now was held at the last close."""
        self._start(now_ns)
        held = self._engine.account.holdings.values()
        value = sum((holding.qty * self.last_price(holding.symbol) for holding in held), ZERO)
        self.last_equity = self._engine.account.cash + value

    def note(self, fill: Fill) -> None:
        """A trade of today."""
        self._traded[fill.symbol] = self._traded.get(fill.symbol, ZERO) + fill.qty * fill.side.sign

    def last_price(self, symbol: str) -> Decimal:
        """The price at the previous close."""
        price = self._prices.get(symbol)
        if price is None:
            price = Decimal(repr(self._market.quote(symbol, self._close_ms).last))
            self._prices[symbol] = price
        return price

    def carried(self, symbol: str, qty: Decimal) -> Decimal:
        """How many of `qty` shares held now were held at the previous close, signed as `qty` is."""
        before = qty - self._traded.get(symbol, ZERO)
        if before * qty <= 0:
            return ZERO
        return min(qty, before, key=abs)

    def _start(self, now_ns: int) -> None:
        today = new_york_date(now_ns)
        self.ends_ns = new_york_ns(today + timedelta(days=1), "00:00")
        past = self._calendar.days(today - timedelta(days=_SEARCH_DAYS), today - timedelta(days=1))
        close_ns = past[-1].close_ns if past else now_ns
        # The last price before the session's end, not the first after it.
        self._close_ms = close_ns // NS_PER_MILLISECOND - 1
        self._prices = {}
        self._traded = {}
