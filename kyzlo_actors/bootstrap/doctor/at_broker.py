"""Readings at the broker: account, clock, calendar, symbols, open orders and positions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from kyzlo_actors.actors.book_of_record import read_book
from kyzlo_actors.adapters.broker.desk import AlpacaDesk
from kyzlo_actors.bootstrap.doctor.account import ACCOUNT, BINDING, account_finding, binding_findings
from kyzlo_actors.bootstrap.doctor.book import BOOK, book_findings
from kyzlo_actors.bootstrap.doctor.clock_skew import CLOCK, ClockReading, clock_finding
from kyzlo_actors.bootstrap.doctor.finding import Finding, counted, fail, of_problem, ok, skipped
from kyzlo_actors.bootstrap.doctor.trading_day import CALENDAR, calendar_finding
from kyzlo_actors.bootstrap.instance import check_binding
from kyzlo_actors.bootstrap.preflight import check_account, read_assets, suspended_symbols, symbol_problems
from kyzlo_actors.bootstrap.settings_model import Settings
from kyzlo_actors.bootstrap.wiring import layout_of
from kyzlo_actors.domain.errors import BadInput, KyzloError, Recoverable
from kyzlo_actors.domain.values import NS_PER_SECOND
from kyzlo_actors.infrastructure.new_york import new_york_date
from kyzlo_actors.ports.clock import Clock

SYMBOLS: Final = "symbols"
_DAYS_AHEAD_NS: Final = 10 * 86_400 * NS_PER_SECOND
_AGAIN: Final = "look again; if it lasts, ask the broker"


def broker_findings(
    settings: Settings, desk: AlpacaDesk, clock: Clock, *, live: bool, is_running: bool
) -> Iterator[Finding]:
    """A broker that does not answer at all is asked once: the other checks are skipped then."""
    try:
        account = check_account(desk, settings)
    except (BadInput, Recoverable) as error:
        if isinstance(error, BadInput):
            yield from of_problem(ACCOUNT, error)
        else:
            yield fail(ACCOUNT, str(error), "check ALPACA_BASE_URL and the network")
        for check in (BINDING, CLOCK, CALENDAR, SYMBOLS, BOOK):
            yield skipped(check, "the broker gave no account")
        return
    yield account_finding(account)
    yield from _binding(settings, account.account_number, live=live)
    checks: tuple[tuple[str, Callable[[], list[Finding]]], ...] = (
        (CLOCK, lambda: [clock_finding(_clocks(desk, clock))]),
        (CALENDAR, lambda: [_calendar(desk)]),
        (SYMBOLS, lambda: _symbols(desk, settings)),
        (BOOK, lambda: _book(desk, settings, is_running=is_running)),
    )
    for check, look in checks:
        try:
            yield from look()
        except KyzloError as error:
            yield fail(check, " ".join(str(error).split()), _AGAIN)


def _binding(settings: Settings, number: str, *, live: bool) -> list[Finding]:
    try:
        is_bound = check_binding(settings.paths.state_directory, number, live)
    except BadInput as problem:
        return binding_findings(problem, is_bound=True, number=number)
    return binding_findings(None, is_bound=is_bound, number=number)


def _clocks(desk: AlpacaDesk, clock: Clock) -> list[ClockReading]:
    before_ns = clock.now_ns()
    theirs_ns = desk.clock().timestamp_ns
    between_ns = clock.now_ns()
    date_ns = desk.date_ns()
    readings = [
        ClockReading(name="the broker's", before_ns=before_ns, after_ns=between_ns, theirs_ns=theirs_ns)
    ]
    if date_ns is not None:
        readings.append(
            ClockReading(
                name="its server's",
                before_ns=between_ns,
                after_ns=clock.now_ns(),
                theirs_ns=date_ns,
                resolution_ns=NS_PER_SECOND,
            )
        )
    return readings


def _calendar(desk: AlpacaDesk) -> Finding:
    now = desk.clock()
    first, last = new_york_date(now.timestamp_ns), new_york_date(now.timestamp_ns + _DAYS_AHEAD_NS)
    return calendar_finding(desk.calendar(first, last), now)


def _symbols(desk: AlpacaDesk, settings: Settings) -> list[Finding]:
    assets = read_assets(desk, settings.symbols)
    problems = [*symbol_problems(settings, assets), *suspended_symbols(assets)]
    if not problems:
        return [ok(SYMBOLS, f"{counted(len(settings.symbols), 'symbol')} may be traded")]
    return [finding for problem in problems for finding in of_problem(SYMBOLS, problem)]


def _book(desk: AlpacaDesk, settings: Settings, *, is_running: bool) -> list[Finding]:
    try:
        book = read_book(layout_of(settings))
    except PermissionError as error:
        cure = "run as the user of the service"
        return [fail(BOOK, f"{error.filename} cannot be read: {error.strerror}", cure)]
    return book_findings(book, desk.open_orders(), desk.positions(), is_running=is_running)
