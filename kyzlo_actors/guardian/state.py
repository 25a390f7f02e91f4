"""What the guardian's core knows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from kyzlo_actors.guardian.moment import Moment
from kyzlo_actors.guardian.procedure import Procedure
from kyzlo_actors.infrastructure.halt_latch import LatchRecord


class Phase(StrEnum):
    """Where the guardian is."""

    STARTING = "starting"  # the tree is being started, the gate is shut
    SHUT = "shut"  # the tree is up, the gate is shut: it was latched when we started
    TRADING = "trading"
    HALTING = "halting"
    HALTED = "halted"  # the tree is gone; the certificate is written (and is improved until it is proven)
    STOPPING = "stopping"
    RENEWING = "renewing"  # the tree is killed to start anew with new settings; nothing is canceled
    FAILING = "failing"  # the tree died on its own: the rest is killed, systemd starts us again
    ENDED = "ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class Resume:
    """A resume under way: by whom, why, since when, and its desk call (0: not made yet)."""

    by: str
    reason: str
    begun: Moment
    call: int = 0
    clearing: bool = False

    @classmethod
    def carried(cls, text: str | None, begun: Moment) -> Resume | None:
        """The resume that the process before the re-exec was asked for; None when it was asked for none."""
        if not text:
            return None
        try:
            asked: Any = json.loads(text)
        except ValueError:
            return None
        if not isinstance(asked, Mapping) or not asked.get("by") or not asked.get("reason"):
            return None
        return cls(by=str(asked["by"]), reason=str(asked["reason"]), begun=begun)

    @staticmethod
    def text_of(*, by: str, reason: str) -> str:
        """What `carried` reads."""
        return json.dumps({"by": by, "reason": reason})


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardianState:
    """Everything the guardian knows. `answered` is the time of the tree's last ping answer; `resume_refused` why the
    last resume was refused: over a re-exec nobody is left to be answered. `killing_since_ns`: in FAILING and
    RENEWING, when the kill began."""

    phase: Phase
    started: Moment
    record: LatchRecord | None = None
    answered: Moment | None = None
    broker_ready: bool = False
    procedure: Procedure | None = None
    resume: Resume | None = None
    resume_refused: str = ""
    stop_after: bool = False
    killing_since_ns: int = 0
    last_call: int = 0
