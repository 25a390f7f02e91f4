"""The session rules of the Polygon (Massive) websocket, without a socket: statuses in, what to do out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final

import orjson

from kyzlo_actors.adapters.market_data.parse import Status
from kyzlo_actors.domain.values import Severity

_TRADES: Final = "T."
_SUBSCRIBED: Final = "subscribed to: "
# Parameters in one request; the vendor names no limit, and small requests show which part was refused.
_SUBSCRIBE_BATCH: Final = 100


class Ending(Enum):
    """How a session ends. FATAL: never again. EVICTED: only after a long pause. LOST: try again."""

    FATAL = auto()
    EVICTED = auto()
    LOST = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One line for a person."""

    severity: Severity
    code: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reaction:
    """What one status asks for: frames to send, a notice, the session's end."""

    send: tuple[bytes, ...] = ()
    notice: Notice | None = None
    ending: Ending | None = None


@dataclass(slots=True)
class Session:
    """One connection's authentication and subscriptions. `missing`: symbols not confirmed yet."""

    api_key: str = field(repr=False)
    symbols: Sequence[str]
    authenticated: bool = False
    missing: set[str] = field(default_factory=set)
    unknown_statuses: int = 0

    def __post_init__(self) -> None:
        self.missing = set(self.symbols)

    @property
    def subscribed(self) -> bool:
        """Every symbol is confirmed."""
        return self.authenticated and not self.missing

    @property
    def confirmed_any(self) -> bool:
        """At least one symbol is confirmed (trivially so when none was asked for)."""
        return self.authenticated and len(self.missing) < max(len(self.symbols), 1)

    def react(self, status: Status) -> Reaction:
        """Advance by one status. Unknown ones are counted and change nothing."""
        match status.status:
            case "connected":
                return Reaction(send=(orjson.dumps({"action": "auth", "params": self.api_key}),))
            case "auth_success":
                self.authenticated = True
                return Reaction(send=tuple(self.subscriptions()))
            case "success":
                return self._on_success(status.message)
            case "auth_failed":
                return _end(Ending.FATAL, Severity.CRITICAL, "FEED_AUTH_FAILED", "the feed refused the key")
            case "auth_timeout":
                return _end(Ending.LOST, Severity.WARNING, "FEED_AUTH_TIMEOUT", "the feed saw no key in time")
            case "max_connections":
                text = "another process uses this market-data key, or the account's limit is reached"
                return _end(Ending.EVICTED, Severity.CRITICAL, "FEED_EVICTED", text)
            case "slow_consumer" | "force_disconnect":
                text = f"the feed ends the connection: {status.status}"
                return _end(Ending.LOST, Severity.WARNING, "FEED_" + status.status.upper(), text)
            case "error":
                return self._on_error(status.message)
            case _:
                self.unknown_statuses += 1
                return Reaction()

    def subscriptions(self) -> Iterator[bytes]:
        """Requests for every symbol that is not confirmed."""
        wanted = sorted(self.missing)
        for start in range(0, len(wanted), _SUBSCRIBE_BATCH):
            names = ",".join(_TRADES + symbol for symbol in wanted[start : start + _SUBSCRIBE_BATCH])
            yield orjson.dumps({"action": "subscribe", "params": names})

    def _on_success(self, message: str) -> Reaction:
        if message.startswith(_SUBSCRIBED):
            for name in message.removeprefix(_SUBSCRIBED).split(","):
                self.missing.discard(name.strip().removeprefix(_TRADES))
        return Reaction()

    def _on_error(self, message: str) -> Reaction:
        text = message.replace(self.api_key, "***") if self.api_key else message
        lowered = text.lower()
        if "access real-time data" in lowered or "delayed websocket" in lowered:
            return _end(Ending.FATAL, Severity.CRITICAL, "FEED_NOT_ENTITLED", text)
        code = "FEED_NOT_AUTHORIZED" if "not authorized" in lowered else "FEED_ERROR"
        return Reaction(notice=Notice(severity=Severity.CRITICAL, code=code, text=text))


def _end(ending: Ending, severity: Severity, code: str, text: str) -> Reaction:
    return Reaction(ending=ending, notice=Notice(severity=severity, code=code, text=text))
