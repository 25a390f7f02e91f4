"""Readings at the market-data vendor: past bars over REST, and a try of the stream."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from itertools import islice
from typing import Final

from kyzlo_actors.adapters.market_data.aggregates import KeyRefused, PolygonHistory
from kyzlo_actors.adapters.market_data.probe import probe_stream
from kyzlo_actors.bootstrap.doctor.finding import Finding, of_problem, skipped
from kyzlo_actors.bootstrap.doctor.market_data import (
    STREAM,
    WARM_UP,
    WarmUp,
    stream_finding,
    warm_up_findings,
)
from kyzlo_actors.bootstrap.plugins import MAX_WARM_UP_BARS, strategy_maker
from kyzlo_actors.bootstrap.preflight import refused_key
from kyzlo_actors.bootstrap.settings_model import Settings
from kyzlo_actors.domain.errors import KyzloError
from kyzlo_actors.domain.values import NS_PER_SECOND
from kyzlo_actors.ports.clock import Clock

# One request each: more would cost a small plan its minute, and prove nothing new.
ASKED_SYMBOLS: Final = 50
WARM_UP_SECONDS: Final = 30.0
STREAM_SECONDS: Final = 5.0
_WORKERS: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wish:
    bars: int
    interval_ns: int


def vendor_findings(
    settings: Settings, history: PolygonHistory, clock: Clock, *, is_running: bool
) -> Iterator[Finding]:
    """The stream is left alone while an instance runs: the vendor would put out one of the two connections."""
    try:
        yield from warm_up_findings(_warm_ups(history, _wishes(settings), clock.now_ns()))
    except KeyRefused as error:
        yield from of_problem(WARM_UP, refused_key(settings, error))
        yield skipped(STREAM, "the key is refused")
        return
    if is_running:
        yield skipped(STREAM, "the running instance has it, and there is one connection for each key")
        return
    symbols = list(settings.symbols)
    probe = probe_stream(
        settings.polygon_websocket_url,
        settings.polygon_api_key.get_secret_value(),
        symbols,
        clock,
        timeout_seconds=STREAM_SECONDS,
    )
    yield stream_finding(probe, url=settings.polygon_websocket_url, asked=len(symbols))


def _wishes(settings: Settings) -> dict[str, _Wish]:
    """Of symbols that want past bars; when none does, of one: the key is to be tried in any case."""
    wishes = {
        symbol: _Wish(
            bars=strategy_maker(settings, symbol)().warm_up_bars,
            interval_ns=table.bar_seconds * NS_PER_SECOND,
        )
        for symbol, table in settings.symbols.items()
    }
    wanting = {symbol: wish for symbol, wish in wishes.items() if wish.bars}
    return dict(islice((wanting or wishes).items(), ASKED_SYMBOLS if wanting else 1))


def _warm_ups(history: PolygonHistory, wishes: Mapping[str, _Wish], now_ns: int) -> dict[str, WarmUp]:
    """Raises: KeyRefused. The first is asked alone: it shows whether the key is any good."""
    (first, wish), *others = wishes.items()
    read = {first: _warm_up(history, first, wish, now_ns)}
    pool = ThreadPoolExecutor(_WORKERS, thread_name_prefix="warm-up")
    asked = {symbol: pool.submit(_warm_up, history, symbol, wish, now_ns) for symbol, wish in others}
    done, _ = wait(asked.values(), timeout=WARM_UP_SECONDS)
    pool.shutdown(wait=False, cancel_futures=True)
    for symbol, answer in asked.items():
        late = WarmUp(wanted=wishes[symbol].bars, trouble=f"no answer within {WARM_UP_SECONDS:g} s")
        read[symbol] = answer.result() if answer in done else late
    return read


def _warm_up(history: PolygonHistory, symbol: str, wish: _Wish, now_ns: int) -> WarmUp:
    """The same question that the service asks at its start. Raises: KeyRefused."""
    end_ns = now_ns - now_ns % wish.interval_ns
    try:
        bars = history.newest_bars(
            symbol, interval_ns=wish.interval_ns, count=MAX_WARM_UP_BARS, end_ns=end_ns
        )
    except KeyRefused:
        raise
    except KyzloError as error:
        return WarmUp(wanted=wish.bars, trouble=" ".join(str(error).split()))
    return WarmUp(wanted=wish.bars, found=len(bars))
