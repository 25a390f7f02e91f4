"""Counting a session from hand-made journals."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from kyzlo_actors.replay.tally import net_pnl, tally


def message(kind: str, own_id: str, **fields: Any) -> dict[str, Any]:
    return {"type": kind, "stamp": {"event_id": own_id, "causation_id": ""}, **fields}


def filled(own_id: str, side: str, qty: str, price: str, fee: str = "0") -> dict[str, Any]:
    return message("OrderFilled", own_id, symbol="AAPL", side=side, qty=qty, price=price, fee=fee)


def sent(*messages: dict[str, Any]) -> dict[str, Any]:
    return {"decision": [{"type": "Send", "to": "x", "message": each} for each in messages]}


def bar(*, late: bool, revision: int) -> dict[str, Any]:
    return {"input": {"type": "BarClosed", "late": late, "bar": {"revision": revision}}}


def test_counts() -> None:
    journals = {
        "symbol-AAPL": [
            {"input": {"type": "Started"}},
            {"input": {"type": "TickRead"}},
            bar(late=True, revision=0),
            bar(late=False, revision=0),
            bar(late=False, revision=1),
            {"decision": [{"type": "Record", "message": message("SignalRaised", "1")}]},
            {"input": {"type": "Started"}},
            {"skipped": 3},
        ],
        "risk": [sent(message("OrderDenied", "2", code="A")), sent(message("OrderDenied", "3", code="A"))],
        "broker": [
            {"input": {"type": "SubmitStarted"}},
            # Told to the symbol and to the gate.
            sent(filled("4", "buy", "10", "5"), filled("4", "buy", "10", "5")),
            sent(filled("5", "sell", "4", "6", "0.5")),
        ],
    }
    counts = tally(journals)
    assert (counts.ticks, counts.bars, counts.signals, counts.orders, counts.fills) == (1, 1, 1, 1, 2)
    assert counts.denials == {"A": 2}
    assert counts.restarts == {"symbol-AAPL": 1}
    assert counts.positions["AAPL"].qty == 6
    assert net_pnl(counts.positions["AAPL"]) == counts.realized_pnl == Decimal("3.5")


def test_nothing() -> None:
    counts = tally({})
    assert (counts.ticks, counts.fills, counts.realized_pnl) == (0, 0, 0)
