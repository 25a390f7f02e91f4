"""The guardian's own broker connection, on a thread of its own: its calls block, the guardian's loop may not."""

from __future__ import annotations

import logging
import queue
from collections.abc import Callable
from threading import Thread
from typing import Final, assert_never

from kyzlo_actors.domain.errors import KyzloError
from kyzlo_actors.guardian.halt_events import (
    BrokerRead,
    CallDesk,
    CancelsAsked,
    DeskEvent,
    DeskFailed,
    DeskRequest,
    HistoryRead,
)
from kyzlo_actors.guardian.moment import Moment
from kyzlo_actors.ports.broker import BrokerDesk
from kyzlo_actors.ports.clock import Clock

# The core has one call under way, and perhaps one that it gave up.
_WAITING_CALLS: Final = 4


class DeskThread:
    """Makes calls one after the other and posts what comes of each.

    Bounds: four calls wait, a fifth fails at once. A call that never returns is left with its (daemon) thread by
    `reopen`; the next one gets a new connection.
    """

    def __init__(
        self, open_desk: Callable[[], BrokerDesk], clock: Clock, post: Callable[[DeskEvent], None]
    ) -> None:
        self._open_desk = open_desk
        self._clock = clock
        self._post = post
        self._calls = self._start()

    def call(self, wanted: CallDesk) -> None:
        """Make this call; its answer is posted with the same number."""
        try:
            self._calls.put_nowait(wanted)
        except queue.Full:
            error = "too many broker calls are waiting"
            self._post(DeskFailed(at=Moment.of(self._clock), call=wanted.call, error=error))

    def reopen(self) -> None:
        """Leave the present connection to itself and go on with a new one."""
        self.close()
        self._calls = self._start()

    def close(self) -> None:
        """Let the thread end after the call it is in."""
        try:
            self._calls.put_nowait(None)
        except queue.Full:
            return  # it is stuck anyway, and a daemon

    def _start(self) -> queue.Queue[CallDesk | None]:
        calls: queue.Queue[CallDesk | None] = queue.Queue(_WAITING_CALLS)
        Thread(target=self._run, args=(calls,), name="desk", daemon=True).start()
        return calls

    def _run(self, calls: queue.Queue[CallDesk | None]) -> None:
        desk: BrokerDesk | None = None
        while (wanted := calls.get()) is not None:
            try:
                desk = desk or self._open_desk()
                event = self._answer(desk, wanted)
            # A desk promises KyzloErrors; what slips through must not end the one thread that can prove a halt.
            except (
                KyzloError,
                OSError,
                ValueError,
                LookupError,
                TypeError,
                ArithmeticError,
                RuntimeError,
            ) as error:
                logging.getLogger("kyzlo").warning("the broker desk failed at %s: %s", wanted.request, error)
                event = DeskFailed(
                    at=Moment.of(self._clock), call=wanted.call, error=f"{wanted.request}: {error}"
                )
            self._post(event)
        if desk is not None:
            desk.close()

    def _answer(self, desk: BrokerDesk, wanted: CallDesk) -> DeskEvent:
        match wanted.request:
            case DeskRequest.READ:
                # Positions first: the orders are what the proof is about, so they are read last.
                positions = desk.positions()
                orders = desk.open_orders()
                return BrokerRead(at=self._now(), call=wanted.call, orders=orders, positions=positions)
            case DeskRequest.CANCEL_ALL:
                asked = desk.cancel_all()
                return CancelsAsked(at=self._now(), call=wanted.call, venue_order_ids=asked)
            case DeskRequest.HISTORY:
                state = desk.state(wanted.window_start_ns)
                return HistoryRead(at=self._now(), call=wanted.call, orders=state.orders)
            case _:
                assert_never(wanted.request)

    def _now(self) -> Moment:
        return Moment.of(self._clock)
