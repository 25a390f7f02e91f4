"""Port to a market-data feed: eligible trades as ticks, and history as bars."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from kyzlo_actors.domain.market import Bar, Tick
from kyzlo_actors.domain.values import Severity


class FeedListener(Protocol):
    """What a feed calls from its own reader thread; every call must return at once."""

    def on_tick(self, tick: Tick) -> None:
        """A trade that may move the last price."""

    def on_volume(self, tick: Tick) -> None:
        """A trade that counts for volume only (odd lots and the like)."""

    def on_idle(self, now_ns: int) -> None:
        """Called at least every 250 ms, data or not, so that bars close by time and a mute feed is noticed."""

    def on_connected(self, now_ns: int, gap_start_ns: int | None) -> None:
        """Connected and subscribed; `gap_start_ns` is when data was last seen before (None: first time)."""

    def on_disconnected(self, now_ns: int, detail: str) -> None:
        """The socket is gone."""

    def on_notice(self, severity: Severity, code: str, text: str) -> None:
        """Something a person should know (authorization, eviction, unknown conditions, lag)."""


class MarketDataFeed(Protocol):
    """A live feed. It reconnects by itself until `stop`."""

    def start(self, symbols: Sequence[str], listener: FeedListener) -> None:
        """Connect, subscribe and read on a thread of its own."""

    def stop(self, timeout_seconds: float) -> None:
        """Close the socket and end the thread."""


class BarHistory(Protocol):
    """Past bars, for warm-up and for repairing gaps."""

    def bars(self, symbol: str, *, interval_ns: int, start_ns: int, end_ns: int) -> list[Bar]:
        """Closed bars with `start_ns <= bar.start_ns` and `bar.end_ns <= end_ns`, ascending; empty when none.

        Raises: Recoverable: try again later. Fatal: not entitled, or the key is wrong.
        """

    def newest_bars(self, symbol: str, *, interval_ns: int, count: int, end_ns: int) -> list[Bar]:
        """The last `count` bars closed by `end_ns`, ascending, however long ago the market was open (two weeks at
        most); fewer when there are no more.

        Raises: as `bars`.
        """


OpenFeed = Callable[[], MarketDataFeed]
