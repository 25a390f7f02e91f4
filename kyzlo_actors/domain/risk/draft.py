"""One event's work in the risk gate."""

from __future__ import annotations

from kyzlo_actors.domain import draft
from kyzlo_actors.domain.risk.limits import RiskLimits
from kyzlo_actors.domain.risk.state import RiskState


class Draft(draft.Draft[RiskState]):
    """The next state of the gate, and the limits it judges by."""

    def __init__(self, limits: RiskLimits, state: RiskState, now_ns: int) -> None:
        super().__init__(state, now_ns)
        self.limits = limits
