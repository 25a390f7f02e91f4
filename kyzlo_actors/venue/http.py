"""Replies, the key check and the rate limit that all of Alpaca's REST routes share."""

from __future__ import annotations

import hashlib
import hmac
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import orjson
from aiohttp import web

from kyzlo_actors.domain.values import NS_PER_SECOND
from kyzlo_actors.venue.clock import NowNs
from kyzlo_actors.venue.faults import Faults
from kyzlo_actors.venue.order_request import Refusal

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
_WINDOW_NS: Final = 60 * NS_PER_SECOND
NOT_FOUND: Final = 40410000
BAD_FIELD: Final = 40010001


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
        raise BadQuery(f"invalid {name}: {text}")
    return min(int(text), top)


def choice(query: Mapping[str, str], name: str, default: str, allowed: tuple[str, ...]) -> str:
    """A query parameter that is one of a few words.

    Raises: BadQuery: it is none of them.
    """
    text = query.get(name, default).lower()
    if text not in allowed:
        raise BadQuery(f"invalid {name}: {text}")
    return text


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

    def headers(self) -> dict[str, str]:
        """What every reply tells about the limit; the reset is in Unix seconds."""
        oldest = self._taken[0] if self._taken else self._now_ns()
        return {
            "X-RateLimit-Limit": str(self.limit),
            "X-RateLimit-Remaining": str(self.limit - len(self._taken)),
            "X-RateLimit-Reset": str((oldest + _WINDOW_NS) // NS_PER_SECOND + 1),
        }


class Gate:
    """What stands before every Alpaca route: keys, rate limit, request id, and bad parameters."""

    def __init__(self, *, key: str, secret: str, rate: RateWindow, faults: Faults) -> None:
        self.requests = 0
        self._key = key
        self._secret = secret
        self._rate = rate
        self._faults = faults

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
        if not self.check_keys(headers.get("APCA-API-KEY-ID", ""), headers.get("APCA-API-SECRET-KEY", "")):
            return json_reply({"message": "unauthorized."}, 401)
        if self._faults.strikes("rate_limit") or not self._rate.take():
            reply: web.StreamResponse = error(429, 42910000, "rate limit exceeded")
        else:
            try:
                reply = await handler(request)
            except BadQuery as fault:
                reply = error(422, BAD_FIELD, fault.message)
        if not reply.prepared:
            reply.headers.update(self._rate.headers())
        return reply


def routes(gate: Gate, table: Mapping[tuple[str, str], Handler]) -> list[web.RouteDef]:
    """Guarded routes by (method, path)."""
    return [web.route(method, path, gate.guard(handler)) for (method, path), handler in table.items()]
