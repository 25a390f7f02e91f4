"""Alpaca's order routes: place, list, look up, cancel."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from aiohttp import web

from kyzlo_actors.replay.matching_messages import CancelRefused, OrderRefused
from kyzlo_actors.replay.venue_order import VenueOrder
from kyzlo_actors.venue.desk import Desk
from kyzlo_actors.venue.faults import Faults
from kyzlo_actors.venue.http import (
    BAD_FIELD,
    NOT_FOUND,
    BadQuery,
    Gate,
    choice,
    error,
    json_reply,
    refused,
    routes,
    whole_number,
)
from kyzlo_actors.venue.order_request import NOT_PROCESSABLE, Refusal, read_order, refusal_of
from kyzlo_actors.venue.timestamps import parse_rfc3339

_MAX_LIST: Final = 500
# Ids whose POSTs are counted for tests; one beyond it is served but no longer counted.
_MAX_COUNTED_IDS: Final = 100_000


class AlpacaOrders:
    """`posts` counts the POSTs received for each client_order_id, refused and broken ones included."""

    def __init__(self, desk: Desk, faults: Faults) -> None:
        self.posts: dict[str, int] = {}
        self._desk = desk
        self._faults = faults

    def routes(self, gate: Gate) -> list[web.RouteDef]:
        """Its routes."""
        return routes(
            gate,
            {
                ("POST", "/v2/orders"): self.place,
                ("GET", "/v2/orders"): self.list_orders,
                ("DELETE", "/v2/orders"): self.cancel_all,
                ("GET", "/v2/orders:by_client_order_id"): self.by_client_order_id,
                ("GET", "/v2/orders/{id}"): self.get,
                ("DELETE", "/v2/orders/{id}"): self.cancel,
                ("PATCH", "/v2/orders/{id}"): self.replace,
            },
        )

    async def place(self, request: web.Request) -> web.StreamResponse:
        """Take an order, or refuse it; faults may swallow the reply, or the order."""
        body = _body(await request.read())
        if body is None:
            return error(400, 40010000, "request body format is invalid")
        self._count(body)
        if self._faults.strikes("drop_before_post"):
            return _cut(request)
        if self._faults.strikes("fail_post_5xx"):
            return error(500, 50010000, "internal server error occurred")
        reply = self._placed(body)
        if self._faults.delay_post_reply_ms:
            await asyncio.sleep(self._faults.delay_post_reply_ms / 1_000)
        if self._faults.strikes("drop_after_post"):
            return _cut(request)
        if self._faults.strikes("fail_post_5xx_taken"):
            return error(500, 50010000, "internal server error occurred")
        return reply

    async def list_orders(self, request: web.Request) -> web.Response:
        """Orders by status, time, symbol and side, in pages."""
        query = request.query
        status = choice(query, "status", "open", ("open", "closed", "all"))
        descending = choice(query, "direction", "desc", ("asc", "desc")) == "desc"
        limit = whole_number(query, "limit", 50, _MAX_LIST)
        orders = list(self._desk.engine.orders.values())
        orders = [
            order for order in orders if status == "all" or order.status.is_terminal == (status == "closed")
        ]
        orders = self._after(_filtered(orders, query), query)
        if descending:
            orders.reverse()
        return json_reply([self._desk.order_json(order) for order in orders[:limit]])

    async def get(self, request: web.Request) -> web.Response:
        """One order by id."""
        order = self._find(request)
        return order if isinstance(order, web.Response) else json_reply(self._desk.order_json(order))

    async def by_client_order_id(self, request: web.Request) -> web.Response:
        """One order by the id its sender gave it."""
        wanted = request.query.get("client_order_id", "")
        order = self._desk.engine.by_client_order_id(wanted)
        if order is None:
            return error(404, NOT_FOUND, f"order not found for {wanted}")
        return json_reply(self._desk.order_json(order))

    async def cancel(self, request: web.Request) -> web.Response:
        """Ask for a cancel: 204 means asked, not canceled."""
        order = self._find(request)
        if isinstance(order, web.Response):
            return order
        answer = self._desk.request_cancel(order.venue_order_id)
        if isinstance(answer, VenueOrder):
            return web.Response(status=204)
        return error(422, NOT_PROCESSABLE, _cancel_words(answer))

    async def cancel_all(self, request: web.Request) -> web.Response:
        """Ask to cancel everything."""
        asked = self._desk.cancel_all()
        return json_reply([{"id": order.venue_order_id, "status": 200} for order in asked], 207)

    async def replace(self, request: web.Request) -> web.Response:
        """Not yet."""
        return error(422, NOT_PROCESSABLE, "replacing orders is not supported by this venue")

    def _placed(self, body: Mapping[str, Any]) -> web.Response:
        engine = self._desk.engine
        ticket = read_order(
            body,
            self._desk.scenario,
            is_taken=lambda wanted: engine.by_client_order_id(wanted) is not None,
            fallback_id=self._desk.next_order_id(),
        )
        if isinstance(ticket, Refusal):
            return refused(ticket)
        taken = self._desk.submit(ticket)
        if isinstance(taken, OrderRefused):
            return refused(refusal_of(taken, ticket))
        return json_reply(self._desk.order_json(taken))

    def _find(self, request: web.Request) -> VenueOrder | web.Response:
        wanted = request.match_info["id"]
        try:
            order = self._desk.engine.orders.get(str(UUID(wanted)))
        except ValueError:
            return error(422, BAD_FIELD, "order_id is missing")
        return order or error(404, NOT_FOUND, f"order not found for {wanted}")

    def _after(self, orders: list[VenueOrder], query: Mapping[str, str]) -> list[VenueOrder]:
        """Those after `after_order_id` and before `before_order_id`, in order of submission."""
        for name, later in (("after_order_id", True), ("before_order_id", False)):
            wanted = query.get(name)
            if not wanted:
                continue
            if query.get("after") or query.get("until"):
                raise BadQuery(f"{name} cannot be combined with after or until")
            cursor = self._desk.engine.orders.get(wanted)
            if cursor is None:
                raise BadQuery(f"invalid {name}: {wanted}")
            place = cursor.sequence
            orders = [
                order for order in orders if (order.sequence > place) == later and order.sequence != place
            ]
        return orders

    def _count(self, body: Mapping[str, Any]) -> None:
        wanted = body.get("client_order_id")
        if isinstance(wanted, str) and (wanted in self.posts or len(self.posts) < _MAX_COUNTED_IDS):
            self.posts[wanted] = self.posts.get(wanted, 0) + 1


def _filtered(orders: list[VenueOrder], query: Mapping[str, str]) -> list[VenueOrder]:
    symbols = {name.strip() for name in query.get("symbols", "").split(",") if name.strip()}
    if symbols:
        orders = [order for order in orders if order.ticket.symbol in symbols]
    if query.get("side"):
        orders = [order for order in orders if order.ticket.side == query["side"]]
    if query.get("asset_class", "us_equity") not in ("us_equity", "all"):
        orders = []
    try:
        if query.get("after"):
            after = parse_rfc3339(query["after"])
            orders = [order for order in orders if order.submitted_ns > after]
        if query.get("until"):
            until = parse_rfc3339(query["until"])
            orders = [order for order in orders if order.submitted_ns < until]
    except ValueError as fault:
        raise BadQuery(str(fault)) from fault
    return orders


def _body(raw: bytes) -> dict[str, Any] | None:
    """The JSON object, numbers as exact decimals, or None when it is none."""
    try:
        body = json.loads(raw, parse_float=Decimal)
    except (ValueError, RecursionError):
        return None
    return body if isinstance(body, dict) else None


def _cancel_words(answer: CancelRefused) -> str:
    if answer.status is not None and not answer.status.is_terminal:
        return "order pending cancel"
    return f'order is already in "{answer.status}" state'


def _cut(request: web.Request) -> web.Response:
    """End the connection without a reply: the asker cannot know what became of it."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)
