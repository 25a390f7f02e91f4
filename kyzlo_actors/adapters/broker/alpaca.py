"""The order path of BrokerActor over Alpaca: submissions, everything else over REST, and the order stream."""

from __future__ import annotations

from random import Random

from kyzlo_actors.adapters.broker.parse import ParseCounters
from kyzlo_actors.adapters.broker.reads import AlpacaReads
from kyzlo_actors.adapters.broker.requests import Cancel, LookUp, Read
from kyzlo_actors.adapters.broker.rest import AlpacaRest, OnRateLimit, trade_stream_url
from kyzlo_actors.adapters.broker.rest_worker import RestWorker
from kyzlo_actors.adapters.broker.submit_pool import WORKERS, Gate, SubmitPool
from kyzlo_actors.adapters.broker.trade_stream import OnNotice, StreamOptions, TradeStream
from kyzlo_actors.domain.order import OrderTicket
from kyzlo_actors.domain.values import NS_PER_SECOND
from kyzlo_actors.ports.broker import Deliver
from kyzlo_actors.ports.clock import Clock


def _open() -> str | None:
    return None


class AlpacaBroker:
    """`Broker` over Alpaca. Threads: four that POST, one for other requests, one for the stream.

    `gate` is asked right before the first byte of each order; a code it returns refuses the order.
    `on_rate_limit(remaining, reset_ns)` and `on_notice(severity, code, text)` come from any of the threads.
    An error in one of the threads ends that thread after its report went out: the process should end too.
    """

    def __init__(
        self,
        base_url: str,
        key: str,
        secret: str,
        clock: Clock,
        random: Random,
        *,
        gate: Gate = _open,
        on_rate_limit: OnRateLimit | None = None,
        on_notice: OnNotice | None = None,
        stream_options: StreamOptions | None = None,
    ) -> None:
        self.counters = ParseCounters()
        self._clock = clock
        self._gate = gate
        # Two clients: a read of many pages must not take the connection of an order.
        self._orders = AlpacaRest(
            base_url, key, secret, clock, on_rate_limit=on_rate_limit, connections=WORKERS
        )
        self._rest = AlpacaRest(base_url, key, secret, clock, on_rate_limit=on_rate_limit)

        def open_stream(deliver: Deliver) -> TradeStream:
            return TradeStream(
                trade_stream_url(base_url),
                key,
                secret,
                deliver,
                clock,
                random,
                options=stream_options,
                on_notice=on_notice,
                counters=self.counters,
            )

        self._open_stream = open_stream
        self._pool: SubmitPool
        self._worker: RestWorker
        self._stream: TradeStream | None = None

    def start(self, deliver: Deliver) -> None:
        """Start the threads. Once only, and before any other call."""
        if self._stream is not None:
            raise RuntimeError("the broker adapter was started before")
        self._pool = SubmitPool(self._orders, self._clock, self.counters, deliver, self._gate)
        reads = AlpacaReads(self._rest, self._clock, self.counters)
        self._worker = RestWorker(self._rest, reads, self._clock, deliver)
        self._stream = self._open_stream(deliver)
        self._pool.start()
        self._worker.start()
        self._stream.start()

    def submit(self, ticket: OrderTicket) -> None:
        """POST the order without waiting."""
        self._pool.submit(ticket)

    def cancel(self, client_order_id: str, venue_order_id: str | None) -> None:
        """DELETE the order; goes before lookups and reads."""
        self._worker.ask(Cancel(client_order_id=client_order_id, venue_order_id=venue_order_id))

    def look_up(self, client_order_id: str) -> None:
        """GET the order by its client order id."""
        self._worker.ask(LookUp(client_order_id=client_order_id))

    def read_state(self, reason: str, *, window_start_ns: int, client_order_ids: tuple[str, ...]) -> None:
        """Read account, positions, orders since the window's start, open ones, and the named ones."""
        request = Read(reason=reason, window_start_ns=window_start_ns, client_order_ids=client_order_ids)
        self._worker.ask(request)

    def stop(self, timeout_seconds: float) -> None:
        """End the threads and close the connections; after `timeout_seconds` they are left behind."""
        deadline_ns = self._clock.monotonic_ns() + int(timeout_seconds * NS_PER_SECOND)
        if self._stream is not None:
            self._pool.stop(deadline_ns)
            self._worker.stop(deadline_ns)
            self._stream.stop(deadline_ns)
        self._orders.close()
        self._rest.close()
