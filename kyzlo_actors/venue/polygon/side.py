"""Everything of the venue that speaks Polygon, wired: both sockets, their tapes, the REST side."""

from __future__ import annotations

from dataclasses import dataclass

from aiohttp import web

from kyzlo_actors.domain.values import NS_PER_MILLISECOND
from kyzlo_actors.venue.broker.http import RateWindow
from kyzlo_actors.venue.frames import CannedFrames
from kyzlo_actors.venue.market.long_bars import LongBars
from kyzlo_actors.venue.polygon.aggregates import PolygonAggregates
from kyzlo_actors.venue.polygon.reference import PolygonRest
from kyzlo_actors.venue.polygon.stream import PolygonStream
from kyzlo_actors.venue.polygon.tape import PolygonTape
from kyzlo_actors.venue.polygon.ticks import PolygonTicks
from kyzlo_actors.venue.stage import Stage


@dataclass(frozen=True, slots=True, kw_only=True)
class PolygonSide:
    """`tape` and `delayed_tape` listen to the feed and to its echo."""

    stream: PolygonStream
    tape: PolygonTape
    delayed_tape: PolygonTape
    ticks: PolygonTicks
    rest: PolygonRest

    def routes(self) -> tuple[web.RouteDef, ...]:
        """Its routes."""
        return (
            *self.rest.routes(),
            web.get("/stocks", self.stream.handle),
            web.get("/delayed/stocks", self.stream.handle_delayed),
        )


def polygon_side(stage: Stage) -> PolygonSide:
    """Wire it."""
    key = stage.options.polygon_key or stage.scenario.keys.polygon_key
    stream = PolygonStream(
        key=key,
        faults=stage.faults,
        plan=stage.scenario.polygon,
        switches=stage.switches,
        canned=CannedFrames(stage.scenario.frames, "polygon"),
        now_ns=stage.clock,
        seed=stage.options.seed,
    )
    ticks = PolygonTicks(
        source=stage.source,
        bars=stage.bars,
        scenario=stage.scenario,
        switches=stage.switches,
        now_ns=stage.clock,
    )
    return PolygonSide(
        stream=stream,
        tape=_tape(stage, stream, delayed=False),
        delayed_tape=_tape(stage, stream, delayed=True),
        ticks=ticks,
        rest=_rest(stage, key, ticks),
    )


def _tape(stage: Stage, stream: PolygonStream, *, delayed: bool) -> PolygonTape:
    return PolygonTape(
        source=stage.source,
        calendar=stage.calendar,
        terms=stage.scenario.market,
        switches=stage.switches,
        readers=stream.readers(delayed=delayed),
    )


def _rest(stage: Stage, key: str, ticks: PolygonTicks) -> PolygonRest:
    plan = stage.scenario.polygon
    started_ms = stage.clock() // NS_PER_MILLISECOND
    aggregates = PolygonAggregates(
        source=stage.source,
        bars=stage.bars,
        long_bars=LongBars(stage.source, stage.bars, stage.calendar, started_ms=started_ms),
        plan=plan,
        history=stage.scenario.history,
        now_ns=stage.clock,
    )
    # The vendor counts minutes of the real world, however fast the venue's clock runs.
    rate = RateWindow(plan.requests_per_minute, stage.base_now_ns) if plan.requests_per_minute else None
    return PolygonRest(
        key=key,
        aggregates=aggregates,
        ticks=ticks,
        calendar=stage.calendar,
        faults=stage.faults,
        rate=rate,
        status="DELAYED" if plan.delayed else "OK",
        now_ns=stage.clock,
    )
