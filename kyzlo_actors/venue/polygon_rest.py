"""Polygon's REST side: second and minute aggregates, before the start as well, and the condition table."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
from collections.abc import Awaitable, Callable, Mapping
from datetime import date, timedelta
from typing import Final

import orjson
from aiohttp import web

from kyzlo_actors.domain.values import NS_PER_MILLISECOND
from kyzlo_actors.venue.bars import Bars
from kyzlo_actors.venue.clock import NowNs
from kyzlo_actors.venue.conditions import CONDITIONS
from kyzlo_actors.venue.market import Market
from kyzlo_actors.venue.polygon_json import bar_row_json
from kyzlo_actors.venue.timestamps import new_york_ns

_UNIT_MS: Final = {"second": 1_000, "minute": 60_000}
_MAX_LIMIT: Final = 50_000
_DEFAULT_LIMIT: Final = 5_000
# One page computes at most so many seconds of market; `next_url` leads on.
_PAGE_SECONDS: Final = 7_200
_MAX_MULTIPLIER: Final = 1_440

Handler = Callable[[web.Request], Awaitable[web.Response]]


class _BadRequest(Exception):
    """The text is for the asker."""


class PolygonRest:
    """Bars are those of the live stream: both come from the same prints."""

    def __init__(self, *, market: Market, bars: Bars, key: str, now_ns: NowNs) -> None:
        self.requests = 0
        self._bars = bars
        self._market = market
        self._key = key
        self._now_ns = now_ns

    def routes(self) -> list[web.RouteDef]:
        """Its routes."""
        aggregates = "/v2/aggs/ticker/{symbol}/range/{multiplier}/{unit}/{start}/{end}"
        return [
            web.get(aggregates, self._guarded(self.aggregates)),
            web.get("/v3/reference/conditions", self._guarded(self.conditions)),
        ]

    async def aggregates(self, request: web.Request) -> web.Response:
        """Closed bars whose start lies between `start` and `end`, both included, ascending or descending."""
        path, query = request.match_info, request.query
        step_ms = _step_ms(path["unit"], path["multiplier"])
        first_ms, last_ms = _range_ms(path["start"], path["end"], query.get("cursor"))
        limit = _limit(query)
        first_ms = -(-first_ms // step_ms) * step_ms
        # Only what is over: the bar that still grows is left out.
        now_ms = self._now_ns() // NS_PER_MILLISECOND
        end_ms = min(last_ms + 1, now_ms // step_ms * step_ms)
        units = min(limit, _PAGE_SECONDS * 1_000 // _UNIT_MS[path["unit"]])
        span_ms = max(1, units * _UNIT_MS[path["unit"]] // step_ms) * step_ms
        descending = query.get("sort", "asc") == "desc"
        if descending:
            page = (max(first_ms, -(-end_ms // step_ms) * step_ms - span_ms), end_ms)
            rest = (first_ms, page[0] - 1)
        else:
            page = (first_ms, min(end_ms, first_ms + span_ms))
            rest = (page[1], last_ms)
        rows = await self._rows(path["symbol"], page, step_ms)
        more = rest[0] < end_ms and rest[0] <= rest[1]
        return self._page(request, list(reversed(rows)) if descending else rows, rest if more else None)

    async def conditions(self, request: web.Request) -> web.Response:
        """The table of trade conditions."""
        rows = [row.as_json() for row in CONDITIONS.values()]
        return _json({"results": rows, "status": "OK", "request_id": self._request_id(), "count": len(rows)})

    async def _rows(self, symbol: str, page: tuple[int, int], step_ms: int) -> list[dict[str, object]]:
        if symbol not in self._market.symbols:
            return []
        rows: list[dict[str, object]] = []
        # Long histories are computed in slices, so that the live stream keeps its time.
        slice_ms = -(-_UNIT_MS["minute"] // step_ms) * step_ms
        for start in range(page[0], page[1], slice_ms):
            bars = self._bars.bars(symbol, start, min(page[1], start + slice_ms), step_ms)
            rows.extend(bar_row_json(bar) for bar in bars)
            await asyncio.sleep(0)
        return rows

    def _page(
        self, request: web.Request, rows: list[dict[str, object]], rest: tuple[int, int] | None
    ) -> web.Response:
        body: dict[str, object] = {
            "ticker": request.match_info["symbol"],
            "queryCount": len(rows),
            "resultsCount": len(rows),
            "adjusted": True,
            "status": "OK",
            "request_id": self._request_id(),
            "count": len(rows),
        }
        if rows:
            body["results"] = rows
        if rest:
            query = f"cursor={_cursor(rest)}&limit={_limit(request.query)}&sort={request.query.get('sort', 'asc')}"
            body["next_url"] = f"http://{request.host}{request.path}?{query}"
        return _json(body)

    def _guarded(self, handler: Handler) -> Handler:
        async def guarded(request: web.Request) -> web.Response:
            self.requests += 1
            given = request.headers.get("Authorization", "").removeprefix("Bearer ")
            given = given or request.query.get("apiKey", "")
            if not hmac.compare_digest(given.encode(), self._key.encode()):
                return self._error(401, "Unknown API Key")
            try:
                return await handler(request)
            except _BadRequest as fault:
                return self._error(400, str(fault))

        return guarded

    def _error(self, status: int, text: str) -> web.Response:
        return _json({"status": "ERROR", "request_id": self._request_id(), "error": text}, status)

    def _request_id(self) -> str:
        return hashlib.sha256(f"polygon:{self.requests}".encode()).hexdigest()[:32]


def _step_ms(unit: str, multiplier: str) -> int:
    if unit not in _UNIT_MS:
        raise _BadRequest(f"timespan {unit!r} is not supported by this venue: second or minute")
    if not multiplier.isdecimal() or not 1 <= int(multiplier[:9]) <= _MAX_MULTIPLIER:
        raise _BadRequest(f"multiplier must be from 1 to {_MAX_MULTIPLIER}")
    return int(multiplier) * _UNIT_MS[unit]


def _range_ms(start: str, end: str, cursor: str | None) -> tuple[int, int]:
    if cursor:
        try:
            first, last = orjson.loads(base64.urlsafe_b64decode(cursor))
            return int(first), int(last)
        except ValueError as fault:
            raise _BadRequest("invalid cursor") from fault
    first, last = _moment_ms(start, "from", closing=False), _moment_ms(end, "to", closing=True)
    if first > last:
        raise _BadRequest("'to' must not be before 'from'")
    return first, last


def _moment_ms(text: str, name: str, *, closing: bool) -> int:
    """Epoch milliseconds of `text`: a number, or a New York day (its first or its last instant)."""
    if text.isdecimal() and len(text) <= 15:
        return int(text)
    try:
        day = date.fromisoformat(text)
        if not closing:
            return new_york_ns(day, "00:00") // NS_PER_MILLISECOND
        return new_york_ns(day + timedelta(days=1), "00:00") // NS_PER_MILLISECOND - 1
    except (ValueError, OverflowError) as fault:
        raise _BadRequest(f"could not parse the time parameter {name!r}: use YYYY-MM-DD or ms") from fault


def _limit(query: Mapping[str, str]) -> int:
    text = query.get("limit", str(_DEFAULT_LIMIT))
    if not text.isdecimal() or not 1 <= int(text[:9]) <= _MAX_LIMIT:
        raise _BadRequest(f"limit must be from 1 to {_MAX_LIMIT}")
    return int(text)


def _cursor(rest: tuple[int, int]) -> str:
    return base64.urlsafe_b64encode(orjson.dumps(rest)).decode()


def _json(body: object, status: int = 200) -> web.Response:
    return web.Response(body=orjson.dumps(body), status=status, content_type="application/json")
