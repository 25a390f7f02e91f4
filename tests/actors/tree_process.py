"""A whole tree with its venue, in processes of their own and in a short-lived directory; nothing is left behind."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

import httpx
import orjson

from kyzlo_actors.actors.recovery import Core
from kyzlo_actors.actors.registry import Registry
from kyzlo_actors.actors.wire import codec
from kyzlo_actors.bootstrap.settings import load_settings
from kyzlo_actors.bootstrap.wiring import build_registry
from kyzlo_actors.domain.execution_core import ExecutionCore
from kyzlo_actors.domain.risk_core import RiskCore
from kyzlo_actors.domain.symbol_core import SymbolCore
from kyzlo_actors.infrastructure.journal_reader import read_journal
from kyzlo_actors.infrastructure.mailbox.board import Board, BoardRow
from tests.actors.stand_in import ACCOUNT

REPOSITORY = Path(__file__).parents[2]
WAIT_SECONDS = 45.0
VENUE_PROGRAM = """
import ctypes, sys
from pathlib import Path
ctypes.CDLL(None).prctl(1, 9)
from kyzlo_actors.venue.options import VenueOptions
from kyzlo_actors.venue.server import run
run(VenueOptions(scenario=Path(sys.argv[1])))
"""
T = TypeVar("T")
SymbolTables = Mapping[str, Mapping[str, Any]]


def scenario(symbols: Iterable[str], /, **changes: Any) -> dict[str, Any]:
    """A market that moves gently around 100 and is always open."""
    return {
        "name": "tree",
        "account": {"account_number": ACCOUNT, "cash": "1000000"},
        "keys": {"alpaca_key": "TREEKEY1", "alpaca_secret": "tree-secret-1", "polygon_key": "tree-polygon-1"},
        "calendar": {"mode": "always"},
        "latency": {"route_ms": 5, "cancel_ms": 10},
        "rate_limit_per_minute": 1_000_000,
        "symbols": [
            {
                "symbol": symbol,
                "name": symbol,
                "exchange": "NASDAQ",
                "tape": 3,
                "start_price": 100,
                "ticks_per_second": 10,
                "volatility": 0.001,
            }
            for symbol in symbols
        ],
        **changes,
    }


class RunningTree:
    """Started at once, ready when every actor says so. `symbols` holds parameters of `Metronome` for each symbol.

    `sections` are lines of settings.toml by section name; `feed_url` replaces the venue's market data.
    """

    def __init__(
        self,
        symbols: SymbolTables,
        *,
        sections: Mapping[str, Mapping[str, Any]] | None = None,
        market: Mapping[str, Any] | None = None,
        feed_url: str | None = None,
    ) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="kz", dir="/tmp"))
        self.symbols = tuple(sorted(symbols))
        self._processes: list[subprocess.Popen[bytes]] = []
        try:
            self._start(symbols, sections or {}, dict(market or {}), feed_url)
        except BaseException:
            self.stop()
            raise

    # --- looking -------------------------------------------------------------------------------------------------

    def board(self) -> dict[str, BoardRow]:
        """Every actor's row."""
        return {row.name: row for row in self._board.snapshot()}

    def pid(self, actor: str) -> int:
        """The pid on the actor's row."""
        return self.board()[actor].pid

    def report(self) -> dict[str, Any]:
        """What the stand-in saw last: pings `answered`, living `pids` (Admin and logger among them)."""
        path = self.directory / "report.json"
        report: dict[str, Any] = (
            orjson.loads(path.read_bytes()) if path.exists() else {"answered": 0, "pids": {}}
        )
        return report

    def all_pids(self) -> dict[str, int]:
        """Every living process of the tree, by what is known now."""
        pids = {**self.report()["pids"], **{name: row.pid for name, row in self.board().items() if row.pid}}
        return {name: pid for name, pid in pids.items() if is_alive(pid)}

    def venue_state(self) -> dict[str, Any]:
        """The venue's own truth."""
        state: dict[str, Any] = self._http.get("/_ctl").raise_for_status().json()
        return state

    def ctl(self, **commands: Any) -> None:
        """Have the venue make trouble."""
        self._http.post("/_ctl", json=commands).raise_for_status()

    def venue_orders(self, symbol: str) -> list[dict[str, Any]]:
        """All orders of one symbol at the venue."""
        return [order for order in self.venue_state()["orders"] if order["symbol"] == symbol]

    def filled(self, symbol: str) -> int:
        """How many orders of the symbol were filled."""
        return sum(order["status"] == "filled" for order in self.venue_orders(symbol))

    def venue_position(self, symbol: str) -> Decimal:
        """Signed shares at the venue."""
        held = [p for p in self.venue_state()["positions"] if p and p["symbol"] == symbol]
        return Decimal(held[0]["qty"]) if held else Decimal(0)

    def journal(self, actor: str) -> list[dict[str, Any]]:
        """Every entry there is, in order; `seq` added."""
        directory = self.registry.layout.journal(actor)
        if not directory.is_dir():
            return []
        return [{"seq": record.seq, **orjson.loads(record.body)} for record in read_journal(directory)]

    def inputs(self, actor: str, kind: str) -> list[dict[str, Any]]:
        """Inputs of one type; for messages out of the mailbox: of that message type."""
        found = []
        for entry in self.journal(actor):
            event = entry.get("input", {})
            if event.get("type") == "Received" and event["message"]["type"] == kind:
                found.append(event["message"])
            elif event.get("type") == kind:
                found.append(event)
        return found

    def decided(self, actor: str, kind: str) -> list[dict[str, Any]]:
        """Effects of one type; for sent and recorded messages: of that message type."""
        found = []
        for entry in self.journal(actor):
            for effect in entry.get("decision", ()):
                message = effect.get("message")
                if message is not None and message["type"] == kind:
                    found.append(message)
                elif effect["type"] == kind:
                    found.append(effect)
        return found

    def log(self) -> str:
        """What the tree wrote to its standard error."""
        return (self.directory / "tree.log").read_text(errors="replace")

    def rebuilt(self, actor: str) -> Any:
        """The state of an actor's core as snapshot and journal tell it now."""
        core = self._core(actor)
        first = 1
        snapshot = self.registry.layout.snapshots / f"{actor}.json"
        if snapshot.exists():
            body = orjson.loads(snapshot.read_bytes())
            core.state = codec().from_dict(body["state"])  # type: ignore[misc]
            if isinstance(core, SymbolCore):
                core.strategy.load(body["extra"]["strategy"])
            first = body["sequence"] + 1
        entries = [entry for entry in self.journal(actor) if entry["seq"] >= first]
        skipped = {entry["skipped"] for entry in entries if "skipped" in entry}
        for entry in entries:
            if "input" in entry and entry["seq"] not in skipped:
                core.handle(codec().from_dict(entry["input"]))
        return core.state

    def positions(self, symbol: str) -> tuple[Decimal, Decimal, Decimal, Decimal]:
        """Shares of one symbol as the symbol, risk, the broker actor and the venue believe."""
        risk = self.rebuilt("risk").book.positions.get(symbol)
        book = self.rebuilt("broker").positions.get(symbol)
        return (
            self.rebuilt(f"symbol-{symbol}").position.qty,
            risk.qty if risk is not None else Decimal(0),
            book.qty if book is not None else Decimal(0),
            self.venue_position(symbol),
        )

    # --- acting --------------------------------------------------------------------------------------------------

    def note(self, symbol: str, name: str, text: str = "") -> None:
        """Leave the symbol's strategy a note (see `Metronome`)."""
        path = self._notes(symbol) / name
        draft = path.with_suffix(".draft")
        draft.write_text(text)
        draft.replace(path)

    def forget(self, symbol: str, name: str) -> None:
        """Take the note back."""
        (self._notes(symbol) / name).unlink(missing_ok=True)

    def kill(self, actor: str) -> int:
        """SIGKILL one actor; its pid."""
        pid = self.pid(actor)
        os.kill(pid, signal.SIGKILL)
        return pid

    def kill_guardian(self) -> None:
        """SIGKILL the stand-in guardian."""
        self._guardian.kill()
        self._guardian.wait()

    def quiet(self) -> None:
        """Stop the strategies and wait until no order is under way anywhere."""
        for symbol in self.symbols:
            self.note(symbol, "quiet")
        wait_until("nothing is under way", self._is_quiet, tree=self)

    def resume(self) -> None:
        """Let the strategies trade again."""
        for symbol in self.symbols:
            self.forget(symbol, "quiet")

    def settle(self) -> None:
        """Wait in a quiet moment until everybody agrees on every position."""
        self.quiet()
        for symbol in self.symbols:
            wait_until(f"all agree on {symbol}", lambda: self._agree(symbol), tree=self)  # noqa: B023
        self.resume()

    def wait_fills(self, symbol: str, more: int = 2) -> None:
        """Wait until the symbol has traded `more` times from now on."""
        goal = self.filled(symbol) + more
        wait_until(f"{symbol} trades", lambda: self.filled(symbol) >= goal, tree=self)

    def wait_all_ready(self) -> None:
        """Wait until every actor has a living process that says it is ready."""
        wait_until("every actor is ready", self._is_ready, tree=self, timeout_seconds=WAIT_SECONDS)

    def wait_restarted(self, actor: str, old_pid: int) -> None:
        """Wait for a ready replacement of an actor that had `old_pid`."""

        def is_back() -> bool:
            row = self.board()[actor]
            return row.pid not in (0, old_pid) and is_alive(row.pid) and row.ready == 1

        wait_until(f"{actor} is back", is_back, tree=self)

    def assert_posted_once(self) -> None:
        """No order id ever went out twice."""
        twice = {order_id: count for order_id, count in self.venue_state()["posts"].items() if count != 1}
        assert not twice

    def stop(self) -> None:
        """End everything by the pids that were recorded and remove the directory."""
        for process in reversed(self._processes):
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(10)
        self._end_leftovers()
        if os.environ.get("KEEP_TREE") != "1":
            shutil.rmtree(self.directory, ignore_errors=True)

    # --- inside --------------------------------------------------------------------------------------------------

    def _start(
        self,
        symbols: SymbolTables,
        sections: Mapping[str, Mapping[str, Any]],
        market: dict[str, Any],
        feed_url: str | None,
    ) -> None:
        for name in ("state", "r"):
            (self.directory / name).mkdir(mode=0o700)
        for symbol in symbols:
            self._notes(symbol).mkdir(parents=True)
        (self.directory / "scenario.json").write_bytes(orjson.dumps(scenario(symbols, **market)))
        venue = self._spawn("venue", "-c", VENUE_PROGRAM, str(self.directory / "scenario.json"))
        ready = orjson.loads(
            wait_until("the venue is ready", lambda: first_line(self.directory / "venue.out"))
        )
        assert venue.poll() is None
        self._http = httpx.Client(base_url=ready["rest"], timeout=20)
        self.venue_port = int(ready["port"])
        (self.directory / "settings.toml").write_text(settings_text(symbols, sections, self._notes))
        environment = {
            **os.environ,
            "ALPACA_API_KEY": "TREEKEY1",
            "ALPACA_API_SECRET": "tree-secret-1",
            "ALPACA_BASE_URL": ready["rest"],
            "POLYGON_API_KEY": "tree-polygon-1",
            "POLYGON_WEBSOCKET_URL": feed_url or ready["polygon_ws"],
            "POLYGON_BASE_URL": ready["rest"] if feed_url is None else "http" + feed_url.removeprefix("ws"),
            "RISK_DAILY_LOSS_LIMIT": "100000",
            "RISK_MAX_NOTIONAL": "500000",
            "STATE_DIRECTORY": str(self.directory / "state"),
            "RUNTIME_DIRECTORY": str(self.directory / "r"),
            "PYTHONPATH": str(REPOSITORY),
        }
        settings = load_settings(self.directory / "settings.toml", environment).settings
        self.registry: Registry = build_registry(settings, account=ACCOUNT, run_id="test", live=False)
        program = str(Path(__file__).with_name("stand_in.py"))
        self._guardian = self._spawn("tree", program, str(self.directory), environment=environment)
        layout = self.registry.layout
        wait_until("the board is there", lambda: (self.directory / "report.json").exists(), log=self.log)
        self._board = Board.open(layout.board, layout.actors)
        self.wait_all_ready()

    def _spawn(self, name: str, *command: str, environment: Mapping[str, str] | None = None) -> Any:
        with (
            open(self.directory / f"{name}.out", "wb") as out,
            open(self.directory / f"{name}.log", "wb") as err,
        ):
            process = subprocess.Popen(
                [sys.executable, *command],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                cwd=REPOSITORY,
                env=dict(environment or os.environ),
            )
        self._processes.append(process)
        return process

    def _notes(self, symbol: str) -> Path:
        return self.directory / "notes" / symbol

    def _is_ready(self) -> bool:
        return all(row.ready == 1 and is_alive(row.pid) for row in self.board().values())

    def _agree(self, symbol: str) -> bool:
        first, *others = self.positions(symbol)
        shown = self.board()[f"symbol-{symbol}"].position
        return all(other == first for other in others) and shown == float(first)

    def _is_quiet(self) -> bool:
        if self.venue_state()["open_orders"]:
            return False
        over = {
            order_id for order_id, order in self.rebuilt("broker").orders.items() if order.status.is_terminal
        }
        return all(self._open_proposals(symbol) <= over for symbol in self.symbols)

    def _open_proposals(self, symbol: str) -> set[str]:
        """Orders that the symbol's present life has proposed and nobody has denied.

        One that was lost with a dead actor's mailbox is over once the broker actor's snapshot does not know it.
        """
        proposed: set[str] = set()
        for entry in self.journal(f"symbol-{symbol}"):
            event = entry.get("input", {})
            if event.get("type") == "Started":
                proposed.clear()
            messages = [
                event.get("message"),
                *(effect.get("message") for effect in entry.get("decision", ())),
            ]
            for message in filter(None, messages):
                if message["type"] == "ProposeOrder":
                    proposed.add(message["ticket"]["client_order_id"])
                elif message["type"] == "OrderDenied":
                    proposed.discard(message["client_order_id"])
                elif message["type"] == "PositionSnapshot":
                    proposed &= {order["ticket"]["client_order_id"] for order in message["orders"]}
        return proposed

    def _core(self, actor: str) -> Core:
        if actor == "risk":
            return RiskCore(self.registry.risk_limits)
        if actor == "broker":
            return ExecutionCore(self.registry.execution)
        plan = self.registry.symbols[actor.removeprefix("symbol-")]
        return SymbolCore(plan.settings, Replayed(plan.make_strategy()))

    def _end_leftovers(self) -> None:
        if not hasattr(self, "_board"):
            return
        end = time.monotonic() + 5
        while (left := self.all_pids()) and time.monotonic() < end:
            for pid in left.values():
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.05)


class Replayed:
    """A strategy that learns but neither signals nor meets trouble: the notes are for the one in the tree."""

    def __init__(self, strategy: Any) -> None:
        strategy._notes = None
        self._strategy = strategy

    def on_tick(self, context: Any, tick: Any) -> None:
        self._strategy.on_tick(context, tick)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._strategy, name)


def settings_text(
    symbols: SymbolTables, sections: Mapping[str, Mapping[str, Any]], notes: Callable[[str], Path]
) -> str:
    """settings.toml with limits that are in nobody's way."""
    tables: dict[str, dict[str, Any]] = {
        "risk": {"max_orders_per_minute": 100_000, "duplicate_window_seconds": 0.001},
        "broker": {"requests_per_minute": 100_000, "reconcile_seconds": 2},
        # A shared machine may hold anybody up for a second: only a real hang is silent for six.
        "supervision": {"beat_seconds": 1, "hang_beats": 6, "max_restarts": 8},
    }
    for name, values in sections.items():
        tables[name] = {**tables.get(name, {}), **values}
    lines: list[str] = []
    for name, values in tables.items():
        lines += [f"[{name}]", *(f"{key} = {orjson.dumps(value).decode()}" for key, value in values.items())]
    for symbol, parameters in symbols.items():
        lines += [
            f"[symbols.{symbol}]",
            'strategy = "tests.fakes.strategies:Metronome"',
            "quantity = 3",
            "max_position = 20",
            "bar_seconds = 1",
            f"[symbols.{symbol}.parameters]",
            f'trouble = "{notes(symbol)}"',
            *(f"{key} = {orjson.dumps(value).decode()}" for key, value in parameters.items()),
        ]
    return "\n".join(lines) + "\n"


def wait_until(
    what: str,
    condition: Callable[[], T],
    *,
    timeout_seconds: float = WAIT_SECONDS,
    tree: RunningTree | None = None,
    log: Callable[[], str] | None = None,
) -> T:
    """The first truthy answer. The bound is for a machine that does not get on, not for the speed of the tree."""
    end = time.monotonic() + timeout_seconds
    while time.monotonic() < end:
        answer = condition()
        if answer:
            return answer
        time.sleep(0.1)
    told = log or (tree.log if tree is not None else None)
    lines = told().splitlines()[-40:] if told is not None else []
    rows = [repr(row) for row in tree.board().values()] if tree is not None else []
    raise AssertionError("\n".join([f"waited {timeout_seconds} s in vain: {what}", *rows, *lines]))


def first_line(path: Path) -> bytes:
    """The first line of a file once it is complete."""
    head, newline, _ = path.read_bytes().partition(b"\n")
    return head if newline else b""


def is_alive(pid: int) -> bool:
    """Whether the process runs (a zombie does not)."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return False
    return state not in ("Z", "X")
