"""Reads the broker's calendar at start and again each hour, on a small thread of its own."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Final

from kyzlo_actors.actors.registry import Registry
from kyzlo_actors.domain.errors import KyzloError
from kyzlo_actors.domain.identity import event_id
from kyzlo_actors.domain.messages import CalendarRead
from kyzlo_actors.domain.stamp import Stamp
from kyzlo_actors.domain.values import NS_PER_SECOND
from kyzlo_actors.infrastructure.new_york import new_york_date

REFRESH_SECONDS: Final = 3600.0
RETRY_SECONDS: Final = 2.0
_DAY_NS: Final = 86_400 * NS_PER_SECOND
_DAYS_BACK: Final = 7
_DAYS_AHEAD: Final = 14


class CalendarReader:
    """Until the first answer it tries again every two seconds: without a calendar every order is refused."""

    def __init__(self, registry: Registry, deliver: Callable[[CalendarRead], None]) -> None:
        self._registry = registry
        self._deliver = deliver
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="calendar", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Ask it to end; it is a daemon and holds nothing."""
        self._stopping.set()

    def _run(self) -> None:
        log = logging.getLogger("kyzlo")
        while not self._stopping.is_set():
            try:
                self._deliver(self._read())
                wait = REFRESH_SECONDS
            except KyzloError as error:
                log.warning("the broker's calendar cannot be read: %s", error)
                wait = RETRY_SECONDS
            self._stopping.wait(wait)

    def _read(self) -> CalendarRead:
        clock = self._registry.clock
        now_ns = clock.now_ns()
        desk = self._registry.open_desk()
        try:
            calendar = desk.calendar(
                new_york_date(now_ns - _DAYS_BACK * _DAY_NS), new_york_date(now_ns + _DAYS_AHEAD * _DAY_NS)
            )
        finally:
            desk.close()
        read_id = event_id("calendar_read", now_ns)
        stamp = Stamp.first(read_id, now_ns, ts_init=clock.now_ns())
        return CalendarRead(stamp=stamp, calendar=calendar)
