"""A `FeedListener` that remembers what it was told, and lets a test wait for it."""

from __future__ import annotations

import threading
from collections.abc import Callable

from kyzlo_actors.domain.market import Tick
from kyzlo_actors.domain.values import Severity


class RecordingListener:
    """Remembers every call; `wait` blocks until a condition over it holds, within a bound."""

    def __init__(self) -> None:
        self.ticks: list[Tick] = []
        self.volumes: list[Tick] = []
        self.idles = 0
        self.connected: list[int | None] = []
        self.disconnected: list[str] = []
        self.notices: list[tuple[Severity, str, str]] = []
        self._changed = threading.Condition()

    def on_tick(self, tick: Tick) -> None:
        with self._changed:
            self.ticks.append(tick)
            self._changed.notify_all()

    def on_volume(self, tick: Tick) -> None:
        with self._changed:
            self.volumes.append(tick)
            self._changed.notify_all()

    def on_idle(self, now_ns: int) -> None:
        with self._changed:
            self.idles += 1
            self._changed.notify_all()

    def on_connected(self, now_ns: int, gap_start_ns: int | None) -> None:
        with self._changed:
            self.connected.append(gap_start_ns)
            self._changed.notify_all()

    def on_disconnected(self, now_ns: int, detail: str) -> None:
        with self._changed:
            self.disconnected.append(detail)
            self._changed.notify_all()

    def on_notice(self, severity: Severity, code: str, text: str) -> None:
        with self._changed:
            self.notices.append((severity, code, text))
            self._changed.notify_all()

    @property
    def codes(self) -> list[str]:
        """Codes of the notices so far."""
        return [code for _, code, _ in self.notices]

    def wait(self, condition: Callable[[RecordingListener], bool], seconds: float = 20.0) -> None:
        """Wait for it. The bound is for hanging tests only; nothing is timed."""
        with self._changed:
            assert self._changed.wait_for(lambda: condition(self), seconds), vars(self)
