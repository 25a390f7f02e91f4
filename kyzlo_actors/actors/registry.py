"""The one global: what the actors are made of. bootstrap freezes it before the ActorSystem starts.

Actors inherit it by fork and receive only their name, so actors/ never imports an adapter, and no secret ever
travels in a message.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from kyzlo_actors.actors.layout import Layout
from kyzlo_actors.domain.errors import Fatal
from kyzlo_actors.domain.execution_core import ExecutionSettings
from kyzlo_actors.domain.kill_switch_core import KillSwitchLimits
from kyzlo_actors.domain.risk.limits import RiskLimits
from kyzlo_actors.domain.strategy.protocol import Strategy
from kyzlo_actors.domain.symbol_core import SymbolSettings
from kyzlo_actors.ports.broker import Broker, BrokerDesk, BrokerHooks
from kyzlo_actors.ports.clock import Clock
from kyzlo_actors.ports.market_data import BarHistory, MarketDataFeed
from kyzlo_actors.ports.persistence import Archive


@dataclass(frozen=True, slots=True, kw_only=True)
class SymbolPlan:
    """One symbol: its core's settings, how to make its strategy, and its bar interval."""

    settings: SymbolSettings
    make_strategy: Callable[[], Strategy]
    bar_interval_ns: int
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SupervisionPlan:
    """Heartbeats and restarts. A hang is `hang_beats` beats of silence; more than `max_restarts` in `period_seconds`
    quarantines a symbol (and ends RootActor for anybody else)."""

    beat_seconds: float = 1.0
    hang_beats: int = 2
    max_restarts: int = 5
    period_seconds: float = 60.0
    backoff_first_seconds: float = 0.5
    backoff_max_seconds: float = 5.0
    start_timeout_seconds: float = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalPlan:
    """Size limit of one actor's journal, its segments, and whether Risk, Broker and KillSwitch wait for the disk."""

    limit_bytes: int = 256 << 20
    segment_bytes: int = 1 << 20
    strict: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerPlan:
    """Circuit breaker and rate budget in front of the broker."""

    breaker_failures: int = 5
    breaker_open_seconds: float = 60.0
    requests_per_minute: int = 200
    reserved_share: float = 0.3


@dataclass(frozen=True, slots=True, kw_only=True)
class Registry:
    """Everything an actor may need.

    `open_feed` takes the question whether silence at a given time (ns UTC) is a fault. `secrets` are the values that
    logs must never show.
    """

    run_id: str
    layout: Layout
    clock: Clock
    symbols: Mapping[str, SymbolPlan]
    risk_limits: RiskLimits
    execution: ExecutionSettings
    kill_switch: KillSwitchLimits
    open_broker: Callable[[BrokerHooks], Broker]
    open_desk: Callable[[], BrokerDesk]
    open_feed: Callable[[Callable[[int], bool]], MarketDataFeed]
    open_history: Callable[[], BarHistory]
    open_archive: Callable[[], Archive]
    supervision: SupervisionPlan = field(default_factory=SupervisionPlan)
    journal: JournalPlan = field(default_factory=JournalPlan)
    broker: BrokerPlan = field(default_factory=BrokerPlan)
    log_level: str = "INFO"
    secrets: tuple[str, ...] = ()


_registry: Registry | None = None


def freeze(registry: Registry) -> None:
    """Set the registry, once in the life of a process.

    Raises: Fatal: it is set already.
    """
    global _registry
    if _registry is not None:
        raise Fatal("the registry is frozen: one instance in one process")
    _registry = registry


def current() -> Registry:
    """The frozen registry.

    Raises: Fatal: bootstrap did not set it.
    """
    if _registry is None:
        raise Fatal("the registry was not set before the actor system started")
    return _registry
