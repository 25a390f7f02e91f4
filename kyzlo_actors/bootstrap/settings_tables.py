"""The tables of settings.toml: [risk], [broker], [journal], [supervision], [halt], [paths], [logs], [symbols.X]."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from kyzlo_actors.bootstrap.setting_types import (
    BarSeconds,
    Count,
    Delay,
    Level,
    Money,
    Part,
    Percent,
    RuntimePath,
    Seconds,
    Shares,
    StatePath,
    StrategyName,
)


class Table(BaseModel):
    """What all tables share: unknown fields are refused, nothing changes after loading, no input in errors."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, allow_inf_nan=False, hide_input_in_errors=True, validate_default=True
    )


class RiskTable(Table):
    """Limits of the risk gate beside the RISK_… settings."""

    max_order_notional: Money = Field(default=Decimal(10_000), description="largest order, in dollars")
    price_collar_percent: Percent = Field(
        default=Decimal(5), description="how far an order's price may lie from the gate's newest price"
    )
    max_orders_per_minute: Count = Field(default=100, description="orders of all symbols in any minute")
    max_open_orders_per_symbol: Count = Field(
        default=2, description="orders of one symbol that may work at a time"
    )
    max_price_age_seconds: Seconds = Field(default=2.0, description="no order on a price older than this")
    duplicate_window_seconds: Seconds = Field(
        default=1.0, description="the same order again within this is refused"
    )


class BrokerTable(Table):
    """How the broker is talked to."""

    order_timeout_seconds: Seconds = Field(
        default=30.0, description="a working order older than this is cancelled"
    )
    start_wait_seconds: Delay = Field(
        default=75.0, description="at start, how long to wait for a broker that does not answer"
    )
    breaker_failures: Count = Field(default=5, description="failures in a row that open the circuit breaker")
    breaker_open_seconds: Seconds = Field(
        default=60.0, description="how long it stays open before one attempt"
    )
    requests_per_minute: Count = Field(default=200, description="the broker's rate limit")
    reserved_share: Part = Field(default=0.3, description="part of it that only cancels and closes may use")
    reconcile_seconds: Seconds = Field(
        default=30.0, description="how often orders and positions are compared with the broker's"
    )


class JournalTable(Table):
    """The journal of each actor."""

    limit_mib: Count = Field(
        default=256, description="size of one actor's journal at which entries are refused, MiB"
    )
    segment_kib: int = Field(default=1_024, ge=64, le=65_536, description="size of one segment file, KiB")
    durability: Literal["group", "strict"] | None = Field(
        default=None,
        description='"group" syncs within 5 ms, "strict" before each order; '
        'unset: "strict" with --live, else "group"',
        examples=["group"],
    )

    @model_validator(mode="after")
    def _holds_segments(self) -> Self:
        if self.limit_mib * 1_024 < 4 * self.segment_kib:
            raise ValueError("limit_mib must hold at least four segments of segment_kib")
        return self

    def is_strict(self, *, live: bool) -> bool:
        """Whether an order waits until the disk has its intent."""
        return live if self.durability is None else self.durability == "strict"


class SupervisionTable(Table):
    """Heartbeats and restarts of actors."""

    beat_seconds: Seconds = Field(default=1.0, description="how often an actor shows that it lives")
    hang_beats: Count = Field(default=2, description="missed beats after which it is killed")
    max_restarts: Count = Field(default=5, description="restarts within the period that a symbol may need")
    period_seconds: Seconds = Field(
        default=60.0, description="that period; beyond it the symbol is quarantined"
    )
    backoff_first_seconds: Delay = Field(
        default=0.5,
        description="wait before the second restart within the period; then twice as long each time",
    )
    backoff_max_seconds: Delay = Field(default=5.0, description="longest wait before a restart")
    max_quarantined: Count = Field(default=3, description="this many quarantined symbols halt everything")
    symbols_per_supervisor: Count = Field(default=50, description="symbols that one supervisor looks after")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.backoff_first_seconds > self.backoff_max_seconds:
            raise ValueError("backoff_first_seconds may not exceed backoff_max_seconds")
        return self


class HaltTable(Table):
    """How a halt proceeds."""

    graceful_seconds: Seconds = Field(
        default=10.0, description="time to cancel in order before the tree is killed"
    )
    clean_reads: Count = Field(default=3, description="broker reads without an open order that prove a halt")
    clean_read_interval_seconds: Seconds = Field(default=0.5, description="time between those reads")


class PathsTable(Table):
    """Where files live. Each instance has its own two directories."""

    state_directory: StatePath = Field(
        description="journals, latch, certificates; unset: `$STATE_DIRECTORY`, "
        "else `${XDG_STATE_HOME:-~/.local/state}/kyzlo`",
        examples=["/var/lib/kyzlo"],
    )
    runtime_directory: RuntimePath = Field(
        description="sockets and shared memory; unset: `$RUNTIME_DIRECTORY`, "
        "else `${XDG_RUNTIME_DIR:-/tmp}/kyzlo-<uid>`",
        examples=["/run/kyzlo"],
    )


class LogsTable(Table):
    """What is logged."""

    level: Level = Field(default="INFO", description="DEBUG, INFO, WARNING or ERROR")


class SymbolTable(Table):
    """One symbol and its one strategy."""

    strategy: StrategyName = Field(
        description='a name such as "golden_cross", or "module:Class"', examples=["golden_cross"]
    )
    quantity: Shares = Field(description="shares a signal trades", examples=[10])
    max_position: Shares = Field(description="largest position, in shares, either side", examples=[10])
    bar_seconds: BarSeconds = Field(default=60, description="length of its bars; must divide an hour")
    parameters: Mapping[str, Any] = Field(
        default_factory=dict, description="the strategy's own parameters, as a table"
    )

    @model_validator(mode="after")
    def _reachable(self) -> Self:
        if self.quantity > self.max_position:
            raise ValueError(f"quantity {self.quantity:f} may not exceed max_position {self.max_position:f}")
        return self
