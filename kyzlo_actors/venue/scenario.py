"""A scenario: everything the venue plays, read from one JSON file. The code holds no symbol, key or price."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from kyzlo_actors.domain.errors import BadInput
from kyzlo_actors.venue.control.behaviour import Behaviour
from kyzlo_actors.venue.market.calendar import CalendarMode, CalendarRules
from kyzlo_actors.venue.scenario_values import (
    BarRow,
    Cash,
    ClosingTime,
    Day,
    Moment,
    Price,
    Share,
    Symbol,
    Text,
)

# Of a value that cannot be used, so much is shown.
_SHOWN: Final = 80


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class AccountPart(_Part):
    """The one account, its flags and what it holds at the start. Money in USD."""

    account_number: Text
    cash: Cash
    multiplier: Annotated[Decimal, Field(ge=1, le=4)] = Decimal(1)
    max_open_orders: Annotated[int, Field(gt=0, le=100_000)] = 2_000
    status: Literal["ACTIVE", "ACCOUNT_CLOSED", "SUBMITTED", "INACTIVE"] = "ACTIVE"
    shorting_enabled: bool = False
    trading_blocked: bool = False
    account_blocked: bool = False
    trade_suspended_by_user: bool = False
    liquidation_only: bool = False
    # Dollars a share sold (regulatory fees), booked as FEE activities; 0 as on the real paper account.
    fee_per_share_sold: Annotated[Decimal, Field(ge=0)] = Decimal(0)


class ClockPart(_Part):
    """The venue's time. `starts_at` (RFC 3339) is where it stands at start, else the machine's time; it runs on.

    `speed` is how many venue seconds pass in one second. `shown_*` are fixed answers of the clock route.
    """

    starts_at: Moment | None = None
    speed: Annotated[float, Field(gt=0, le=100_000)] = 1.0
    shown_timestamp: str | None = None
    shown_is_open: bool | None = None
    shown_next_open: str | None = None
    shown_next_close: str | None = None


class FillPlanPart(_Part):
    """How orders of one symbol (and side) fill: the quantities of the first executions, in order.

    `then` says what becomes of the rest: filled as usual, or nothing until `/_ctl` fills it. `latency_ms` replaces
    the way to the market; `before_reply` sends the events before the POST is answered, `reply_after_ms` late.
    """

    symbol: str
    side: Literal["buy", "sell"] | None = None
    quantities: tuple[Annotated[Decimal, Field(gt=0)], ...] = ()
    then: Literal["fill", "wait"] = "fill"
    latency_ms: Annotated[int, Field(ge=0, le=60_000)] | None = None
    before_reply: bool = False
    reply_after_ms: Annotated[int, Field(ge=0, le=60_000)] = 0


class FramePart(_Part):
    """Canned frames: whoever subscribes to a `channel` of the `stream` gets these events, each frame by itself.

    In the events "$symbol" stands for the symbol subscribed, "$now_ms", "$now_ns" and "$now" (RFC 3339) for the time
    (the same for all frames of one run, so that a bar can be sent again), "$seq" for a growing number; a number may
    be added: "$now_ms+60000".
    """

    stream: Literal["polygon", "data"]
    channel: str
    frames: Annotated[tuple[tuple[Mapping[str, Any], ...], ...], Field(max_length=1_000)]


class StreamsPart(_Part):
    """The broker's sockets. One that answers no ping for `reap_seconds` is forgotten.

    `data_*` are the market-data stream's: feeds in the plan, sockets and symbols at once, seconds to authenticate.
    The stream of activities says something at least every `heartbeat_seconds`.
    """

    reap_seconds: Annotated[float, Field(gt=0, le=3_600)] = 90.0
    data_feeds: tuple[Literal["iex", "sip", "delayed_sip", "test"], ...] = ("iex", "sip", "test")
    data_max_connections: Annotated[int, Field(ge=1, le=1_000)] = 1
    data_max_symbols: Annotated[int, Field(ge=1, le=100_000)] = 10_000
    heartbeat_seconds: Annotated[float, Field(gt=0, le=3_600)] = 10.0
    data_auth_seconds: Annotated[float, Field(gt=0, le=3_600)] = 10.0


class HistoryPart(_Part):
    """Aggregates of one symbol that are answered as they stand, instead of computed ones; `t` in ms UTC."""

    symbol: str
    timespan: Literal["second", "minute", "hour", "day", "week", "month", "quarter", "year"]
    rows: Annotated[tuple[BarRow, ...], Field(max_length=50_000)]


class KeysPart(_Part):
    """Keys the venue accepts: play money, so they are no secret."""

    alpaca_key: Text
    alpaca_secret: Text
    polygon_key: Text


class CalendarPart(_Part):
    """When it trades; see `calendar.py`."""

    mode: CalendarMode
    holidays: tuple[Day, ...] = ()
    early_closes: Mapping[Day, ClosingTime] = {}
    us_holidays: bool = True
    never_closes: bool = False

    @property
    def rules(self) -> CalendarRules:
        """The same as the calendar wants it."""
        return CalendarRules(
            mode=self.mode,
            holidays=frozenset(self.holidays),
            early_closes=tuple(sorted(self.early_closes.items())),
            us_holidays=self.us_holidays,
            never_closes=self.never_closes,
        )


class LatencyPart(_Part):
    """How long an order and a cancel take to reach the market."""

    route_ms: Annotated[int, Field(ge=0, le=60_000)] = 5
    cancel_ms: Annotated[int, Field(ge=0, le=60_000)] = 10


class MarketPart(_Part):
    """What all symbols share: spread in basis points and the shares of odd lots and off-exchange prints.

    `silent` prints nothing (frames and `/_ctl` may); `intraday` follows a trading day: busy at the open and the
    close, auctions, gaps overnight, bursts, and halts when the price leaves its band. What follows is for
    `intraday` only. Sizes of moves are relative: 0.01 is one percent.
    """

    mode: Literal["steady", "intraday", "silent"] = "steady"
    spread_bps: Annotated[float, Field(ge=0, le=1_000)] = 1.0
    odd_lot_share: Share = 0.3
    trf_share: Share = 0.2
    # Busyness before the open and after the close, as a share of the session's.
    extended_share: Share = 0.05
    # The most a price may be off its slow path from one day to the next, and from one open to the next.
    gap: Annotated[float, Field(ge=0, le=0.2)] = 0.006
    # Minutes in which prints come fast and prices shake.
    burst_share: Share = 0.02
    # Days of a symbol with news: its price jumps by up to `news_size`; past `luld_band` it is halted.
    news_share: Share = 0.1
    news_size: Annotated[float, Field(ge=0, le=0.5)] = 0.08
    luld_band: Annotated[float, Field(gt=0, le=0.5)] = 0.05
    halt_seconds: Annotated[int, Field(ge=1, le=3_600)] = 300
    # Minutes of a symbol with a print that is reported seconds to minutes late.
    late_share: Share = 0.05
    # Prints whose sequence number is the former one's, or smaller.
    regress_share: Share = 0.002
    # Quotes with one side missing, and crossed ones.
    one_sided_share: Share = 0.005
    crossed_share: Share = 0.002


class PolygonPart(_Part):
    """What the market-data plan includes. `delayed`: no real-time data, only the delayed socket's; `end_of_day`: the
    REST side gives no data of the running day.

    `requests_per_minute` None: no limit; `history_days` None: all of it.
    """

    channels: tuple[Literal["T", "Q", "A", "AM", "LULD", "NOI", "FMV"], ...] = ("T", "Q", "A", "AM", "LULD")
    delayed: bool = False
    end_of_day: bool = False
    delay_seconds: Annotated[int, Field(ge=1, le=86_400)] = 900
    requests_per_minute: Annotated[int, Field(gt=0, le=1_000_000)] | None = None
    history_days: Annotated[int, Field(gt=0, le=36_500)] | None = None
    auth_seconds: Annotated[float, Field(gt=0, le=600)] = 10.0
    # Frames that may wait for one reader before it is dropped as too slow.
    buffer_frames: Annotated[int, Field(ge=1, le=100_000)] = 2_000


class SwingPart(_Part):
    """A wave on the price: relative amplitude, its period, and where in the period it is at epoch 0 (else: by seed)."""

    amplitude: Annotated[float, Field(ge=0, le=0.5)]
    period_seconds: Annotated[float, Field(gt=0)]
    phase: Annotated[float, Field(ge=0, lt=1)] | None = None


class SymbolPart(_Part):
    """One symbol. `volatility` is the relative size of its slow wandering, `tape` 1=A, 2=B, 3=C."""

    symbol: Symbol
    name: str
    exchange: str
    tape: Annotated[int, Field(ge=1, le=3)]
    start_price: Price
    ticks_per_second: Annotated[float, Field(gt=0, le=200)]
    volatility: Annotated[float, Field(ge=0, le=1)]
    swing: SwingPart | None = None
    # Share of five-minute stretches without a print (`intraday`).
    quiet_share: Share = 0.0
    tradable: bool = True
    active: bool = True
    fractionable: bool = True
    shortable: bool = False
    marginable: bool = True
    easy_to_borrow: bool = True
    fractional_extended_hours: bool = False
    borrow_status: str | None = None


class Scenario(_Part):
    """One scenario file."""

    name: str
    account: AccountPart
    keys: KeysPart
    calendar: CalendarPart
    latency: LatencyPart = LatencyPart()
    market: MarketPart = MarketPart()
    polygon: PolygonPart = PolygonPart()
    clock: ClockPart = ClockPart()
    behaviour: Behaviour = Behaviour()
    streams: StreamsPart = StreamsPart()
    fill_plans: Annotated[tuple[FillPlanPart, ...], Field(max_length=1_000)] = ()
    frames: Annotated[tuple[FramePart, ...], Field(max_length=1_000)] = ()
    history: Annotated[tuple[HistoryPart, ...], Field(max_length=1_000)] = ()
    # Fault rules as `/_ctl` takes them (see `faults.py`), in force from the start.
    faults: Annotated[tuple[Mapping[str, Any], ...], Field(max_length=1_000)] = ()
    partial_fill_percent: Annotated[int, Field(ge=0, le=100)] = 10
    rate_limit_per_minute: Annotated[int, Field(gt=0, le=1_000_000)] = 200
    symbols: Annotated[tuple[SymbolPart, ...], Field(min_length=1, max_length=500)]

    @model_validator(mode="after")
    def _symbols_are_known(self) -> Self:
        names = [part.symbol for part in self.symbols]
        twice = next((name for place, name in enumerate(names) if name in names[:place]), None)
        if twice is not None:
            raise ValueError(f"the symbol {twice!r} stands there twice")
        for field, parts in (("fill_plans", self.fill_plans), ("history", self.history)):
            for part in parts:
                if part.symbol not in names:
                    raise ValueError(f"{field}: {part.symbol!r} is none of its symbols")
        return self

    def symbol(self, name: str) -> SymbolPart | None:
        """The symbol of that name."""
        return next((part for part in self.symbols if part.symbol == name), None)


def load_scenario(name_or_path: str | Path) -> Scenario:
    """The scenario of a file, or of a name that is shipped with the package.

    Raises: BadInput: no such file or name, or its content cannot be used.
    """
    text = _read(name_or_path)
    try:
        return Scenario.model_validate_json(text)
    except ValidationError as fault:
        first = fault.errors()[0]
        why = first["msg"].removeprefix("Value error, ")
        if not first["loc"]:
            raise BadInput("scenario", str(name_or_path), why) from fault
        where = ".".join(str(part) for part in first["loc"] if part != "[key]")
        given = None if first["type"] == "missing" else first["input"]
        shown = given if len(repr(given)) <= _SHOWN else f"{str(given)[:_SHOWN]}…"
        raise BadInput(where, shown, f"{why} (scenario {name_or_path})") from fault


def shipped_scenarios() -> list[str]:
    """Names that `load_scenario` knows without a path."""
    folder = resources.files("kyzlo_actors.venue") / "scenarios"
    return sorted(file.name.removesuffix(".json") for file in folder.iterdir() if file.name.endswith(".json"))


def _read(name_or_path: str | Path) -> str:
    if isinstance(name_or_path, str) and name_or_path in shipped_scenarios():
        file = resources.files("kyzlo_actors.venue") / "scenarios" / f"{name_or_path}.json"
        return file.read_text("utf-8")
    try:
        return Path(name_or_path).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as fault:
        known = ", ".join(shipped_scenarios())
        raise BadInput("scenario", str(name_or_path), f"give a readable file or one of: {known}") from fault
