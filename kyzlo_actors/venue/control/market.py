"""Acts on the market and its time: prices that jump, halts, broken trades, a clock that leaps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from pydantic import Field

from kyzlo_actors.domain.errors import BadInput
from kyzlo_actors.venue.broker.desk import Desk
from kyzlo_actors.venue.control.act import Act, Arguments, Name
from kyzlo_actors.venue.control.skew import MAX_SKEW_MS, SkewedClock
from kyzlo_actors.venue.data.tape import DataTape
from kyzlo_actors.venue.market.feed import Feed
from kyzlo_actors.venue.market.prints import Print

Price = Annotated[float, Field(strict=True, ge=1, le=1e6)]
# Symbol, halted or not, time in ns, low and high of the band (0: none).
TellHalt = Callable[[str, bool, int, float, float], None]
# A trade, and its corrected price (None: it never happened): what history says of it from now on.
Correct = Callable[[Print, float | None], None]


class Jump(Arguments):
    """The price of a symbol from now on."""

    symbol: Name
    price: Price


class BreakTrade(Arguments):
    """The newest trade of the symbol; without `price` it never happened."""

    symbol: Name
    price: Price | None = None


class MarketActs:
    """See `acts`."""

    def __init__(
        self,
        *,
        desk: Desk,
        feed: Feed,
        tape: DataTape,
        tell_halt: TellHalt,
        correct: Correct,
        shown_clock: SkewedClock,
    ) -> None:
        self._desk = desk
        self._feed = feed
        self._tape = tape
        self._tell_halt = tell_halt
        self._correct = correct
        self._shown_clock = shown_clock

    def acts(self) -> list[Act]:
        """All of them."""
        return [
            Act(name="set_price", takes=Jump, run=self._set_price, help="the price jumps: {symbol, price}"),
            Act(
                name="halt",
                takes=Name,
                run=lambda symbol: self._halt("halt", symbol, halted=True),
                help="trading in a symbol halts: the symbol",
            ),
            Act(
                name="resume",
                takes=Name,
                run=lambda symbol: self._halt("resume", symbol, halted=False),
                help="trading in a symbol resumes: the symbol",
            ),
            Act(
                name="halt_all",
                takes=bool,
                run=self._halt_all,
                help="trading halts in everything (true) or resumes (false)",
            ),
            Act(
                name="break_trade",
                takes=BreakTrade,
                run=self._break_trade,
                help="the market's newest trade is canceled, or corrected: {symbol, price?}",
            ),
            Act(
                name="clock_ms",
                takes=Annotated[int, Field(strict=True, ge=-MAX_SKEW_MS, le=MAX_SKEW_MS)],
                run=self._set_skew,
                help="the broker's clock is wrong by so many ms (negative: behind); 0: right again",
            ),
        ]

    def _set_price(self, given: Jump) -> None:
        self._check("set_price", given.symbol)
        # The next instant: what was printed already keeps its price, in the bars too.
        self._desk.jump(given.symbol, given.price, self._feed.published_ms + 1)

    def _halt(self, act: str, symbol: str, *, halted: bool) -> None:
        self._check(act, symbol)
        self._tell_halt(symbol, halted, self._desk.now_ns(), 0.0, 0.0)

    def _halt_all(self, halted: bool) -> None:
        for part in self._desk.scenario.symbols:
            self._tell_halt(part.symbol, halted, self._desk.now_ns(), 0.0, 0.0)

    def _break_trade(self, given: BreakTrade) -> None:
        self._check("break_trade", given.symbol)
        trade = self._tape.last_trade(given.symbol)
        if trade is None:
            raise BadInput("break_trade.symbol", given.symbol, "it has not traded since the venue started")
        self._tape.break_trade(trade, given.price, self._desk.now_ns())
        self._correct(trade, given.price)

    def _set_skew(self, skew_ms: int) -> None:
        self._shown_clock.skew_ms = skew_ms

    def _check(self, act: str, symbol: Any) -> None:
        if self._desk.scenario.symbol(symbol) is None:
            raise BadInput(f"{act}.symbol", symbol, "give a symbol of the scenario")
