"""Replies, the key check and the rate limit that all of Alpaca's REST routes share."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from decimal import Decimal
from http import HTTPStatus
from typing import Any, Final

import orjson
from aiohttp import web

from kyzlo_actors.domain.values import NS_PER_SECOND
from kyzlo_actors.venue.broker.refusal import BAD_FIELD, NOT_FOUND, Refusal
from kyzlo_actors.venue.clock import NowNs
from kyzlo_actors.venue.control.behaviour import Switches
from kyzlo_actors.venue.control.faults import FaultRule, Faults

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
_WINDOW_NS: Final = 60 * NS_PER_SECOND
_INTERNAL: Final = 50010000
_HTML: Final = (
    "<html>\r\n<head><title>{0}</title></head>\r\n<body><center><h1>{0}</h1></center></body>\r\n</html>\r\n"
)
_UNKNOWN_FIELD: Final = "brand_new_field"


def json_reply(body: object, status: int = 200) -> web.Response:
    """JSON as the broker sends it."""
    return web.Response(
        body=orjson.dumps(body), status=status, content_type="application/json", charset="utf-8"
    )


def refused(refusal: Refusal) -> web.Response:
    """An error reply."""
    return json_reply(refusal.as_json(), refusal.status)


def error(status: int, code: int, message: str) -> web.Response:
    """An error reply without more fields."""
    return json_reply({"code": code, "message": message}, status)


def failure(rule: FaultRule) -> web.Response:
    """The 5xx that a fault asks for: JSON, or the HTML of a proxy in between."""
    if rule.html:
        title = f"{rule.status} {HTTPStatus(rule.status).phrase}"
        return web.Response(status=rule.status, text=_HTML.format(title), content_type="text/html")
    return error(rule.status, _INTERNAL, "internal server error occurred")


def json_body(raw: bytes) -> dict[str, Any] | None:
    """A request's JSON object, numbers as exact decimals, or None when it is none."""
    try:
        body = json.loads(raw, parse_float=Decimal)
    except (ValueError, RecursionError, ArithmeticError):
        return None
    return body if isinstance(body, dict) else None


class BadQuery(Exception):
    """A query parameter cannot be used; `message` is the broker's word for it."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


def whole_number(query: Mapping[str, str], name: str, default: int, top: int) -> int:
    """A query parameter from 1 to `top` (more is cut to `top`).

    Raises: BadQuery: it is no such number.
    """
    text = query.get(name) or str(default)
    if not text.isdecimal() or len(text) > 9 or int(text) < 1:
        raise BadQuery(f"invalid {name}: {text[:64]}")
    return min(int(text), top)


def choice(query: Mapping[str, str], name: str, default: str, allowed: tuple[str, ...]) -> str:
    """A query parameter that is one of a few words.

    Raises: BadQuery: it is none of them.
    """
    text = query.get(name, default).lower()
    if text not in allowed:
        raise BadQuery(f"invalid {name}: {text[:64]}")
    return text


def truth(query: Mapping[str, str], name: str) -> bool:
    """A query parameter that is yes or no, however it is written (`True`, `true`, `1`); absent is no."""
    return query.get(name, "").lower() in ("true", "1", "t")


class RateWindow:
    """Requests of the last minute; at the limit the next is refused, so the memory is bounded by it."""

    def __init__(self, limit: int, now_ns: NowNs) -> None:
        self.limit = limit
        self._now_ns = now_ns
        self._taken: deque[int] = deque()

    def take(self) -> bool:
        """Count one request; False when the limit is reached."""
        now = self._now_ns()
        while self._taken and now - self._taken[0] >= _WINDOW_NS:
            self._taken.popleft()
        if len(self._taken) >= self.limit:
            return False
        self._taken.append(now)
        return True

    def forget(self) -> None:
        """Start the minute anew."""
        self._taken.clear()

    def headers(self) -> dict[str, str]:
        """What every reply tells about the limit; the reset is in Unix seconds."""
        oldest = self._taken[0] if self._taken else self._now_ns()
        return {
            "X-RateLimit-Limit": str(self.limit),
            "X-RateLimit-Remaining": str(max(0, self.limit - len(self._taken))),
            "X-RateLimit-Reset": str((oldest + _WINDOW_NS) // NS_PER_SECOND + 1),
        }


class Gate:
    """What stands before every Alpaca route: keys, rate limit, request id, bad parameters, and faults of replies."""

    def __init__(
        self, *, key: str, secret: str, rate: RateWindow, faults: Faults, switches: Switches
    ) -> None:
        self.requests = 0
        self.rate = rate
        self._key = key
        self._secret = secret
        self._faults = faults
        self._switches = switches

    def check_keys(self, key: str, secret: str) -> bool:
        """Whether they are this account's."""
        right_key = hmac.compare_digest(key.encode(), self._key.encode())
        return right_key and hmac.compare_digest(secret.encode(), self._secret.encode())

    def guard(self, handler: Handler) -> Handler:
        """`handler` behind the gate."""

        async def guarded(request: web.Request) -> web.StreamResponse:
            self.requests += 1
            reply = await self._reply(request, handler)
            if not reply.prepared:
                reply.headers["X-Request-ID"] = hashlib.sha256(
                    f"request:{self.requests}".encode()
                ).hexdigest()[:32]
            return reply

        return guarded

    async def _reply(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        headers = request.headers
        key, secret = headers.get("APCA-API-KEY-ID", ""), headers.get("APCA-API-SECRET-KEY", "")
        # Headers may hold anything that is no line break; bytes that are no text cannot be a key.
        if not key.isascii() or not secret.isascii() or not self.check_keys(key, secret):
            return json_reply({"message": "unauthorized."}, 401)
        if self._faults.strikes("rate_limit") or not self.rate.take():
            reply: web.StreamResponse = error(429, 42910000, "rate limit exceeded")
            if not self._switches.now.rate_limit_headers_on_429:
                return reply
        else:
            reply = await self._answer(request, handler)
        if not reply.prepared:
            reply.headers.update(self.rate.headers())
        return reply

    async def _answer(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.method == "GET":
            late = self._faults.strike("delay_get_ms")
            if late:
                await asyncio.sleep(late.ms / 1_000)
            rule = self._faults.strike("fail_get_5xx")
            if rule:
                return failure(rule)
        try:
            reply = await handler(request)
        except BadQuery as fault:
            reply = error(422, BAD_FIELD, fault.message)
        return self._twisted(reply)

    def _twisted(self, reply: web.StreamResponse) -> web.StreamResponse:
        """`reply`, its JSON with more or fewer keys where a fault wants that."""
        body = reply.body if isinstance(reply, web.Response) else None
        if not isinstance(body, bytes) or not body or reply.status >= 300:
            return reply
        extra, missing = self._faults.strike("extra_fields"), self._faults.strike("missing_fields")
        if extra is None and missing is None:
            return reply
        added = (
            {name: {"new": [1, "x", None]} for name in (extra.fields or (_UNKNOWN_FIELD,))} if extra else {}
        )
        dropped = frozenset(missing.fields) if missing else frozenset()
        return json_reply(_rekeyed(orjson.loads(body), added, dropped), reply.status)


def _rekeyed(value: Any, added: Mapping[str, Any], dropped: frozenset[str]) -> Any:
    if isinstance(value, list):
        return [_rekeyed(part, added, dropped) for part in value]
    if not isinstance(value, dict):
        return value
    kept = {name: _rekeyed(part, added, dropped) for name, part in value.items() if name not in dropped}
    return {**kept, **added}


@web.middleware
async def json_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """No such route, wrong method, too large a body: the broker says that in JSON too."""
    try:
        return await handler(request)
    except web.HTTPNotFound:
        return error(404, NOT_FOUND, "endpoint not found.")
    except web.HTTPMethodNotAllowed as fault:
        reply = error(405, 40510000, "method not allowed")
        reply.headers["Allow"] = fault.headers["Allow"]
        return reply
    except web.HTTPRequestEntityTooLarge:
        return error(413, 41310000, "request body is too large")


def routes(gate: Gate, table: Mapping[tuple[str, str], Handler]) -> list[web.RouteDef]:
    """Guarded routes by (method, path)."""
    return [web.route(method, path, gate.guard(handler)) for (method, path), handler in table.items()]
