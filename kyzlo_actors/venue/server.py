"""The paper venue as a server: wires its parts together, listens on loopback, ends cleanly."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import orjson
from aiohttp import web

from kyzlo_actors.domain.errors import Recoverable
from kyzlo_actors.domain.values import NS_PER_MILLISECOND, NS_PER_SECOND
from kyzlo_actors.replay.matching import MatchingEngine
from kyzlo_actors.venue.activity_events import ActivityEvents
from kyzlo_actors.venue.activity_ledger import ActivityLedger
from kyzlo_actors.venue.alpaca_activities import AlpacaActivities
from kyzlo_actors.venue.alpaca_orders import AlpacaOrders
from kyzlo_actors.venue.alpaca_positions import AlpacaPositions
from kyzlo_actors.venue.alpaca_rest import AlpacaRest
from kyzlo_actors.venue.alpaca_terms import fill_plan, first_terms
from kyzlo_actors.venue.bars import Bars
from kyzlo_actors.venue.behaviour import Switches
from kyzlo_actors.venue.calendar import VenueCalendar
from kyzlo_actors.venue.clock import NowNs, VenueClock, wall_clock_ns
from kyzlo_actors.venue.ctl import Ctl
from kyzlo_actors.venue.data_stream import DataStream
from kyzlo_actors.venue.data_tape import DataTape
from kyzlo_actors.venue.desk import Desk
from kyzlo_actors.venue.ears import Ears
from kyzlo_actors.venue.faults import Faults
from kyzlo_actors.venue.feed import Feed
from kyzlo_actors.venue.frames import CannedFrames
from kyzlo_actors.venue.http import Gate, RateWindow, json_errors
from kyzlo_actors.venue.long_bars import LongBars
from kyzlo_actors.venue.market import Market
from kyzlo_actors.venue.options import VenueOptions
from kyzlo_actors.venue.polygon_aggregates import PolygonAggregates
from kyzlo_actors.venue.polygon_rest import PolygonRest
from kyzlo_actors.venue.polygon_tape import PolygonTape
from kyzlo_actors.venue.polygon_ticks import PolygonTicks
from kyzlo_actors.venue.polygon_ws import PolygonStream
from kyzlo_actors.venue.scenario import Scenario, load_scenario
from kyzlo_actors.venue.server_log import server_log
from kyzlo_actors.venue.skew import SkewedClock
from kyzlo_actors.venue.source import MarketSource
from kyzlo_actors.venue.timestamps import parse_rfc3339
from kyzlo_actors.venue.trade_updates import TradeUpdates

LOOPBACK: Final = "127.0.0.1"
_GOING_AWAY: Final = 1001
_MAX_BODY_BYTES: Final = 1024 * 1024
_SHUTDOWN_SECONDS: Final = 1.0


async def serve(
    options: VenueOptions, *, ready: Callable[[int], None], now_ns: NowNs = wall_clock_ns
) -> None:
    """Serve until cancelled; `ready` gets the port once connections are answered.

    Raises: BadInput: the scenario cannot be used. Recoverable: the port is taken.
    """
    parts = build(options, now_ns)
    runner = web.AppRunner(
        parts.app(), access_log=None, shutdown_timeout=_SHUTDOWN_SECONDS, logger=server_log()
    )
    await runner.setup()
    try:
        site = web.TCPSite(runner, LOOPBACK, options.port)
        try:
            await site.start()
        except OSError as fault:
            raise Recoverable(f"cannot listen on {LOOPBACK}:{options.port}: {fault.strerror}") from fault
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(parts.feed.run())
            tasks.create_task(parts.echo.run())
            tasks.create_task(parts.updates.run())
            ready(int(runner.addresses[0][1]))
    finally:
        await runner.cleanup()


def run(options: VenueOptions) -> int:
    """Serve until SIGTERM or SIGINT; prints one JSON line with the addresses when ready. Returns 0."""
    asyncio.run(_run(options))
    return 0


def addresses(port: int) -> dict[str, object]:
    """What a client needs to know, as the ready line says it."""
    return {
        "ready": True,
        "port": port,
        "rest": f"http://{LOOPBACK}:{port}",
        "trade_updates": f"ws://{LOOPBACK}:{port}/stream",
        "polygon_ws": f"ws://{LOOPBACK}:{port}/stocks",
        "polygon_rest": f"http://{LOOPBACK}:{port}",
        "ctl": f"http://{LOOPBACK}:{port}/_ctl",
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueParts:
    """Everything a venue is made of, wired but not yet listening."""

    scenario: Scenario
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

    Raises: BadInput: the scenario cannot be used.
    """
    scenario = load_scenario(options.scenario)
    clock = now_ns = _clock(options, scenario, base_now_ns)
    faults = Faults(options.seed)
    for fault in scenario.faults:
        faults.apply(fault)
    switches = Switches(scenario.behaviour)
    calendar = VenueCalendar(scenario.calendar.rules)
    market = Market(scenario, seed=options.seed, speed=options.speed, calendar=calendar)
    bars = Bars(market, calendar, lambda: switches.now.minute_revision_window_ms)
    gate = Gate(
        key=options.alpaca_key or scenario.keys.alpaca_key,
        secret=options.alpaca_secret or scenario.keys.alpaca_secret,
        rate=RateWindow(scenario.rate_limit_per_minute, now_ns),
        faults=faults,
        switches=switches,
    )
    polygon_key = options.polygon_key or scenario.keys.polygon_key
    updates = TradeUpdates(
        check_keys=gate.check_keys,
        faults=faults,
        switches=switches,
        reap_seconds=scenario.streams.reap_seconds,
    )
    polygon = PolygonStream(
        key=polygon_key,
        faults=faults,
        plan=scenario.polygon,
        switches=switches,
        canned=CannedFrames(scenario.frames, "polygon"),
        now_ns=now_ns,
        seed=options.seed,
    )
    shown_clock = SkewedClock(now_ns)
    desk = _desk(options, scenario, market, calendar, shown_clock, updates, faults, switches)
    if faults.hold_fills:
        desk.hold_fills(True)
    data = DataStream(
        scenario=scenario,
        check_keys=gate.check_keys,
        faults=faults,
        now_ns=now_ns,
    )
    tapes = [
        PolygonTape(
            source=market,
            calendar=calendar,
            terms=scenario.market,
            switches=switches,
            readers=polygon.readers(delayed=delayed),
        )
        for delayed in (False, True)
    ]
    data_tapes = [
        DataTape(source=market, scenario=scenario, readers=data.readers(delayed=delayed))
        for delayed in (False, True)
    ]
    ears = Ears(desk, (tapes[0], data_tapes[0]))
    feed = Feed(market, bars, calendar, now_ns, ears, clock)
    delay_ns = scenario.polygon.delay_seconds * NS_PER_SECOND
    echo = Feed(
        market,
        bars,
        calendar,
        lambda: now_ns() - delay_ns,
        Ears(None, (tapes[1], data_tapes[1])),
        clock,
        wanted=lambda: polygon.has_delayed() or data.has_delayed(),
    )
    orders = AlpacaOrders(desk, faults)
    activities = ActivityEvents(
        ActivityLedger(desk.engine, desk.account_number),
        now_ns,
        heartbeat_seconds=scenario.streams.heartbeat_seconds,
    )
    ctl = Ctl(
        desk=desk,
        faults=faults,
        switches=switches,
        feed=feed,
        orders=orders,
        updates=updates,
        polygon=polygon,
        data=data,
        data_tape=data_tapes[0],
        gate=gate,
        tell_halt=ears.silence,
        shown_clock=shown_clock,
    )
    routes = (
        *AlpacaRest(desk).routes(gate),
        *orders.routes(gate),
        *AlpacaPositions(desk, faults).routes(gate),
        *AlpacaActivities(desk).routes(gate),
        *_polygon_rest(
            scenario, polygon_key, market, bars, calendar, faults, switches, clock, base_now_ns
        ).routes(),
        *activities.routes(gate),
        *ctl.routes(),
        web.get("/stream", updates.handle),
        web.get("/stocks", polygon.handle),
        web.get("/delayed/stocks", polygon.handle_delayed),
        web.get("/data/v2/{feed}", data.handle),
        web.get("/v2/{feed:iex|sip|delayed_sip|test}", data.handle),
    )
    return VenueParts(
        scenario=scenario,
        desk=desk,
        feed=feed,
        echo=echo,
        updates=updates,
        polygon=polygon,
        data=data,
        routes=routes,
        stops=(ctl.stop, activities.stop),
    )


def _clock(options: VenueOptions, scenario: Scenario, base_now_ns: NowNs) -> VenueClock:
    part = scenario.clock
    starts_ns = parse_rfc3339(part.starts_at) if part.starts_at else None
    return VenueClock(base_now_ns, starts_ns=starts_ns, speed=options.clock_speed or part.speed)


def _polygon_rest(
    scenario: Scenario,
    key: str,
    source: MarketSource,
    bars: Bars,
    calendar: VenueCalendar,
    faults: Faults,
    switches: Switches,
    now_ns: NowNs,
    base_now_ns: NowNs,
) -> PolygonRest:
    plan = scenario.polygon
    long_bars = LongBars(source, bars, calendar, started_ms=now_ns() // NS_PER_MILLISECOND)
    aggregates = PolygonAggregates(
        source=source,
        bars=bars,
        long_bars=long_bars,
        plan=plan,
        history=scenario.history,
        now_ns=now_ns,
    )
    return PolygonRest(
        key=key,
        aggregates=aggregates,
        ticks=PolygonTicks(source=source, bars=bars, scenario=scenario, switches=switches, now_ns=now_ns),
        calendar=calendar,
        faults=faults,
        # The vendor counts minutes of the real world, however fast the venue's clock runs.
        rate=RateWindow(plan.requests_per_minute, base_now_ns) if plan.requests_per_minute else None,
        status="DELAYED" if plan.delayed else "OK",
        now_ns=now_ns,
    )


def _desk(
    options: VenueOptions,
    scenario: Scenario,
    market: Market,
    calendar: VenueCalendar,
    now_ns: NowNs,
    updates: TradeUpdates,
    faults: Faults,
    switches: Switches,
) -> Desk:
    account_number = options.account_number or scenario.account.account_number
    started_ns = now_ns()
    # A venue that starts again is a fresh account: it must not give the ids of its former life.
    terms = first_terms(scenario, f"{account_number}:{options.seed}:{started_ns}")
    plan = fill_plan(scenario, options.seed)
    return Desk(
        engine=MatchingEngine(terms, plan, phase=calendar.phase(started_ns)),
        market=market,
        calendar=calendar,
        scenario=scenario,
        account_number=account_number,
        now_ns=now_ns,
        publish=updates.publish,
        faults=faults,
        switches=switches,
    )


async def _run(options: VenueOptions) -> None:
    scenario = load_scenario(options.scenario)
    about = {
        "scenario": scenario.name,
        "account_number": options.account_number or scenario.account.account_number,
        "symbols": [part.symbol for part in scenario.symbols if part.tradable and part.active],
    }

    def announce(port: int) -> None:
        sys.stdout.write(orjson.dumps(addresses(port) | about).decode() + "\n")
        sys.stdout.flush()

    loop = asyncio.get_running_loop()
    task = loop.create_task(serve(options, ready=announce))
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, task.cancel)
    with suppress(asyncio.CancelledError):
        await task
