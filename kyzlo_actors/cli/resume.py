"""`kyzlo resume`: trade again after a halt. Only here: no other entrance can open the gate."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from kyzlo_actors.cli.admin_client import (
    RuntimeOption,
    ask_guardian,
    checked_reason,
    find_directories,
    statuses,
)
from kyzlo_actors.cli.config import JsonOption, SettingsOption
from kyzlo_actors.domain.errors import Recoverable


def resume(
    reason: Annotated[str, typer.Option(help="Why it is safe to trade again, for the records.")],
    wait: Annotated[
        float, typer.Option(min=1, max=3600, metavar="SECONDS", help="How long the gate may take to open.")
    ] = 120,
    runtime_dir: RuntimeOption = None,
    settings: SettingsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Clear the latch and open the gate, after a clean reconciliation. Exit 1 when it stays halted.

    Example: kyzlo resume --reason "the feed is back"
    """
    reason = checked_reason(reason)
    _, runtime = find_directories(None, runtime_dir, settings=settings)
    deadline = time.monotonic() + wait
    answer = ask_guardian(runtime, {"cmd": "resume", "reason": reason}, timeout_seconds=wait)
    if not answer.get("ok"):
        raise Recoverable(f"still halted: {answer.get('error')}")
    if answer.get("state") != "trading":
        # Beside JSON it is for the person who waits.
        print(f"{answer.get('detail')} …", file=sys.stderr if as_json else sys.stdout)
        wait_for_trading(runtime, deadline)
    print(json.dumps({"ok": True, "state": "trading"}) if as_json else "trading")


def wait_for_trading(runtime: Path, deadline: float) -> None:
    """The guardian became a new process: wait until that one trades. Raises: Recoverable: it does not, in time."""
    last: dict[str, Any] = {}
    for last in statuses(runtime, deadline):
        if last.get("state") == "trading":
            return
        if refused := last.get("resume_refused"):
            raise Recoverable(f"still halted: {refused}")
    raise Recoverable(f"still not trading; the guardian is {last.get('state') or 'not answering'}")
