"""What happens to each trade print between the parser and the listener: once only, filtered, its lag measured."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from kyzlo_actors.adapters.market_data.conditions import ConditionFilter
from kyzlo_actors.adapters.market_data.parse import TradePrint
from kyzlo_actors.domain.values import NS_PER_SECOND
from kyzlo_actors.ports.market_data import FeedListener

MAX_REPORT_DELAY_NS: Final = 2 * NS_PER_SECOND
# A repeat comes within seconds: what is older is forgotten, or memory would grow for minutes before the bound holds.
_REMEMBERED_NS: Final = 10 * NS_PER_SECOND
_REMEMBERED_TRADES: Final = 1 << 16
_LAG_SAMPLES: Final = 2_048

TradeKey = tuple[str, int, int, str, int]


@dataclass(slots=True)
class IntakeCounters:
    """What became of the trades that parsed."""

    ticks: int = 0
    volume_only: int = 0
    ignored: int = 0
    duplicates: int = 0
    late_reports: int = 0


class TradeIntake:
    """Hands each print to the listener as a tick, as volume, or not at all.

    A print whose volume must not count but whose price does (a corrected close) is a tick of size 0.
    """

    def __init__(self, symbols: Collection[str], listener: FeedListener) -> None:
        self.counters = IntakeCounters()
        self.conditions = ConditionFilter()
        self.lag = LagMeter()
        self._symbols = frozenset(symbols)
        self._listener = listener
        self._seen: set[TradeKey] = set()
        self._order: deque[tuple[int, TradeKey]] = deque()

    def take(self, trade: TradePrint) -> None:
        """Deal with one print."""
        tick = trade.tick
        if tick.symbol not in self._symbols:
            self.counters.ignored += 1
            return
        key = (tick.symbol, tick.exchange, tick.trf, tick.trade_id, tick.ts_event)
        if self._is_repeated(key, tick.ts_init):
            self.counters.duplicates += 1
            return
        self.lag.note(tick.ts_init - tick.ts_event)
        rules = self.conditions.rules(trade.conditions, tick.ts_event)
        if not rules.volume:
            tick.size = 0.0
        late = trade.report_delay_ns > MAX_REPORT_DELAY_NS
        self.counters.late_reports += late
        if rules.last and not late:
            self.counters.ticks += 1
            self._listener.on_tick(tick)
        elif rules.volume:
            self.counters.volume_only += 1
            self._listener.on_volume(tick)
        else:
            self.counters.ignored += 1

    def _is_repeated(self, key: TradeKey, now_ns: int) -> bool:
        if key in self._seen:
            return True
        self._seen.add(key)
        self._order.append((now_ns, key))
        while len(self._order) > _REMEMBERED_TRADES or now_ns - self._order[0][0] > _REMEMBERED_NS:
            self._seen.discard(self._order.popleft()[1])
        return False


class LagMeter:
    """How late trades reach us: the 99th percentile of the newest samples since it was last asked."""

    def __init__(self) -> None:
        self._samples: deque[int] = deque(maxlen=_LAG_SAMPLES)

    def note(self, lag_ns: int) -> None:
        """Add one trade's reception time minus its own time."""
        self._samples.append(lag_ns)

    def take_p99_ns(self) -> int | None:
        """The percentile, or None when no trade came; the samples are forgotten."""
        if not self._samples:
            return None
        ordered = sorted(self._samples)
        self._samples.clear()
        return ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)]
