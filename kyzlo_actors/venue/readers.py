"""What the two market-data streams share: who hears a tape, and the talk on one connection until it ends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from aiohttp import WSMsgType, web

from kyzlo_actors.venue.outlet import Outlet

POLICY_VIOLATION: Final = 1008
# Channel, symbol, event.
Addressed = tuple[str, str, dict[str, Any]]


class Stream(Protocol):
    """A stream with readers of two kinds: real-time and delayed."""

    def wants(self, channel: str, *, delayed: bool) -> bool:
        """Whether anybody there reads anything of that channel."""

    def publish(self, events: Sequence[Addressed], *, delayed: bool) -> None:
        """Send the events to who wants them, a frame a reader."""


@dataclass(frozen=True, slots=True)
class Readers:
    """The readers of one kind, as their tape sees them."""

    stream: Stream
    delayed: bool = field(kw_only=True)

    def wants(self, channel: str) -> bool:
        """Whether anybody reads anything of that channel."""
        return self.stream.wants(channel, delayed=self.delayed)

    def publish(self, events: Sequence[Addressed]) -> None:
        """Send the events to who wants them."""
        self.stream.publish(events, delayed=self.delayed)


class Client(Protocol):
    """One connection."""

    outlet: Outlet
    authorized: bool


async def converse(
    socket: web.WebSocketResponse,
    client: Client,
    *,
    auth_seconds: float,
    answer: Callable[[str | bytes], bool],
    too_late: Callable[[], None],
) -> None:
    """Answer frame by frame until the client leaves, or `answer` says that it has to (False).

    Who is not authorized `auth_seconds` after it came is told so by `too_late`, and sent away.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + auth_seconds
    while True:
        try:
            limit = None if client.authorized else max(0.001, deadline - loop.time())
            message = await socket.receive(limit)
        except TimeoutError:
            too_late()
            break
        if message.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
            return
        if not answer(message.data):
            break
    await client.outlet.close(POLICY_VIOLATION)
