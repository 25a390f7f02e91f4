"""Drives a HaltCore by hand: events in, effects kept, time under the test's control."""

from __future__ import annotations

from kyzlo_actors.domain.broker import BrokerOrder, BrokerPosition
from kyzlo_actors.domain.messages import HaltAcknowledged, HaltFinished, HaltProgressed
from kyzlo_actors.domain.stamp import Stamp
from kyzlo_actors.domain.values import NS_PER_SECOND, TradingState
from kyzlo_actors.guardian.certificate import CertificateFacts
from kyzlo_actors.guardian.halt_core import HaltCore
from kyzlo_actors.guardian.halt_events import (
    AnswerResume,
    BrokerRead,
    CallDesk,
    CancelsAsked,
    DeskFailed,
    DeskRequest,
    Exit,
    GuardianEffect,
    GuardianEvent,
    HistoryRead,
    LatchSeen,
    SetGate,
    Ticked,
    Told,
    TreeAnswered,
    TreeKilled,
    WriteCertificate,
)
from kyzlo_actors.guardian.moment import Moment
from kyzlo_actors.guardian.proof import HaltSettings
from kyzlo_actors.guardian.state import Resume
from kyzlo_actors.infrastructure.halt_latch import LatchRecord

START_NS = 1_700_000_000_000_000_000
RECORD = LatchRecord(by="uid 0", reason="test", code="operator", engaged_ns=START_NS + 5)
SETTINGS = HaltSettings(graceful_ns=10 * NS_PER_SECOND, clean_reads=3)


class CoreDriver:
    """`effects` holds everything that the core ever wanted, in order."""

    def __init__(
        self,
        *,
        latched: LatchRecord | None = None,
        proven: bool = False,
        resume: Resume | None = None,
        settings: HaltSettings = SETTINGS,
    ) -> None:
        self.seconds = 0.0
        self.broker_ready = False
        self.effects: list[GuardianEffect] = []
        self.core = HaltCore(settings, self.at, latched=latched, proven=proven, resume=resume)

    @property
    def at(self) -> Moment:
        passed_ns = round(self.seconds * NS_PER_SECOND)
        return Moment(wall_ns=START_NS + passed_ns, monotonic_ns=NS_PER_SECOND + passed_ns)

    @property
    def phase(self) -> str:
        return str(self.core.state.phase)

    def give(self, event: GuardianEvent) -> list[GuardianEffect]:
        effects = self.core.handle(event)
        self.effects += effects
        return effects

    def tick(self, seconds: float = 0.0) -> list[GuardianEffect]:
        self.seconds += seconds
        return self.give(Ticked(at=self.at, broker_ready=self.broker_ready))

    def trading(self) -> CoreDriver:
        """Started, answered, reconciled."""
        self.give(TreeAnswered(at=self.at))
        self.broker_ready = True
        self.tick()
        return self

    def latch(self) -> list[GuardianEffect]:
        return self.give(LatchSeen(at=self.at, record=RECORD))

    def acknowledge(self, *, in_flight: tuple[str, ...] = (), open_orders: tuple[str, ...] = ()) -> None:
        self.tell(
            HaltAcknowledged(
                stamp=self.stamp, halt_id=self.order_id, in_flight=in_flight, open_orders=open_orders
            )
        )

    def progress(self, *, canceled: tuple[str, ...] = (), open_orders: tuple[str, ...] = ()) -> None:
        self.tell(
            HaltProgressed(
                stamp=self.stamp, halt_id=self.order_id, canceled=canceled, open_orders=open_orders
            )
        )

    def finish(self, *, clean: bool = True, canceled: tuple[str, ...] = ()) -> None:
        self.tell(
            HaltFinished(
                stamp=self.stamp, halt_id=self.order_id, clean=clean, canceled=canceled, open_orders=()
            )
        )

    def tell(self, message: HaltAcknowledged | HaltProgressed | HaltFinished) -> None:
        self.give(Told(at=self.at, message=message))

    @property
    def order_id(self) -> str:
        assert self.core.state.procedure is not None
        return self.core.state.procedure.order_id

    @property
    def stamp(self) -> Stamp:
        return Stamp.first("e", 0)

    def killed(self, **pids: int) -> list[GuardianEffect]:
        return self.give(TreeKilled(at=self.at, killed=tuple(pids.items())))

    # --- the desk ------------------------------------------------------------------------------------------------

    @property
    def last_call(self) -> CallDesk:
        return [effect for effect in self.effects if isinstance(effect, CallDesk)][-1]

    def answer(
        self,
        *,
        orders: tuple[BrokerOrder, ...] = (),
        positions: tuple[BrokerPosition, ...] = (),
        history: tuple[BrokerOrder, ...] = (),
    ) -> list[GuardianEffect]:
        """Answer the last call as a broker with these open orders would."""
        call = self.last_call
        if call.request is DeskRequest.READ:
            return self.give(BrokerRead(at=self.at, call=call.call, orders=orders, positions=positions))
        if call.request is DeskRequest.HISTORY:
            return self.give(HistoryRead(at=self.at, call=call.call, orders=history))
        asked = tuple(order.venue_order_id for order in orders)
        return self.give(CancelsAsked(at=self.at, call=call.call, venue_order_ids=asked))

    def fail(self, error: str = "mute") -> list[GuardianEffect]:
        return self.give(DeskFailed(at=self.at, call=self.last_call.call, error=error))

    def prove_clean(self) -> None:
        """Answer every call with "nothing open" until a proven certificate is there (bounded)."""
        for _ in range(20):
            self.answer()
            if self.certificates and self.certificates[-1].proven:
                return
            self.tick(0.5)
        raise AssertionError("never proven")

    # --- what it wanted ------------------------------------------------------------------------------------------

    @property
    def gates(self) -> list[TradingState]:
        return [effect.state for effect in self.effects if isinstance(effect, SetGate)]

    @property
    def certificates(self) -> list[CertificateFacts]:
        return [effect.facts for effect in self.effects if isinstance(effect, WriteCertificate)]

    @property
    def exits(self) -> list[int]:
        return [effect.code for effect in self.effects if isinstance(effect, Exit)]

    @property
    def resume_answers(self) -> list[AnswerResume]:
        return [effect for effect in self.effects if isinstance(effect, AnswerResume)]

    def count(self, kind: type) -> int:
        return sum(isinstance(effect, kind) for effect in self.effects)
