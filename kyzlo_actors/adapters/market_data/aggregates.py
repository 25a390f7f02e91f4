"""Past bars over REST, for warm-up and for repairing gaps."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

import orjson

from kyzlo_actors.adapters.market_data.parse import ParseCounters, parse_aggregates
from kyzlo_actors.domain.errors import BadInput, Fatal, Recoverable
from kyzlo_actors.domain.market import Bar
from kyzlo_actors.domain.values import NS_PER_MILLISECOND, NS_PER_SECOND
from kyzlo_actors.infrastructure.http_exchange import HttpReply, exchange, open_client
from kyzlo_actors.ports.clock import Clock

# The vendor's largest page; the limit counts base aggregates, not ours.
_PAGE_LIMIT: Final = 50_000
_MAX_PAGES: Final = 100
_LOOK_BACK_NS: Final = 14 * 86_400 * NS_PER_SECOND
_MESSAGE_LENGTH: Final = 200
_SPANS: Final = ((3600 * NS_PER_SECOND, "hour"), (60 * NS_PER_SECOND, "minute"), (NS_PER_SECOND, "second"))
_RETRY: Final = frozenset({408, 425, 429})


class KeyRefused(Fatal):
    """The vendor does not know the key; another refusal may only mean that the plan lacks something."""


class PolygonHistory:
    """`BarHistory` over the aggregates endpoint. The key travels in a header only, and only to `base_url`.

    Bars include extended hours and are adjusted for splits; empty intervals have no bar.
    """

    def __init__(self, base_url: str, api_key: str, clock: Clock) -> None:
        self.counters = ParseCounters()
        self._client = open_client(base_url, {"Authorization": f"Bearer {api_key}"})
        self._clock = clock

    def bars(self, symbol: str, *, interval_ns: int, start_ns: int, end_ns: int) -> list[Bar]:
        """Closed bars inside `[start_ns, end_ns]`, ascending.

        Raises: Recoverable: no answer, rate limit, outage. Fatal: not entitled, refused; KeyRefused: wrong key.
        BadInput: an interval that is no whole number of seconds.
        """
        found: dict[int, Bar] = {}
        for bars in self._pages(
            symbol, interval_ns, start_ns, end_ns, {"sort": "asc", "limit": str(_PAGE_LIMIT)}
        ):
            found.update((bar.start_ns, bar) for bar in bars)
        inside = (bar for bar in found.values() if start_ns <= bar.start_ns and bar.end_ns <= end_ns)
        return sorted(inside, key=lambda bar: bar.start_ns)

    def newest_bars(self, symbol: str, *, interval_ns: int, count: int, end_ns: int) -> list[Bar]:
        """The last `count` bars closed by `end_ns`, ascending, from at most two weeks: over nights and weekends.

        Raises: as `bars`.
        """
        multiplier, _ = _timespan(interval_ns)
        # One bar more, to be cut off: the limit counts base aggregates, so the oldest may lack some of its own.
        params = {"sort": "desc", "limit": str(min((count + 1) * multiplier, _PAGE_LIMIT))}
        found: dict[int, Bar] = {}
        for bars in self._pages(symbol, interval_ns, end_ns - _LOOK_BACK_NS, end_ns, params):
            found.update((bar.start_ns, bar) for bar in bars if bar.end_ns <= end_ns)
            if len(found) >= count:
                break
        return sorted(found.values(), key=lambda bar: bar.start_ns)[-count:]

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def _pages(
        self, symbol: str, interval_ns: int, start_ns: int, end_ns: int, params: dict[str, str]
    ) -> Iterator[list[Bar]]:
        multiplier, span = _timespan(interval_ns)
        first_ms, last_ms = start_ns // NS_PER_MILLISECOND, end_ns // NS_PER_MILLISECOND
        path = f"/v2/aggs/ticker/{quote(symbol, safe='')}/range/{multiplier}/{span}/{first_ms}/{last_ms}"
        params = {"adjusted": "true", **params}
        for _ in range(_MAX_PAGES):
            body = self._page(path, params)
            yield parse_aggregates(body, symbol, interval_ns, self._clock.now_ns(), self.counters)
            next_url = body.get("next_url")
            if not isinstance(next_url, str) or not next_url:
                return
            # The host of the link is not ours to trust with the key: only its path and cursor are used.
            try:
                parts = urlsplit(next_url)
            except ValueError:
                raise Recoverable(f"aggregates of {symbol}: the link to the next page is none") from None
            path = parts.path
            params = {key: value for key, value in parse_qsl(parts.query) if key.lower() != "apikey"}
        raise Recoverable(f"aggregates of {symbol}: more than {_MAX_PAGES} pages")

    def _page(self, path: str, params: dict[str, str]) -> dict[str, Any]:
        query = f"?{urlencode(params)}" if params else ""
        reply = exchange(self._client, self._clock, "GET", path + query)
        body = _json(reply)
        if reply.status == 200 and isinstance(body, dict) and body.get("status") in ("OK", "DELAYED"):
            return body
        detail = f"aggregates: HTTP {reply.status} {_message(body)}".rstrip()
        if reply.status == 401:
            raise KeyRefused(detail)
        refused = 400 <= reply.status < 500 and reply.status not in _RETRY
        if refused or (isinstance(body, dict) and body.get("status") == "NOT_AUTHORIZED"):
            raise Fatal(detail)
        raise Recoverable(detail)


def _timespan(interval_ns: int) -> tuple[int, str]:
    for unit_ns, span in _SPANS:
        if interval_ns > 0 and interval_ns % unit_ns == 0:
            return interval_ns // unit_ns, span
    raise BadInput("interval_ns", interval_ns, "use a whole number of seconds")


def _json(reply: HttpReply) -> object:
    try:
        return orjson.loads(reply.body)
    except orjson.JSONDecodeError:
        return None


def _message(body: object) -> str:
    if not isinstance(body, dict):
        return ""
    text = body.get("error") or body.get("message") or ""
    return str(text)[:_MESSAGE_LENGTH]
