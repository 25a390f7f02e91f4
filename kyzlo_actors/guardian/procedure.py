"""One halt (or one orderly stop) from its first moment to its certificate."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Self

from kyzlo_actors.guardian.moment import Moment
from kyzlo_actors.guardian.proof import Doubt, Proof
from kyzlo_actors.infrastructure.halt_latch import LatchRecord


class Step(StrEnum):
    """Where a halt is. Each step has a bound, after which the next one begins."""

    GRACE = "grace"  # the tree cancels by itself
    ENDING = "ending"  # it said that it is done, and ends in order
    KILLING = "killing"  # what is left is killed by pid
    PROVING = "proving"  # the guardian cancels and reads over its own connection


@dataclass(frozen=True, slots=True, kw_only=True)
class Procedure:
    """`order_id` is what KillSwitchActor was told; `halt_id` is what the certificate says (a stop may become a halt).

    `named` are client order ids that BrokerActor reported open when it sealed the gate, `in_flight` those that had
    passed the gate by then, `unended` all of these that it did not report terminal. `acknowledged`: BrokerActor itself
    sealed the gate (`sealed` is also set by the tree's death). `gone`: from then on no process of the tree sends.
    `certified`: a certificate was written; it may be followed by a better one.
    """

    kind: str
    order_id: str
    halt_id: str
    by: str
    reason: str
    code: str
    latched_ns: int
    begun: Moment
    step: Step
    step_ns: int
    repeat_ns: int = 0
    sealed: Moment | None = None
    acknowledged: bool = False
    gone: Moment | None = None
    graceful: bool = False
    in_flight: tuple[str, ...] = ()
    unended: frozenset[str] = frozenset()
    named: tuple[str, ...] = ()
    canceled: tuple[str, ...] = ()
    killed: dict[str, int] = field(default_factory=dict)
    proof: Proof = field(default_factory=Proof)
    certified: bool = False

    @classmethod
    def of_halt(
        cls, record: LatchRecord, at: Moment, *, step: Step = Step.GRACE, sealed: Moment | None = None
    ) -> Self:
        """A halt that was latched."""
        return cls(
            kind="halt",
            order_id=record.halt_id,
            halt_id=record.halt_id,
            by=record.by,
            reason=record.reason,
            code=record.code,
            latched_ns=record.engaged_ns,
            begun=at,
            step=step,
            step_ns=at.monotonic_ns,
            sealed=sealed,
        )

    @classmethod
    def of_stop(cls, at: Moment) -> Self:
        """An orderly stop: the same, without a latch."""
        halt_id = f"stop-{at.wall_ns}"
        return cls(
            kind="stop",
            order_id=halt_id,
            halt_id=halt_id,
            by="service manager",
            reason="orderly stop",
            code="stop",
            latched_ns=at.wall_ns,
            begun=at,
            step=Step.GRACE,
            step_ns=at.monotonic_ns,
        )

    @property
    def doubt(self) -> Doubt:
        """What may still turn up at the broker."""
        last = self.gone or self.proof.since or self.sealed or self.begun
        return Doubt(sealed=self.acknowledged, unended=self.unended, last_post_ns=last.monotonic_ns)

    def named_by(self, record: LatchRecord) -> Procedure:
        """The stop under way becomes this halt."""
        return replace(
            self,
            kind="halt",
            halt_id=record.halt_id,
            by=record.by,
            reason=record.reason,
            code=record.code,
            latched_ns=record.engaged_ns,
        )

    def restarted(self, at: Moment) -> Procedure:
        """The same halt from its first step on, now with a tree to end."""
        return replace(self, begun=at, step=Step.GRACE, step_ns=at.monotonic_ns, sealed=None)

    def at_step(self, step: Step, at: Moment) -> Procedure:
        """The next step begins."""
        return replace(self, step=step, step_ns=at.monotonic_ns)
