"""Alpaca's REST door: addresses, keys, rate-limit headers, and replies told apart from refusals."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

from kyzlo_actors.adapters.broker.errors import FailureKind, classify
from kyzlo_actors.adapters.broker.parse import load_json
from kyzlo_actors.domain.errors import BadInput, Fatal, Recoverable
from kyzlo_actors.domain.values import NS_PER_SECOND
from kyzlo_actors.infrastructure.http_exchange import HttpReply, exchange, open_client
from kyzlo_actors.ports.clock import Clock

# Remaining requests, and when the count starts anew (ns UTC).
OnRateLimit = Callable[[int, int], None]

_FALLBACK_RESET_SECONDS: Final = 1
_LONGEST_RESET_SECONDS: Final = 120


def api_root(base_url: str) -> str:
    """The address without a trailing `/` or `/v2`: people paste both forms.

    Raises: BadInput: no http(s) address.
    """
    parts = urlsplit(base_url.strip())
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise BadInput(
            "ALPACA_BASE_URL", base_url, "give an address such as https://paper-api.alpaca.markets"
        )
    path = parts.path.rstrip("/").removesuffix("/v2")
    return urlunsplit((parts.scheme, parts.netloc, path, "", ""))


def trade_stream_url(base_url: str) -> str:
    """The order stream's address: the same host with ws(s) and `/stream`. Raises: BadInput."""
    root = urlsplit(api_root(base_url))
    scheme = "wss" if root.scheme == "https" else "ws"
    return urlunsplit((scheme, root.netloc, root.path + "/stream", "", ""))


class AlpacaRest:
    """One kept-alive client. `call` may be used by several threads at once."""

    def __init__(
        self,
        base_url: str,
        key: str,
        secret: str,
        clock: Clock,
        *,
        on_rate_limit: OnRateLimit | None = None,
        connections: int = 1,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        headers = {
            "APCA-API-KEY-ID": key,
            "APCA-API-SECRET-KEY": secret,
            "Content-Type": "application/json",
        }
        self._client = open_client(api_root(base_url), headers, connections=connections, tls=tls)
        self._clock = clock
        self._on_rate_limit = on_rate_limit

    def call(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        content: bytes | None = None,
    ) -> HttpReply:
        """One request, whatever the answer. Raises: NotSent, Unanswered."""
        reply = exchange(self._client, self._clock, method, path, params=params, content=content)
        if self._on_rate_limit is not None:
            self._tell_rate_limit(reply, self._on_rate_limit)
        return reply

    def get(self, path: str, params: Mapping[str, str] | None = None) -> Any:
        """The JSON of a GET, or None when the broker clearly says that there is no such thing.

        Raises: Recoverable: no clear answer. Fatal: refused.
        """
        return self._success(self.call("GET", path, params=params), f"GET {path}")

    def delete(self, path: str) -> Any:
        """The JSON of a DELETE, as `get`; an empty list when there was nothing to say (204)."""
        reply = self.call("DELETE", path)
        return [] if reply.status == 204 else self._success(reply, f"DELETE {path}")

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _success(self, reply: HttpReply, what: str) -> Any:
        if 200 <= reply.status < 300:
            body = load_json(reply.body)
            if body is None:
                raise Recoverable(f"{what}: HTTP {reply.status} with a body that is not JSON")
            return body
        failure = classify(reply.status, reply.body)
        detail = f"{what}: HTTP {reply.status} {failure.message}"
        match failure.kind:
            case FailureKind.NOT_FOUND:
                return None
            case FailureKind.RATE_LIMITED | FailureKind.UNCLEAR:
                raise Recoverable(detail)
            case _:
                raise Fatal(detail)

    def _tell_rate_limit(self, reply: HttpReply, tell: OnRateLimit) -> None:
        """The 429 itself may come without the headers: then nothing remains for a while."""
        now_ns = self._clock.now_ns()
        remaining = _whole(reply.headers.get("x-ratelimit-remaining"))
        reset = _whole(reply.headers.get("x-ratelimit-reset"))
        if reply.status == 429:
            wait = _whole(reply.headers.get("retry-after")) or _FALLBACK_RESET_SECONDS
            fallback_ns = now_ns + min(wait, _LONGEST_RESET_SECONDS) * NS_PER_SECOND
            tell(0, reset * NS_PER_SECOND if reset is not None else fallback_ns)
        elif remaining is not None and reset is not None:
            tell(remaining, reset * NS_PER_SECOND)


def _whole(text: str | None) -> int | None:
    return int(text) if text is not None and len(text) <= 12 and text.isascii() and text.isdigit() else None
