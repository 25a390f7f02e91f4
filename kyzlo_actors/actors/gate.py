"""Reading the gate: the cores learn of a halt from shared memory and the latch file, not from a message that could
be stuck."""

from __future__ import annotations

from kyzlo_actors.actors.layout import Layout
from kyzlo_actors.domain.identity import event_id
from kyzlo_actors.domain.messages import Received, TradingStateChanged
from kyzlo_actors.domain.stamp import Stamp
from kyzlo_actors.domain.values import TradingState
from kyzlo_actors.infrastructure.halt_latch import GateByte, HaltLatch
from kyzlo_actors.ports.clock import Clock


class Gate:
    """The byte, and the latch that overrules it, as one actor sees them."""

    def __init__(self, layout: Layout, clock: Clock) -> None:
        self._byte = GateByte.open(layout.gate)
        self._latch = HaltLatch(layout.state_directory, clock)

    @property
    def state(self) -> TradingState:
        """What the guardian allows now; HALTED as soon as there is a latch (about 2 µs)."""
        state = self._byte.state
        # The guardian turns a latch into the byte. One that hangs must not keep us trading past the latch.
        return TradingState.HALTED if state is TradingState.HALTED or self._latch.is_latched else state

    def change_from(self, known: TradingState, now_ns: int) -> Received | None:
        """The event that tells a core of a change, or None while the byte says what it knows."""
        state = self.state
        if state is known:
            return None
        change_id = event_id("gate", state, now_ns)
        stamp = Stamp.first(change_id, now_ns)
        changed = TradingStateChanged(stamp=stamp, state=state, reason="gate")
        return Received(message=changed, sender="guardian", now_ns=now_ns)
