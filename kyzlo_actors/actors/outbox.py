"""Sending to the mailboxes of other actors: never blocks, never queues; what cannot leave is refused, visibly."""

from __future__ import annotations

from kyzlo_actors.actors.layout import Layout
from kyzlo_actors.actors.wire import encode_envelope
from kyzlo_actors.domain.effects import Send
from kyzlo_actors.domain.messages import SendRefused
from kyzlo_actors.infrastructure.mailbox.events import EventSender
from kyzlo_actors.ports.clock import Clock


class Outbox:
    """One connection to each actor that was ever written to (bounded by the actors of the layout)."""

    def __init__(self, name: str, layout: Layout, clock: Clock) -> None:
        self._name = name
        self._layout = layout
        self._clock = clock
        self._senders: dict[str, EventSender] = {}
        self.incarnation = 0

    def send(self, effect: Send) -> SendRefused | None:
        """Post the message; None when the kernel took it."""
        sender = self._senders.get(effect.to)
        if sender is None:
            sender = self._senders[effect.to] = EventSender(self._layout.mailbox(effect.to))
        payload = encode_envelope(
            sender=self._name,
            incarnation=self.incarnation,
            deadline_ns=effect.deadline_ns,
            message=effect.message,
        )
        if sender.send(payload):
            return None
        message_id = effect.message.stamp.event_id
        return SendRefused(to=effect.to, message_id=message_id, now_ns=self._clock.now_ns())

    def close(self) -> None:
        """Close every connection."""
        for sender in self._senders.values():
            sender.close()
