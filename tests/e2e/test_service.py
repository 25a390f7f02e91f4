"""KYZLO as a service of a real systemd: it starts, trades, survives, halts for good, and stops in order."""

from __future__ import annotations

import json
import signal
import stat

import pytest

from tests.e2e.service_in_box import KYZLO, LATCH, OPERATOR, SECRETS, SETTINGS, SYMBOLS, UNIT, ServiceInBox
from tests.e2e.systemd_box.box import SystemdBox

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(400)]

HALT = "/opt/kyzlo/ops/halt"
# Bars that a halted tree watches while no order may appear: several crossings of its averages.
WATCHED_BARS = 10
_TELL_RESULT = "/bin/sh -c 'echo ended: $SERVICE_RESULT $EXIT_CODE $EXIT_STATUS'"


@pytest.fixture(scope="module")
def installed(systemd_box: SystemdBox) -> ServiceInBox:
    """A box with the service and a venue; the service was never started."""
    service = ServiceInBox(systemd_box)
    service.install()
    service.start_venue()
    return service


@pytest.fixture
def service(installed: ServiceInBox) -> ServiceInBox:
    """The service, trading: whatever the test before left behind."""
    installed.renew()
    return installed


# --- start -------------------------------------------------------------------------------------------------------


def test_a_start_waits_until_it_is_ready(installed: ServiceInBox) -> None:
    assert installed.start() == 0, installed.box.journal(UNIT)
    assert installed.box.show(UNIT, "ActiveState", "StatusText", "NRestarts") == {
        "ActiveState": "active",
        "StatusText": "trading",
        "NRestarts": "0",
    }
    status = installed.ask(cmd="status")
    assert (status["state"], status["gate"], status["pid"]) == ("trading", "active", installed.main_pid)
    assert (status["state_directory"], status["runtime_directory"]) == ("/var/lib/kyzlo", "/run/kyzlo")


def test_the_tree_trades_the_venue(service: ServiceInBox) -> None:
    service.wait_for_trading()
    venue = service.venue()
    assert all(count == 1 for count in venue["posts"].values())
    assert all(order["client_order_id"].startswith("kyzlo.golden_cross.") for order in venue["orders"])


def test_every_process_is_in_the_units_cgroup(service: ServiceInBox) -> None:
    inside = set(service.box.processes(UNIT))
    assert service.processes() == inside
    actors = service.actors()
    assert {row["pid"] for row in actors.values()} < inside
    assert len({row["pid"] for row in actors.values()}) == len(actors)
    assert service.main_pid in inside


def test_no_secret_is_to_be_seen(service: ServiceInBox) -> None:
    run = service.box.run
    seen = {
        "the unit's properties": run("systemctl", "show", UNIT).stdout,
        "the manager's environment": run("systemctl", "show-environment").stdout,
        "the process list": "\n".join(service.command_lines()),
        "the journal": run("journalctl", "--no-pager", "--output=export").stdout,
        "the status": str(service.ask(cmd="status")),
    }
    assert "kyzlo run" in seen["the process list"] and '"guardian runs' in seen["the journal"]
    assert [where for where, text in seen.items() if any(secret in text for secret in SECRETS)] == []
    for secret in SECRETS:
        kept = run(
            "grep", "-rlF", "-e", secret, "/var/lib/kyzlo", "/run/kyzlo", "--devices=skip", check=False
        )
        assert (kept.returncode, kept.stdout) == (1, ""), kept
    environment = f"/proc/{service.actors()['broker']['pid']}/environ"
    assert service.as_user("nobody", "cat", environment).returncode != 0


def test_only_its_group_reaches_the_admin_socket(service: ServiceInBox) -> None:
    for name, mode in {"": 0o750, "/admin.sock": 0o660, "/private": 0o700}.items():
        assert stat.S_IMODE(service.box.path(f"/run/kyzlo{name}").stat().st_mode) == mode
    stranger = service.as_user("nobody", HALT, "--reason", "mischief")
    assert stranger.returncode == 1, stranger
    assert "NOT latched" in stranger.stderr
    assert service.state() == "trading"
    assert not service.box.path(LATCH).exists()


def test_it_makes_no_system_call_that_its_sandbox_forbids(service: ServiceInBox) -> None:
    """As shipped such a call fails with EPERM, which a library may swallow: here it kills."""
    service.drop_in("SystemCallErrorNumber=")
    service.box.run("systemctl", "restart", UNIT)
    service.wait_for_trading()
    assert [row for row in service.actors().values() if row["restarts"]] == []
    halted = service.box.run(HALT, "--reason", "test", "--wait", "30")
    assert "graceful  yes" in halted.stdout
    service.box.run("systemctl", "stop", UNIT)
    assert_stopped(service)


# --- crashes -----------------------------------------------------------------------------------------------------


def test_a_killed_symbol_actor_trades_again(service: ServiceInBox) -> None:
    victim, other = (f"symbol-{symbol}" for symbol in SYMBOLS)
    before, main = service.actors(), service.main_pid
    service.box.run("kill", "-9", str(before[victim]["pid"]))

    def is_back() -> bool:
        row = service.actors()[victim]
        return bool(row["ready"]) and row["pid"] not in (0, before[victim]["pid"])

    service.wait("a new actor is ready", is_back)
    service.wait_for_fill(SYMBOLS[0])
    after = service.actors()
    assert after[victim]["restarts"] == before[victim]["restarts"] + 1
    assert after[other]["pid"] == before[other]["pid"]
    assert service.main_pid == main
    assert after[victim]["pid"] in service.box.processes(UNIT)


def test_a_killed_main_process_is_restarted_with_a_new_tree(service: ServiceInBox) -> None:
    old, restarts, main = service.processes(), int(service.show("NRestarts")), service.main_pid
    assert main in old
    service.box.run("kill", "-9", str(main))
    service.wait("a new main process", lambda: service.main_pid not in (0, main))
    service.wait("it is ready", lambda: service.show("ActiveState") == "active")
    assert service.processes() & old == set()
    assert service.processes() == set(service.box.processes(UNIT))
    assert int(service.show("NRestarts")) == restarts + 1
    service.wait_for_trading()
    assert all(count == 1 for count in service.venue()["posts"].values())


def test_a_main_process_that_hangs_is_killed_by_the_watchdog(service: ServiceInBox) -> None:
    service.drop_in("WatchdogSec=3", "RestartSec=100ms", f"ExecStopPost={_TELL_RESULT}")
    service.box.run("systemctl", "restart", UNIT)
    service.wait("it trades", lambda: service.state() == "trading")
    old, main = service.processes(), service.main_pid
    service.box.run("kill", f"-{signal.SIGSTOP.value}", str(main))
    service.wait("a new main process", lambda: service.main_pid not in (0, main))
    service.wait("it trades", lambda: service.state() == "trading")
    assert service.processes() & old == set()
    assert "ended: watchdog killed ABRT" in service.box.journal(UNIT)
    service.wait_for_trading()


# --- halt --------------------------------------------------------------------------------------------------------


def test_halted_stays_halted_until_somebody_resumes(service: ServiceInBox) -> None:
    service.wait_for_trading()
    service.venue(hold_fills=True)
    service.wait("an order is open", lambda: service.venue()["open_orders"] > 0)
    halted = service.box.run(HALT, "--reason", "the end of the day", "--wait", "30")
    for words in (
        "HALT CERTIFICATE",
        "PROVEN: nothing is open",
        "by uid 0",
        "the end of the day",
        ": canceled",
    ):
        assert words in halted.stdout, halted.stdout + halted.stderr
    service.venue(hold_fills=False)
    assert service.state() == "halted"
    assert service.show("ActiveState") == "active", "the guardian stays and answers"
    assert service.box.processes(UNIT) == [service.main_pid], "the tree is gone"
    assert service.venue()["open_orders"] == 0
    posts = service.venue()["posts"]

    service.box.run("systemctl", "stop", UNIT)
    assert_stopped(service)
    assert service.start() == 0, service.box.journal(UNIT)
    status = service.ask(cmd="status")
    assert (status["state"], status["gate"]) == ("shut", "halted")
    assert status["latch"]["reason"] == "the end of the day"
    assert "shut: the end of the day" in service.show("StatusText")

    def bars() -> int:
        rows = service.actors()
        return min(int(rows[f"symbol-{symbol}"]["bar_count"]) for symbol in SYMBOLS)

    first = bars()
    service.wait("its actors see bars", lambda: bars() >= first + WATCHED_BARS)
    assert service.venue()["posts"] == posts, "an order reached the venue while it was halted"

    resumed = service.box.run(KYZLO, "resume", "--reason", "a new day")
    assert resumed.stdout.splitlines()[-1] == "trading"
    assert not service.box.path(LATCH).exists()
    service.wait_for_trading()


def test_an_operator_halts_and_root_resumes_in_place(service: ServiceInBox) -> None:
    """The guardian becomes a new process image then: same pid to systemd, and its secrets are still there."""
    main, restarts = service.main_pid, service.show("NRestarts")
    halted = service.as_user(OPERATOR, HALT, "--reason", "by hand", "--wait", "30")
    assert halted.returncode == 0, halted.stdout + halted.stderr
    uid = service.box.run("id", "-u", OPERATOR).stdout.strip()
    assert f"by uid {uid} " in halted.stdout and "PROVEN" in halted.stdout
    service.box.run(KYZLO, "resume", "--reason", "it was a drill")
    assert (service.main_pid, service.show("NRestarts")) == (main, restarts)
    assert service.show("ActiveState") == "active"
    service.wait_for_trading()
    assert service.processes() == set(service.box.processes(UNIT))


def test_kyzlo_halt_by_root_says_why_for_ever(service: ServiceInBox) -> None:
    """Root's latch lies in the service's directory: the guardian must be able to read it, now and after a start."""
    halted = service.box.run(KYZLO, "halt", "--reason", "from the command line", "--wait", "30")
    assert "PROVEN" in halted.stdout and "from the command line" in halted.stdout
    service.box.run("systemctl", "restart", UNIT)
    latch = service.ask(cmd="status")["latch"]
    assert (latch["by"], latch["reason"]) == ("uid 0 (kyzlo halt)", "from the command line")
    told = service.box.run(KYZLO, "status", check=False)
    assert told.returncode == 3 and "from the command line" in told.stdout


# --- symbols -----------------------------------------------------------------------------------------------------


def test_a_symbol_goes_and_comes_in_place(service: ServiceInBox) -> None:
    """Its sandbox lets the guardian check the changed file and start anew; the keys are where only it sees them."""
    moved = SYMBOLS[1]
    main, restarts = service.main_pid, service.show("NRestarts")
    before = service.box.path(SETTINGS).stat()
    named = ("--settings", SETTINGS)
    service.box.run(KYZLO, "symbols", "pause", moved, "--reason", "it moves", *named)

    def is_flat() -> bool:
        found = json.loads(service.box.run(KYZLO, "positions", *named, "--json").stdout)["positions"]
        orders = json.loads(service.box.run(KYZLO, "orders", "--symbol", moved, *named, "--json").stdout)
        return not orders["orders"] and all(row["qty"] == "0" for row in found if row["symbol"] == moved)

    service.wait("it is flat", is_flat)
    gone = service.box.run(KYZLO, "symbols", "remove", moved, *named)
    assert gone.stdout.splitlines()[-1] == f"{moved}: not running"
    assert f"symbol-{moved}" not in service.actors()
    as_before = ("--quantity", "3", "--max-position", "3", "--bar-seconds", "1")
    fast = ("--param", "fast=2", "--param", "slow=4")
    come = service.box.run(
        KYZLO, "symbols", "add", moved, "--strategy", "golden_cross", *as_before, *fast, *named
    )
    assert come.stdout.splitlines()[-1] == f"{moved}: trading"
    service.wait_for_fill(moved)
    assert (service.main_pid, service.show("NRestarts")) == (main, restarts)
    assert service.show("ActiveState") == "active"
    after = service.box.path(SETTINGS).stat()
    assert (after.st_mode, after.st_uid, after.st_gid) == (before.st_mode, before.st_uid, before.st_gid)
    assert all(count == 1 for count in service.venue()["posts"].values())


# --- stop, and starts that cannot be -----------------------------------------------------------------------------


def test_a_stop_is_orderly_and_halts_nobody(service: ServiceInBox) -> None:
    service.box.run("systemctl", "stop", UNIT)
    assert_stopped(service)
    assert not service.box.path(LATCH).exists()
    assert service.venue()["open_orders"] == 0
    assert service.start() == 0
    assert service.state() == "trading"


def test_bad_settings_are_one_line_and_not_tried_again(service: ServiceInBox) -> None:
    service.box.run("systemctl", "stop", UNIT)
    service.write_settings(limit=-1)
    service.drop_in("RestartSec=100ms")
    service.box.run("journalctl", "--rotate")
    service.box.run("journalctl", "--vacuum-time=1s")
    assert service.start() != 0
    service.wait("it failed", lambda: service.show("ActiveState") == "failed")
    assert service.box.show(UNIT, "NRestarts", "ExecMainStatus", "Result") == {
        "NRestarts": "0",
        "ExecMainStatus": "2",
        "Result": "exit-code",
    }
    told = [line for line in service.box.journal(UNIT).splitlines() if line.startswith("kyzlo: ")]
    assert len(told) == 1, told
    assert "RISK_DAILY_LOSS_LIMIT" in told[0] and "-1" in told[0] and "above 0" in told[0]


def assert_stopped(service: ServiceInBox) -> None:
    """It ended well, and nothing of it is left."""
    ended = service.box.show(UNIT, "ActiveState", "Result", "ExecMainStatus")
    assert ended == {"ActiveState": "inactive", "Result": "success", "ExecMainStatus": "0"}
    assert service.box.processes(UNIT) == []
    assert service.processes() == set()
    assert not service.box.path("/run/kyzlo").exists()
