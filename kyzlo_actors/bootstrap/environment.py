"""Values that come from outside, and the directories used when nobody names any. Light: `halt` imports it."""

from __future__ import annotations

import os
import pwd
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

# Where the settings are when nobody names them.
DEFAULT_PATH: Final = Path("config/settings.toml")
# Names one run in every process that belongs to it.
RUN_ID_VARIABLE: Final = "KYZLO_RUN_ID"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A value as it was given, and where."""

    value: Any
    origin: str


def directory_defaults(environ: Mapping[str, str], uid: int) -> dict[str, Found]:
    """`state_directory` and `runtime_directory` with their origins.

    systemd's `$STATE_DIRECTORY` and `$RUNTIME_DIRECTORY` come first; then `${XDG_STATE_HOME:-~/.local/state}/kyzlo`
    and `${XDG_RUNTIME_DIR:-/tmp}/kyzlo-<uid>`.
    """
    return {
        "state_directory": _from_systemd(environ, "STATE_DIRECTORY") or _state(environ, uid),
        "runtime_directory": _from_systemd(environ, "RUNTIME_DIRECTORY") or _runtime(environ, uid),
    }


def _from_systemd(environ: Mapping[str, str], name: str) -> Found | None:
    # With several directories in the unit systemd joins them with colons: the first is ours.
    first = environ.get(name, "").split(":")[0]
    return Found(value=first, origin=f"environment as {name}") if first else None


def _state(environ: Mapping[str, str], uid: int) -> Found:
    base = environ.get("XDG_STATE_HOME")
    if base:
        return Found(value=os.path.join(base, "kyzlo"), origin="environment as XDG_STATE_HOME")
    home = environ.get("HOME") or _home(uid)
    return Found(value=os.path.join(home, ".local/state/kyzlo"), origin="default")


def _runtime(environ: Mapping[str, str], uid: int) -> Found:
    base = environ.get("XDG_RUNTIME_DIR")
    if base:
        return Found(value=os.path.join(base, f"kyzlo-{uid}"), origin="environment as XDG_RUNTIME_DIR")
    return Found(value=f"/tmp/kyzlo-{uid}", origin="default")


def _home(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_dir
    except KeyError:  # a uid without a name, as in containers
        return "/"
