"""Symbols of a running service: paused and released, added and removed, quarantined and let in again."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator

import pytest

from tests.e2e.running_service import RunningService

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(400)]

FIRST, SECOND, NEW = "MSFT", "NVDA", "AAPL"
AS_OTHERS = ("--strategy", "golden_cross", "--quantity", "3", "--max-position", "3", "--bar-seconds", "1")
FAST = ("--param", "fast=2", "--param", "slow=4")


@pytest.fixture(scope="module")
def service() -> Iterator[RunningService]:
    with RunningService(FIRST, SECOND) as running:
        yield running


def test_a_paused_symbol_only_closes_until_it_is_released(service: RunningService) -> None:
    service.wait_for_fills(FIRST)
    told = service.json("symbols", "pause", FIRST, "--reason", "earnings")
    assert (told["symbol"], told["paused"], told["quarantined"]) == (FIRST, True, False)
    service.wait("an entry is denied", lambda: service.denials(FIRST, "PAUSED"))
    service.wait("what was held is closed", lambda: service.held(FIRST) == "0")
    assert service.states() == {FIRST: "paused", SECOND: "trading"}
    service.wait_for_fills(SECOND)

    # It is in the gate's journal, not in its memory.
    before = service.rows()["risk"]["pid"]
    os.kill(before, signal.SIGKILL)
    service.wait("the gate lives again", lambda: service.rows()["risk"]["pid"] not in (0, before))
    service.wait("all are back", lambda: service.states() == {FIRST: "paused", SECOND: "trading"})
    denied = service.denials(FIRST, "PAUSED")
    service.wait("entries are denied again", lambda: service.denials(FIRST, "PAUSED") > denied)

    assert service.json("symbols", "release", FIRST)["state"] == "trading"
    service.wait_for_fills(FIRST)
    journal = service.kyzlo("journal", "risk", "--last", "5000").stdout
    assert f"PauseSymbol {FIRST} earnings uid {os.getuid()} " in journal


def test_a_symbol_comes_and_trades_and_nothing_is_canceled(service: RunningService) -> None:
    before = service.settings.read_text()
    posts = service.venue()["posts"]
    done = service.kyzlo("symbols", "add", NEW, *AS_OTHERS, *FAST)
    assert "without its actor" in done.stdout and done.stdout.splitlines()[-1] == f"{NEW}: trading"
    assert service.settings.read_text().startswith(before.rstrip())
    assert set(service.states()) == {FIRST, SECOND, NEW}
    for symbol in (NEW, FIRST, SECOND):
        service.wait_for_fills(symbol)
    venue = service.venue()
    assert set(venue["posts"].values()) == {1} and posts.keys() <= venue["posts"].keys()
    assert not (service.directory / "s/HALT.json").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("ZZZZ", *AS_OTHERS), 1, "no such symbol"),
        ((FIRST, *AS_OTHERS), 2, "already"),
        (("TSLA", *AS_OTHERS[2:], "--strategy", "golden_crss"), 2, "golden_cross"),
        (("TSLA", *AS_OTHERS, "--param", "fast=many"), 2, "fast"),
        (("TSLA", *AS_OTHERS, "--param", "fast"), 2, "name=value"),
    ],
)
def test_what_cannot_be_traded_leaves_file_and_service_alone(
    service: RunningService, arguments: tuple[str, ...], code: int, words: str
) -> None:
    before, rows = service.settings.read_text(), service.rows()
    refused = service.kyzlo("symbols", "add", *arguments, code=code)
    assert words in refused.stderr and len(refused.stderr.splitlines()) == 1, refused.stderr
    assert service.settings.read_text() == before
    assert {name: row["pid"] for name, row in service.rows().items()} == {
        name: row["pid"] for name, row in rows.items()
    }


def test_other_settings_than_the_services_are_refused(service: RunningService) -> None:
    other = service.directory / "other.toml"
    other.write_text(service.settings.read_text())
    refused = service.kyzlo("symbols", "add", "TSLA", *AS_OTHERS, settings=other, code=2)
    assert f"was started with {service.settings}" in refused.stderr
    assert other.read_text() == service.settings.read_text()


def test_a_symbol_goes_when_nothing_of_it_is_left(service: RunningService) -> None:
    service.wait(f"{SECOND} holds shares", lambda: service.held(SECOND) != "0")
    before = service.settings.read_text()
    refused = service.kyzlo("symbols", "remove", SECOND, code=None)
    if refused.returncode:  # else it was sold in the moment between
        assert refused.returncode == 1 and "it still has a position of +3 shares" in refused.stderr
        assert service.settings.read_text() == before
        service.kyzlo("symbols", "pause", SECOND, "--reason", "it goes")
        service.wait("it is flat", lambda: service.held(SECOND) == "0" and not service.open_orders(SECOND))
        done = service.kyzlo("symbols", "remove", SECOND)
        assert done.stdout.splitlines()[-1] == f"{SECOND}: not running"
    assert SECOND not in service.settings.read_text()
    assert f"symbol-{SECOND}" not in service.rows()
    service.wait_for_fills(FIRST)
    gone = service.kyzlo("symbols", "remove", SECOND, code=2)
    assert "not in the settings" in gone.stderr


def test_a_quarantined_symbol_lives_again_when_it_is_released(service: RunningService) -> None:
    def state() -> str:
        pid = service.rows()[f"symbol-{FIRST}"]["pid"]
        if pid and service.states()[FIRST] != "quarantined":
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        return service.states()[FIRST]

    service.wait("it is quarantined", lambda: state() == "quarantined")
    dead = service.rows()[f"symbol-{FIRST}"]["pid"]
    assert service.json("symbols", "release", FIRST, "--reason", "repaired")["state"] == "trading"
    assert service.rows()[f"symbol-{FIRST}"]["pid"] not in (0, dead)
    service.wait_for_fills(FIRST)


def test_what_people_look_at_while_it_runs(service: RunningService) -> None:
    service.wait_for_fills(FIRST)
    orders = service.json("orders", "--all", "--limit", "500")["orders"]
    filled = next(order for order in orders if order["symbol"] == FIRST and order["status"] == "filled")
    chain = service.kyzlo("journal", "--order", filled["client_order_id"]).stdout
    assert "complete, from the trigger to its end" in chain.splitlines()[-1], chain
    looks = service.kyzlo("top", "--count", "2").stdout.splitlines()
    assert [json.loads(look)["state"] for look in looks] == ["trading", "trading"]
    rows = {row["actor"]: row for row in json.loads(looks[-1])["actors"]}
    assert rows[f"symbol-{FIRST}"]["price"] > 0


def test_halted_it_takes_new_symbols_with_its_resume(service: RunningService) -> None:
    service.kyzlo("halt", "--reason", "drill", "--wait", "60")
    assert set(service.states().values()) == {"halted"}
    told = service.json("symbols", "add", "TSLA", *AS_OTHERS, *FAST)
    assert told["state"] == "halted"
    assert service.kyzlo("status", code=3)
    refused = service.kyzlo("symbols", "pause", FIRST, code=1)
    assert "no actor runs" in refused.stderr
    service.kyzlo("resume", "--reason", "over")
    service.wait_for_fills("TSLA")
