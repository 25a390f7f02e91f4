"""Wires a venue of its parts: the only place that knows all of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from aiohttp import web

from kyzlo_actors.domain.values import NS_PER_SECOND
from kyzlo_actors.replay.matching import MatchingEngine
from kyzlo_actors.venue.broker.activities import AlpacaActivities
from kyzlo_actors.venue.broker.activity_events import ActivityEvents
from kyzlo_actors.venue.broker.activity_ledger import ActivityLedger
from kyzlo_actors.venue.broker.desk import Desk
from kyzlo_actors.venue.broker.http import Gate, RateWindow, json_errors
from kyzlo_actors.venue.broker.orders import AlpacaOrders
from kyzlo_actors.venue.broker.positions import AlpacaPositions
from kyzlo_actors.venue.broker.reference import AlpacaRest
from kyzlo_actors.venue.broker.terms import fill_plan, first_terms
from kyzlo_actors.venue.broker.trade_updates import TradeUpdates
from kyzlo_actors.venue.clock import NowNs
from kyzlo_actors.venue.control.door import Ctl
from kyzlo_actors.venue.control.skew import SkewedClock
from kyzlo_actors.venue.data.stream import DataStream
from kyzlo_actors.venue.data.tape import DataTape
from kyzlo_actors.venue.ears import Ears
from kyzlo_actors.venue.market.feed import Feed
from kyzlo_actors.venue.options import VenueOptions
from kyzlo_actors.venue.polygon.side import PolygonSide, polygon_side
from kyzlo_actors.venue.polygon.stream import PolygonStream
from kyzlo_actors.venue.stage import Stage, set_stage

_GOING_AWAY: Final = 1001
_MAX_BODY_BYTES: Final = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueParts:
    """Everything a venue is made of, wired but not yet listening."""

    stage: Stage
    desk: Desk
    feed: Feed
    # The delayed market-data stream's.
    echo: Feed
    updates: TradeUpdates
    polygon: PolygonStream
    data: DataStream
    routes: tuple[web.RouteDef, ...]
    # What has to be told that the venue ends.
    stops: tuple[Callable[[], None], ...]

    def app(self) -> web.Application:
        """The web application; closing it says goodbye to every stream."""
        app = web.Application(client_max_size=_MAX_BODY_BYTES, middlewares=[json_errors])
        app.add_routes(self.routes)

        async def goodbye(_: web.Application) -> None:
            for stop in self.stops:
                stop()
            streams = (self.updates, self.polygon, self.data)
            await asyncio.gather(*(stream.close_all(_GOING_AWAY) for stream in streams))

        app.on_shutdown.append(goodbye)
        return app


def build(options: VenueOptions, base_now_ns: NowNs) -> VenueParts:
    """Wire a venue.

    Raises: BadInput: the scenario, or a file to replay, cannot be used.
    """
    stage = set_stage(options, base_now_ns)
    scenario, faults, now_ns = stage.scenario, stage.faults, stage.clock
    gate = _gate(stage)
    updates = TradeUpdates(
        check_keys=gate.check_keys,
        faults=faults,
        switches=stage.switches,
        reap_seconds=scenario.streams.reap_seconds,
    )
    shown_clock = SkewedClock(now_ns)
    desk = _desk(stage, shown_clock, updates)
    polygon = polygon_side(stage)
    data = DataStream(scenario=scenario, check_keys=gate.check_keys, faults=faults, now_ns=now_ns)
    data_tape = DataTape(source=stage.source, scenario=scenario, readers=data.readers(delayed=False))
    ears = Ears(desk, (polygon.tape, data_tape))
    feed = stage.feed(ears)
    orders = AlpacaOrders(desk, faults)
    activities = ActivityEvents(
        ActivityLedger(desk.engine, desk.account_number),
        now_ns,
        heartbeat_seconds=scenario.streams.heartbeat_seconds,
    )
    ctl = Ctl(
        desk=desk,
        faults=faults,
        switches=stage.switches,
        feed=feed,
        orders=orders,
        updates=updates,
        polygon=polygon.stream,
        data=data,
        data_tape=data_tape,
        gate=gate,
        tell_halt=ears.silence,
        correct=polygon.ticks.correct,
        shown_clock=shown_clock,
    )
    routes = (
        *AlpacaRest(desk).routes(gate),
        *orders.routes(gate),
        *AlpacaPositions(desk, faults).routes(gate),
        *AlpacaActivities(desk).routes(gate),
        *polygon.routes(),
        *activities.routes(gate),
        *ctl.routes(),
        web.get("/stream", updates.handle),
        web.get("/data/v2/{feed}", data.handle),
        web.get("/v2/{feed:iex|sip|delayed_sip|test}", data.handle),
    )
    return VenueParts(
        stage=stage,
        desk=desk,
        feed=feed,
        echo=_echo(stage, polygon, data),
        updates=updates,
        polygon=polygon.stream,
        data=data,
        routes=routes,
        stops=(ctl.stop, activities.stop),
    )


def _gate(stage: Stage) -> Gate:
    scenario, options = stage.scenario, stage.options
    return Gate(
        key=options.alpaca_key or scenario.keys.alpaca_key,
        secret=options.alpaca_secret or scenario.keys.alpaca_secret,
        rate=RateWindow(scenario.rate_limit_per_minute, stage.clock),
        faults=stage.faults,
        switches=stage.switches,
    )


def _echo(stage: Stage, polygon: PolygonSide, data: DataStream) -> Feed:
    """The feed of the delayed streams."""
    delay_ns = stage.scenario.polygon.delay_seconds * NS_PER_SECOND
    data_tape = DataTape(source=stage.source, scenario=stage.scenario, readers=data.readers(delayed=True))
    return Feed(
        stage.source,
        stage.bars,
        stage.calendar,
        lambda: stage.clock() - delay_ns,
        Ears(None, (polygon.delayed_tape, data_tape)),
        stage.clock,
        wanted=lambda: polygon.stream.has_delayed() or data.has_delayed(),
    )


def _desk(stage: Stage, now_ns: NowNs, updates: TradeUpdates) -> Desk:
    started_ns = now_ns()
    # A venue that starts again is a fresh account: it must not give the ids of its former life.
    terms = first_terms(stage.scenario, f"{stage.account_number}:{stage.options.seed}:{started_ns}")
    plan = fill_plan(stage.scenario, stage.options.seed)
    desk = Desk(
        engine=MatchingEngine(terms, plan, phase=stage.calendar.phase(started_ns)),
        market=stage.source,
        calendar=stage.calendar,
        scenario=stage.scenario,
        account_number=stage.account_number,
        now_ns=now_ns,
        publish=updates.publish,
        faults=stage.faults,
        switches=stage.switches,
    )
    if stage.faults.hold_fills:
        desk.hold_fills(True)
    return desk
