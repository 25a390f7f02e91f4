"""`kyzlo halt`: latch first, then tell the guardian. The same as `ops/halt`, which needs no installation."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from kyzlo_actors.cli.admin_client import (
    RuntimeOption,
    StateOption,
    ask_guardian,
    checked_reason,
    find_directories,
)
from kyzlo_actors.cli.config import SettingsOption
from kyzlo_actors.cli.exit_codes import ExitCode
from kyzlo_actors.domain.errors import Fatal, Recoverable

_POLL_SECONDS: Final = 0.2


def halt(
    reason: Annotated[str, typer.Option(help="Why, for the certificate.")],
    wait: Annotated[
        float | None,
        typer.Option(
            min=0, max=3600, metavar="SECONDS", help="Wait for the proven certificate and print it."
        ),
    ] = None,
    state_dir: StateOption = None,
    runtime_dir: RuntimeOption = None,
    settings: SettingsOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Stop all trading, cancel every order, and prove it. Works with the service up, stuck or down.

    Example: kyzlo halt --reason "strange prices" --wait 30
    """
    reason = checked_reason(reason)
    state, runtime = find_directories(state_dir, runtime_dir, settings=settings, forgiving=True)
    halt_id, problems = _latch(state, reason)
    try:
        answer = ask_guardian(runtime, {"cmd": "halt", "reason": reason})
        # The guardian may latch where we may not write.
        halt_id = str(answer["halt_id"]) if answer.get("ok") else halt_id
        guardian = str(answer.get("state"))
    except Recoverable as error:
        guardian = "does not answer"
        problems.append(str(error))
    certificate = None
    if halt_id is not None and wait is not None:
        certificate = _wait_for(state, runtime, halt_id, wait)
    proven = None if wait is None else bool(certificate and certificate["proven"])
    _show(halt_id, guardian, proven, certificate, problems, as_json)
    if halt_id is None or proven is False:
        raise typer.Exit(ExitCode.FAILED)


def _latch(state: Path, reason: str) -> tuple[str | None, list[str]]:
    from kyzlo_actors.infrastructure.clock import SystemClock
    from kyzlo_actors.infrastructure.halt_latch import HaltLatch

    try:
        record = HaltLatch(state, SystemClock()).engage(by=f"uid {os.getuid()} (kyzlo halt)", reason=reason)
    except Fatal as error:
        return None, [str(error)]
    return record.halt_id, []


def _wait_for(state: Path, runtime: Path, halt_id: str, seconds: float) -> dict[str, Any] | None:
    """The newest certificate of the halt; the proven one, if it comes in time."""
    deadline = time.monotonic() + seconds
    while True:
        found = _from_files(state, halt_id) or _from_guardian(runtime, halt_id)
        if (found and found["proven"]) or time.monotonic() >= deadline:
            return found
        time.sleep(_POLL_SECONDS)


def _from_files(state: Path, halt_id: str) -> dict[str, Any] | None:
    from kyzlo_actors.guardian.certificate import certificate_text
    from kyzlo_actors.guardian.certificate_store import CertificateStore

    try:
        fields = CertificateStore(state / "certificates").newest(halt_id)
    except OSError:
        return None  # not ours to read: the guardian may show it
    return fields and {**fields, "text": certificate_text(fields)}


def _from_guardian(runtime: Path, halt_id: str) -> dict[str, Any] | None:
    try:
        answer = ask_guardian(runtime, {"cmd": "certificate", "halt_id": halt_id})
    except Recoverable:
        return None
    fields = answer.get("certificate")
    return {**fields, "text": answer.get("text") or ""} if isinstance(fields, dict) else None


def _show(
    halt_id: str | None,
    guardian: str,
    proven: bool | None,
    certificate: dict[str, Any] | None,
    problems: list[str],
    as_json: bool,
) -> None:
    text = certificate.pop("text") if certificate else ""
    if as_json:
        report = {"latched": halt_id is not None, "halt_id": halt_id, "guardian": guardian, "proven": proven}
        print(json.dumps({**report, "problems": problems, "certificate": certificate}))
        return
    for problem in problems:
        print(f"kyzlo: {problem}", file=sys.stderr)
    if halt_id is None:
        print("kyzlo: NOT latched", file=sys.stderr)
        return
    print(f"latched: {halt_id} (guardian: {guardian})")
    if text:
        print(text, end="")
    elif proven is False:
        print("kyzlo: no certificate yet", file=sys.stderr)
