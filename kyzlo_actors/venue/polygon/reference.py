"""Polygon's REST side: its routes, and what stands before each of them (key, rate, plan, faults)."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Awaitable, Callable
from typing import Any, Final

import orjson
from aiohttp import web

from kyzlo_actors.replay.matching_messages import SessionPhase
from kyzlo_actors.venue.broker.http import RateWindow
from kyzlo_actors.venue.clock import NowNs
from kyzlo_actors.venue.control.faults import Faults
from kyzlo_actors.venue.market.calendar import VenueCalendar
from kyzlo_actors.venue.market.conditions import CONDITIONS
from kyzlo_actors.venue.polygon.aggregates import PolygonAggregates
from kyzlo_actors.venue.polygon.query import BadRequest, NotFound, NotIncluded
from kyzlo_actors.venue.polygon.ticks import PolygonTicks
from kyzlo_actors.venue.timestamps import rfc3339_new_york

Json = dict[str, Any]
Answer = Callable[[web.Request], Awaitable[Json]]
_TOO_MANY: Final = (
    "You've exceeded the maximum requests per minute, please wait or upgrade your subscription to continue. "
    "https://massive.com/pricing"
)
_OPEN: Final = {
    SessionPhase.REGULAR: "open",
    SessionPhase.PRE: "extended-hours",
    SessionPhase.POST: "extended-hours",
}


class PolygonRest:
    """`status` is the word of good replies: `OK`, or `DELAYED` on a delayed plan. `rate` None: no limit."""

    def __init__(
        self,
        *,
        key: str,
        aggregates: PolygonAggregates,
        ticks: PolygonTicks,
        calendar: VenueCalendar,
        faults: Faults,
        rate: RateWindow | None,
        status: str,
        now_ns: NowNs,
    ) -> None:
        self.requests = 0
        self._key = key
        self._aggregates = aggregates
        self._ticks = ticks
        self._calendar = calendar
        self._faults = faults
        self._rate = rate
        self._status = status
        self._now_ns = now_ns

    def routes(self) -> list[web.RouteDef]:
        """Its routes."""
        table: dict[str, Answer] = {
            "/v2/aggs/ticker/{symbol}/range/{multiplier}/{unit}/{start}/{end}": self._aggregates.answer,
            "/v2/aggs/ticker/{symbol}/prev": lambda r: self._aggregates.previous(r.match_info["symbol"]),
            "/v3/trades/{symbol}": self._ticks.trades,
            "/v3/quotes/{symbol}": self._ticks.quotes,
            "/v2/last/trade/{symbol}": lambda r: self._ticks.last_trade(r.match_info["symbol"]),
            "/v2/last/nbbo/{symbol}": lambda r: self._ticks.last_quote(r.match_info["symbol"]),
            "/v3/reference/conditions": self.conditions,
        }
        routes = [web.get(path, self._guarded(answer)) for path, answer in table.items()]
        # This one has neither status nor request id.
        return [*routes, web.get("/v1/marketstatus/now", self._guarded(self.market_status, bare=True))]

    async def conditions(self, request: web.Request) -> Json:
        """The table of trade conditions."""
        rows = [row.as_json() for row in CONDITIONS.values()]
        return {"results": rows, "count": len(rows)}

    async def market_status(self, request: web.Request) -> Json:
        """Whether the exchanges are open."""
        now = self._now_ns()
        phase = self._calendar.phase(now)
        word = _OPEN.get(phase, "closed")
        return {
            "afterHours": phase is SessionPhase.POST,
            "currencies": {"crypto": "open", "fx": "open"},
            "earlyHours": phase is SessionPhase.PRE,
            "exchanges": {"nasdaq": word, "nyse": word, "otc": word},
            "market": word,
            "serverTime": rfc3339_new_york(now),
        }

    def _guarded(
        self, answer: Answer, *, bare: bool = False
    ) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def guarded(request: web.Request) -> web.Response:
            self.requests += 1
            refusal = self._refusal(request)
            if refusal:
                return refusal
            try:
                body = await answer(request)
            except BadRequest as fault:
                return self._error(400, "ERROR", error=str(fault))
            except NotIncluded as fault:
                return self._error(403, "NOT_AUTHORIZED", message=str(fault))
            except NotFound:
                return self._error(404, "NOT_FOUND", message="Data not found.")
            return _json(body if bare else body | {"status": self._status, "request_id": self._request_id()})

        return guarded

    def _refusal(self, request: web.Request) -> web.Response | None:
        given = request.headers.get("Authorization", "").removeprefix("Bearer ")
        given = given or request.query.get("apiKey", "")
        if not hmac.compare_digest(given.encode(), self._key.encode()):
            return self._error(401, "ERROR", error="Unknown API Key")
        if rule := self._faults.strike("fail_polygon_5xx"):
            if rule.html:
                page = f"<html><body><h1>{rule.status} Server Error</h1></body></html>"
                return web.Response(text=page, status=rule.status, content_type="text/html")
            return self._error(rule.status, "ERROR", error="internal server error")
        if self._faults.strikes("polygon_rate_limit") or (self._rate and not self._rate.take()):
            return self._error(429, "ERROR", error=_TOO_MANY)
        return None

    def _error(self, status: int, word: str, **text: str) -> web.Response:
        return _json({"status": word, "request_id": self._request_id(), **text}, status)

    def _request_id(self) -> str:
        return hashlib.sha256(f"polygon:{self.requests}".encode()).hexdigest()[:32]


def _json(body: object, status: int = 200) -> web.Response:
    return web.Response(body=orjson.dumps(body), status=status, content_type="application/json")
