"""The whole examination, on a real venue and on what only looks like one."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
from aiohttp import web

from kyzlo_actors.actors.layout import BROKER
from kyzlo_actors.actors.recovery import input_record
from kyzlo_actors.bootstrap.doctor.examination import examine
from kyzlo_actors.bootstrap.doctor.finding import Finding, Outcome, Verdict, outcome
from kyzlo_actors.bootstrap.instance import claim_instance
from kyzlo_actors.domain.broker import BrokerState
from kyzlo_actors.domain.broker_events import StateRead
from kyzlo_actors.domain.messages import Started
from kyzlo_actors.infrastructure.clock import SystemClock
from kyzlo_actors.infrastructure.halt_latch import HaltLatch
from kyzlo_actors.infrastructure.journal import JournalWriter, SyncPolicy
from tests.bootstrap.settings_files import write_settings
from tests.fakes.broker_desk import FakeDesk
from tests.fakes.local_server import PaperVenue, application, paper_venue

SETTINGS = """
RISK_DAILY_LOSS_LIMIT = 500
RISK_MAX_NOTIONAL = 25000

[paths]
state_directory = "{place}/state"
runtime_directory = "{place}/run"

[symbols.AAA]
strategy = "golden_cross"
quantity = 5
max_position = 10
bar_seconds = 1
parameters = {{fast = 5, slow = 20}}
"""
ACCOUNT = {
    "account_number": "PA3HTML",
    "status": "ACTIVE",
    "cash": "1",
    "equity": "1",
    "buying_power": "1",
    "trading_blocked": True,
}


@dataclass(frozen=True)
class Shifted:
    """A clock that is wrong by `by_ns`."""

    by_ns: int
    right: SystemClock = field(default_factory=SystemClock)

    def now_ns(self) -> int:
        return self.right.now_ns() + self.by_ns

    def monotonic_ns(self) -> int:
        return self.right.monotonic_ns()


class Patient:
    """Settings, keys and places that the doctor looks at; a short path, for sockets."""

    def __init__(self, place: Path, venue: PaperVenue | None = None) -> None:
        self.place = place
        self.path = write_settings(place, SETTINGS.format(place=place))
        url = venue.url if venue else "http://127.0.0.1:1"
        self.environ = {
            "HOME": str(place),
            "ALPACA_BASE_URL": url,
            "ALPACA_API_KEY": "K",
            "ALPACA_API_SECRET": "S3CRET",
            "POLYGON_BASE_URL": url,
            "POLYGON_WEBSOCKET_URL": venue.feed_url if venue else "ws://127.0.0.1:1/stocks",
            "POLYGON_API_KEY": "P0LYKEY",
        }

    def add(self, text: str) -> None:
        """More settings."""
        self.path.write_text(self.path.read_text() + text)

    def examine(self, *, skew_ns: int = 0, live: bool = False, **environ: str) -> dict[str, Finding]:
        """The newest finding of each check; every line is clean of secrets."""
        found = list(examine(self.path, {**self.environ, **environ}, Shifted(skew_ns), live=live))
        for finding in found:
            assert "\n" not in finding.finding + finding.cure
            assert "S3CRET" not in finding.finding + finding.cure
            assert (finding.verdict in (Verdict.WARN, Verdict.FAIL)) == bool(finding.cure), finding
        return {finding.check: finding for finding in found}


def failed(found: dict[str, Finding]) -> list[str]:
    """The checks that failed."""
    return [check for check, finding in found.items() if finding.verdict is Verdict.FAIL]


@pytest.fixture
def place() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="kz") as name:
        yield Path(name)


@pytest.fixture
def venue(tmp_path: Path) -> Iterator[PaperVenue]:
    with paper_venue(tmp_path) as running:
        yield running


@pytest.fixture
def patient(place: Path, venue: PaperVenue) -> Patient:
    return Patient(place, venue)


def test_everything_is_fine_and_nothing_was_written(patient: Patient) -> None:
    before = sorted(os.walk(patient.place))
    found = patient.examine()
    assert {finding.verdict for finding in found.values()} == {Verdict.OK}, found
    assert outcome(found.values()) is Outcome.READY
    assert len(found) == 17
    assert sorted(os.walk(patient.place)) == before


def test_settings_that_cannot_be_used_end_it_at_once(patient: Patient) -> None:
    unusable = {
        "settings": patient.examine(RISK_MAX_NOTIONAL="-1"),
        "paper or live": patient.examine(live=True),
    }
    patient.path.write_text(patient.path.read_text().replace("fast = 5", "fast = 50"))
    unusable["strategies"] = patient.examine()
    for check, found in unusable.items():
        assert failed(found) == [check]
        assert outcome(found.values()) is Outcome.UNUSABLE
        assert "account" not in found


def test_bad_keys(patient: Patient) -> None:
    found = patient.examine(ALPACA_API_KEY="WRONG")
    assert failed(found) == ["account"]
    assert found["symbols"].verdict is Verdict.SKIPPED
    found = patient.examine(POLYGON_API_KEY="WRONG")
    assert failed(found) == ["warm-up"]
    assert found["market data stream"].verdict is Verdict.SKIPPED


@pytest.mark.parametrize(("skew_ms", "verdict"), [(5_000, Verdict.FAIL), (-5_000, Verdict.FAIL)])
def test_a_wrong_clock(patient: Patient, skew_ms: int, verdict: Verdict) -> None:
    assert patient.examine(skew_ns=skew_ms * 1_000_000)["clock"].verdict is verdict


def test_symbols_that_cannot_be_traded(patient: Patient) -> None:
    patient.add('[symbols.NONE]\nstrategy = "golden_cross"\nquantity = 1\nmax_position = 1\n')
    found = patient.examine()
    assert failed(found) == ["symbols"]
    assert "no such symbol" in found["symbols"].cure
    assert found["warm-up"].verdict is Verdict.WARN or found["warm-up"].verdict is Verdict.OK


def test_many_symbols_cost_few_requests(patient: Patient, venue: PaperVenue) -> None:
    for number in range(60):
        patient.add(
            f'[symbols.X{number}]\nstrategy = "golden_cross"\nquantity = 1\nmax_position = 1\n'
            "parameters = {fast = 5, slow = 20}\n"
        )
    before = venue.ctl()["counts"]["requests"]
    lines = list(examine(patient.path, patient.environ, SystemClock(), live=False))
    assert len([line for line in lines if line.check == "symbols" and "no such" in line.cure]) == 60
    assert venue.ctl()["counts"]["requests"] - before < 100


def test_a_foreign_position_is_adopted_by_a_first_start_and_blocks_a_later_one(
    patient: Patient, venue: PaperVenue
) -> None:
    headers = {"APCA-API-KEY-ID": venue.key, "APCA-API-SECRET-KEY": venue.secret}
    order = {"symbol": "BBB", "qty": "3", "side": "buy", "type": "market", "time_in_force": "day"}
    assert httpx.post(f"{venue.url}/v2/orders", json=order, headers=headers, timeout=20).status_code == 200
    until_held(venue)
    found = patient.examine()
    assert found["reconciliation"].verdict is Verdict.WARN
    assert "BBB: the broker holds 3, the book 0" in found["reconciliation"].finding

    directory = patient.place / "state" / "journal" / BROKER
    directory.mkdir(parents=True, mode=0o700)
    read = BrokerState(read_started_ns=5, account=FakeDesk().account(), orders=(), positions=())
    writer = JournalWriter(directory, clock=SystemClock(), segment_bytes=1 << 16, sync=SyncPolicy.NONE)
    writer.append(input_record(Started(incarnation=1, now_ns=4)))
    writer.append(input_record(StateRead(reason="start", state=read, now_ns=6)))
    writer.close()
    assert failed(patient.examine()) == ["reconciliation"]


def until_held(venue: PaperVenue) -> None:
    """Wait for the fill."""
    clock = SystemClock()
    end_ns = clock.monotonic_ns() + 20_000_000_000
    while not venue.ctl()["positions"]:
        assert clock.monotonic_ns() < end_ns, "no fill"


def test_another_account_and_an_unusable_directory(patient: Patient) -> None:
    claim_instance(patient.place / "state", "PA3SOMEBODY", live=False).release()
    found = patient.examine()
    assert failed(found) == ["account binding"]
    assert "PA3SOMEBODY" in found["account binding"].cure
    (patient.place / "run").write_text("in the way")
    assert failed(patient.examine()) == ["runtime directory", "account binding"]


def test_a_running_instance_is_told_and_not_disturbed(patient: Patient) -> None:
    with claim_instance(patient.place / "state", "PA3TEST", live=False):
        found = patient.examine()
        assert f"pid {os.getpid()} runs" in found["instance"].finding
        assert found["market data stream"].verdict is Verdict.SKIPPED
        assert failed(found) == []
    assert patient.examine()["market data stream"].verdict is Verdict.OK


def test_a_latch_is_an_outcome_of_its_own(patient: Patient) -> None:
    state = patient.place / "state"
    state.mkdir(mode=0o700)
    HaltLatch(state, SystemClock()).engage(by="uid 7", reason="too hot")
    found = patient.examine()
    assert failed(found) == ["halt latch"]
    assert "uid 7" in found["halt latch"].finding and "too hot" in found["halt latch"].finding
    assert outcome(found.values()) is Outcome.HALTED


def test_nobody_listens(place: Path) -> None:
    found = Patient(place).examine()
    assert failed(found) == ["account", "market data stream"]
    assert found["warm-up"].verdict is Verdict.WARN
    assert outcome(found.values()) is Outcome.FAILED


def test_a_venue_that_answers_html(place: Path) -> None:
    async def page(request: web.Request) -> web.Response:
        return web.Response(text="<html>sorry</html>", content_type="text/html")

    with application(web.get("/{path:.*}", page)) as port:
        patient = Patient(place)
        url = f"http://127.0.0.1:{port}"
        found = patient.examine(
            ALPACA_BASE_URL=url, POLYGON_BASE_URL=url, POLYGON_WEBSOCKET_URL=f"ws://127.0.0.1:{port}/stocks"
        )
    assert failed(found) == ["account", "market data stream"]
    assert "not JSON" in found["account"].finding


def test_a_blocked_account_behind_a_broker_that_knows_nothing_else(place: Path) -> None:
    async def account(request: web.Request) -> web.Response:
        return web.json_response(ACCOUNT)

    with application(web.get("/v2/account", account)) as port:
        found = Patient(place).examine(ALPACA_BASE_URL=f"http://127.0.0.1:{port}")
    assert "trading_blocked" in found["account"].finding
    assert failed(found)[:5] == ["account", "clock", "calendar", "symbols", "reconciliation"]
