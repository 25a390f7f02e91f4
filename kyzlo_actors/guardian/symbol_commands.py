"""Pause and release: from the admin socket to RiskActor, and back once its core has taken them.

Bounds: 32 commands under way (more are refused), 10 s for each; until RiskActor answers, a command is sent again
every quarter of a second, because RiskActor may be restarting: it may come twice and does the same then.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from kyzlo_actors.actors.layout import GUARDIAN, RISK, Layout
from kyzlo_actors.actors.wire import encode_envelope
from kyzlo_actors.domain.identity import event_id
from kyzlo_actors.domain.operator import PauseSymbol, ReleaseSymbol, SymbolRestricted
from kyzlo_actors.domain.stamp import Stamp
from kyzlo_actors.domain.values import NS_PER_MILLISECOND, NS_PER_SECOND
from kyzlo_actors.guardian.admin_socket import Answer, Held, Peer
from kyzlo_actors.infrastructure.mailbox.events import EventSender
from kyzlo_actors.ports.clock import Clock

MOST_COMMANDS: Final = 32
ANSWER_NS: Final = 10 * NS_PER_SECOND
_REPEAT_NS: Final = 250 * NS_PER_MILLISECOND


@dataclass(slots=True, kw_only=True)
class _Underway:
    payload: bytes
    until_ns: int
    repeat_ns: int


class SymbolCommands:
    """`answer(key, answer)` reaches whoever waits under that key. Nothing here blocks."""

    def __init__(self, layout: Layout, clock: Clock, answer: Callable[[str, Answer], None]) -> None:
        self._symbols = frozenset(layout.symbols)
        self._clock = clock
        self._answer = answer
        self._risk = EventSender(layout.mailbox(RISK))
        self._underway: dict[str, _Underway] = {}

    def begin(self, request: dict[str, Any], reason: str, peer: Peer) -> Answer | Held:
        """Send the command on; its answer is held until RiskActor's core has taken it."""
        symbol, kind = str(request.get("symbol")), str(request["cmd"])
        if symbol not in self._symbols:
            return _refusal(f"{symbol} is not traded here: one of {', '.join(sorted(self._symbols))}")
        if len(self._underway) >= MOST_COMMANDS:
            return _refusal("too many commands are under way: try again")
        now_ns = self._clock.now_ns()
        stamp = Stamp.first(event_id(kind, symbol, peer, reason, now_ns), now_ns)
        make = PauseSymbol if kind == "pause" else ReleaseSymbol
        message = make(stamp=stamp, symbol=symbol, by=str(peer), reason=reason or "no reason given")
        payload = encode_envelope(sender=GUARDIAN, incarnation=0, deadline_ns=0, message=message)
        begun_ns = self._clock.monotonic_ns()
        self._underway[stamp.event_id] = _Underway(
            payload=payload, until_ns=begun_ns + ANSWER_NS, repeat_ns=begun_ns
        )
        self.turn()
        return Held(stamp.event_id)

    def told(self, message: SymbolRestricted) -> None:
        """RiskActor has taken a command."""
        key = message.stamp.causation_id
        if self._underway.pop(key, None) is not None:
            state = {"paused": message.paused, "quarantined": message.quarantined}
            self._answer(key, {"ok": True, "symbol": message.symbol, **state})

    def turn(self) -> None:
        """Once a turn of the loop: send again what is not answered, give up what is past its time."""
        now_ns = self._clock.monotonic_ns()
        for key, command in list(self._underway.items()):
            if now_ns >= command.until_ns:
                del self._underway[key]
                why = "RiskActor did not answer in time: whether it has taken the command is not known; ask again"
                self._answer(key, _refusal(why))
            elif now_ns >= command.repeat_ns:
                command.repeat_ns = now_ns + _REPEAT_NS
                self._risk.send(command.payload)

    def close(self) -> None:
        """Close the connection."""
        self._risk.close()


def _refusal(error: str) -> Answer:
    return {"ok": False, "error": error}
