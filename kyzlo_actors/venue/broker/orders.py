"""Alpaca's order routes: place, list, look up, replace, cancel."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from aiohttp import web

from kyzlo_actors.domain.order import OrderTicket
from kyzlo_actors.domain.values import Side
from kyzlo_actors.replay.matching_messages import CancelRefused, OrderRefused, ReplaceRefused
from kyzlo_actors.replay.venue_order import VenueOrder, VenueStatus
from kyzlo_actors.venue.broker.desk import Desk
from kyzlo_actors.venue.broker.http import (
    Gate,
    error,
    failure,
    json_body,
    json_reply,
    refused,
    routes,
    truth,
)
from kyzlo_actors.venue.broker.json_shapes import Json
from kyzlo_actors.venue.broker.order_list import read_query, select
from kyzlo_actors.venue.broker.order_request import read_order, read_replace
from kyzlo_actors.venue.broker.order_request_checks import RequestContext
from kyzlo_actors.venue.broker.order_request_windows import AuctionWindows
from kyzlo_actors.venue.broker.refusal import (
    BAD_FIELD,
    NOT_FOUND,
    NOT_PROCESSABLE,
    Refusal,
    forbidden,
    refusal_of,
    replace_refusal_of,
)
from kyzlo_actors.venue.control.faults import FaultRule, Faults

# Ids whose POSTs are counted for tests; one beyond it is served but no longer counted.
_MAX_COUNTED_IDS: Final = 100_000
# Enough for the events to leave first.
_OVERTAKEN_MS: Final = 50
_ENDED_UNFILLED: Final = (VenueStatus.CANCELED, VenueStatus.EXPIRED)


class AlpacaOrders:
    """`posts` counts the POSTs received for each client_order_id, refused and broken ones included."""

    def __init__(self, desk: Desk, faults: Faults) -> None:
        self.posts: dict[str, int] = {}
        self._desk = desk
        self._faults = faults
        self._windows = AuctionWindows(desk.calendar)

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

    # ---------------------------------------------------------------- placing

    async def place(self, request: web.Request) -> web.StreamResponse:
        """Take an order, or refuse it; faults may swallow the reply, or the order."""
        body = json_body(await request.read())
        if body is None:
            return error(400, 40010000, "request body format is invalid")
        self._count(body)
        if self._struck("drop_before_post", body):
            return _cut(request)
        rule = self._struck("fail_post_5xx", body)
        if rule:
            return failure(rule)
        reply, late_ms = self._placed(body)
        late_ms = max(late_ms, self._faults_delay_ms(body))
        if late_ms:
            await asyncio.sleep(late_ms / 1_000)
        if self._struck("drop_after_post", body):
            return _cut(request)
        rule = self._struck("fail_post_5xx_taken", body)
        return failure(rule) if rule else reply

    def _placed(self, body: Mapping[str, Any]) -> tuple[web.Response, int]:
        """The reply, and how many milliseconds late the scenario's plan wants it."""
        desk = self._desk
        ticket = read_order(body, desk.scenario, self._context(), fallback_id=desk.next_order_id())
        if isinstance(ticket, Refusal):
            return refused(ticket), 0
        blocked = account_fault(desk, ticket)
        if blocked:
            return refused(blocked), 0
        taken = desk.submit(ticket)
        if isinstance(taken, OrderRefused):
            return refused(refusal_of(taken, ticket, desk.switches.now)), 0
        return json_reply(desk.order_json(taken, nested=True)), self._late_ms(ticket)

    def _late_ms(self, ticket: OrderTicket) -> int:
        plan = self._desk.fill_plan(ticket)
        if plan is None:
            return 0
        return max(plan.reply_after_ms, _OVERTAKEN_MS if plan.before_reply else 0)

    def _context(self) -> RequestContext:
        desk = self._desk
        return RequestContext(
            behaviour=desk.switches.now,
            windows=self._windows,
            now_ns=desk.now_ns(),
            fractional_trading=desk.flags.fractional_trading,
            is_taken=self._is_taken,
            last_price=desk.known_price,
        )

    def _is_taken(self, client_order_id: str) -> bool:
        order = self._desk.engine.by_client_order_id(client_order_id)
        free = self._desk.switches.now.duplicate_id_after_end == "allowed"
        return order is not None and not (free and order.status in _ENDED_UNFILLED)

    # ---------------------------------------------------------------- reading

    async def list_orders(self, request: web.Request) -> web.Response:
        """Orders by status, time, symbol and side, in pages."""
        rule = self._faults.strike("orders_page_5xx")
        if rule:
            return failure(rule)
        query = read_query(request.query, self._desk.engine)
        rows = select(self._desk.engine, query)
        return json_reply([self._desk.order_json(order, nested=query.nested) for order in rows])

    async def get(self, request: web.Request) -> web.Response:
        """One order by id."""
        order = self._find(request)
        return order if isinstance(order, web.Response) else self._shown(order, request)

    async def by_client_order_id(self, request: web.Request) -> web.Response:
        """One order by the id its sender gave it."""
        wanted = request.query.get("client_order_id", "")
        order = self._desk.engine.by_client_order_id(wanted)
        if order is None:
            return error(404, NOT_FOUND, f"order not found for {wanted}")
        return self._shown(order, request)

    # ---------------------------------------------------------------- changing

    async def replace(self, request: web.Request) -> web.Response:
        """Ask for a replace: 200 and a new order, which is not in force yet."""
        body = json_body(await request.read())
        if body is None:
            return error(400, 40010000, "request body format is invalid")
        order = self._find(request)
        if isinstance(order, web.Response):
            return order
        desk = self._desk
        wish = read_replace(body, order.ticket, self._context(), fallback_id=desk.next_order_id())
        if isinstance(wish, Refusal):
            return refused(wish)
        new = desk.replace(order.venue_order_id, wish)
        if isinstance(new, ReplaceRefused):
            return refused(replace_refusal_of(new, order.ticket, desk.switches.now))
        if self._struck("replace_error_taken", _names(order)):
            message = "unable to replace order, order isn't sent to exchange yet"
            return error(422, BAD_FIELD, message)
        return json_reply(desk.order_json(new, nested=True))

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
        """Ask to cancel everything; each row says whether it was asked, none that it was done."""
        return json_reply([self._cancel_row(order, asked) for order, asked in self._desk.cancel_all()], 207)

    def _cancel_row(self, order: VenueOrder, asked: bool) -> Json:
        if not asked:
            failed = {"code": 50010000, "message": "internal server error occurred"}
            return {"id": order.venue_order_id, "status": 500, "body": failed}
        row: Json = {"id": order.venue_order_id, "status": 200}
        if self._desk.switches.now.cancel_all_rows == "with_order":
            row["body"] = self._desk.order_json(order)
        return row

    # ---------------------------------------------------------------- inside

    def _find(self, request: web.Request) -> VenueOrder | web.Response:
        wanted = request.match_info["id"]
        try:
            order = self._desk.engine.orders.get(str(UUID(wanted)))
        except ValueError:
            return error(422, BAD_FIELD, "order_id is missing")
        return order or error(404, NOT_FOUND, f"order not found for {wanted}")

    def _shown(self, order: VenueOrder, request: web.Request) -> web.Response:
        return json_reply(self._desk.order_json(order, nested=truth(request.query, "nested")))

    def _struck(self, fault: str, names: Mapping[str, Any]) -> FaultRule | None:
        return self._faults.strike(
            fault,
            symbol=str(names.get("symbol") or ""),
            order_id=str(names.get("id") or ""),
            client_order_id=str(names.get("client_order_id") or ""),
        )

    def _faults_delay_ms(self, body: Mapping[str, Any]) -> int:
        rule = self._struck("delay_post_reply_ms", body)
        return rule.ms if rule else 0

    def _count(self, body: Mapping[str, Any]) -> None:
        wanted = body.get("client_order_id")
        if isinstance(wanted, str) and (wanted in self.posts or len(self.posts) < _MAX_COUNTED_IDS):
            self.posts[wanted] = self.posts.get(wanted, 0) + 1


def account_fault(desk: Desk, ticket: OrderTicket) -> Refusal | None:
    """What the account's flags forbid, or None."""
    flags, held = desk.flags, desk.engine.account.held_qty(ticket.symbol)
    if flags.status != "ACTIVE" or flags.trading_blocked or flags.account_blocked:
        return forbidden(f"account {desk.account_number} is not authorized to trade")
    if flags.trade_suspended_by_user:
        return forbidden("new orders are rejected by user request")
    if flags.liquidation_only and held * ticket.side.sign >= 0:
        return forbidden(f"account {desk.account_number} is restricted to liquidation only")
    if ticket.side is Side.SELL and held <= 0 and not flags.may_short:
        return forbidden("account is not allowed to short")
    return None


def _names(order: VenueOrder) -> dict[str, str]:
    ticket = order.ticket
    return {
        "id": order.venue_order_id,
        "symbol": ticket.symbol,
        "client_order_id": ticket.client_order_id,
    }


def _cancel_words(answer: CancelRefused) -> str:
    match answer.status:
        case VenueStatus.PENDING_REPLACE:
            return "order is pending replace, cannot be canceled"
        case VenueStatus() if not answer.status.is_terminal:
            return "order pending cancel"
        case _:
            return f'order is already in "{answer.status}" state'


def _cut(request: web.Request) -> web.Response:
    """End the connection without a reply: the asker cannot know what became of it."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)
