"""From the state of a halt to the facts of its certificate. Pure."""

from __future__ import annotations

from kyzlo_actors.domain.broker import BrokerOrder
from kyzlo_actors.guardian.certificate import CertificateFacts, OrderProof, PositionLeft
from kyzlo_actors.guardian.moment import Moment
from kyzlo_actors.guardian.procedure import Procedure
from kyzlo_actors.guardian.proof import Proof

_ABSENT = "absent from the open orders"


def certificate_facts(procedure: Procedure, at: Moment, *, clean_reads_wanted: int) -> CertificateFacts:
    """What is known of the halt now."""
    proof = procedure.proof
    return CertificateFacts(
        kind=procedure.kind,
        halt_id=procedure.halt_id,
        by=procedure.by,
        reason=procedure.reason,
        code=procedure.code,
        latched_ns=procedure.latched_ns,
        begun_ns=procedure.begun.wall_ns,
        sealed_ns=procedure.sealed.wall_ns if procedure.sealed else None,
        finished_ns=at.wall_ns,
        elapsed_seconds=at.seconds_since(procedure.begun),
        graceful=procedure.graceful,
        in_flight=procedure.in_flight,
        orders=_order_proofs(procedure),
        clean_reads_ns=proof.clean_reads_ns,
        clean_reads_wanted=clean_reads_wanted,
        proven=proof.proven,
        positions=tuple(
            PositionLeft(symbol=left.symbol, qty=str(left.qty), avg_entry_price=str(left.avg_entry_price))
            for left in proof.positions
        ),
        killed=dict(procedure.killed),
        trouble=proof.trouble,
    )


def _order_proofs(procedure: Procedure) -> tuple[OrderProof, ...]:
    proof = procedure.proof
    relevant = {*procedure.in_flight, *procedure.named, *procedure.canceled}
    known = {order.client_order_id for order in proof.seen.values()}
    seen = [
        _seen_proof(order, procedure)
        for order in proof.seen.values()
        # History also shows orders that ended before this halt.
        if order.client_order_id in relevant or _was_open(order, proof)
    ]
    unseen = [_unseen_proof(name, procedure) for name in sorted(relevant - known)]
    return (*seen, *unseen)


def _was_open(order: BrokerOrder, proof: Proof) -> bool:
    return order.venue_order_id in proof.met_open or order.venue_order_id in proof.asked


def _seen_proof(order: BrokerOrder, procedure: Procedure) -> OrderProof:
    proof = procedure.proof
    if order.status is not None and order.status.is_terminal:
        end = str(order.status)
    elif order.venue_order_id in proof.still_open:
        end = "open"
    else:
        end = _ABSENT if proof.clean_reads_ns else "unknown"
    return OrderProof(
        client_order_id=order.client_order_id,
        venue_order_id=order.venue_order_id,
        symbol=order.symbol,
        side=str(order.side),
        qty="" if order.qty is None else str(order.qty),
        filled_qty=str(order.filled_qty),
        cancel_asked_by=_asked_by(order.client_order_id, order.venue_order_id, procedure),
        proof=end,
    )


def _unseen_proof(client_order_id: str, procedure: Procedure) -> OrderProof:
    if client_order_id in procedure.canceled:
        end = "canceled (BrokerActor)"
    else:
        end = _ABSENT if procedure.proof.clean_reads_ns else "unknown"
    asked_by = _asked_by(client_order_id, "", procedure)
    return OrderProof(client_order_id=client_order_id, cancel_asked_by=asked_by, proof=end)


def _asked_by(client_order_id: str, venue_order_id: str, procedure: Procedure) -> str:
    if venue_order_id in procedure.proof.asked:
        return "guardian"
    if client_order_id in (*procedure.canceled, *procedure.named):
        return "broker actor"
    return "nobody"
