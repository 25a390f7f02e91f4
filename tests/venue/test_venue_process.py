"""The venue as a process, and what happens to a reader that does not read."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import subprocess
import sys
from decimal import Decimal

import httpx
import pytest

from kyzlo_actors.domain.errors import Recoverable
from kyzlo_actors.venue.options import VenueOptions
from kyzlo_actors.venue.outlet import Outlet
from kyzlo_actors.venue.server import serve

PROGRAM = (
    "from kyzlo_actors.venue.options import VenueOptions\n"
    "from kyzlo_actors.venue.server import run\n"
    "raise SystemExit(run(VenueOptions(account_number='PA3RUN', alpaca_key='K', alpaca_secret='S')))\n"
)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_run_says_when_it_is_ready_and_ends_cleanly(number: signal.Signals) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            ready = json.loads(process.stdout.readline())
            assert ready["ready"] is True and ready["rest"] == f"http://127.0.0.1:{ready['port']}"
            assert ready["account_number"] == "PA3RUN" and ready["symbols"]
            keys = {"APCA-API-KEY-ID": "K", "APCA-API-SECRET-KEY": "S"}
            account = httpx.get(ready["rest"] + "/v2/account", headers=keys, timeout=20).json()
            assert account["account_number"] == "PA3RUN"
            assert Decimal(account["equity"]) > 0
            process.send_signal(number)
            out, err = process.communicate(timeout=20)
        finally:
            process.kill()
    assert (process.returncode, out, err) == (0, "", "")


def test_a_taken_port_is_a_clear_error() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(Recoverable, match=str(port)):
            asyncio.run(serve(VenueOptions(port=port), ready=lambda _: None))


class StuckSocket:
    """A websocket whose peer does not read."""

    async def send_str(self, frame: str) -> None:
        await asyncio.Event().wait()


class Transport(asyncio.WriteTransport):
    aborted = False

    def abort(self) -> None:
        self.aborted = True


def test_a_reader_that_does_not_read_is_cut_off() -> None:
    async def scene() -> tuple[bool, bool]:
        transport = Transport()
        outlet = Outlet(StuckSocket(), transport, limit=3)  # type: ignore[arg-type]
        await asyncio.sleep(0)
        for _ in range(4):
            outlet.offer("x")
            await asyncio.sleep(0)
        early = transport.aborted
        outlet.offer("x")
        await outlet.end()
        return early, transport.aborted and outlet.overrun

    assert asyncio.run(scene()) == (False, True)
