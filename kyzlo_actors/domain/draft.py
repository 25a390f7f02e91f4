"""One event's work in a core: a draft of the next state, and the effects so far."""

from __future__ import annotations

from typing import Generic, TypeVar

from kyzlo_actors.domain.effects import Alert, Effect, Record, Schedule, Send
from kyzlo_actors.domain.messages import Message
from kyzlo_actors.domain.values import Severity

S = TypeVar("S")


class Draft(Generic[S]):
    """It is thrown away if anything raises: the core takes over `state` only when the whole event is done."""

    def __init__(self, state: S, now_ns: int) -> None:
        self.state = state
        self.now_ns = now_ns
        self.effects: list[Effect] = []

    def do(self, effect: Effect) -> None:
        """Have `effect` carried out, after those before it."""
        self.effects.append(effect)

    def send(self, to: str, message: Message, *, deadline_ns: int = 0) -> None:
        """Post a message to one actor; void after `deadline_ns` (0 = never)."""
        self.do(Send(to=to, message=message, deadline_ns=deadline_ns))

    def record(self, message: Message) -> None:
        """Write a message that goes nowhere to the journal."""
        self.do(Record(message=message))

    def schedule(self, name: str, wait_ns: int) -> None:
        """Be woken with TimerDue(name) after `wait_ns`."""
        self.do(Schedule(name=name, due_ns=self.now_ns + wait_ns))

    def alert(self, severity: Severity, code: str, text: str) -> None:
        """Tell a person."""
        self.do(Alert(severity=severity, code=code, text=text))
