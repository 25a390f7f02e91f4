"""The script of `kyzlo paper --demo`: trade, lose an actor, get it back, halt with proof, leave nothing behind."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from typing import Any, Final

from kyzlo_actors.bootstrap.paper import PaperSession, processes_of
from kyzlo_actors.cli.admin_client import ask_guardian
from kyzlo_actors.cli.paper_loop import PaperLoop, SessionFailed
from kyzlo_actors.cli.session_view import Fill, LifeView, SymbolLine
from kyzlo_actors.cli.stage import Stage
from kyzlo_actors.cli.summary import summary_of
from kyzlo_actors.domain.errors import Recoverable
from kyzlo_actors.domain.values import TradingState
from kyzlo_actors.guardian.certificate import certificate_text
from kyzlo_actors.guardian.certificate_store import CertificateStore
from kyzlo_actors.infrastructure.clock import SystemClock
from kyzlo_actors.infrastructure.halt_latch import HaltLatch

FIRST_FILL_SECONDS: Final = 90.0
ENOUGH_FILLS: Final = 3
PATIENCE_SECONDS: Final = 10.0
VICTIM_SECONDS: Final = 30.0
RETURN_SECONDS: Final = 60.0
CERTIFICATE_SECONDS: Final = 30.0
NOTHING_LEFT_SECONDS: Final = 10.0


class Demo:
    """One run of the script; `play` raises SessionFailed at the first thing that does not happen in its time."""

    def __init__(self, session: PaperSession, stage: Stage) -> None:
        self._session = session
        self._stage = stage
        self._loop = PaperLoop(session, stage)

    def play(self) -> None:
        """Everything, from the first tick to the last process."""
        try:
            self._trade()
            self._crash(self._victim())
            self._halt()
        finally:
            self._loop.close()
            self._stage.close()
        self._stop()
        self._sum_up()

    def _trade(self) -> None:
        say = self._stage.say
        self._loop.await_view()
        say(
            f"[{self._stage.seconds:.1f} s] actor tree up: waiting for prices, history and the first crossing …"
        )
        first = self._loop.until(self._any_fill, FIRST_FILL_SECONDS, "the first fill")
        say(f"first fill after {self._stage.seconds:.1f} s: {first}")

    def _any_fill(self) -> Fill | None:
        return self._loop.fills[0] if self._loop.fills else None

    # --- a crash -------------------------------------------------------------------------------------------------

    def _victim(self) -> SymbolLine:
        """A symbol that has traded, if possible one that holds shares: more to lose."""
        hurry = time.monotonic() + PATIENCE_SECONDS

        def candidate() -> SymbolLine | None:
            picture = self._loop.picture
            traded = [line for line in picture.lines if line.fills and line.ready and line.pid]
            held = [line for line in traded if line.position]
            is_time = time.monotonic() >= hurry
            if picture.fills < ENOUGH_FILLS and not is_time:
                return None
            choice = held or (traded if is_time else [])
            return max(choice, key=lambda line: line.fills, default=None)

        return self._loop.until(candidate, VICTIM_SECONDS, "an actor that has traded")

    def _crash(self, victim: SymbolLine) -> None:
        say, symbol = self._stage.say, victim.symbol
        life = LifeView(self._session.layout, symbol)
        try:
            killed = time.monotonic()
            self._kill(victim.pid)
            say(f"kill -9 {victim.pid}: the actor of {symbol}, which holds {victim.position:g} shares")
            self._loop.note = f"waiting for the new actor of {symbol} to trade"
            new = self._loop.until(
                lambda: self._replacement(victim), RETURN_SECONDS, f"the new actor of {symbol}"
            )
            say(
                f"{symbol} is back {time.monotonic() - killed:.1f} s later as pid {new.pid} "
                f"with {new.position:g} shares"
            )
            deadline_seconds = RETURN_SECONDS - (time.monotonic() - killed)
            fill = self._loop.until(
                lambda: self._fill_of(life), deadline_seconds, f"a fill of the new actor of {symbol}"
            )
            say(f"{symbol} trades again {time.monotonic() - killed:.1f} s after the kill: {fill}")
            self._loop.note = ""
        finally:
            life.close()

    def _kill(self, pid: int) -> None:
        if pid not in processes_of(self._session.places.run_id):
            raise SessionFailed(f"pid {pid} on the board is no process of this session")
        os.kill(pid, signal.SIGKILL)

    def _replacement(self, victim: SymbolLine) -> SymbolLine | None:
        line = self._loop.picture.line(victim.symbol)
        return line if line.ready and line.pid not in (0, victim.pid) else None

    def _fill_of(self, life: LifeView) -> Fill | None:
        life.poll()
        return next((fill for fill in self._loop.fills if fill.client_order_id in life.order_ids), None)

    # --- the end -------------------------------------------------------------------------------------------------

    def _halt(self) -> None:
        self._stage.say("halt: everything is cancelled, and proven so")
        began = time.monotonic()
        layout = self._session.layout
        latch = HaltLatch(layout.state_directory, SystemClock())
        record = latch.engage(by=f"uid {os.getuid()} (kyzlo paper)", reason="demo")
        with suppress(Recoverable):  # it looks at the latch in any case
            ask_guardian(layout.runtime_directory, {"cmd": "halt", "reason": "demo"})
        certificate = self._loop.until(
            lambda: self._proven(record.halt_id), CERTIFICATE_SECONDS, "a certificate that proves the halt"
        )
        if self._loop.picture.state is not TradingState.HALTED:
            raise SessionFailed("the gate is open after a halt")
        self._stage.close()
        self._stage.say(f"halted and proven after {time.monotonic() - began:.1f} s; the certificate:\n")
        self._stage.say(certificate_text(certificate), event="certificate", certificate=certificate)

    def _proven(self, halt_id: str) -> dict[str, Any] | None:
        fields = CertificateStore(self._session.layout.certificates).newest(halt_id)
        return fields if fields is not None and fields["proven"] else None

    def _stop(self) -> None:
        code = self._session.stop_service()
        if code != 0:
            raise SessionFailed(f"the service did not end in order (exit code {code})")
        for child in reversed(self._session.children):
            child.stop(NOTHING_LEFT_SECONDS)

    def _sum_up(self) -> None:
        summary = summary_of(self._session.layout)
        for line in summary.lines:
            self._stage.say(line, event="summary")
        if summary.problems:
            raise SessionFailed("the journal has gaps: " + "; ".join(summary.problems[:5]))
        self._check_nothing_left()

    def _check_nothing_left(self) -> None:
        run_id, runtime = self._session.places.run_id, self._session.places.runtime_directory
        deadline = time.monotonic() + NOTHING_LEFT_SECONDS
        while (left := processes_of(run_id)) and time.monotonic() < deadline:
            time.sleep(0.05)
        if left:
            raise SessionFailed(f"processes are left: {left}")
        self._session.places.leave()
        if runtime.exists():
            raise SessionFailed(f"{runtime} is left")
        self._stage.say("left behind: no process, no runtime directory")
