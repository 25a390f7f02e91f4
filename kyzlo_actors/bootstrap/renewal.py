"""May a running service start anew with what its settings file says now? Asked before its tree is ended for that.

The check runs in a process of its own: it imports the strategies as the new start will, not as the running one did,
and a plug-in that hangs or dies harms nobody. Bound: 45 s.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from kyzlo_actors.actors.book_of_record import read_book
from kyzlo_actors.actors.layout import Layout
from kyzlo_actors.bootstrap.plugins import check_strategies
from kyzlo_actors.bootstrap.preflight import (
    check_account,
    check_market_data_key,
    read_assets,
    suspended_symbols,
    symbol_problems,
)
from kyzlo_actors.bootstrap.problems import raise_problems
from kyzlo_actors.bootstrap.settings import LoadedSettings, load_settings
from kyzlo_actors.bootstrap.settings_model import Settings
from kyzlo_actors.bootstrap.symbol_leftovers import leftovers
from kyzlo_actors.bootstrap.venue_check import check_venue
from kyzlo_actors.bootstrap.wiring import layout_of, open_desk, open_history
from kyzlo_actors.domain.errors import BadInput, KyzloError
from kyzlo_actors.infrastructure.clock import SystemClock

CHECK_SECONDS: Final = 45.0
_MOST_CHARS: Final = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """What runs now: the file it was started with, paper or live, its account, places and symbols."""

    settings_path: str
    live: bool
    account: str
    state_directory: str
    runtime_directory: str
    symbols: tuple[str, ...]

    @classmethod
    def of(cls, loaded: LoadedSettings, *, live: bool, account: str) -> Running:
        """The instance that these settings make."""
        layout = layout_of(loaded.settings)
        return cls(
            settings_path=str(loaded.path.absolute()),
            live=live,
            account=account,
            state_directory=str(layout.state_directory),
            runtime_directory=str(layout.runtime_directory),
            symbols=layout.symbols,
        )


def settings_checker(running: Running, environment: Mapping[str, str]) -> Callable[[], str]:
    """A function that says why the file cannot be taken as it is now, "" when it can; it blocks for `CHECK_SECONDS`
    at most.

    `environment` has the keys, which the running service no longer has in its own.
    """

    def check() -> str:
        # -P: the present directory is not where its modules come from.
        command = (sys.executable, "-P", "-m", "kyzlo_actors.bootstrap.renewal")
        try:
            done = subprocess.run(
                command,
                input=json.dumps(asdict(running)),
                env=dict(environment),
                capture_output=True,
                text=True,
                timeout=CHECK_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return f"the settings could not be checked within {CHECK_SECONDS:.0f} s"
        except OSError as error:
            return f"the settings could not be checked: {error.strerror}"
        if done.returncode == 0:
            return ""
        said = "; ".join(line for line in done.stdout.splitlines() if line)
        return said[:_MOST_CHARS] or f"the check of the settings ended with exit code {done.returncode}"

    return check


def check_renewal(running: Running, environ: Mapping[str, str]) -> None:
    """Everything that would keep the new start from trading, and everything that it would leave alone.

    Raises: BadInput: the file cannot be used, names another account or other places, or drops a symbol that still has
    something at the broker. Recoverable: the broker or the book of record cannot be asked now.
    """
    loaded = load_settings(Path(running.settings_path), environ)
    settings = loaded.settings
    check_venue(settings, live=running.live)
    check_strategies(settings, settings_file=loaded.path)
    layout = layout_of(settings)
    for name, now in (
        ("state_directory", layout.state_directory),
        ("runtime_directory", layout.runtime_directory),
    ):
        if str(now) != getattr(running, name):
            cure = f"the running service uses {getattr(running, name)}: stop it to move it"
            raise BadInput(f"paths.{name}", str(now), cure)
    _check_dropped(running, layout)
    _check_vendors(running, settings)


def _check_dropped(running: Running, layout: Layout) -> None:
    dropped = sorted(set(running.symbols) - set(layout.symbols))
    book = read_book(layout) if dropped else None
    for symbol in dropped:
        if left := leftovers(book, symbol):
            cure = f"it still has {', '.join(left)}: pause it, close that, then remove it"
            raise BadInput(f"symbols.{symbol}", symbol, cure)


def _check_vendors(running: Running, settings: Settings) -> None:
    with closing(open_desk(settings)) as desk:
        account = check_account(desk, settings)
        if account.account_number != running.account:
            cure = f"these are the keys of account {account.account_number}, the service trades {running.account}"
            raise BadInput("ALPACA_API_KEY", "the key", cure)
        assets = read_assets(desk, settings.symbols)
        # One that is traded already may be suspended for a while; one that comes must be tradable.
        added = {name: asset for name, asset in assets.items() if name not in running.symbols}
        raise_problems([*symbol_problems(settings, assets), *suspended_symbols(added)])
    with closing(open_history(settings)) as history:
        check_market_data_key(history, settings, SystemClock().now_ns())


def main() -> int:
    """The process of its own: what runs comes on standard input, problems go to standard output, one a line."""
    about = json.loads(sys.stdin.read())
    running = Running(**{**about, "symbols": tuple(about["symbols"])})
    try:
        check_renewal(running, os.environ)
    except PermissionError as error:
        sys.stdout.write(f"{error.filename} may not be read\n")
        return 1
    except KyzloError as problem:
        sys.stdout.write(f"{problem}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
