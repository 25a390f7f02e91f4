"""The one thread for everything beside the order path: cancels, lookups, reads of the whole state."""

from __future__ import annotations

import threading
from typing import Final, assert_never

from kyzlo_actors.adapters.broker.errors import classify
from kyzlo_actors.adapters.broker.reads import AlpacaReads, order_path
from kyzlo_actors.adapters.broker.requests import Cancel, LookUp, Read, Request, RequestQueue
from kyzlo_actors.adapters.broker.rest import AlpacaRest
from kyzlo_actors.domain.broker_events import (
    CancelAnswered,
    CancelFailed,
    LookUpFailed,
    OrderLookedUp,
    StateRead,
    StateReadFailed,
)
from kyzlo_actors.domain.errors import Fatal, Recoverable
from kyzlo_actors.domain.values import NS_PER_SECOND
from kyzlo_actors.ports.broker import Deliver
from kyzlo_actors.ports.clock import Clock

RestReport = CancelAnswered | CancelFailed | OrderLookedUp | LookUpFailed | StateRead | StateReadFailed

_WAIT_SECONDS: Final = 0.2
_NOT_FOUND: Final = 404
# What may pass between two requests of a long read.
_PASSING_CANCELS: Final = 64
_PASSING_LOOK_UPS: Final = 8


class RestWorker:
    """Each `ask` brings exactly one report; a refused one (no room, stopped) brings its failure at once."""

    def __init__(self, rest: AlpacaRest, reads: AlpacaReads, clock: Clock, deliver: Deliver) -> None:
        self._rest = rest
        self._reads = reads
        self._clock = clock
        self._deliver = deliver
        self._requests = RequestQueue()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="broker-rest", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def ask(self, request: Request) -> None:
        """Queue one request. Never blocks."""
        if not self._requests.put(request):
            self._deliver(self._failed(request, "too many requests are waiting, or the adapter is stopped"))

    def stop(self, deadline_ns: int) -> None:
        """Fail what waits and end the thread, waiting until `deadline_ns` (monotonic)."""
        self._stopping.set()
        for request in self._requests.close():
            self._deliver(self._failed(request, "the broker adapter is stopped"))
        if self._thread.is_alive():
            self._thread.join(max(0.0, (deadline_ns - self._clock.monotonic_ns()) / NS_PER_SECOND))

    def _run(self) -> None:
        while not self._stopping.is_set():
            request = self._requests.take(_WAIT_SECONDS)
            if request is not None:
                self._serve(request)

    def _serve(self, request: Request) -> None:
        report: RestReport | None = None
        try:
            report = self._outcome(request)
        finally:
            # A defect of ours must not leave a question without an answer.
            self._deliver(report or self._failed(request, "an error in the adapter"))

    def _outcome(self, request: Request) -> RestReport:
        try:
            match request:
                case Cancel():
                    return self._cancel(request)
                case LookUp():
                    order = self._reads.order(request.client_order_id)
                    return OrderLookedUp(
                        client_order_id=request.client_order_id, order=order, now_ns=self._clock.now_ns()
                    )
                case Read():
                    state = self._reads.state(
                        request.window_start_ns, request.client_order_ids, self._let_pass
                    )
                    return StateRead(state=state, reason=request.reason, now_ns=self._clock.now_ns())
                case _:
                    assert_never(request)
        except (Recoverable, Fatal) as error:
            return self._failed(request, str(error))

    def _cancel(self, request: Cancel) -> CancelAnswered | CancelFailed:
        venue_order_id = request.venue_order_id
        if venue_order_id is None:
            order = self._reads.order(request.client_order_id)
            if order is None:
                return self._cancel_failed(request, _NOT_FOUND, "order not found")
            venue_order_id = order.venue_order_id
        reply = self._rest.call("DELETE", order_path(venue_order_id))
        if 200 <= reply.status < 300:
            return CancelAnswered(client_order_id=request.client_order_id, now_ns=self._clock.now_ns())
        return self._cancel_failed(request, reply.status, classify(reply.status, reply.body).message)

    def _let_pass(self) -> None:
        """A read of the whole state takes several requests: cancels and lookups do not wait for its end."""
        for kind, most in ((Cancel, _PASSING_CANCELS), (LookUp, _PASSING_LOOK_UPS)):
            for _ in range(most):
                request = self._requests.take_urgent(kind)
                if request is None:
                    break
                self._serve(request)
        if self._stopping.is_set():
            raise Recoverable("the broker adapter is stopped")

    def _failed(self, request: Request, detail: str) -> CancelFailed | LookUpFailed | StateReadFailed:
        now_ns = self._clock.now_ns()
        match request:
            case Cancel():
                return self._cancel_failed(request, 0, detail)
            case LookUp():
                return LookUpFailed(client_order_id=request.client_order_id, detail=detail, now_ns=now_ns)
            case Read():
                return StateReadFailed(reason=request.reason, detail=detail, now_ns=now_ns)
            case _:
                assert_never(request)

    def _cancel_failed(self, request: Cancel, http_status: int, message: str) -> CancelFailed:
        """`http_status` 0: the cancel's own fate is uncertain, or it never left."""
        return CancelFailed(
            client_order_id=request.client_order_id,
            http_status=http_status,
            message=message,
            now_ns=self._clock.now_ns(),
        )
