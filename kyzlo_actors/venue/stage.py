"""The stage on which a venue plays: its scenario, clock, calendar and market, seeded or replayed from files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from kyzlo_actors.domain.values import NS_PER_MILLISECOND
from kyzlo_actors.venue.clock import NowNs, VenueClock
from kyzlo_actors.venue.control.behaviour import Switches
from kyzlo_actors.venue.control.faults import Faults
from kyzlo_actors.venue.market.bars import Bars
from kyzlo_actors.venue.market.calendar import VenueCalendar
from kyzlo_actors.venue.market.feed import Feed, FeedListener
from kyzlo_actors.venue.market.replayed import Replay, load_replay
from kyzlo_actors.venue.market.seeded import Market
from kyzlo_actors.venue.market.source import MarketSource
from kyzlo_actors.venue.options import VenueOptions
from kyzlo_actors.venue.scenario import Scenario, load_scenario
from kyzlo_actors.venue.timestamps import parse_rfc3339, rfc3339

# A replay begins that long before its first trade, so that clients find their way in.
_LEAD_MS: Final = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """`base_now_ns` is the machine's clock, `clock` the venue's."""

    options: VenueOptions
    scenario: Scenario
    faults: Faults
    switches: Switches
    base_now_ns: NowNs
    clock: VenueClock
    calendar: VenueCalendar
    source: MarketSource
    bars: Bars
    replay: Replay | None

    @property
    def account_number(self) -> str:
        """The one account's."""
        return self.options.account_number or self.scenario.account.account_number

    def feed(self, ears: FeedListener) -> Feed:
        """The feed that drives the venue."""
        leaps = self.replay is not None
        return Feed(self.source, self.bars, self.calendar, self.clock, ears, self.clock, leaps=leaps)

    def about(self) -> dict[str, object]:
        """What the ready line says of it."""
        symbols = [part.symbol for part in self.scenario.symbols if part.tradable and part.active]
        about: dict[str, object] = {
            "scenario": self.scenario.name,
            "account_number": self.account_number,
            "symbols": symbols,
        }
        if self.replay:
            market, tally = self.replay.market, self.replay.tally
            about["replay"] = {
                "first": rfc3339(market.first_ms * NS_PER_MILLISECOND, 3),
                "last": rfc3339(market.last_ms * NS_PER_MILLISECOND, 3),
                "rows": tally.rows,
                "bad_rows": tally.bad_rows,
                "dropped": tally.dropped,
            }
        return about


def set_stage(options: VenueOptions, base_now_ns: NowNs) -> Stage:
    """Read what the options name.

    Raises: BadInput: the scenario, or a file to replay, cannot be used.
    """
    scenario = load_scenario(options.scenario)
    faults = Faults(options.seed)
    for fault in scenario.faults:
        faults.apply(fault)
    switches = Switches(scenario.behaviour)
    calendar = VenueCalendar(scenario.calendar.rules)
    replay = load_replay(options.replay, scenario, options.symbols) if options.replay else None
    source: MarketSource
    if replay:
        scenario, source = replay.scenario, replay.market
    else:
        source = Market(scenario, seed=options.seed, speed=options.speed, calendar=calendar)
    return Stage(
        options=options,
        scenario=scenario,
        faults=faults,
        switches=switches,
        base_now_ns=base_now_ns,
        clock=_clock(options, scenario, replay, base_now_ns),
        calendar=calendar,
        source=source,
        bars=Bars(source, calendar, lambda: switches.now.minute_revision_window_ms),
        replay=replay,
    )


def _clock(
    options: VenueOptions, scenario: Scenario, replay: Replay | None, base_now_ns: NowNs
) -> VenueClock:
    """A replay's clock follows its file, unless the scenario says when it starts."""
    part = scenario.clock
    starts_ns = parse_rfc3339(part.starts_at) if part.starts_at else None
    if starts_ns is None and replay:
        starts_ns = (replay.market.first_ms - _LEAD_MS) * NS_PER_MILLISECOND
    return VenueClock(base_now_ns, starts_ns=starts_ns, speed=options.clock_speed or part.speed)
