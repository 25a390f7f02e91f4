"""The chain reader over hand-made journals: a whole chain, and each link that can be missing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from kyzlo_actors.domain.identity import event_id
from kyzlo_actors.replay.chain import ChainReport, read_chains

ORDER = "kyzlo.golden_cross.1"
TICK = {"symbol": "AAPL", "ts_event": 7, "exchange": 4, "trf": 0, "trade_id": "9", "price": 1.0}
BAR = {"symbol": "AAPL", "interval_ns": 10, "start_ns": 20}
TICK_ID = event_id("trigger", "AAPL", 7, "T:4:0:9")
BAR_ID = event_id("trigger", "AAPL", 30, "B:10:20")

Journals = dict[str, list[dict[str, Any]]]


def stamp(own: str, cause: str) -> dict[str, str]:
    return {"event_id": own, "causation_id": cause}


def received(message: dict[str, Any]) -> dict[str, Any]:
    return {"input": {"type": "Received", "message": message}}


def sent(*messages: dict[str, Any], to: str = "somebody") -> dict[str, Any]:
    return {"decision": [{"type": "Send", "to": to, "message": message} for message in messages]}


def proposal(cause: str = "signal") -> dict[str, Any]:
    return {"type": "ProposeOrder", "stamp": stamp("proposal", cause), "ticket": {"client_order_id": ORDER}}


def approval() -> dict[str, Any]:
    ticket = {"client_order_id": ORDER}
    return {"type": "ApprovedOrder", "stamp": stamp("approval", "proposal"), "ticket": ticket}


def denial(cause: str) -> dict[str, Any]:
    return {"type": "OrderDenied", "stamp": stamp("denied", cause), "client_order_id": ORDER, "code": "X"}


def status(own: str, cause: str, value: str) -> dict[str, Any]:
    return {
        "type": "OrderStatusChanged",
        "stamp": stamp(own, cause),
        "client_order_id": ORDER,
        "status": value,
    }


def fill(own: str, cause: str, qty: str, cum_qty: str, value: str) -> dict[str, Any]:
    return {
        "type": "OrderFilled",
        "stamp": stamp(own, cause),
        "client_order_id": ORDER,
        "symbol": "AAPL",
        "side": "buy",
        "qty": qty,
        "cum_qty": cum_qty,
        "price": "10",
        "fee": "0",
        "status": value,
    }


def signal(cause: str = TICK_ID) -> dict[str, Any]:
    raised = {"type": "SignalRaised", "stamp": stamp("signal", cause)}
    return {"type": "Record", "message": raised}


def whole() -> Journals:
    """One order in two fills, as the three actors write it down."""
    return {
        "symbol-AAPL": [
            {"input": {"type": "TickRead", "tick": TICK}},
            {"decision": [signal(), *sent(proposal())["decision"]]},
        ],
        "risk": [received(proposal()), sent(approval(), to="broker")],
        "broker": [
            received(approval()),
            {"decision": [{"type": "SubmitOrder", "ticket": {"client_order_id": ORDER}}]},
            {"input": {"type": "SubmitStarted", "client_order_id": ORDER}},
            sent(status("s1", "approval", "submitted"), status("s1", "approval", "submitted")),
            sent(
                fill("f1", "s1", "3", "3", "partially_filled"), fill("f1", "s1", "3", "3", "partially_filled")
            ),
            sent(status("s2", "f1", "partially_filled")),
            sent(fill("f2", "s2", "7", "10", "filled"), status("s3", "f2", "filled")),
        ],
    }


def without(journals: Journals, writer: str, index: int) -> Journals:
    entries = journals[writer]
    return {**journals, writer: entries[:index] + entries[index + 1 :]}


def test_a_whole_chain() -> None:
    assert read_chains(whole()) == ChainReport(orders=1, complete=1, denied=0, missing=())


def test_the_order_of_the_journals_does_not_matter() -> None:
    assert read_chains(dict(reversed(whole().items()))).complete == 1


def test_a_bar_and_a_timer_are_triggers_too() -> None:
    for given, trigger_id in (
        ({"type": "BarClosed", "bar": BAR, "late": False}, BAR_ID),
        ({"type": "TimerDue", "name": "t", "due_ns": 5}, event_id("trigger", "AAPL", 5, "N:t:5")),
    ):
        journals = whole()
        journals["symbol-AAPL"] = [
            {"input": given},
            {"decision": [signal(trigger_id), *sent(proposal())["decision"]]},
        ]
        assert read_chains(journals).missing == ()


@pytest.mark.parametrize(
    ("writer", "index", "said"),
    [
        ("symbol-AAPL", 0, "the tick or bar is missing"),
        ("symbol-AAPL", 1, "the proposal is missing"),
        ("risk", 0, "the proposal never reached the risk gate"),
        ("risk", 1, "the verdict or an earlier status is missing"),
        ("broker", 0, "the verdict never reached the broker actor"),
        ("broker", 1, "the order to submit is missing"),
        ("broker", 2, "the start of the submission is missing"),
        ("broker", 3, "the verdict or an earlier status is missing"),
        ("broker", 4, "fills of 3 shares are missing"),
        ("broker", 5, "the verdict or an earlier status is missing"),
        ("broker", 6, "its end (fill, cancel or rejection) is missing"),
    ],
)
def test_each_missing_link_is_named(writer: str, index: int, said: str) -> None:
    report = read_chains(without(whole(), writer, index))
    assert (report.orders, report.complete) == (1, 0)
    assert f"{ORDER}: {said}" in report.missing


def test_a_missing_signal_is_named() -> None:
    journals = whole()
    journals["symbol-AAPL"][1] = sent(proposal())
    assert read_chains(journals).missing == (f"{ORDER}: the signal is missing",)


def test_a_canceled_order_is_complete_without_a_fill() -> None:
    journals = whole()
    journals["broker"] = [*journals["broker"][:4], sent(status("s2", "s1", "canceled"))]
    assert read_chains(journals) == ChainReport(orders=1, complete=1, denied=0, missing=())


@pytest.mark.parametrize(
    "denied_by",
    [
        lambda j: j | {"risk": [received(proposal()), sent(denial("proposal"))], "broker": []},
        lambda j: j | {"broker": [received(approval()), sent(denial("approval"))]},
        # The first byte never left: the connection failed.
        lambda j: j | {"broker": [*j["broker"][:4], sent(denial("s1"))]},
        lambda j: {"symbol-AAPL": [j["symbol-AAPL"][0], {"decision": [signal()]}, sent(denial("signal"))]},
    ],
)
def test_a_denied_intent_is_no_order_but_has_its_chain(denied_by: Callable[[Journals], Journals]) -> None:
    assert read_chains(denied_by(whole())) == ChainReport(orders=0, complete=0, denied=1, missing=())


def test_a_denial_without_its_proposal_is_named() -> None:
    journals = {"symbol-AAPL": whole()["symbol-AAPL"][:1], "risk": [sent(denial("proposal"))]}
    report = read_chains(journals)
    assert (report.denied, report.missing) == (1, (f"{ORDER}: the proposal or signal is missing",))


def test_a_second_verdict_about_a_living_order_does_not_undo_it() -> None:
    journals = whole()
    journals["risk"] += [received(proposal()), sent(denial("proposal"))]
    assert read_chains(journals) == ChainReport(orders=1, complete=1, denied=0, missing=())


@pytest.mark.parametrize(
    ("risk", "broker"), [([], []), ([received(proposal()), sent(approval(), to="broker")], [])]
)
def test_what_was_never_read_is_told_apart(risk: list[Any], broker: list[Any]) -> None:
    journals = {"symbol-AAPL": whole()["symbol-AAPL"], "risk": risk, "broker": broker}
    report = read_chains(journals)
    assert report == ChainReport(orders=0, complete=0, denied=0, missing=(), unheard=1)


def test_a_gate_that_heard_and_never_answered_is_a_missing_link() -> None:
    journals = {"symbol-AAPL": whole()["symbol-AAPL"], "risk": [received(proposal())], "broker": []}
    assert f"{ORDER}: the verdict is missing" in read_chains(journals).missing


def test_an_order_of_unknown_origin_has_no_chain() -> None:
    journals: Journals = {"broker": [sent(status("s1", "adopted", "filled"))]}
    report = read_chains(journals)
    assert (report.orders, report.complete) == (1, 0)
    assert f"{ORDER}: the proposal is missing" in report.missing


def test_causes_that_run_in_a_circle_end() -> None:
    journals = whole()
    journals["symbol-AAPL"] = [{"decision": [signal("proposal"), *sent(proposal())["decision"]]}]
    assert "do not end" in read_chains(journals).missing[0]
