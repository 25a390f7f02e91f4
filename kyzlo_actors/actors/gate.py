"""Reading the gate byte: the cores learn of a halt from shared memory, not from a message that could be stuck."""

from __future__ import annotations

from kyzlo_actors.actors.layout import Layout
from kyzlo_actors.domain.identity import event_id
from kyzlo_actors.domain.messages import Received, TradingStateChanged
from kyzlo_actors.domain.stamp import Stamp
from kyzlo_actors.domain.values import TradingState
from kyzlo_actors.infrastructure.halt_latch import GateByte


class Gate:
    """The byte as one actor sees it."""

    def __init__(self, layout: Layout) -> None:
        self._byte = GateByte.open(layout.gate)

    @property
    def state(self) -> TradingState:
        """What the guardian allows now (about 0.15 µs)."""
        return self._byte.state

    def change_from(self, known: TradingState, now_ns: int) -> Received | None:
        """The event that tells a core of a change, or None while the byte says what it knows."""
        state = self._byte.state
        if state is known:
            return None
        change_id = event_id("gate", state, now_ns)
        stamp = Stamp.first(change_id, now_ns)
        changed = TradingStateChanged(stamp=stamp, state=state, reason="gate byte")
        return Received(message=changed, sender="guardian", now_ns=now_ns)
