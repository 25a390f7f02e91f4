"""Start one instance: check everything that can be checked, claim the directories, hand over to the guardian."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from kyzlo_actors.actors.layout import Layout
from kyzlo_actors.bootstrap.environment import RUN_ID_VARIABLE
from kyzlo_actors.bootstrap.instance import ACCOUNT_NAME, claim_instance
from kyzlo_actors.bootstrap.plugins import check_strategies
from kyzlo_actors.bootstrap.preflight import check_account, check_market_data_key, check_symbols
from kyzlo_actors.bootstrap.renewal import Running, settings_checker
from kyzlo_actors.bootstrap.setting_names import TOP_LEVEL_NAMES
from kyzlo_actors.bootstrap.settings import LoadedSettings
from kyzlo_actors.bootstrap.settings_model import Settings
from kyzlo_actors.bootstrap.venue_check import check_venue
from kyzlo_actors.bootstrap.wiring import build_registry, open_desk, open_history
from kyzlo_actors.domain.errors import BadInput, Recoverable
from kyzlo_actors.domain.values import NS_PER_SECOND
from kyzlo_actors.guardian.main import run_guardian
from kyzlo_actors.guardian.options import GuardianOptions
from kyzlo_actors.guardian.proof import HaltSettings
from kyzlo_actors.infrastructure import logs
from kyzlo_actors.infrastructure.allocator import keep_memory_small
from kyzlo_actors.infrastructure.clock import SystemClock

PREFLIGHT_RETRY_SECONDS: Final = 3.0


def run_instance(loaded: LoadedSettings, *, live: bool, environ: Mapping[str, str]) -> int:
    """Run until the guardian ends; its exit code.

    Raises: BadInput: settings, keys, symbols, account or directories do not fit. Recoverable: the broker does not
    answer. Fatal: the tree does not start.
    """
    keep_memory_small()
    settings = loaded.settings
    check_venue(settings, live=live)
    check_strategies(settings, settings_file=loaded.path)
    logs.configure("guardian", level=settings.logs.level, secrets=settings.secrets)
    is_first_start = not (settings.paths.state_directory / ACCOUNT_NAME).exists()
    account = _preflight(settings, is_first_start=is_first_start)
    _preflight_market_data(settings, is_first_start=is_first_start)
    run_id = environ.get(RUN_ID_VARIABLE) or f"run-{SystemClock().now_ns():x}"
    registry = build_registry(settings, account=account, run_id=run_id, live=live)
    with claim_instance(
        settings.paths.state_directory, account, live, runtime_directory=settings.paths.runtime_directory
    ):
        _make_directories(registry.layout)
        # A re-exec (resume) needs them again; nothing else that this process starts may see them.
        environment = dict(environ)
        for name, about in TOP_LEVEL_NAMES.items():
            if about.secret:
                for each in (name, *about.others):
                    os.environ.pop(each, None)
        running = Running.of(loaded, live=live, account=account)
        options = GuardianOptions(
            halt=_halt_settings(settings),
            environment=environment,
            settings_path=Path(running.settings_path),
            live=live,
            check_settings=settings_checker(running, environment),
        )
        return run_guardian(registry, options)


def _preflight(settings: Settings, *, is_first_start: bool) -> str:
    """The account number. A broker that does not answer is asked again for a while: a service that comes up at night
    must not use up systemd's few starts on an outage of a minute."""
    clock = SystemClock()
    until_ns = clock.monotonic_ns() + round(settings.broker.start_wait_seconds * NS_PER_SECOND)
    desk = open_desk(settings)
    try:
        while True:
            try:
                account = check_account(desk, settings)
                check_symbols(desk, settings, is_first_start=is_first_start)
                return account.account_number
            except Recoverable as error:
                if clock.monotonic_ns() >= until_ns:
                    raise
                logging.getLogger("kyzlo").warning("%s; asked again until it does", error)
                time.sleep(PREFLIGHT_RETRY_SECONDS)
    finally:
        desk.close()


def _preflight_market_data(settings: Settings, *, is_first_start: bool) -> None:
    """A refused key ends a first start; a later one may have orders and positions to look after, and goes on."""
    history = open_history(settings)
    try:
        check_market_data_key(history, settings, SystemClock().now_ns())
    except BadInput as problem:
        if is_first_start:
            raise
        logging.getLogger("kyzlo").critical("%s; without market data there are no entries", problem)
    finally:
        history.close()


def _make_directories(layout: Layout) -> None:
    journals = [layout.journal(name) for name in layout.actors]
    parents = {journal.parent for journal in journals}  # first: mkdir gives its mode to the last part only
    directories: list[Path] = [*parents, *journals, layout.snapshots, layout.archive, layout.certificates]
    for directory in directories:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)


def _halt_settings(settings: Settings) -> HaltSettings:
    halt = settings.halt
    return HaltSettings(
        # KillSwitchActor has the settings' time; a second more for its report to get here.
        graceful_ns=round((halt.graceful_seconds + 1) * NS_PER_SECOND),
        clean_reads=halt.clean_reads,
        clean_read_interval_ns=round(halt.clean_read_interval_seconds * NS_PER_SECOND),
    )
