"""Polygon's single trades and quotes over REST, in pages: `/v3/trades`, `/v3/quotes` and the newest of each."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final

from aiohttp import web

from kyzlo_actors.domain.values import NS_PER_MILLISECOND
from kyzlo_actors.venue.clock import NowNs
from kyzlo_actors.venue.control.behaviour import Switches
from kyzlo_actors.venue.market.bars import MS_PER_SECOND, Bars
from kyzlo_actors.venue.market.prints import Print
from kyzlo_actors.venue.market.quotes import quote_print
from kyzlo_actors.venue.market.source import MarketSource
from kyzlo_actors.venue.polygon.json_shapes import quote_row_json, trade_row_json
from kyzlo_actors.venue.polygon.query import (
    BadRequest,
    NotFound,
    NotIncluded,
    cursor,
    is_descending,
    limit,
    read_cursor,
    span_ns,
)
from kyzlo_actors.venue.scenario import Scenario

_DEFAULT_LIMIT: Final = 1_000
_MAX_LIMIT: Final = 50_000
# Seconds of market that one page looks at, unless it is still empty.
_PAGE_SECONDS: Final = 20_000
_SLICE_SECONDS: Final = 60
# Newest trade: how far back it is looked for.
_LOOK_BACK_SECONDS: Final = 10 * 86_400
_MAX_CORRECTIONS: Final = 10_000
CANCELLED: Final = 8
CORRECTED: Final = 1
_NOT_ENTITLED: Final = (
    "You are not entitled to this data. Please upgrade your plan at https://massive.com/pricing"
)
_ROUND_LOT: Final = 100
Json = dict[str, Any]


class PolygonTicks:
    """The trades of the live stream, and what became of them later."""

    def __init__(
        self, *, source: MarketSource, bars: Bars, scenario: Scenario, switches: Switches, now_ns: NowNs
    ) -> None:
        self._source = source
        self._bars = bars
        self._plan = scenario.polygon
        self._terms = scenario.market
        self._switches = switches
        self._now_ns = now_ns
        self._corrections: dict[tuple[str, str, int], tuple[int, float]] = {}

    def correct(self, trade: Print, price: float | None) -> None:
        """The exchange takes `trade` back, or corrects its price: here it shows, the websocket never tells."""
        if len(self._corrections) >= _MAX_CORRECTIONS:
            self._corrections.pop(next(iter(self._corrections)))
        code = CANCELLED if price is None else CORRECTED
        self._corrections[_key(trade)] = code, trade.price if price is None else price

    async def trades(self, request: web.Request) -> Json:
        """The body of `/v3/trades/{symbol}`.

        Raises: BadRequest, NotIncluded.
        """
        return await self._page(request, "T")

    async def quotes(self, request: web.Request) -> Json:
        """The body of `/v3/quotes/{symbol}`.

        Raises: BadRequest, NotIncluded.
        """
        return await self._page(request, "Q")

    async def last_trade(self, symbol: str) -> Json:
        """The body of `/v2/last/trade/{symbol}`.

        Raises: NotFound, NotIncluded.
        """
        row = trade_row_json(await self._newest(symbol, "T"))
        names = {
            "T": "",
            "c": "conditions",
            "e": "correction",
            "f": "trf_timestamp",
            "i": "id",
            "p": "price",
            "q": "sequence_number",
            "r": "trf_id",
            "s": "size",
            "ds": "decimal_size",
            "t": "sip_timestamp",
            "x": "exchange",
            "y": "participant_timestamp",
            "z": "tape",
        }
        return {"results": {"T": symbol} | {key: row[name] for key, name in names.items() if name in row}}

    async def last_quote(self, symbol: str) -> Json:
        """The body of `/v2/last/nbbo/{symbol}`.

        Raises: NotFound, NotIncluded.
        """
        row = self._quote_row(await self._newest(symbol, "Q"))
        names = {
            "p": "bid_price",
            "s": "bid_size",
            "x": "bid_exchange",
            "P": "ask_price",
            "S": "ask_size",
            "X": "ask_exchange",
            "t": "sip_timestamp",
            "y": "participant_timestamp",
            "q": "sequence_number",
            "z": "tape",
        }
        return {"results": {"T": symbol} | {key: row[name] for key, name in names.items()}}

    # ---------------------------------------------------------------- inside

    async def _page(self, request: web.Request, channel: str) -> Json:
        self._check_plan(channel)
        symbol, query = request.match_info["symbol"], request.query
        descending = is_descending(query, "order", "desc")
        if query.get("sort", "timestamp") not in ("timestamp", "sip_timestamp"):
            raise BadRequest("sort must be timestamp")
        most = limit(query, _DEFAULT_LIMIT, _MAX_LIMIT)
        first, end = span_ns(query)
        end = min(end, self._available_ns() + 1)
        skip = 0
        if text := query.get("cursor"):
            # The second at which the page begins, and how many of its rows were given before.
            second, skip = read_cursor(text)
            edge = second * MS_PER_SECOND * NS_PER_MILLISECOND
            first, end = (
                (first, min(end, edge + MS_PER_SECOND * NS_PER_MILLISECOND))
                if descending
                else (max(first, edge), end)
            )
        rows, rest = await self._rows(symbol, channel, first, end, descending, most, skip)
        body: Json = {"results": rows}
        if rest:
            kept = [f"{name}={value}" for name, value in query.items() if name not in ("cursor", "apiKey")]
            body["next_url"] = (
                f"http://{request.host}{request.path}?{'&'.join([*kept, f'cursor={cursor(rest)}'])}"
            )
        return body

    async def _rows(
        self, symbol: str, channel: str, first: int, end: int, descending: bool, most: int, skip: int
    ) -> tuple[list[Json], tuple[int, int] | None]:
        rows: list[Json] = []
        for looked, second in enumerate(self._seconds(symbol, first, end, descending)):
            if len(rows) >= most or (rows and looked >= _PAGE_SECONDS):
                return rows, (second, 0)
            found = [
                trade
                for trade in self._trades(symbol, second, channel)
                if first <= trade.ts_ms * NS_PER_MILLISECOND < end
            ]
            if descending:
                found.reverse()
            taken = found[skip : skip + most - len(rows)]
            rows += [trade_row_json(t) if channel == "T" else self._quote_row(t) for t in taken]
            if skip + len(taken) < len(found):
                return rows, (second, skip + len(taken))
            skip = 0
            if looked % _SLICE_SECONDS == 0:
                await asyncio.sleep(0)
        return rows, None

    def _seconds(self, symbol: str, first: int, end: int, descending: bool) -> Iterator[int]:
        """Epoch seconds in which anything may have printed."""
        span = self._source.span_ms()
        if symbol not in self._source.symbols or span is None:
            return
        start = max(first // NS_PER_MILLISECOND, span[0]) // MS_PER_SECOND
        last = min((end - 1) // NS_PER_MILLISECOND, span[1]) // MS_PER_SECOND
        second = last if descending else start
        while start <= second <= last:
            edge = self._bars.shut_edge_ms(second * MS_PER_SECOND, backwards=descending)
            if edge is not None:
                second = edge // MS_PER_SECOND
                continue
            yield second
            second += -1 if descending else 1

    def _trades(self, symbol: str, second: int, channel: str) -> list[Print]:
        trades = self._source.prints(symbol, second)
        if channel == "Q":
            return [trade for trade in trades if not trade.trf]
        if not self._corrections:
            return trades
        return [self._corrected(trade) for trade in trades]

    def _corrected(self, trade: Print) -> Print:
        code, price = self._corrections.get(_key(trade), (trade.correction, trade.price))
        return trade if code == trade.correction else replace(trade, correction=code, price=price)

    def _quote_row(self, trade: Print) -> Json:
        lot = _ROUND_LOT if self._switches.now.quote_size_unit == "round_lots" else 1
        quote = quote_print(trade, self._source.quote(trade.symbol, trade.ts_ms), self._terms)
        return quote_row_json(quote, round_lot=lot)

    async def _newest(self, symbol: str, channel: str) -> Print:
        self._check_plan(channel)
        now = self._available_ns()
        first = now - _LOOK_BACK_SECONDS * MS_PER_SECOND * NS_PER_MILLISECOND
        for looked, second in enumerate(self._seconds(symbol, max(0, first), now + 1, descending=True)):
            found = [
                trade
                for trade in self._trades(symbol, second, channel)
                if trade.ts_ms * NS_PER_MILLISECOND <= now
            ]
            if found:
                return found[-1]
            if looked % _SLICE_SECONDS == 0:
                await asyncio.sleep(0)
        raise NotFound

    def _available_ns(self) -> int:
        delay_ms = self._plan.delay_seconds * MS_PER_SECOND if self._plan.delayed else 0
        return self._now_ns() - delay_ms * NS_PER_MILLISECOND

    def _check_plan(self, channel: str) -> None:
        if channel not in self._plan.channels:
            raise NotIncluded(_NOT_ENTITLED)


def _key(trade: Print) -> tuple[str, str, int]:
    return trade.symbol, trade.trade_id, trade.ts_ms
