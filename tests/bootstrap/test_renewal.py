"""Whether a running service may start anew with its changed file: every reason against it, and who asks."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from kyzlo_actors.actors.layout import BROKER, Layout
from kyzlo_actors.actors.recovery import SnapshotFile
from kyzlo_actors.adapters.market_data.aggregates import KeyRefused
from kyzlo_actors.bootstrap import renewal
from kyzlo_actors.bootstrap.renewal import Running, check_renewal, settings_checker
from kyzlo_actors.bootstrap.settings import load_settings
from kyzlo_actors.bootstrap.settings_model import Settings
from kyzlo_actors.bootstrap.settings_text import check_text
from kyzlo_actors.domain.broker import BrokerAccount, BrokerAsset
from kyzlo_actors.domain.errors import BadInput, KyzloError, Recoverable
from kyzlo_actors.domain.execution_core import ExecutionState
from kyzlo_actors.domain.position import Position
from tests.bootstrap.settings_files import ALPACA_SECRET, GOOD, write_settings
from tests.fakes.broker_desk import FakeDesk

SECOND = '\n[symbols.MSFT]\nstrategy = "golden_cross"\nquantity = 1\nmax_position = 1\n'


class Desk:
    """A broker that knows three symbols."""

    def __init__(self) -> None:
        self.suspended: set[str] = set()
        self.account_number = "PA1"
        self.is_away = False

    def account(self) -> BrokerAccount:
        if self.is_away:
            raise Recoverable("connection refused")
        return replace(FakeDesk().account(), account_number=self.account_number)

    def asset(self, symbol: str) -> BrokerAsset | None:
        known = symbol in ("AAPL", "MSFT", "NVDA")
        return (
            BrokerAsset(
                symbol=symbol, tradable=symbol not in self.suspended, shortable=True, fractionable=True
            )
            if known
            else None
        )

    def close(self) -> None:
        pass


class History:
    """Past bars of a vendor who refuses the key "wrong"."""

    def __init__(self, settings: Settings) -> None:
        self._key = settings.polygon_api_key.get_secret_value()

    def bars(self, symbol: str, **_: int) -> list[object]:
        if self._key == "wrong":
            raise KeyRefused("401")
        return []

    def close(self) -> None:
        pass


class Service:
    """What runs, its file, and the broker."""

    def __init__(self, directory: Path, desk: Desk) -> None:
        self.desk = desk
        self.environ = {
            "HOME": str(directory),
            "STATE_DIRECTORY": str(directory / "s"),
            "RUNTIME_DIRECTORY": str(directory / "r"),
        }
        self.path = write_settings(directory, GOOD + SECOND)
        loaded = load_settings(self.path, self.environ)
        self.running = Running.of(loaded, live=False, account="PA1")

    def write(self, text: str) -> None:
        self.path.write_text(text)

    def check(self) -> None:
        check_renewal(self.running, self.environ)


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Service:
    desk = Desk()
    monkeypatch.setattr(renewal, "open_desk", lambda settings: desk)
    monkeypatch.setattr(renewal, "open_history", History)
    return Service(tmp_path, desk)


def test_what_is_traded_may_be_suspended_and_what_comes_may_not(service: Service) -> None:
    service.desk.suspended = {"MSFT"}
    service.check()
    service.write(GOOD + SECOND + SECOND.replace("MSFT", "NVDA"))
    service.check()
    service.desk.suspended = {"NVDA"}
    with pytest.raises(BadInput, match=r"NVDA.*does not let it be traded"):
        service.check()


def unknown_symbol(service: Service) -> None:
    service.write(GOOD + SECOND + SECOND.replace("MSFT", "ZZZ"))


def bad_value(service: Service) -> None:
    service.write(GOOD.replace("quantity = 10", "quantity = -1"))


def bad_strategy(service: Service) -> None:
    service.write(GOOD.replace("fast = 5", "fast = 50"))


def real_money(service: Service) -> None:
    service.write('ALPACA_BASE_URL = "https://api.alpaca.markets"\n' + GOOD)


def other_place(service: Service) -> None:
    service.environ["STATE_DIRECTORY"] = "/elsewhere"


def other_account(service: Service) -> None:
    service.desk.account_number = "PA2"


def position_left(service: Service) -> None:
    state = Path(service.environ["STATE_DIRECTORY"])
    layout = Layout(state_directory=state, runtime_directory=state, symbols=())
    layout.journal(BROKER).mkdir(parents=True)
    layout.snapshots.mkdir()
    book = ExecutionState(positions={"MSFT": Position(qty=Decimal(2))})
    SnapshotFile(layout.snapshots, BROKER).save(1, book, {})
    service.write(GOOD)


def wrong_data_key(service: Service) -> None:
    service.write((GOOD + SECOND).replace('"polygon-key"', '"wrong"'))


def broker_away(service: Service) -> None:
    service.desk.is_away = True


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (unknown_symbol, "ZZZ.*no such symbol"),
        (bad_value, "quantity"),
        (bad_strategy, "fast"),
        (real_money, "ALPACA_BASE_URL"),
        (other_place, "paths.state_directory.*stop it to move it"),
        (other_account, "account PA2, the service trades PA1"),
        (position_left, r"MSFT.*a position of \+2 shares"),
        (wrong_data_key, "POLYGON_API_KEY"),
        (broker_away, "does not answer"),
    ],
)
def test_every_reason_against_it(service: Service, spoil: Callable[[Service], None], words: str) -> None:
    spoil(service)
    with pytest.raises(KyzloError, match=words):
        service.check()


def test_a_dropped_symbol_without_anything_may_go(service: Service) -> None:
    service.write(GOOD)
    service.check()


# --- in a process of its own -------------------------------------------------------------------------------------


def checker(service: Service, **changes: str) -> Callable[[], str]:
    environment = {**service.environ, "PYTHONPATH": ":".join(sys.path), **changes}
    return settings_checker(service.running, environment)


def test_the_process_tells_why_and_no_secret(service: Service) -> None:
    # Nobody listens there: the process has a broker connection of its own.
    service.write('ALPACA_BASE_URL = "http://127.0.0.1:9"\n' + GOOD + SECOND)
    said = checker(service)()
    assert "the broker does not answer" in said and ALPACA_SECRET not in said
    service.write(GOOD.replace("quantity = 10", 'quantity = "x"'))
    assert "symbols.AAPL.quantity" in checker(service)()
    service.running = replace(service.running, settings_path="/none.toml")
    assert "missing file" in checker(service)()


def test_a_process_that_dies_or_hangs_is_a_no(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    plugin = service.path.with_name("deadly.py")
    strategy = 'strategy = "deadly:It"'
    service.write(GOOD.replace('strategy = "golden_cross"', strategy))
    places = {"PYTHONPATH": f"{service.path.parent}:{':'.join(sys.path)}"}
    plugin.write_text("import os\nos._exit(9)\n")
    assert checker(service, **places)() == "the check of the settings ended with exit code 9"
    plugin.write_text("import time\ntime.sleep(60)\n")
    monkeypatch.setattr(renewal, "CHECK_SECONDS", 2.0)
    assert checker(service, **places)() == "the settings could not be checked within 2 s"


# --- before it is written ----------------------------------------------------------------------------------------


def keyless(text: str) -> str:
    return "".join(line for line in text.splitlines(keepends=True) if "_API_" not in line)


def test_keys_that_cannot_be_seen_are_not_judged(tmp_path: Path) -> None:
    path = tmp_path / "settings.toml"
    environ: dict[str, str] = {"HOME": str(tmp_path)}
    assert check_text(path, GOOD, environ, live=False) == ()
    unseen = check_text(path, keyless(GOOD), environ, live=False)
    assert set(unseen) == {"ALPACA_API_KEY", "ALPACA_API_SECRET", "POLYGON_API_KEY"}
    live = 'ALPACA_BASE_URL = "https://api.alpaca.markets"\n' + keyless(GOOD)
    assert len(check_text(path, live, environ, live=True)) == 3
    assert not path.exists()


@pytest.mark.parametrize(
    "spoilt", [GOOD.replace("10\n", "-1\n"), GOOD.replace("fast = 5", "fast = 50"), "no toml"]
)
@pytest.mark.parametrize("prepare", [lambda text: text, keyless])
def test_everything_else_is(tmp_path: Path, spoilt: str, prepare: Any) -> None:
    with pytest.raises(BadInput):
        check_text(tmp_path / "settings.toml", prepare(spoilt), {"HOME": "/"}, live=False)
