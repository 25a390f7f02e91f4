"""Directories of paper sessions, their settings, and what their processes may inherit."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import toml

from kyzlo_actors.bootstrap.paper import kill_all, processes_of
from kyzlo_actors.bootstrap.paper_choice import PaperChoice
from kyzlo_actors.bootstrap.paper_places import KEPT_SESSIONS, make_places
from kyzlo_actors.bootstrap.paper_settings import child_environment, service_environment, settings_text
from kyzlo_actors.bootstrap.plugins import strategy_maker
from kyzlo_actors.bootstrap.settings import load_settings
from kyzlo_actors.cli.summary import summarize
from kyzlo_actors.domain.errors import BadInput
from kyzlo_actors.replay.chain import ChainReport
from kyzlo_actors.replay.tally import SessionTally
from kyzlo_actors.venue.scenario import load_scenario

ADDRESSES = {
    "rest": "http://127.0.0.1:5",
    "polygon_ws": "ws://127.0.0.1:5/stocks",
    "polygon_rest": "http://127.0.0.1:5",
}
SECOND = 1_000_000_000


@pytest.fixture
def short(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A temporary directory with a name that is short enough for sockets."""
    path = Path("/tmp") / f"kz{os.getpid()}"
    path.mkdir()
    yield path  # type: ignore[misc]
    import shutil

    shutil.rmtree(path)


def test_each_session_has_a_directory_of_its_own(short: Path) -> None:
    environ = {"TMPDIR": str(short)}
    one, two = make_places(environ, now_ns=SECOND), make_places(environ, now_ns=SECOND)
    assert one.run_id != two.run_id and one.home != two.home
    assert one.home.parent == short / f"kyzlo-demo-{os.getuid()}"
    assert one.home.parent.stat().st_mode & 0o777 == 0o700
    one.runtime_directory.mkdir()
    one.leave()
    one.leave()
    assert one.home.exists() and not one.runtime_directory.exists()
    two.leave()


def test_old_sessions_go_and_living_ones_stay(short: Path) -> None:
    environ = {"TMPDIR": str(short)}
    living = make_places(environ, now_ns=SECOND)
    living.runtime_directory.mkdir()
    dead = [make_places(environ, now_ns=(n + 2) * SECOND) for n in range(KEPT_SESSIONS + 2)]
    for places in dead:
        places.runtime_directory.mkdir()
        os.close(places._lock_fd)  # as after kill -9: nobody tidied up
        places._lock_fd = -1
    newest = make_places(environ, now_ns=100 * SECOND)
    kept = sorted(newest.home.parent.iterdir())
    assert len(kept) == KEPT_SESSIONS + 1
    assert newest.home in kept and living.home in kept and dead[0].home not in kept
    assert living.runtime_directory.exists()
    assert not any(places.runtime_directory.exists() for places in dead)
    living.leave()
    newest.leave()


def test_a_long_temporary_directory_is_not_used_for_sockets(tmp_path: Path) -> None:
    places = make_places({"TMPDIR": str(tmp_path / ("x" * 60))}, now_ns=SECOND)
    assert places.home.parent.parent == Path("/tmp")
    places.leave()
    import shutil

    shutil.rmtree(places.home)


def test_a_file_in_the_way_is_one_clear_line(short: Path) -> None:
    (short / f"kyzlo-demo-{os.getuid()}").write_text("")
    with pytest.raises(BadInput, match="TMPDIR"):
        make_places({"TMPDIR": str(short)}, now_ns=SECOND)


def test_the_settings_of_the_demo_are_good_settings(tmp_path: Path) -> None:
    scenario = load_scenario("demo")
    file = tmp_path / "settings.toml"
    file.write_text(
        settings_text(scenario, state_directory="/tmp/s", runtime_directory="/tmp/r", choice=PaperChoice())
    )
    environ = service_environment({}, run_id="r1", addresses=ADDRESSES, scenario=scenario)
    settings = load_settings(file, environ).settings
    assert 5 <= len(settings.symbols) <= 8
    on = [table.parameters["on"] for table in settings.symbols.values()]
    assert on.count("ticks") in (1, 2)
    notional = {
        name: float(table.quantity) * part.start_price
        for name, table in settings.symbols.items()
        if (part := scenario.symbol(name))
    }
    refused = [name for name, dollars in notional.items() if dollars > settings.risk.max_order_notional]
    assert len(refused) == 1  # people see the gate at work, on one symbol
    assert sum(notional.values()) < settings.risk_max_notional
    for name in settings.symbols:
        assert strategy_maker(settings, name)().warm_up_bars in (0, 20)
    assert settings.alpaca_base_url == ADDRESSES["rest"]


def test_nobodys_own_keys_reach_a_paper_session() -> None:
    own = {
        "APCA_API_KEY_ID": "AKREAL",
        "ALPACA_API_SECRET": "real",
        "MASSIVE_API_KEY": "real",
        "RISK_MAX_NOTIONAL": "1",
        "STATE_DIRECTORY": "/var/lib/kyzlo",
        "NOTIFY_SOCKET": "/run/x",
        "PATH": "/bin",
        "no_proxy": "example.com",
    }
    environ = service_environment(own, run_id="r1", addresses=ADDRESSES, scenario=load_scenario("demo"))
    assert "AKREAL" not in environ.values() and "real" not in environ.values()
    assert environ["PATH"] == "/bin" and environ["KYZLO_RUN_ID"] == "r1"
    assert not {"STATE_DIRECTORY", "NOTIFY_SOCKET", "RISK_MAX_NOTIONAL", "MASSIVE_API_KEY"} & set(environ)
    assert environ["no_proxy"] == "example.com,127.0.0.1,localhost"
    assert not [name for name in child_environment(own, run_id="r1") if name.startswith("A")]


def test_processes_are_found_and_ended_by_their_run_id() -> None:
    run_id = f"test-{os.getpid()}"
    program = [sys.executable, "-c", "import time; print(1, flush=True); time.sleep(60)"]
    environ = {**os.environ, "KYZLO_RUN_ID": run_id}
    with subprocess.Popen(program, env=environ, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stdout.readline()
        assert list(processes_of(run_id)) == [process.pid]
        assert kill_all(run_id, 10) == {}
        assert process.wait(10) == -9
    assert processes_of(run_id) == {}


def test_the_summary_names_what_is_missing() -> None:
    chains = ChainReport(orders=3, complete=2, denied=1, missing=("x: the signal is missing",), unheard=1)
    summary = summarize(SessionTally(), chains)
    assert summary.problems == ("x: the signal is missing",)
    assert "journal: 3 orders, 2 complete chains tick → signal → verdict → order → fill" in summary.lines[-1]
    assert "1 never read" in summary.lines[-1]


def test_settings_are_plain_toml() -> None:
    text = settings_text(
        load_scenario("demo"), state_directory="/s", runtime_directory="/r", choice=PaperChoice()
    )
    assert toml.loads(text)["paths"] == {"state_directory": "/s", "runtime_directory": "/r"}


def test_a_session_may_lose_a_hundredth_of_its_cash() -> None:
    demo = load_scenario("demo")
    rich = demo.model_copy(
        update={"account": demo.account.model_copy(update={"cash": demo.account.cash * 7})}
    )
    for scenario, limit in ((demo, 1_000), (rich, 7_000)):
        text = settings_text(scenario, state_directory="/s", runtime_directory="/r", choice=PaperChoice())
        assert toml.loads(text)["RISK_DAILY_LOSS_LIMIT"] == limit
