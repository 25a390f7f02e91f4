"""Polygon's aggregates: bars of any timespan in pages, the scenario's own rows where it has some."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from aiohttp import web

from kyzlo_actors.domain.values import NS_PER_MILLISECOND
from kyzlo_actors.venue.clock import NowNs
from kyzlo_actors.venue.market.bars import Bars
from kyzlo_actors.venue.market.long_bars import LongBars
from kyzlo_actors.venue.market.periods import TIMESPANS, Step
from kyzlo_actors.venue.market.prints import VenueBar
from kyzlo_actors.venue.market.source import MarketSource
from kyzlo_actors.venue.polygon.json_shapes import bar_row_json
from kyzlo_actors.venue.polygon.query import (
    BadRequest,
    NotIncluded,
    cursor,
    is_descending,
    limit,
    moment_ms,
    read_cursor,
)
from kyzlo_actors.venue.scenario import HistoryPart, PolygonPart
from kyzlo_actors.venue.timestamps import new_york_date, new_york_ns

_MAX_LIMIT: Final = 50_000
_DEFAULT_LIMIT: Final = 5_000
_MAX_MULTIPLIER: Final = 1_440
# Seconds of market that one page looks at, unless it is still empty: a client stops at an empty page.
_PAGE_SECONDS: Final = 20_000
_SLICE_MS: Final = 60_000
_MS_PER_DAY: Final = 86_400_000
_TODAY: Final = "Attempted to request today's data before end of day. Please upgrade your plan at https://massive.com/pricing"
_TIMEFRAME: Final = (
    "Your plan doesn't include this data timeframe. Please upgrade your plan at https://massive.com/pricing"
)
Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wish:
    """What is asked for; both ends in ms, included."""

    symbol: str
    step: Step
    first_ms: int
    last_ms: int
    rows: int
    descending: bool


class PolygonAggregates:
    """Bars are those of the live stream: both come from the same prints."""

    def __init__(
        self,
        *,
        source: MarketSource,
        bars: Bars,
        long_bars: LongBars,
        plan: PolygonPart,
        history: Sequence[HistoryPart],
        now_ns: NowNs,
    ) -> None:
        self._source = source
        self._bars = bars
        self._long_bars = long_bars
        self._plan = plan
        self._history: dict[tuple[str, str], Sequence[Mapping[str, float]]] = {
            (part.symbol, part.timespan): part.rows for part in history
        }
        self._now_ns = now_ns

    async def answer(self, request: web.Request) -> Json:
        """The body of `/v2/aggs/ticker/…/range/…`, without status and request id.

        Raises: BadRequest, NotIncluded.
        """
        now_ms = self._now_ms()
        wish = self._wish(request, now_ms)
        rows, rest = await self._rows(wish, now_ms)
        body: Json = {
            "ticker": wish.symbol,
            "queryCount": len(rows) * wish.step.bases,
            "resultsCount": len(rows),
            "adjusted": request.query.get("adjusted", "true").lower() != "false",
            "count": len(rows),
        }
        if rows:
            body["results"] = rows
        if rest:
            sort = "desc" if wish.descending else "asc"
            query = (
                f"cursor={cursor(rest)}&limit={limit(request.query, _DEFAULT_LIMIT, _MAX_LIMIT)}&sort={sort}"
            )
            body["next_url"] = f"http://{request.host}{request.path}?{query}"
        return body

    async def previous(self, symbol: str) -> Json:
        """The body of `/v2/aggs/ticker/…/prev`: the newest day that is over."""
        now_ms = self._now_ms()
        step = Step(unit="day", multiplier=1)
        today_ms = step.floor_ms(now_ms)
        first_ms = today_ms - 15 * _MS_PER_DAY
        wish = _Wish(
            symbol=symbol, step=step, first_ms=first_ms, last_ms=today_ms - 1, rows=1, descending=True
        )
        rows, _ = await self._rows(wish, now_ms) if symbol in self._source.symbols else ([], None)
        rows = [{"T": symbol, **row} for row in rows]
        body: Json = {"ticker": symbol, "queryCount": len(rows), "resultsCount": len(rows), "adjusted": True}
        return body | {"count": len(rows)} | ({"results": rows} if rows else {})

    # ---------------------------------------------------------------- inside

    def _now_ms(self) -> int:
        delay_ms = self._plan.delay_seconds * 1_000 if self._plan.delayed else 0
        return self._now_ns() // NS_PER_MILLISECOND - delay_ms

    def _wish(self, request: web.Request, now_ms: int) -> _Wish:
        path, query = request.match_info, request.query
        step = _step(path["unit"], path["multiplier"])
        if text := query.get("cursor"):
            first_ms, last_ms = read_cursor(text)
        else:
            first_ms = moment_ms(path["start"], "from", closing=False)
            last_ms = moment_ms(path["end"], "to", closing=True)
            if first_ms > last_ms:
                raise BadRequest("'to' must not be before 'from'")
            self._check_plan(first_ms, last_ms, now_ms)
        most = limit(query, _DEFAULT_LIMIT, _MAX_LIMIT)
        return _Wish(
            symbol=path["symbol"],
            step=step,
            first_ms=first_ms,
            last_ms=last_ms,
            rows=max(1, most // step.bases),
            descending=is_descending(query, "sort", "asc"),
        )

    def _check_plan(self, first_ms: int, last_ms: int, now_ms: int) -> None:
        days = self._plan.history_days
        if days is not None and first_ms < now_ms - (days + 1) * _MS_PER_DAY:
            raise NotIncluded(_TIMEFRAME)
        if self._plan.end_of_day:
            today = new_york_date(now_ms * NS_PER_MILLISECOND)
            if last_ms >= new_york_ns(today, "00:00") // NS_PER_MILLISECOND:
                raise NotIncluded(_TODAY)

    async def _rows(self, wish: _Wish, now_ms: int) -> tuple[list[Json], tuple[int, int] | None]:
        """A page, and the range of what is left."""
        own = self._history.get((wish.symbol, wish.step.unit)) if wish.step.multiplier == 1 else None
        if own is not None:
            return _own_rows(own, wish)
        span = self._source.span_ms()
        if wish.symbol not in self._source.symbols or span is None:
            return [], None
        first_ms = max(wish.step.first_ms(min(wish.first_ms, now_ms)), wish.step.floor_ms(span[0]))
        last_ms = min(wish.last_ms, now_ms, span[1])
        rows: list[Json] = []
        seconds = 0
        done_ms = first_ms
        for start in wish.step.starts(first_ms, last_ms, descending=wish.descending):
            if len(rows) >= wish.rows or (rows and seconds >= _PAGE_SECONDS):
                return rows, (first_ms, start) if wish.descending else (start, last_ms)
            end = wish.step.next_ms(start)
            bar = await self._bar(wish, start, end, now_ms)
            if bar:
                seconds += (end - start) // 1_000 if wish.step.is_fixed else 0
                rows.append(bar_row_json(bar))
            if abs(start - done_ms) >= _SLICE_MS:
                # Long histories are computed in slices, so that the live stream keeps its time.
                done_ms = start
                await asyncio.sleep(0)
        return rows, None

    async def _bar(self, wish: _Wish, start: int, end: int, now_ms: int) -> VenueBar | None:
        """Bars of minutes and seconds must be over; longer ones show what there is of them."""
        if wish.step.unit in ("second", "minute"):
            return self._bars.bar(wish.symbol, start, end, now_ms) if end <= now_ms else None
        if wish.step.is_fixed:
            return await self._long_bars.hour(wish.symbol, start, end, now_ms)
        first, after = (new_york_date(ts * NS_PER_MILLISECOND) for ts in (start, end))
        return await self._long_bars.days(wish.symbol, first, after, now_ms)


def _own_rows(own: Sequence[Mapping[str, float]], wish: _Wish) -> tuple[list[Json], tuple[int, int] | None]:
    rows = [dict(row) for row in own if wish.first_ms <= row["t"] <= wish.last_ms]
    rows.sort(key=lambda row: row["t"], reverse=wish.descending)
    page, rest = rows[: wish.rows], rows[wish.rows :]
    if not rest:
        return page, None
    edge = int(rest[0]["t"])
    return page, (wish.first_ms, edge) if wish.descending else (edge, wish.last_ms)


def _step(unit: str, multiplier: str) -> Step:
    if unit not in TIMESPANS:
        raise BadRequest(f"timespan {unit!r} is unknown: use one of {', '.join(TIMESPANS)}")
    if not multiplier.isdecimal() or not 1 <= int(multiplier[:9]) <= _MAX_MULTIPLIER:
        raise BadRequest(f"multiplier must be from 1 to {_MAX_MULTIPLIER}")
    return Step(unit=unit, multiplier=int(multiplier))
