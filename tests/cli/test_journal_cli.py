"""`kyzlo journal` on journals that a test wrote: newest records, one symbol, following, one order's chain."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import orjson
import pytest

from kyzlo_actors.cli import journal as command
from kyzlo_actors.cli.journal_lines import line_of
from kyzlo_actors.domain.identity import event_id
from kyzlo_actors.infrastructure.journal import JournalWriter, SyncPolicy
from kyzlo_actors.infrastructure.journal_segment import first_seqs
from tests.cli.conftest import Kyzlo
from tests.fakes.clock import FakeClock

Body = dict[str, Any]


class State:
    """A state directory with journals; small segments, so that there are several."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._writers: dict[str, JournalWriter] = {}
        self._clock = FakeClock()

    def write(self, actor: str, *bodies: Body) -> None:
        if actor not in self._writers:
            self._writers[actor] = JournalWriter(
                self.directory / "journal" / actor,
                clock=self._clock,
                segment_bytes=4_096,
                sync=SyncPolicy.NONE,
            )
        for body in bodies:
            self._clock.advance(1_000_000)
            self._writers[actor].append(orjson.dumps(body))

    def close(self) -> None:
        for writer in self._writers.values():
            writer.close()


@pytest.fixture
def state(tmp_path: Path) -> Any:
    made = State(tmp_path / "state")
    made.directory.mkdir()
    yield made
    made.close()


def tick(number: int, symbol: str = "AAPL") -> Body:
    return {"input": {"type": "TickRead", "tick": {"symbol": symbol, "price": float(number)}}}


def prices(text: str) -> list[str]:
    return [line.split()[-1] for line in text.splitlines()]


def test_the_newest_records_over_several_segments(kyzlo: Kyzlo, state: State) -> None:
    state.write("symbol-AAPL", *(tick(number) for number in range(200)))
    assert len(first_seqs(state.directory / "journal/symbol-AAPL")) > 3
    done = kyzlo("journal", "symbol-AAPL", "--last", 120, "--state-dir", state.directory)
    assert done.code == 0
    assert prices(done.out) == [f"{number}.0" for number in range(80, 200)]
    # A symbol, in any case of letters, stands for its actor.
    assert prices(kyzlo("journal", "aapl", "--last", 2, "--state-dir", state.directory).out) == [
        "198.0",
        "199.0",
    ]
    assert prices(kyzlo("journal", "--symbol", "aapl", "--last", 1, "--state-dir", state.directory).out) == [
        "199.0"
    ]
    assert kyzlo("journal", "AAPL", "--last", 0, "--state-dir", state.directory).out == ""


def test_only_what_names_the_symbol(kyzlo: Kyzlo, state: State) -> None:
    state.write("risk", *(tick(number, "AAPL" if number % 50 == 0 else "MSFT") for number in range(200)))
    done = kyzlo("journal", "risk", "--symbol", "AAPL", "--last", 3, "--state-dir", state.directory)
    assert prices(done.out) == ["50.0", "100.0", "150.0"]


def test_lines_for_programs_have_everything(kyzlo: Kyzlo, state: State) -> None:
    state.write("risk", tick(1), {"decision": [{"type": "Alert", "code": "X"}]}, {"skipped": 1})
    done = kyzlo("journal", "risk", "--json", "--state-dir", state.directory)
    lines = [json.loads(line) for line in done.out.splitlines()]
    assert [line["seq"] for line in lines] == [1, 2, 3]
    assert lines[0]["actor"] == "risk" and lines[0]["input"] == tick(1)["input"]
    assert lines[1]["decision"] == [{"type": "Alert", "code": "X"}] and lines[2]["skipped"] == 1


def test_which_journals_there_are(kyzlo: Kyzlo, state: State) -> None:
    state.write("risk", tick(1))
    state.write("symbol-AAPL", tick(1))
    rows = json.loads(kyzlo("journal", "--json", "--state-dir", state.directory).out)["journals"]
    assert [(row["actor"], row["first_seq"], row["segments"]) for row in rows] == [
        ("risk", 1, 1),
        ("symbol-AAPL", 1, 1),
    ]


def test_bad_questions_are_one_line(kyzlo: Kyzlo, state: State) -> None:
    state.write("risk", tick(1))
    here = ("--state-dir", state.directory)
    for arguments, code, words in (
        (("journal", "rsk"), 2, "use one of: risk"),
        (("journal", "--follow"), 2, "name the actor"),
        (("journal", "--order", " "), 2, "client order id"),
        (("journal", "--order", "none"), 1, "no journal names"),
    ):
        done = kyzlo(*arguments, *here)
        assert (done.code, len(done.err.splitlines())) == (code, 1), done
        assert words in done.err


def test_following_goes_on_until_ctrl_c(kyzlo: Kyzlo, state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    state.write("risk", tick(1), tick(2))
    turns = iter(range(3))

    def between(seconds: float) -> None:
        number = next(turns)
        if number == 2:
            raise KeyboardInterrupt
        state.write("risk", tick(10 + number))

    monkeypatch.setattr(command.time, "sleep", between)
    done = kyzlo("journal", "risk", "--last", 1, "--follow", "--state-dir", state.directory)
    assert done.code == 0
    assert prices(done.out) == ["2.0", "10.0", "11.0"]


def test_one_orders_chain(kyzlo: Kyzlo, state: State) -> None:
    trigger = event_id("trigger", "AAPL", 7, "T:4:0:9")
    seen = {"symbol": "AAPL", "ts_event": 7, "exchange": 4, "trf": 0, "trade_id": "9", "price": 1.0}
    order = "kyzlo.t.1"
    ticket = {"client_order_id": order, "symbol": "AAPL", "side": "buy", "qty": "1"}

    def stamp(own: str, cause: str) -> Body:
        return {"event_id": own, "causation_id": cause, "correlation_id": trigger}

    signal = {"type": "SignalRaised", "stamp": stamp("s", trigger), "symbol": "AAPL"}
    proposal = {"type": "ProposeOrder", "stamp": stamp("p", "s"), "ticket": ticket}
    denial = {"type": "OrderDenied", "stamp": stamp("d", "p"), "client_order_id": order, "code": "PAUSED"}
    state.write(
        "symbol-AAPL",
        {"input": {"type": "TickRead", "tick": seen}},
        {"decision": [{"type": "Record", "message": signal}, send(proposal, "risk")]},
    )
    state.write("risk", {"input": received(proposal)}, {"decision": [send(denial, "symbol-AAPL")]})
    done = kyzlo("journal", "--order", order, "--state-dir", state.directory)
    assert done.code == 0
    assert [line.split()[5] for line in done.out.splitlines()[:-1]] == [
        "TickRead",
        "SignalRaised",
        "ProposeOrder",
        "OrderDenied",
    ]
    assert done.out.splitlines()[-1] == f"{order}: 4 records, complete, from the trigger to its end"
    last = json.loads(
        kyzlo("journal", "--order", order, "--json", "--state-dir", state.directory).out.splitlines()[-1]
    )
    assert (last["client_order_id"], last["missing"], last["is_cut"]) == (order, [], False)


def send(message: Body, to: str) -> Body:
    return {"type": "Send", "to": to, "message": message}


def received(message: Body) -> Body:
    return {"type": "Received", "sender": "symbol-AAPL", "message": message}


def test_a_line_is_bounded_and_never_fails() -> None:
    long = {"input": {"type": "X", "reason": "word " * 1_000}}
    assert len(line_of("risk", 1, 0, long)) == 400
    effects = [{"type": "Alert", "code": str(number)} for number in range(20)]
    assert line_of("risk", 1, 1_500_000_000, {"decision": effects}).endswith("; and 12 more")
    assert line_of("risk", 7, 0, {"skipped": 3}) == "1970-01-01 00:00:00.000000 risk 7 - left out input 3"
    assert line_of("risk", 1, 0, {"input": {}}).endswith("< None")
