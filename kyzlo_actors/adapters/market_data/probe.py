"""A try of the websocket: does it open, does it take the key, does it give the symbols? For checks before trading."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kyzlo_actors.adapters.market_data.parse import ParseCounters, Status, parse_frame
from kyzlo_actors.adapters.market_data.protocol import Session
from kyzlo_actors.domain.values import NS_PER_SECOND
from kyzlo_actors.infrastructure.websocket_link import LinkLost, LinkRefused, WebSocketLink, open_link
from kyzlo_actors.ports.clock import Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamProbe:
    """How far it came. `missing`: symbols that were not confirmed in time. `trouble`: what was said, or happened."""

    connected: bool
    authenticated: bool
    missing: tuple[str, ...]
    trouble: str = ""


def probe_stream(
    url: str, api_key: str, symbols: Sequence[str], clock: Clock, *, timeout_seconds: float
) -> StreamProbe:
    """Connect, authenticate, subscribe to the trades of `symbols`, leave; never raises.

    Bounds: the opening has bounds of its own (5 s a step), the rest `timeout_seconds`. The vendor counts
    connections of a key: a feed that uses it may be put out by this one.
    """
    session = Session(api_key=api_key, symbols=symbols)
    try:
        link = open_link(url, clock, ping_seconds=timeout_seconds)
    except LinkRefused as error:
        return _told(session, connected=False, trouble=str(error))
    try:
        trouble = _converse(link, session, clock, timeout_seconds)
    except LinkLost as error:
        trouble = str(error)
    finally:
        link.close()
    return _told(session, connected=True, trouble=trouble)


def _converse(link: WebSocketLink, session: Session, clock: Clock, timeout_seconds: float) -> str:
    """Until everything is confirmed, the server ends it, or the time is over. Raises: LinkLost."""
    counters = ParseCounters()
    deadline_ns = clock.monotonic_ns() + int(timeout_seconds * NS_PER_SECOND)
    trouble = ""
    while not session.subscribed and clock.monotonic_ns() < deadline_ns:
        payload = link.receive()
        events = [] if payload is None else parse_frame(payload, clock.now_ns(), counters)
        for event in events:
            if not isinstance(event, Status):
                continue
            reaction = session.react(event)
            if reaction.notice is not None:
                trouble = reaction.notice.text
            for frame in reaction.send:
                link.send(frame)
            if reaction.ending is not None:
                return trouble
    return trouble or ("" if session.subscribed else f"no answer within {timeout_seconds:g} s")


def _told(session: Session, *, connected: bool, trouble: str) -> StreamProbe:
    return StreamProbe(
        connected=connected,
        authenticated=session.authenticated,
        missing=tuple(sorted(session.missing)),
        trouble=trouble,
    )
