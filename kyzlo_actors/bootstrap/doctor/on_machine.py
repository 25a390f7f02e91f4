"""Readings on this machine: secrets, directories, disk, halt latch, another instance."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from kyzlo_actors.bootstrap.doctor.disk import DISK, disk_finding
from kyzlo_actors.bootstrap.doctor.finding import LATCH, Finding, fail, ok
from kyzlo_actors.bootstrap.doctor.places import (
    RUNTIME,
    STATE,
    place_finding,
    read_place,
    secrets_finding,
)
from kyzlo_actors.bootstrap.secrets import SECRETS_FILE_NAME
from kyzlo_actors.bootstrap.setting_names import TOP_LEVEL_NAMES
from kyzlo_actors.bootstrap.settings import LoadedSettings
from kyzlo_actors.bootstrap.wiring import layout_of
from kyzlo_actors.infrastructure.halt_latch import HaltLatch
from kyzlo_actors.ports.clock import Clock

INSTANCE: Final = "instance"


def machine_findings(loaded: LoadedSettings, clock: Clock, *, pid: str | None) -> Iterator[Finding]:
    """`pid`: of the instance that runs on the state directory."""
    paths = loaded.settings.paths
    yield _secrets(loaded)
    yield place_finding(STATE, read_place(paths.state_directory), user=os.geteuid())
    yield place_finding(RUNTIME, read_place(paths.runtime_directory), user=os.geteuid())
    yield _disk(loaded)
    yield _latch(paths.state_directory, clock)
    if pid is None:
        yield ok(INSTANCE, "none runs on the state directory")
    else:
        yield ok(INSTANCE, f"pid {pid} runs on the state directory: what would disturb it is not tried")


def _secrets(loaded: LoadedSettings) -> Finding:
    path = loaded.path
    held = tuple(n for n, about in TOP_LEVEL_NAMES.items() if about.secret and loaded.origin(n) == str(path))
    secrets = path.with_name(SECRETS_FILE_NAME)
    return secrets_finding(
        settings=path,
        settings_mode=os.stat(path).st_mode,
        held=held,
        secrets=secrets if secrets.exists() else None,
    )


def _disk(loaded: LoadedSettings) -> Finding:
    settings = loaded.settings
    state = settings.paths.state_directory
    existing = next((place for place in (state, *state.parents) if place.is_dir()), Path("/"))
    try:
        free_bytes = shutil.disk_usage(existing).free
    except OSError as error:
        return fail(DISK, f"{existing}: {error.strerror}", "name another directory in [paths]")
    return disk_finding(
        free_bytes=free_bytes,
        actors=len(layout_of(settings).actors),
        segment_bytes=settings.journal.segment_kib << 10,
        limit_bytes=settings.journal.limit_mib << 20,
    )


def _latch(state_directory: Path, clock: Clock) -> Finding:
    record = HaltLatch(state_directory, clock).read()
    if record is None:
        return ok(LATCH, "not latched")
    text = f"halted by {record.by} [{record.code}]: {record.reason}"
    return fail(LATCH, text, 'find out why, then: kyzlo resume --reason "…"')
