"""The stamp that every message carries: its identity, its cause, and its times."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """Identity, cause and times of a message. Times are int nanoseconds UTC.

    `event_id` is a function of the inputs (see identity.py); `causation_id` is the id of what directly caused it;
    `correlation_id` is the id of the trigger (tick, bar, timer, command) that began the whole chain.
    `ts_event`: when it happened; `ts_init`: when it became known to us.
    """

    event_id: str
    causation_id: str
    correlation_id: str
    ts_event: int
    ts_init: int

    @classmethod
    def first(cls, event_id: str, ts_event: int, *, ts_init: int | None = None) -> Stamp:
        """The stamp of something that nothing of ours caused: it begins a chain."""
        return cls(
            event_id=event_id,
            causation_id="",
            correlation_id=event_id,
            ts_event=ts_event,
            ts_init=ts_event if ts_init is None else ts_init,
        )

    def caused(self, event_id: str, *, ts_event: int, ts_init: int | None = None) -> Stamp:
        """The stamp of something that this caused directly."""
        return Stamp(
            event_id=event_id,
            causation_id=self.event_id,
            correlation_id=self.correlation_id,
            ts_event=ts_event,
            ts_init=ts_event if ts_init is None else ts_init,
        )
