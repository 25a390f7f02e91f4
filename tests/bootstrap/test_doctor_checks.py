"""The doctor's checks over readings: what is fine, what is told, what fails, and which exit that means."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import date, time
from decimal import Decimal
from pathlib import Path

import pytest

from kyzlo_actors.adapters.market_data.probe import StreamProbe
from kyzlo_actors.bootstrap.doctor.account import account_finding, binding_findings
from kyzlo_actors.bootstrap.doctor.book import book_findings
from kyzlo_actors.bootstrap.doctor.clock_skew import ClockReading, clock_finding
from kyzlo_actors.bootstrap.doctor.disk import disk_finding
from kyzlo_actors.bootstrap.doctor.finding import (
    LATCH,
    MODE,
    SETTINGS,
    Finding,
    Outcome,
    Verdict,
    fail,
    ok,
    outcome,
    skipped,
    warn,
)
from kyzlo_actors.bootstrap.doctor.market_data import WarmUp, stream_finding, warm_up_findings
from kyzlo_actors.bootstrap.doctor.places import place_finding, read_place, secrets_finding
from kyzlo_actors.bootstrap.doctor.trading_day import calendar_finding
from kyzlo_actors.domain.broker import BrokerClock, BrokerPosition
from kyzlo_actors.domain.execution_core import ExecutionState
from kyzlo_actors.domain.order import Order, OrderStatus, OrderTicket
from kyzlo_actors.domain.position import Position
from kyzlo_actors.domain.session import SessionCalendar, SessionDay
from kyzlo_actors.domain.values import Side
from kyzlo_actors.infrastructure.new_york import new_york_ns
from tests.fakes.broker_desk import FakeDesk, broker_order

MS = 1_000_000
SECOND = 1_000 * MS
MIB = 1 << 20


@pytest.mark.parametrize(
    ("findings", "said"),
    [
        ([ok("a", ""), warn("b", "", "c"), skipped("d", "")], Outcome.READY),
        ([ok("a", ""), fail("b", "", "c")], Outcome.FAILED),
        ([fail(LATCH, "", "c"), ok("a", "")], Outcome.HALTED),
        ([fail(LATCH, "", "c"), fail("a", "", "c")], Outcome.FAILED),
        ([fail(SETTINGS, "", "c")], Outcome.UNUSABLE),
        ([fail(MODE, "", "c"), fail("a", "", "c")], Outcome.UNUSABLE),
    ],
)
def test_the_outcome_of_all(findings: list[Finding], said: Outcome) -> None:
    assert outcome(findings) is said


def test_the_account() -> None:
    good = FakeDesk().account()
    assert account_finding(good).verdict is Verdict.OK
    assert account_finding(replace(good, buying_power=Decimal(0))).verdict is Verdict.WARN
    for change in ("trading_blocked", "account_blocked", "trade_suspended_by_user"):
        blocked = account_finding(replace(good, **{change: True}))
        assert blocked.verdict is Verdict.FAIL and change in blocked.finding
    closed = account_finding(replace(good, status="ACCOUNT_CLOSED"))
    assert closed.verdict is Verdict.FAIL and "ACCOUNT_CLOSED" in closed.finding


def test_the_binding() -> None:
    (new,) = binding_findings(None, is_bound=False, number="PA1")
    (bound,) = binding_findings(None, is_bound=True, number="PA1")
    assert "first start binds it to PA1" in new.finding and "belongs to PA1" in bound.finding


@pytest.mark.parametrize(
    ("ahead_ms", "took_ms", "verdict", "word"),
    [
        (0, 10, Verdict.OK, "within 500 ms"),
        (400, 10, Verdict.OK, "within"),
        (-700, 10, Verdict.WARN, "behind"),
        (700, 10, Verdict.WARN, "ahead of"),
        (700, 900, Verdict.OK, "within"),  # a slow reply proves nothing
        (2_100, 10, Verdict.FAIL, "2.1 s ahead of"),
        (-9_000, 10, Verdict.FAIL, "9.0 s behind"),
    ],
)
def test_the_clock(ahead_ms: int, took_ms: int, verdict: Verdict, word: str) -> None:
    before_ns = 1_000 * SECOND
    after_ns = before_ns + took_ms * MS
    theirs_ns = (before_ns if ahead_ms > 0 else after_ns) - ahead_ms * MS
    if ahead_ms == 700 and took_ms == 900:
        theirs_ns = after_ns - ahead_ms * MS
    found = clock_finding(
        [ClockReading(name="the broker's", before_ns=before_ns, after_ns=after_ns, theirs_ns=theirs_ns)]
    )
    assert (found.verdict, word in found.finding) == (verdict, True), found


def test_a_date_in_whole_seconds_is_not_taken_for_more() -> None:
    def read(theirs_s: float) -> Finding:
        reading = ClockReading(
            name="its server's",
            before_ns=1_000 * SECOND,
            after_ns=1_000 * SECOND + MS,
            theirs_ns=int(theirs_s * SECOND),
            resolution_ns=SECOND,
        )
        return clock_finding([reading])

    assert read(999).verdict is Verdict.OK  # 999 may mean 999.999
    assert read(998).verdict is Verdict.WARN
    assert read(1_000).verdict is Verdict.OK
    assert read(1_003).verdict is Verdict.FAIL


def day(text: str, closes: str = "16:00") -> SessionDay:
    that = date.fromisoformat(text)
    return SessionDay(
        date=text,
        open_ns=new_york_ns(that, time(9, 30)),
        close_ns=new_york_ns(that, time.fromisoformat(closes)),
    )


def clock_at(text: str, at: str, *, is_open: bool) -> BrokerClock:
    now_ns = new_york_ns(date.fromisoformat(text), time.fromisoformat(at))
    return BrokerClock(timestamp_ns=now_ns, is_open=is_open, next_open_ns=0, next_close_ns=0)


def test_the_calendar() -> None:
    week = SessionCalendar(days=(day("2026-11-25"), day("2026-11-27", "13:00")))
    regular = calendar_finding(week, clock_at("2026-11-25", "10:00", is_open=True))
    assert (regular.verdict, regular.finding) == (
        Verdict.OK,
        "today 09:30 to 16:00 New York; open now",
    )
    holiday = calendar_finding(week, clock_at("2026-11-26", "10:00", is_open=False))
    assert "no session today; next open Fri 2026-11-27 09:30 New York" in holiday.finding
    early = calendar_finding(week, clock_at("2026-11-27", "08:00", is_open=False))
    assert "13:00 New York, an early close; next open" in early.finding and early.verdict is Verdict.OK
    disagrees = calendar_finding(week, clock_at("2026-11-25", "10:00", is_open=False))
    assert disagrees.verdict is Verdict.WARN and "clock says closed" in disagrees.finding
    over = calendar_finding(week, clock_at("2026-11-27", "18:00", is_open=False))
    assert over.verdict is Verdict.WARN
    nothing = calendar_finding(SessionCalendar(), clock_at("2026-11-27", "18:00", is_open=False))
    assert nothing.verdict is Verdict.FAIL


# --- our book and the broker's ----------------------------------------------------------------------------------


def ours(order_id: str, symbol: str = "AAPL") -> Order:
    ticket = OrderTicket(client_order_id=order_id, symbol=symbol, side=Side.BUY, qty=Decimal(1))
    return Order(ticket=ticket, status=OrderStatus.NEW)


def held(symbol: str, qty: int) -> BrokerPosition:
    return BrokerPosition(symbol=symbol, qty=Decimal(qty), avg_entry_price=Decimal(1))


BOOK = ExecutionState(
    reconciled_ns=1,
    orders={"kyzlo.golden_cross.1": ours("kyzlo.golden_cross.1")},
    live=frozenset({"kyzlo.golden_cross.1"}),
    positions={"MSFT": Position(qty=Decimal(5))},
)


def verdicts(found: list[Finding]) -> list[Verdict]:
    return [finding.verdict for finding in found]


def test_book_and_broker_agree() -> None:
    (found,) = book_findings(BOOK, [broker_order(1)], [held("MSFT", 5)], is_running=False)
    assert found.verdict is Verdict.OK
    assert book_findings(None, [], [], is_running=False)[0].verdict is Verdict.OK


def test_what_only_one_of_them_knows() -> None:
    (lost,) = book_findings(BOOK, [], [held("MSFT", 5)], is_running=False)
    assert lost.verdict is Verdict.WARN and "kyzlo.golden_cross.1" in lost.finding
    strange, foreign = book_findings(
        BOOK,
        [broker_order(1), broker_order(2), broker_order(3, client_order_id="by-hand")],
        [held("MSFT", 5)],
        is_running=False,
    )
    assert "kyzlo.golden_cross.2" in strange.finding and "by-hand" in foreign.finding
    assert verdicts([strange, foreign]) == [Verdict.WARN, Verdict.WARN]


def test_positions_that_differ() -> None:
    orders = [broker_order(1)]
    (drift,) = book_findings(BOOK, orders, [held("MSFT", 5), held("TSLA", 3)], is_running=False)
    assert drift.verdict is Verdict.FAIL and "TSLA: the broker holds 3, the book 0" in drift.finding
    (gone,) = book_findings(BOOK, orders, [], is_running=False)
    assert gone.verdict is Verdict.FAIL and "MSFT" in gone.finding
    # An order of ours that may have traded meanwhile can explain it.
    (explained,) = book_findings(BOOK, orders, [held("MSFT", 5), held("AAPL", 1)], is_running=False)
    assert explained.verdict is Verdict.WARN
    # The first start adopts what there is; a running service is a step ahead of us.
    (adopted,) = book_findings(None, [], [held("TSLA", 3)], is_running=False)
    (running,) = book_findings(BOOK, orders, [held("MSFT", 5), held("TSLA", 3)], is_running=True)
    assert verdicts([adopted, running]) == [Verdict.WARN, Verdict.WARN]


# --- this machine -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("free_mib", "verdict"), [(5_000, Verdict.OK), (500, Verdict.WARN), (20, Verdict.FAIL)]
)
def test_the_disk(free_mib: int, verdict: Verdict) -> None:
    found = disk_finding(free_bytes=free_mib * MIB, actors=10, segment_bytes=MIB, limit_bytes=256 * MIB)
    assert found.verdict is verdict


def test_places(tmp_path: Path) -> None:
    user = os.geteuid()

    def check(path: Path, as_user: int = user) -> Finding:
        return place_finding("x", read_place(path), user=as_user)

    assert "can be made" in check(tmp_path / "new" / "deeper").finding
    (tmp_path / "file").write_text("")
    assert check(tmp_path / "file").verdict is Verdict.FAIL
    assert check(tmp_path / "file" / "below").verdict is Verdict.FAIL
    (tmp_path / "link").symlink_to(tmp_path)
    assert check(tmp_path / "link").verdict is Verdict.FAIL
    mine = tmp_path / "mine"
    mine.mkdir(mode=0o700)
    assert check(mine).verdict is Verdict.OK
    assert check(mine, as_user=user + 1).verdict is Verdict.FAIL
    mine.chmod(0o755)
    assert check(mine).verdict is Verdict.WARN
    shut = replace(read_place(mine), is_usable=False)
    assert place_finding("x", shut, user=user).verdict is Verdict.FAIL


def test_secrets() -> None:
    def check(mode: int, *names: str) -> Finding:
        return secrets_finding(settings=Path("s.toml"), settings_mode=mode, held=names, secrets=None)

    assert check(0o644).verdict is Verdict.OK
    assert check(0o600, "ALPACA_API_KEY").verdict is Verdict.WARN
    assert check(0o640, "ALPACA_API_KEY").verdict is Verdict.FAIL


# --- market data ------------------------------------------------------------------------------------------------


def test_warm_up() -> None:
    good = {"A": WarmUp(wanted=200, found=200), "B": WarmUp(wanted=0)}
    assert verdicts(warm_up_findings(good)) == [Verdict.OK]
    trouble, short = warm_up_findings(
        {**good, "C": WarmUp(wanted=200, found=12), "D": WarmUp(wanted=5, trouble="HTTP 429")}
    )
    assert "C 12 of 200" in short.finding and "D: HTTP 429" in trouble.finding
    assert verdicts([trouble, short]) == [Verdict.WARN, Verdict.WARN]


def probe(
    *missing: str, connected: bool = True, authenticated: bool = True, trouble: str = ""
) -> StreamProbe:
    return StreamProbe(connected=connected, authenticated=authenticated, missing=missing, trouble=trouble)


@pytest.mark.parametrize(
    ("tried", "verdict", "word"),
    [
        (probe(), Verdict.OK, "2 symbols confirmed"),
        (probe("A"), Verdict.WARN, "1 of 2"),
        (probe("A", "B", trouble="not entitled"), Verdict.FAIL, "not entitled"),
        (probe("A", "B", authenticated=False, trouble="the key"), Verdict.FAIL, "the key"),
        (probe("A", "B", connected=False, authenticated=False, trouble="ECONN"), Verdict.FAIL, "ECONN"),
    ],
)
def test_the_stream(tried: StreamProbe, verdict: Verdict, word: str) -> None:
    found = stream_finding(tried, url="ws://x", asked=2)
    assert (found.verdict, word in found.finding) == (verdict, True)
