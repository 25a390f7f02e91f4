"""Server-sent events of the account's activities: replay from an id or a time, then live, with heartbeats."""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import orjson
from aiohttp import web

from kyzlo_actors.venue.broker.activity_ledger import ActivityLedger, LedgerEntry, is_ulid
from kyzlo_actors.venue.broker.http import BadQuery, Gate, error, routes
from kyzlo_actors.venue.clock import NowNs
from kyzlo_actors.venue.timestamps import parse_rfc3339

MAX_READERS: Final = 100
# A reader this far behind the present loses what lies between, and is told how much.
MAX_BEHIND: Final = 1_000
_BATCH: Final = 100
_POLL_SECONDS: Final = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wish:
    """What a reader asked for: where to begin (None: now), and where to end."""

    since_id: str | None = None
    since: int | None = None
    until_id: str | None = None
    until: int | None = None

    def is_past(self, entry: LedgerEntry) -> bool:
        """Whether the entry lies beyond the end."""
        late = self.until is not None and entry.ts > self.until
        return late or (self.until_id is not None and entry.event_id > self.until_id)

    def is_over(self, now: int, entries: list[LedgerEntry]) -> bool:
        """Whether nothing can come any more."""
        timed = self.until is not None and now > self.until
        return timed or (
            self.until_id is not None and bool(entries) and entries[-1].event_id >= self.until_id
        )


class ActivityEvents:
    """`GET /v2beta1/events/activities?since_id=|since=&until_id=|until=`."""

    def __init__(
        self, ledger: ActivityLedger, now_ns: NowNs, *, heartbeat_seconds: float, max_behind: int = MAX_BEHIND
    ) -> None:
        self.readers = 0
        self._ledger = ledger
        self._now_ns = now_ns
        self._heartbeat_seconds = heartbeat_seconds
        self._max_behind = max_behind
        self._is_ending = False

    def routes(self, gate: Gate) -> list[web.RouteDef]:
        """Its route."""
        return routes(gate, {("GET", "/v2beta1/events/activities"): self.read})

    def stop(self) -> None:
        """Let every reader go."""
        self._is_ending = True

    async def read(self, request: web.Request) -> web.StreamResponse:
        """Events until the reader leaves, or what it asked for is over."""
        wish = _wish(request.query)
        if self.readers >= MAX_READERS:
            return error(429, 42910000, "connection limit exceeded")
        reply = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-cache"})
        self.readers += 1
        try:
            await reply.prepare(request)
            await self._tell(request, reply, wish)
        except ConnectionError:
            pass  # the reader is gone
        finally:
            self.readers -= 1
        return reply

    async def _tell(self, request: web.Request, reply: web.StreamResponse, wish: _Wish) -> None:
        loop = asyncio.get_running_loop()
        entries = self._ledger.entries
        replay_end = self._ledger.refresh()
        place = _start(entries, wish)
        spoke = loop.time()
        await reply.write(b": connected\n\n")
        while not self._is_ending and not _is_gone(request):
            count = self._ledger.refresh()
            # What is replayed is history: it can be long, and nobody is late for it.
            if place >= replay_end and count - place > self._max_behind:
                words = f": you are reading too slowly, dropped {count - place} messages\n\n"
                place = count
                await reply.write(words.encode())
            batch = entries[place : place + _BATCH]
            place += len(batch)
            wanted = [entry for entry in batch if not wish.is_past(entry)]
            if wanted:
                await reply.write(b"".join(self._event(entry) for entry in wanted))
                spoke = loop.time()
            if len(wanted) < len(batch):
                return
            if batch:
                continue
            if wish.is_over(self._now_ns(), entries):
                return
            if loop.time() - spoke >= self._heartbeat_seconds:
                await reply.write(b": heartbeat\n\n")
                spoke = loop.time()
            await asyncio.sleep(_POLL_SECONDS)

    def _event(self, entry: LedgerEntry) -> bytes:
        return b"data: " + orjson.dumps(self._ledger.as_json(entry)) + b"\n\n"


def _start(entries: list[LedgerEntry], wish: _Wish) -> int:
    if wish.since_id is not None:
        return bisect_right(entries, wish.since_id, key=lambda entry: entry.event_id)
    if wish.since is not None:
        since = wish.since
        return next((place for place, entry in enumerate(entries) if entry.ts >= since), len(entries))
    return len(entries)


def _is_gone(request: web.Request) -> bool:
    return request.transport is None or request.transport.is_closing()


def _wish(query: Mapping[str, str]) -> _Wish:
    for one, other in (("since_id", "since"), ("until_id", "until")):
        if query.get(one) and query.get(other):
            raise BadQuery(f"{one} cannot be combined with {other}")
    return _Wish(
        since_id=_id(query, "since_id"),
        since=_time(query, "since"),
        until_id=_id(query, "until_id"),
        until=_time(query, "until"),
    )


def _id(query: Mapping[str, str], name: str) -> str | None:
    text = query.get(name)
    if not text:
        return None
    if not is_ulid(text):
        raise BadQuery(f"invalid {name}: {text[:64]}")
    return text.upper()


def _time(query: Mapping[str, str], name: str) -> int | None:
    text = query.get(name)
    if not text:
        return None
    try:
        return parse_rfc3339(text)
    except ValueError as fault:
        raise BadQuery(f"invalid {name}: {text[:64]}") from fault
