"""The only composition root: settings become the registry, and names of settings become adapters."""

from __future__ import annotations

import ssl
from random import Random

from kyzlo_actors.actors.layout import Layout
from kyzlo_actors.actors.registry import BrokerPlan, JournalPlan, Registry, SupervisionPlan, SymbolPlan
from kyzlo_actors.adapters.broker.alpaca import AlpacaBroker
from kyzlo_actors.adapters.broker.desk import AlpacaDesk
from kyzlo_actors.adapters.market_data.aggregates import PolygonHistory
from kyzlo_actors.adapters.market_data.polygon import PolygonFeed
from kyzlo_actors.adapters.persistence.archive import FileArchive
from kyzlo_actors.bootstrap.plugins import strategy_maker
from kyzlo_actors.bootstrap.settings_model import Settings
from kyzlo_actors.domain.execution_core import ExecutionSettings
from kyzlo_actors.domain.kill_switch_core import KillSwitchLimits
from kyzlo_actors.domain.symbol_core import SymbolSettings
from kyzlo_actors.domain.values import NS_PER_SECOND
from kyzlo_actors.infrastructure.clock import SystemClock
from kyzlo_actors.infrastructure.http_exchange import load_tls


def layout_of(settings: Settings) -> Layout:
    """Names and places of this instance."""
    return Layout(
        state_directory=settings.paths.state_directory,
        runtime_directory=settings.paths.runtime_directory,
        symbols=tuple(sorted(settings.symbols)),
        symbols_per_supervisor=settings.supervision.symbols_per_supervisor,
    )


def open_desk(settings: Settings, tls: ssl.SSLContext | None = None) -> AlpacaDesk:
    """A connection to the broker for plain blocking calls."""
    return AlpacaDesk(
        settings.alpaca_base_url,
        settings.alpaca_api_key.get_secret_value(),
        settings.alpaca_api_secret.get_secret_value(),
        SystemClock(),
        tls=tls,
    )


def open_history(settings: Settings) -> PolygonHistory:
    """Past bars over REST."""
    return PolygonHistory(
        settings.polygon_base_url, settings.polygon_api_key.get_secret_value(), SystemClock()
    )


def build_registry(settings: Settings, *, account: str, run_id: str, live: bool) -> Registry:
    """Everything the actors need, from settings that were checked.

    Raises: BadInput: a strategy or its parameters cannot be used.
    """
    clock = SystemClock()
    layout = layout_of(settings)
    key = settings.alpaca_api_key.get_secret_value()
    secret = settings.alpaca_api_secret.get_secret_value()
    tls = load_tls()
    polygon_key = settings.polygon_api_key.get_secret_value()
    return Registry(
        run_id=run_id,
        layout=layout,
        clock=clock,
        symbols={symbol: _symbol_plan(settings, symbol, account) for symbol in layout.symbols},
        risk_limits=settings.risk_limits(),
        execution=ExecutionSettings(
            symbols=layout.symbols,
            reconcile_ns=_ns(settings.broker.reconcile_seconds),
        ),
        kill_switch=KillSwitchLimits(
            daily_loss=settings.risk_daily_loss_limit,
            max_quarantined=settings.supervision.max_quarantined,
            grace_ns=_ns(settings.halt.graceful_seconds),
        ),
        # Jitter only spreads reconnects; nothing that is decided depends on it.
        open_broker=lambda hooks: AlpacaBroker(
            settings.alpaca_base_url,
            key,
            secret,
            clock,
            Random(),
            gate=hooks.gate,
            on_rate_limit=hooks.on_rate_limit,
            on_notice=hooks.on_notice,
        ),
        open_desk=lambda: open_desk(settings, tls),
        open_feed=lambda expect_data: PolygonFeed(
            settings.polygon_websocket_url, polygon_key, clock, Random(), expect_data=expect_data
        ),
        open_history=lambda: open_history(settings),
        open_archive=lambda: FileArchive(layout.archive, clock),
        supervision=_supervision_plan(settings),
        journal=JournalPlan(
            limit_bytes=settings.journal.limit_mib << 20,
            segment_bytes=settings.journal.segment_kib << 10,
            strict=settings.journal.is_strict(live=live),
        ),
        broker=BrokerPlan(
            breaker_failures=settings.broker.breaker_failures,
            breaker_open_seconds=settings.broker.breaker_open_seconds,
            requests_per_minute=settings.broker.requests_per_minute,
            reserved_share=float(settings.broker.reserved_share),
        ),
        log_level=settings.logs.level,
        secrets=settings.secrets,
    )


def _symbol_plan(settings: Settings, symbol: str, account: str) -> SymbolPlan:
    table = settings.symbols[symbol]
    return SymbolPlan(
        settings=SymbolSettings(
            account=account,
            symbol=symbol,
            quantity=table.quantity,
            max_price_age_ns=_ns(settings.risk.max_price_age_seconds),
            order_timeout_ns=_ns(settings.broker.order_timeout_seconds),
        ),
        make_strategy=strategy_maker(settings, symbol),
        bar_interval_ns=table.bar_seconds * NS_PER_SECOND,
        parameters=dict(table.parameters),
    )


def _supervision_plan(settings: Settings) -> SupervisionPlan:
    table = settings.supervision
    return SupervisionPlan(
        beat_seconds=table.beat_seconds,
        hang_beats=table.hang_beats,
        max_restarts=table.max_restarts,
        period_seconds=table.period_seconds,
        backoff_first_seconds=table.backoff_first_seconds,
        backoff_max_seconds=table.backoff_max_seconds,
    )


def _ns(seconds: float) -> int:
    return round(seconds * NS_PER_SECOND)
