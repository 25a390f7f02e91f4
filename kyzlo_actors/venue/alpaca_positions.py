"""Alpaca's position routes: read them, close them."""

from __future__ import annotations

from decimal import ROUND_FLOOR, Decimal, InvalidOperation
from typing import Any, Final

from aiohttp import web

from kyzlo_actors.replay.account import Holding
from kyzlo_actors.replay.matching_messages import OrderRefused
from kyzlo_actors.venue.alpaca_json import asset_id
from kyzlo_actors.venue.desk import Desk
from kyzlo_actors.venue.http import NOT_FOUND, BadQuery, Gate, error, json_reply, routes
from kyzlo_actors.venue.order_request import refusal_of

_QTY_STEP: Final = Decimal("0.000000001")


class AlpacaPositions:
    """Positions of the one account."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

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
        return json_reply([self._desk.position_json(symbol) for symbol in sorted(self._holdings())])

    async def get(self, request: web.Request) -> web.Response:
        """One position by symbol or asset id."""
        symbol = self._symbol(request)
        position = self._desk.position_json(symbol) if symbol else None
        return json_reply(position) if position else _flat()

    async def close(self, request: web.Request) -> web.Response:
        """Sell a position, or the part of it that `qty` or `percentage` says, at the market."""
        symbol = self._symbol(request)
        if symbol is None or symbol not in self._holdings():
            return _flat()
        status, body = self._close(symbol, _part(request, self._holdings()[symbol].qty))
        return json_reply(body, status)

    async def close_all(self, request: web.Request) -> web.Response:
        """Sell everything; with `cancel_orders` ask to cancel all orders first (asked is not canceled)."""
        if request.query.get("cancel_orders", "").lower() == "true":
            self._desk.cancel_all()
        rows = []
        for symbol, holding in sorted(self._holdings().items()):
            status, body = self._close(symbol, holding.qty)
            rows.append({"symbol": symbol, "status": status, "body": body})
        return json_reply(rows, 207)

    def _holdings(self) -> dict[str, Holding]:
        return self._desk.engine.account.holdings

    def _symbol(self, request: web.Request) -> str | None:
        wanted = request.match_info["symbol"]
        parts = self._desk.scenario.symbols
        return next((part.symbol for part in parts if wanted in (part.symbol, asset_id(part.symbol))), None)

    def _close(self, symbol: str, qty: Decimal) -> tuple[int, dict[str, Any]]:
        ticket = self._desk.close_ticket(symbol, qty)
        taken = self._desk.submit(ticket)
        if isinstance(taken, OrderRefused):
            refusal = refusal_of(taken, ticket)
            return refusal.status, refusal.as_json()
        return 200, self._desk.order_json(taken)


def _part(request: web.Request, held: Decimal) -> Decimal:
    qty, percentage = request.query.get("qty"), request.query.get("percentage")
    try:
        given = Decimal(qty or percentage or 100)
        part = given if qty else (held * given / 100).quantize(_QTY_STEP, ROUND_FLOOR)
    except InvalidOperation as fault:
        raise BadQuery("invalid qty or percentage") from fault
    if not part.is_finite() or part <= 0:
        raise BadQuery("qty must be > 0")
    return part


def _flat() -> web.Response:
    return error(404, NOT_FOUND, "position does not exist")
