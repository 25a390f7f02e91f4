"""Alpaca's position routes: read them, close them."""

from __future__ import annotations

from decimal import ROUND_FLOOR, Decimal
from typing import Any, Final

from aiohttp import web

from kyzlo_actors.domain.values import NS_PER_MILLISECOND
from kyzlo_actors.replay.account import Holding
from kyzlo_actors.replay.matching_messages import OrderRefused
from kyzlo_actors.venue.broker.desk import Desk
from kyzlo_actors.venue.broker.http import BadQuery, Gate, error, json_reply, routes, truth
from kyzlo_actors.venue.broker.json_shapes import Json, symbol_of
from kyzlo_actors.venue.broker.order_request_draft import decimal_field
from kyzlo_actors.venue.broker.orders import account_fault
from kyzlo_actors.venue.broker.refusal import NOT_FOUND, refusal_of
from kyzlo_actors.venue.control.faults import Faults

_QTY_STEP: Final = Decimal("0.000000001")
_ALL: Final = Decimal(100)


class AlpacaPositions:
    """Positions of the one account."""

    def __init__(self, desk: Desk, faults: Faults) -> None:
        self._desk = desk
        self._faults = faults

    def routes(self, gate: Gate) -> list[web.RouteDef]:
        """Its routes."""
        return routes(
            gate,
            {
                ("GET", "/v2/positions"): self.list_positions,
                ("DELETE", "/v2/positions"): self.close_all,
                ("GET", "/v2/positions/{symbol}"): self.get,
                ("DELETE", "/v2/positions/{symbol}"): self.close,
            },
        )

    async def list_positions(self, request: web.Request) -> web.Response:
        """Every position that is not flat."""
        lag_ns = self._lag_ns()
        # What was held a little ago may be gone by now, and the other way round.
        symbols = self._desk.market_symbols() if lag_ns else sorted(self._holdings())
        rows = (self._desk.position_json(symbol, lag_ns=lag_ns) for symbol in symbols)
        return json_reply([row for row in rows if row])

    async def get(self, request: web.Request) -> web.Response:
        """One position by symbol or asset id."""
        symbol = self._symbol(request)
        position = self._desk.position_json(symbol, lag_ns=self._lag_ns()) if symbol else None
        return json_reply(position) if position else _flat()

    async def close(self, request: web.Request) -> web.Response:
        """Close a position, or the part of it that `qty` or `percentage` says, at the market."""
        symbol = self._symbol(request)
        if symbol is None or symbol not in self._holdings():
            return _flat()
        status, body = self._close(symbol, _part(request, abs(self._holdings()[symbol].qty)))
        return json_reply(body, status)

    async def close_all(self, request: web.Request) -> web.Response:
        """Close everything; with `cancel_orders` ask to cancel all orders first (asked is not canceled)."""
        if truth(request.query, "cancel_orders"):
            self._desk.cancel_all()
        rows = []
        for symbol, holding in sorted(self._holdings().items()):
            status, body = self._close(symbol, abs(holding.qty))
            rows.append({"symbol": symbol, "status": status, "body": body})
        return json_reply(rows, 207)

    def _lag_ns(self) -> int:
        rule = self._faults.strike("positions_lag_ms")
        return rule.ms * NS_PER_MILLISECOND if rule else 0

    def _holdings(self) -> dict[str, Holding]:
        return self._desk.engine.account.holdings

    def _symbol(self, request: web.Request) -> str | None:
        part = symbol_of(self._desk.scenario, request.match_info["symbol"])
        return part.symbol if part else None

    def _close(self, symbol: str, qty: Decimal) -> tuple[int, Json]:
        ticket = self._desk.close_ticket(symbol, qty)
        refusal = account_fault(self._desk, ticket)
        if refusal is None:
            taken = self._desk.submit(ticket)
            if not isinstance(taken, OrderRefused):
                return 200, self._desk.order_json(taken)
            refusal = refusal_of(taken, ticket, self._desk.switches.now)
        return refusal.status, refusal.as_json()


def _part(request: web.Request, held: Decimal) -> Decimal:
    """How many shares to close.

    Raises: BadQuery: no such part.
    """
    query: dict[str, Any] = dict(request.query)
    try:
        qty, percentage = decimal_field(query, "qty"), decimal_field(query, "percentage")
    except ValueError as fault:
        raise BadQuery(str(fault)) from fault
    if qty is not None and percentage is not None:
        raise BadQuery("only one of qty or percentage is accepted")
    if percentage is not None and not 0 < percentage <= _ALL:
        raise BadQuery("percentage must be > 0 and <= 100")
    part = held * (percentage or _ALL) / _ALL if qty is None else qty
    part = part.quantize(_QTY_STEP, ROUND_FLOOR)
    if part <= 0:
        raise BadQuery("qty must be > 0")
    return part


def _flat() -> web.Response:
    return error(404, NOT_FOUND, "position does not exist")
