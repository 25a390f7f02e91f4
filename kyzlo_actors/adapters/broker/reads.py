"""Reads that reconciliation rests on: complete or not at all."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final
from urllib.parse import quote

from kyzlo_actors.adapters.broker.parse import (
    ParseCounters,
    each_order,
    parse_account,
    parse_order,
    parse_position,
)
from kyzlo_actors.adapters.broker.rest import AlpacaRest
from kyzlo_actors.adapters.broker.timestamps import rfc3339
from kyzlo_actors.domain.broker import BrokerAccount, BrokerOrder, BrokerPosition, BrokerState
from kyzlo_actors.domain.errors import Recoverable
from kyzlo_actors.domain.identity import is_ours
from kyzlo_actors.ports.clock import Clock

PAGE_SIZE: Final = 500
MAX_PAGES: Final = 40
# Named ids are looked up one by one; more of them than this would eat the rate limit of a whole minute.
MAX_NAMED: Final = 100

Between = Callable[[], None]


def _nothing() -> None:
    return None


class AlpacaReads:
    """Reads over one door. `between` runs after each request of a longer read, so that urgent work can pass.

    A foreign order that cannot be read (an option spread has no symbol) is left out and counted in
    `counters.dropped`; one of ours, or one without an owner, fails the read.
    """

    def __init__(self, rest: AlpacaRest, clock: Clock, counters: ParseCounters) -> None:
        self._rest = rest
        self._clock = clock
        self._counters = counters

    def account(self) -> BrokerAccount:
        """The account. Raises: Recoverable, Fatal."""
        account = parse_account(self._rest.get("/v2/account"), self._counters)
        if account is None:
            raise Recoverable("GET /v2/account: fields are missing")
        return account

    def positions(self) -> tuple[BrokerPosition, ...]:
        """Every position that is not flat. Raises: Recoverable, Fatal."""
        rows = _rows(self._rest.get("/v2/positions"), "GET /v2/positions")
        positions = [parse_position(row, self._counters) for row in rows]
        if None in positions:
            raise Recoverable("GET /v2/positions: fields of a position are missing")
        return tuple(position for position in positions if position is not None and position.qty != 0)

    def order(self, client_order_id: str) -> BrokerOrder | None:
        """The order of that client order id, or None when the broker clearly has none.

        Raises: Recoverable, Fatal.
        """
        data = self._rest.get("/v2/orders:by_client_order_id", {"client_order_id": client_order_id})
        if data is None:
            return None
        order = parse_order(data, self._counters)
        if order is None or order.client_order_id != client_order_id:
            raise Recoverable("the lookup was answered with something else than the order")
        return order

    def open_orders(self, between: Between = _nothing) -> list[BrokerOrder]:
        """Every order that may still trade: `status=open`, and the newest 500 for held legs, which it leaves out.

        Raises: Recoverable, Fatal.
        """
        found = self._pages({"status": "open"}, between)
        newest = self._page({"status": "all", "direction": "desc", "limit": str(PAGE_SIZE), "nested": "true"})
        orders = _newest_of((*found, *self._readable(newest)))
        return [order for order in orders if order.status is None or not order.status.is_terminal]

    def state(
        self,
        window_start_ns: int,
        client_order_ids: Iterable[str] = (),
        between: Between = _nothing,
    ) -> BrokerState:
        """Orders since the window's start, open ones, named ones; then positions; then the account.

        Raises: Recoverable, Fatal: the read is incomplete and nothing of it may be used.
        """
        read_started_ns = self._clock.now_ns()
        orders = self._pages({"status": "all", "after": rfc3339(window_start_ns)}, between)
        between()
        orders += self.open_orders(between)
        returned = {order.client_order_id for order in orders}
        missing = [name for name in dict.fromkeys(client_order_ids) if name not in returned]
        if len(missing) > MAX_NAMED:
            raise Recoverable(f"{len(missing)} orders would have to be looked up one by one")
        for name in missing:
            between()
            order = self.order(name)
            orders += [order] if order is not None else []
        between()
        positions = self.positions()
        between()
        return BrokerState(
            read_started_ns=read_started_ns,
            account=self.account(),
            orders=tuple(_newest_of(orders)),
            positions=positions,
        )

    def _pages(self, params: dict[str, str], between: Between) -> list[BrokerOrder]:
        """All pages, ascending, by the order-id cursor: many orders can share one submission time."""
        fixed = {"direction": "asc", "limit": str(PAGE_SIZE), "nested": "true"}
        orders: list[BrokerOrder] = []
        cursor = ""
        for _ in range(MAX_PAGES):
            rows = self._page({**params, **fixed})
            orders += self._readable(rows)
            last = rows[-1].get("id") if rows and isinstance(rows[-1], dict) else None
            if len(rows) < PAGE_SIZE:
                return orders
            if not isinstance(last, str) or last == cursor:
                raise Recoverable("GET /v2/orders: the pages do not advance")
            cursor = last
            params = {"status": params["status"], "after_order_id": cursor}
            between()
        raise Recoverable(f"GET /v2/orders: more than {MAX_PAGES} pages")

    def _page(self, params: dict[str, str]) -> list[Any]:
        return _rows(self._rest.get("/v2/orders", params), "GET /v2/orders")

    def _readable(self, rows: Iterable[object]) -> list[BrokerOrder]:
        orders = []
        for row in rows:
            for data in each_order(row):
                order = parse_order(data, self._counters)
                if order is not None:
                    orders.append(order)
                elif not _is_foreign(data):
                    raise Recoverable("GET /v2/orders: an order without its identity fields")
        return orders


def order_path(venue_order_id: str) -> str:
    """The address of one order."""
    return f"/v2/orders/{quote(venue_order_id, safe='')}"


def _rows(body: object, what: str) -> list[Any]:
    if not isinstance(body, list):
        raise Recoverable(f"{what}: not a list")
    return body


def _is_foreign(data: object) -> bool:
    owner = data.get("client_order_id") if isinstance(data, dict) else None
    return isinstance(owner, str) and bool(owner) and not is_ours(owner)


def _newest_of(orders: Iterable[BrokerOrder]) -> list[BrokerOrder]:
    """One row for each order: of two reads the later one, unless the broker's own time says otherwise."""
    newest: dict[str, BrokerOrder] = {}
    for order in orders:
        known = newest.get(order.venue_order_id)
        if known is None or order.updated_ns >= known.updated_ns:
            newest[order.venue_order_id] = order
    return list(newest.values())
