"""Remembers what a broker delivered, and lets a test wait for it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

from kyzlo_actors.ports.broker import BrokerReport

Kind = TypeVar("Kind")


class ReportBook:
    """A `Deliver`: call it with reports, then `wait_for` the kind you expect."""

    def __init__(self) -> None:
        self.reports: list[BrokerReport] = []
        self._changed = threading.Condition()

    def __call__(self, report: BrokerReport) -> None:
        with self._changed:
            self.reports.append(report)
            self._changed.notify_all()

    def of(self, kind: type[Kind]) -> list[Kind]:
        """All reports of one kind so far."""
        return [report for report in list(self.reports) if isinstance(report, kind)]

    def wait_for(
        self,
        kind: type[Kind],
        matches: Callable[[Kind], bool] = lambda report: True,
        *,
        count: int = 1,
        seconds: float = 20.0,
    ) -> Kind:
        """The `count`-th matching report. The bound is for hanging tests only; nothing is timed."""

        def found() -> list[Kind]:
            return [report for report in self.of(kind) if matches(report)]

        with self._changed:
            assert self._changed.wait_for(lambda: len(found()) >= count, seconds), self.reports
        return found()[count - 1]
