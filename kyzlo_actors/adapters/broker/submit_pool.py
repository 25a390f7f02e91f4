"""The order path: a few threads that POST orders, each exactly once, and say what is proven about each."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Final

from kyzlo_actors.adapters.broker.encode import order_body
from kyzlo_actors.adapters.broker.errors import FailureKind, classify
from kyzlo_actors.adapters.broker.parse import ParseCounters, load_json, parse_order
from kyzlo_actors.adapters.broker.rest import AlpacaRest
from kyzlo_actors.domain.broker_events import SubmitAnswered, SubmitRefused, SubmitRejected, SubmitUncertain
from kyzlo_actors.domain.order import OrderTicket
from kyzlo_actors.domain.values import NS_PER_SECOND
from kyzlo_actors.infrastructure.http_exchange import HttpReply, NotSent, Unanswered
from kyzlo_actors.ports.broker import Deliver
from kyzlo_actors.ports.clock import Clock

SubmitReport = SubmitAnswered | SubmitRejected | SubmitRefused | SubmitUncertain
# Asked right before the first byte of each order: None lets it pass, a code (HALTED …) refuses it.
Gate = Callable[[], str | None]

WORKERS: Final = 4
QUEUE_LENGTH: Final = 64
# An order that waited longer for a free thread was decided on a price of another time.
MAX_WAIT_SECONDS: Final = 2.0
_REQUEST_TIMEOUT: Final = 408
_TOO_MANY: Final = 429


class SubmitPool:
    """`WORKERS` threads behind a queue of `QUEUE_LENGTH`. Never repeats a POST.

    Each `submit` brings exactly one report: at once SubmitRefused when the queue is full (QUEUE_FULL) or the
    pool is stopped (STOPPED), else from a worker.
    """

    def __init__(
        self, rest: AlpacaRest, clock: Clock, counters: ParseCounters, deliver: Deliver, gate: Gate
    ) -> None:
        self._rest = rest
        self._clock = clock
        self._counters = counters
        self._deliver = deliver
        self._gate = gate
        self._queue: queue.Queue[tuple[int, OrderTicket] | None] = queue.Queue(maxsize=QUEUE_LENGTH)
        # Guards the step from "not stopped" to "queued": an order queued after the last refusal would be lost.
        self._lock = threading.Lock()
        self._stopped = False
        self._threads = [
            threading.Thread(target=self._run, name=f"submit-{number}", daemon=True)
            for number in range(WORKERS)
        ]

    def start(self) -> None:
        """Start the threads."""
        for thread in self._threads:
            thread.start()

    def submit(self, ticket: OrderTicket) -> None:
        """Queue one order. Never blocks."""
        refusal = self._put(ticket)
        if refusal is not None:
            self._deliver(refusal)

    def stop(self, deadline_ns: int) -> None:
        """Refuse what waits; end the threads, waiting until `deadline_ns` (monotonic) for those in mid-request."""
        with self._lock:
            self._stopped = True
        self._refuse_waiting()
        for _ in self._threads:
            self._queue.put_nowait(None)  # there is room: nothing is queued any more
        for thread in self._threads:
            if thread.is_alive():
                thread.join(max(0.0, (deadline_ns - self._clock.monotonic_ns()) / NS_PER_SECOND))

    def _put(self, ticket: OrderTicket) -> SubmitRefused | None:
        with self._lock:
            if self._stopped:
                return self._refused(ticket, "STOPPED", "the broker adapter is stopped")
            try:
                self._queue.put_nowait((self._clock.monotonic_ns(), ticket))
            except queue.Full:
                return self._refused(ticket, "QUEUE_FULL", f"{QUEUE_LENGTH} orders are waiting to be sent")
        return None

    def _run(self) -> None:
        while True:
            item = self._queue.get()
            if item is None:
                return
            waiting_since_ns, ticket = item
            report: SubmitReport | None = None
            try:
                report = self._outcome(waiting_since_ns, ticket)
            finally:
                # A defect of ours must not swallow an order: bytes may have left before it showed.
                self._deliver(report or self._uncertain(ticket, "an error in the adapter"))

    def _outcome(self, waiting_since_ns: int, ticket: OrderTicket) -> SubmitReport:
        if self._stopped:
            return self._refused(ticket, "STOPPED", "the broker adapter is stopped")
        waited_ns = self._clock.monotonic_ns() - waiting_since_ns
        if waited_ns > MAX_WAIT_SECONDS * NS_PER_SECOND:
            return self._refused(ticket, "NOT_SENT", f"waited {waited_ns / NS_PER_SECOND:.1f} s to be sent")
        code = self._gate()
        if code is not None:
            return self._refused(ticket, code, "refused by the gate before the first byte")
        try:
            reply = self._rest.call("POST", "/v2/orders", content=order_body(ticket))
        except NotSent as error:
            return self._refused(ticket, "NOT_SENT", str(error))
        except Unanswered as error:
            return self._uncertain(ticket, str(error))
        return self._read(ticket, reply)

    def _read(self, ticket: OrderTicket, reply: HttpReply) -> SubmitReport:
        if 200 <= reply.status < 300:
            order = parse_order(load_json(reply.body), self._counters)
            if order is None or order.client_order_id != ticket.client_order_id:
                return self._uncertain(ticket, f"HTTP {reply.status} without the order")
            return SubmitAnswered(
                client_order_id=ticket.client_order_id, order=order, now_ns=self._clock.now_ns()
            )
        failure = classify(reply.status, reply.body)
        if 400 <= reply.status < 500 and reply.status not in (_REQUEST_TIMEOUT, _TOO_MANY):
            return SubmitRejected(
                client_order_id=ticket.client_order_id,
                http_status=reply.status,
                code=failure.code,
                message=failure.message,
                duplicate=failure.kind is FailureKind.DUPLICATE,
                now_ns=self._clock.now_ns(),
            )
        return self._uncertain(ticket, f"HTTP {reply.status} {failure.message}")

    def _refuse_waiting(self) -> None:
        while True:
            try:
                item = self._queue.get_nowait()
            except queue.Empty:
                return
            if item is not None:
                self._deliver(self._refused(item[1], "STOPPED", "the broker adapter is stopped"))

    def _refused(self, ticket: OrderTicket, code: str, detail: str) -> SubmitRefused:
        return SubmitRefused(
            client_order_id=ticket.client_order_id, code=code, detail=detail, now_ns=self._clock.now_ns()
        )

    def _uncertain(self, ticket: OrderTicket, detail: str) -> SubmitUncertain:
        return SubmitUncertain(
            client_order_id=ticket.client_order_id, detail=detail, now_ns=self._clock.now_ns()
        )
