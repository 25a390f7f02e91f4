"""What the guardian answers to `status`: its own state, the latch, the halt, and one row for each actor."""

from __future__ import annotations

import os
from dataclasses import asdict
from typing import Any

from kyzlo_actors.actors.layout import BROKER, SYMBOL
from kyzlo_actors.actors.registry import Registry
from kyzlo_actors.domain.values import NS_PER_SECOND, TradingState
from kyzlo_actors.guardian.options import GuardianOptions
from kyzlo_actors.guardian.procedure import Procedure
from kyzlo_actors.guardian.state import GuardianState
from kyzlo_actors.infrastructure.mailbox.board import NO_SIGNAL, QUARANTINED, Board, BoardRow


def status_of(
    state: GuardianState, gate: TradingState, board: Board, registry: Registry, options: GuardianOptions
) -> dict[str, Any]:
    """The answer as plain data. Ages in seconds, money in dollars, positions in signed shares."""
    now_ns = registry.clock.monotonic_ns()
    record = state.record
    broker = board.row(BROKER).snapshot()
    return {
        "ok": True,
        "state": str(state.phase),
        "gate": str(gate),
        "run_id": registry.run_id,
        "pid": os.getpid(),
        "state_directory": str(registry.layout.state_directory),
        "runtime_directory": str(registry.layout.runtime_directory),
        "settings": str(options.settings_path) if options.settings_path else None,
        "live": options.live,
        "up_seconds": (now_ns - state.started.monotonic_ns) / NS_PER_SECOND,
        "broker_ready": state.broker_ready,
        # BrokerActor opens positions only while its book is proven equal to the broker's; exits go on.
        "entries_allowed": gate is TradingState.ACTIVE and bool(broker.ready and broker.state),
        "latch": {**asdict(record), "halt_id": record.halt_id} if record else None,
        "halt": _halt(state.procedure) if state.procedure else None,
        "resume_refused": state.resume_refused,
        "actors": [_actor(row, now_ns) for row in board.snapshot()],
    }


def _halt(procedure: Procedure) -> dict[str, Any]:
    proof = procedure.proof
    return {
        "kind": procedure.kind,
        "halt_id": procedure.halt_id,
        "step": str(procedure.step),
        "sealed": procedure.sealed is not None,
        "proven": proof.proven,
        "clean_reads": len(proof.clean_reads_ns),
        "open_orders": list(proof.still_open),
        "trouble": proof.trouble,
    }


def _actor(row: BoardRow, now_ns: int) -> dict[str, Any]:
    return {
        "actor": row.name,
        "pid": row.pid,
        "incarnation": row.incarnation,
        "restarts": row.restarts,
        "beat_age_seconds": (now_ns - row.beat_ns) / NS_PER_SECOND if row.beat_ns else None,
        "ready": bool(row.ready),
        "paused": bool(row.paused),
        "quarantined": row.name.startswith(SYMBOL) and row.state == QUARANTINED,
        "position": row.position,
        "realized_pnl": row.realized_pnl,
        "unrealized_pnl": row.unrealized_pnl,
        "last_price": row.last_price,
        "signal": None if row.signal == NO_SIGNAL else row.signal,
        "bar_count": row.bar_count,
        "sequence": row.sequence,
    }
