"""A `MarketDataFeed` and a `BarHistory` under the test's hand."""

from __future__ import annotations

from collections.abc import Sequence

from kyzlo_actors.domain.errors import Recoverable
from kyzlo_actors.domain.market import Bar, Tick
from kyzlo_actors.ports.market_data import FeedListener


class FakeFeed:
    """Tells its listener what the test says, on the test's thread."""

    def __init__(self) -> None:
        self.symbols: tuple[str, ...] = ()
        self.stopped = False
        self._listener: FeedListener
        self._last_data_ns: int | None = None

    def start(self, symbols: Sequence[str], listener: FeedListener) -> None:
        self.symbols = tuple(symbols)
        self._listener = listener

    def stop(self, timeout_seconds: float) -> None:
        self.stopped = True

    def connect(self, now_ns: int) -> None:
        """The feed comes (back)."""
        self._listener.on_connected(now_ns, self._last_data_ns)

    def disconnect(self, now_ns: int, detail: str = "fake") -> None:
        """The feed goes."""
        self._listener.on_disconnected(now_ns, detail)

    def tick(self, tick: Tick, *, moves_price: bool = True) -> None:
        """A trade prints."""
        self._last_data_ns = tick.ts_init
        (self._listener.on_tick if moves_price else self._listener.on_volume)(tick)

    def idle(self, now_ns: int) -> None:
        """Time passes."""
        self._listener.on_idle(now_ns)


class FakeHistory:
    """Gives what stands in `known`; while `down`, asks to try again."""

    def __init__(self, known: Sequence[Bar] = ()) -> None:
        self.known = list(known)
        self.down = False

    def bars(self, symbol: str, *, interval_ns: int, start_ns: int, end_ns: int) -> list[Bar]:
        if self.down:
            raise Recoverable("the history is down")
        found = [
            bar
            for bar in self.known
            if (bar.symbol, bar.interval_ns) == (symbol, interval_ns)
            and start_ns <= bar.start_ns
            and bar.end_ns <= end_ns
        ]
        return sorted(found, key=lambda bar: bar.start_ns)

    def newest_bars(self, symbol: str, *, interval_ns: int, count: int, end_ns: int) -> list[Bar]:
        return self.bars(symbol, interval_ns=interval_ns, start_ns=0, end_ns=end_ns)[-count:]
