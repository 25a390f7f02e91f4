"""New settings: a new start that cancels nothing and opens no gate that was shut."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from kyzlo_actors.domain.values import TradingState
from kyzlo_actors.guardian.halt_core import EXIT_ORDERLY, EXIT_TREE_DIED
from kyzlo_actors.guardian.halt_events import (
    AnswerRenewal,
    CallDesk,
    GuardianEffect,
    KillTree,
    OrderHalt,
    Reexec,
    ResumeRequested,
    SettingsChecked,
    StartAnew,
    StopRequested,
    TreeAnswered,
    TreeKilled,
)
from kyzlo_actors.guardian.options import RESUME_VARIABLE
from kyzlo_actors.guardian.state import Resume
from tests.guardian.conftest import StartGuardian
from tests.guardian.core_driver import RECORD, CoreDriver
from tests.guardian.guardian_process import ask, wait_until


def checked(driver: CoreDriver, problem: str = "") -> list[GuardianEffect]:
    return driver.give(SettingsChecked(at=driver.at, problem=problem))


def answer(effects: list[GuardianEffect]) -> tuple[bool, str]:
    (found,) = [effect for effect in effects if isinstance(effect, AnswerRenewal)]
    return found.accepted, found.detail


def test_a_trading_tree_is_killed_and_started_anew_and_nothing_is_canceled() -> None:
    driver = CoreDriver().trading()
    effects = checked(driver)
    assert answer(effects) == (True, "every symbol is rebuilt")
    assert driver.gates[-1] is TradingState.HALTED and driver.phase == "renewing"
    assert driver.killed(root=1) == [StartAnew()]
    assert driver.count(OrderHalt) == driver.count(CallDesk) == driver.count(Reexec) == 0
    assert driver.certificates == driver.exits == []


def test_settings_that_cannot_be_used_change_nothing() -> None:
    driver = CoreDriver().trading()
    before = driver.core.state
    assert answer(checked(driver, "no such symbol")) == (False, "no such symbol")
    assert driver.core.state == before


def test_a_shut_tree_starts_anew_and_stays_shut() -> None:
    driver = CoreDriver(latched=RECORD, proven=True)
    driver.give(TreeAnswered(at=driver.at))
    assert driver.phase == "shut"
    assert answer(checked(driver))[0]
    assert driver.killed() == [StartAnew()]
    # The process after it finds the same latch.
    again = CoreDriver(latched=RECORD, proven=True).trading()
    assert again.phase == "shut" and TradingState.ACTIVE not in again.gates


def test_a_halted_guardian_waits_for_its_resume() -> None:
    driver = CoreDriver().trading()
    driver.latch()
    driver.acknowledge()
    driver.finish()
    driver.killed()
    driver.prove_clean()
    assert driver.phase == "halted"
    accepted, detail = answer(checked(driver))
    assert accepted and "next resume" in detail
    assert driver.count(StartAnew) == 0 and driver.phase == "halted"


@pytest.mark.parametrize("phase", ["starting", "halting", "stopping", "renewing"])
def test_in_between_nothing_is_renewed(phase: str) -> None:
    driver = CoreDriver()
    if phase != "starting":
        driver.trading()
    if phase == "halting":
        driver.latch()
    if phase == "stopping":
        driver.give(StopRequested(at=driver.at))
    if phase == "renewing":
        checked(driver)
    assert driver.phase == phase
    assert answer(checked(driver)) == (False, f"the guardian is {phase}: try again when that is over")


def test_a_resume_under_way_comes_first() -> None:
    driver = CoreDriver(latched=RECORD, proven=True)
    driver.give(TreeAnswered(at=driver.at))
    driver.broker_ready = True
    driver.tick()
    driver.give(ResumeRequested(at=driver.at, by="uid 0", reason="r"))
    assert answer(checked(driver)) == (False, "a resume is under way: try again when that is over")


def test_a_halt_meanwhile_is_carried_out_here_not_left_to_the_next_start() -> None:
    driver = CoreDriver().trading()
    checked(driver)
    assert KillTree() in driver.latch()
    assert driver.phase == "halting"
    assert StartAnew() not in driver.killed()
    driver.prove_clean()
    assert driver.phase == "halted" and driver.count(StartAnew) == 0


def test_a_halt_between_the_kill_and_the_new_start_is_carried_out_too() -> None:
    driver = CoreDriver().trading()
    checked(driver)
    driver.killed()
    driver.latch()
    driver.killed()
    driver.prove_clean()
    assert driver.phase == "halted"


def test_a_stop_meanwhile_is_orderly() -> None:
    driver = CoreDriver().trading()
    checked(driver)
    driver.give(StopRequested(at=driver.at))
    assert driver.phase == "stopping"
    driver.killed()
    driver.prove_clean()
    assert driver.exits == [EXIT_ORDERLY]


def test_beside_what_cannot_be_killed_nothing_is_started() -> None:
    driver = CoreDriver().trading()
    checked(driver)
    driver.give(TreeKilled(at=driver.at, killed=(), left=(("root", 1),)))
    assert driver.exits == [EXIT_TREE_DIED] and driver.count(StartAnew) == 0
    slow = CoreDriver().trading()
    checked(slow)
    slow.tick(60)
    assert slow.exits == [EXIT_TREE_DIED]


# --- the loop ----------------------------------------------------------------------------------------------------


def test_the_guardian_becomes_a_new_process(start_guardian: StartGuardian, runtime: Path) -> None:
    path = Path("/etc/kyzlo/settings.toml")
    guardian = start_guardian(settings_path=path, live=True, check_settings=lambda: "").trading()
    status = guardian.status()
    assert (status["settings"], status["live"]) == (str(path), True)
    told = ask(runtime, {"cmd": "renew", "settings": str(path)})
    assert (told["ok"], told["state"]) == (True, "renewing")
    wait_until(lambda: guardian.reexecs)
    assert guardian.gate.state is TradingState.HALTED and guardian.tree.pids() == {}
    assert RESUME_VARIABLE not in guardian.reexecs[0]
    assert not (guardian.state / "HALT.json").exists() and guardian.desk.cancels == 0


def test_a_resume_of_long_ago_is_not_asked_again(start_guardian: StartGuardian, runtime: Path) -> None:
    asked_once = {RESUME_VARIABLE: Resume.text_of(by="uid 0", reason="last week"), "KEY": "stays"}
    path = Path("/a.toml")
    guardian = start_guardian(settings_path=path, check_settings=lambda: "", environment=asked_once).trading()
    assert ask(runtime, {"cmd": "renew", "settings": str(path)})["ok"]
    again = wait_until(lambda: guardian.reexecs)[0]
    assert RESUME_VARIABLE not in again and again["KEY"] == "stays"


def test_other_settings_are_refused(start_guardian: StartGuardian, runtime: Path) -> None:
    guardian = start_guardian(settings_path=Path("/a.toml"), check_settings=lambda: "").trading()
    refused = ask(runtime, {"cmd": "renew", "settings": "/b.toml"})
    assert refused == {"ok": False, "error": "the service was started with /a.toml, not with /b.toml"}
    assert guardian.status()["state"] == "trading"


def test_a_guardian_without_a_file_says_so(start_guardian: StartGuardian, runtime: Path) -> None:
    start_guardian().trading()
    refused = ask(runtime, {"cmd": "renew", "settings": "/b.toml"})
    assert not refused["ok"] and "without a settings file" in refused["error"]


def test_a_long_check_keeps_nobody_waiting_but_its_client(
    start_guardian: StartGuardian, runtime: Path
) -> None:
    free = threading.Event()

    def check() -> str:
        free.wait(30)
        return "symbols.ZZZ: no such symbol"

    guardian = start_guardian(settings_path=Path("/a.toml"), check_settings=check).trading()
    answers: list[dict[str, object]] = []
    client = threading.Thread(
        target=lambda: answers.append(ask(runtime, {"cmd": "renew", "settings": "/a.toml"})), daemon=True
    )
    client.start()
    wait_until(lambda: any(thread.name == "settings-check" for thread in threading.enumerate()))
    assert guardian.status()["state"] == "trading"
    second = ask(runtime, {"cmd": "renew", "settings": "/a.toml"})
    assert second == {
        "ok": False,
        "error": "other settings are being checked: try again when that is over",
    }
    free.set()
    client.join(30)
    assert answers == [{"ok": False, "error": "symbols.ZZZ: no such symbol", "state": "trading"}]
