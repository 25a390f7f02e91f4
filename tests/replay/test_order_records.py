"""One order out of all journals: its trigger, its messages, and none of its neighbours'."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from kyzlo_actors.domain.errors import BadInput, Recoverable
from kyzlo_actors.infrastructure.journal_segment import JournalRecord
from kyzlo_actors.replay import order_records
from kyzlo_actors.replay.order_records import OrderRecords, find_order

OWN, OTHER = "kyzlo.t.aaaa-1", "kyzlo.t.bbbb-2"
Body = dict[str, Any]


def stamp(own: str, correlation: str) -> Body:
    return {"event_id": own, "causation_id": "", "correlation_id": correlation}


def got(message: Body) -> Body:
    return {"input": {"type": "Received", "sender": "x", "message": message}}


def sent(*messages: Body) -> Body:
    return {"decision": [{"type": "Send", "to": "y", "message": message} for message in messages]}


def about(kind: str, order_id: str, correlation: str) -> Body:
    return {"type": kind, "stamp": stamp(f"{kind}-{order_id}", correlation), "client_order_id": order_id}


def proposal(order_id: str, correlation: str) -> Body:
    ticket = {"client_order_id": order_id, "symbol": "AAPL"}
    return {"type": "ProposeOrder", "stamp": stamp(f"p-{order_id}", correlation), "ticket": ticket}


SIGNAL = {"type": "SignalRaised", "stamp": stamp("signal", "trigger-1"), "symbol": "AAPL"}
TICK = {"input": {"type": "TickRead", "tick": {"symbol": "AAPL", "price": 1.0}}}
BOOK = {
    "type": "BookSnapshot",
    "stamp": stamp("book", "start"),
    "orders": [{"ticket": {"client_order_id": OWN}, "correlation_id": "trigger-1"}],
}
JOURNALS: dict[str, list[tuple[int, Body]]] = {
    "symbol-AAPL": [
        (1, TICK),
        (2, TICK),
        (3, sent(SIGNAL)),
        (4, {"input": {"type": "TimerDue", "name": "n"}}),
        (5, sent(proposal(OWN, "trigger-1"))),
        (6, TICK),
        (7, sent(proposal(OTHER, "trigger-2"))),
    ],
    "risk": [
        (11, got(proposal(OWN, "trigger-1"))),
        (12, sent({**proposal(OWN, "trigger-1"), "type": "ApprovedOrder"}, about("X", OTHER, "trigger-2"))),
        (13, got(BOOK)),
        (14, sent(BOOK)),
    ],
    "broker": [(10, {"input": {"type": "StateRead", "state": BOOK}}), (20, {"skipped": 3})],
}


def read(journals: dict[str, list[tuple[int, Body]]]) -> Any:
    return lambda actor: [
        JournalRecord(seq, tx_time, orjson.dumps(body))
        for seq, (tx_time, body) in enumerate(journals[actor], 1)
    ]


def found(text: str) -> OrderRecords:
    return find_order(text, JOURNALS, read(JOURNALS))


def test_the_chain_in_the_order_of_time_with_what_triggered_it() -> None:
    chain = found(OWN)
    assert chain.client_order_id == OWN and not chain.is_cut
    assert [(record.actor, record.seq) for record in chain.records] == [
        ("symbol-AAPL", 2),  # the tick right before the signal
        ("symbol-AAPL", 3),
        ("symbol-AAPL", 4),  # what the proposal answered
        ("symbol-AAPL", 5),
        ("risk", 1),
        ("risk", 2),
    ]


def test_of_a_decision_only_what_is_about_it_and_no_whole_books() -> None:
    (*_, verdict) = found(OWN).records
    assert [effect["message"]["type"] for effect in verdict.body["decision"]] == ["ApprovedOrder"]


def test_a_part_of_the_id_is_enough_if_it_is_the_only_one() -> None:
    assert found("bbbb").client_order_id == OTHER
    with pytest.raises(BadInput, match=r"2 orders match.*aaaa-1, kyzlo\.t\.bbbb-2"):
        found("kyzlo.t")
    with pytest.raises(Recoverable, match="no journal names"):
        found("cccc")


def test_an_id_that_begins_another_is_found_by_its_whole_name() -> None:
    journals = {"risk": [(1, got(proposal("kyzlo.t.1", "c1"))), (2, got(proposal("kyzlo.t.11", "c11")))]}
    chain = find_order("kyzlo.t.1", journals, read(journals))
    assert chain.client_order_id == "kyzlo.t.1"


def test_what_is_special_in_a_pattern_is_just_text() -> None:
    with pytest.raises(Recoverable):
        found("k.zlo")


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(order_records, "MOST_RECORDS", 3)
    chain = found(OWN)
    assert chain.is_cut and len(chain.records) == 3
