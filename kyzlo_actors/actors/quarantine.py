"""A newly started service trades with every symbol again: a person started it, knowing what had crashed."""

from __future__ import annotations

from collections.abc import Set

from kyzlo_actors.domain.identity import event_id
from kyzlo_actors.domain.messages import QuarantineReleased, Received
from kyzlo_actors.domain.stamp import Stamp


def release(quarantined: Set[str], *, sender: str, now_ns: int) -> Received | None:
    """The event that tells a core so, in the first life of its actor in a tree; None when nobody is quarantined."""
    if not quarantined:
        return None
    symbols = tuple(sorted(quarantined))
    stamp = Stamp.first(event_id("quarantine_released", *symbols, now_ns), now_ns)
    released = QuarantineReleased(stamp=stamp, symbols=symbols, reason="service start")
    return Received(message=released, sender=sender, now_ns=now_ns)
