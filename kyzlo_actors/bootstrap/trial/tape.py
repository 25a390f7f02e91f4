"""Markets made here for trying a strategy: an ordinary day with a restart's gap, and everything odd in a row."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from math import sin
from random import Random
from typing import Final

from kyzlo_actors.domain.market import Bar, Tick
from kyzlo_actors.domain.messages import TimerDue
from kyzlo_actors.domain.values import NS_PER_SECOND

SYMBOL: Final = "TEST"
BAR_NS: Final = 60 * NS_PER_SECOND
TICKS_PER_BAR: Final = 5
LIVE_BARS: Final = 600
HISTORY_BARS: Final = 200
_START_NS: Final = 1_699_972_200 * NS_PER_SECOND  # a Tuesday, 09:30 in New York
_GAP_AT: Final = 250
_GAP_BARS: Final = 20
_REVISED_EVERY: Final = 17


@dataclass(slots=True, kw_only=True)
class Step:
    """One callback. `is_late`: a bar of history, to learn from only."""

    event: Tick | Bar | TimerDue
    is_late: bool = False


def ordinary_tape(seed: int, timers: Mapping[str, float]) -> list[Step]:
    """History, then bars with their ticks: waves on a random walk, corrected bars, and one gap in the middle."""
    market = _Market(Random(seed))
    steps = [Step(event=bar, is_late=True) for bar in market.bars(HISTORY_BARS)]
    for number in range(LIVE_BARS):
        if number == _GAP_AT:  # the feed was away: its bars come late, marked as repaired
            steps += [Step(event=replace(bar, repaired=True), is_late=True) for bar in market.bars(_GAP_BARS)]
        ticks, bar = market.next_bar()
        steps += [Step(event=tick) for tick in ticks]
        steps.append(Step(event=bar))
        if number % _REVISED_EVERY == 0:
            steps.append(Step(event=_revised(bar)))
        steps += [Step(event=due) for due in _due(timers, bar)]
    return steps


def odd_tape(seed: int, timers: Mapping[str, float]) -> list[Step]:
    """What a year brings once: standstill, no volume, jumps, pennies, a day's gap, corrections of what was never seen.

    Prices are finite and above zero, as the feed guarantees.
    """
    market = _Market(Random(seed))
    steps: list[Step] = []
    for shape in (
        {},
        {"is_still": True},
        {"volume": 0.0},
        {"factor": 10.0},
        {"factor": 0.001},
        {"is_still": True, "volume": 1e12},
        {"factor": 1e-4},  # a hundredth of a cent
        {"factor": 1e8},
    ):
        market.become(**shape)
        for number in range(40):
            ticks, bar = market.next_bar()
            steps += [Step(event=tick) for tick in ticks]
            steps.append(Step(event=bar))
            if number % 5 == 0:
                steps += [Step(event=_revised(bar)), Step(event=replace(_revised(bar), revision=2))]
        steps += [Step(event=due) for due in _due(timers, bar)]
        unseen = replace(bar, start_ns=bar.start_ns - 100_000 * BAR_NS, revision=1)
        steps += [Step(event=unseen), Step(event=replace(bar), is_late=True)]
        market.skip(24 * 60)
    return steps


@dataclass(slots=True)
class _Market:
    random: Random
    price: float = 100.0
    start_ns: int = _START_NS
    volume: float | None = None
    is_still: bool = False
    trades: int = field(default=0)

    def become(self, *, factor: float = 1.0, volume: float | None = None, is_still: bool = False) -> None:
        self.price *= factor
        self.volume, self.is_still = volume, is_still

    def skip(self, bars: int) -> None:
        self.start_ns += bars * BAR_NS

    def bars(self, count: int) -> Iterator[Bar]:
        for _ in range(count):
            yield self.next_bar()[1]

    def next_bar(self) -> tuple[list[Tick], Bar]:
        ticks = [self._tick(place) for place in range(TICKS_PER_BAR)]
        prices = [tick.price for tick in ticks]
        end_ns = self.start_ns + BAR_NS
        bar = Bar(
            symbol=SYMBOL,
            interval_ns=BAR_NS,
            start_ns=self.start_ns,
            open=prices[0],
            high=max(prices),
            low=min(prices),
            close=prices[-1],
            volume=sum(tick.size for tick in ticks),
            trade_count=len(ticks),
            revision=0,
            repaired=False,
            ts_init=end_ns,
        )
        self.start_ns = end_ns
        return ticks, bar

    def _tick(self, place: int) -> Tick:
        self.trades += 1
        if not self.is_still:
            # Waves of two lengths, so that averages cross and channels break, and noise on them.
            wave = 0.0008 * sin(self.trades / 40) + 0.0006 * sin(self.trades / 170)
            self.price *= 1 + wave + self.random.gauss(0.0, 0.0007)
        ts = self.start_ns + (place * BAR_NS) // TICKS_PER_BAR
        size = float(self.random.randint(1, 500)) if self.volume is None else self.volume
        price = round(self.price, 2) if self.price > 1 else self.price
        return Tick(SYMBOL, price, size, ts, ts + 1_000_000, 4, 0, str(self.trades))


def _revised(bar: Bar) -> Bar:
    """A late trade moved its high and its close."""
    return replace(bar, high=bar.high * 1.02, close=bar.high * 1.01, revision=1, ts_init=bar.ts_init + 1)


def _due(timers: Mapping[str, float], bar: Bar) -> Iterator[TimerDue]:
    """One call for each timer that was due within the bar, however often."""
    for name, seconds in timers.items():
        period_ns = round(seconds * NS_PER_SECOND)
        due_ns = bar.end_ns - bar.end_ns % period_ns
        if due_ns > bar.start_ns:
            yield TimerDue(name=name, due_ns=due_ns, now_ns=bar.end_ns)
