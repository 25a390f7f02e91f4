"""The two directories and the files of secrets: whose they are, and who else may look."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from kyzlo_actors.bootstrap.doctor.finding import Finding, fail, ok, warn

STATE: Final = "state directory"
RUNTIME: Final = "runtime directory"
SECRETS: Final = "secrets"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceReading:
    """A path as it is. `mode` None: it is not there. `is_usable`: it, or where it is to be made, may be written."""

    path: Path
    is_directory: bool
    owner: int
    mode: int | None
    is_usable: bool


def read_place(path: Path) -> PlaceReading:
    """Look at `path`, and where it is missing at the nearest directory above it."""
    try:
        about = os.lstat(path)
    except OSError:
        above = next((parent for parent in path.parents if os.path.lexists(parent)), Path("/"))
        is_usable = above.is_dir() and os.access(above, os.W_OK | os.X_OK)
        return PlaceReading(path=path, is_directory=False, owner=os.geteuid(), mode=None, is_usable=is_usable)
    return PlaceReading(
        path=path,
        is_directory=stat.S_ISDIR(about.st_mode),
        owner=about.st_uid,
        mode=stat.S_IMODE(about.st_mode),
        is_usable=os.access(path, os.R_OK | os.W_OK | os.X_OK),
    )


def place_finding(check: str, place: PlaceReading, *, user: int) -> Finding:
    """Whether `user` can make it, or work in it: the same rules as at the start."""
    path = place.path
    if place.mode is None:
        if place.is_usable:
            return ok(check, f"{path} is not there yet and can be made")
        return fail(
            check, f"{path} cannot be made", "name a directory that you may make and write in [paths]"
        )
    if not place.is_directory:
        return fail(check, f"{path} is a file or a link", "remove it, or name another in [paths]")
    if place.owner != user:
        cure = f"run as user {place.owner}, or name a directory of your own in [paths]"
        return fail(check, f"{path} belongs to user {place.owner}, this is {user}", cure)
    if not place.is_usable:
        return fail(check, f"{path} may not be read and written (mode {place.mode:04o})", f"chmod 700 {path}")
    if place.mode & 0o007:
        return warn(check, f"{path} is open to everybody (mode {place.mode:04o})", "the next start closes it")
    return ok(check, f"{path} (mode {place.mode:04o})")


def secrets_finding(
    *, settings: Path, settings_mode: int, held: tuple[str, ...], secrets: Path | None
) -> Finding:
    """`held`: secrets in the settings file itself; `secrets`: the file beside it when it is there (0600, or loading
    would have failed)."""
    if held and settings_mode & 0o077:
        cure = f"move them to secrets.toml (mode 0600), or chmod 600 {settings}"
        return fail(SECRETS, f"{settings} holds {', '.join(held)} and others may read it", cure)
    if held:
        return warn(SECRETS, f"{settings} holds {', '.join(held)}", "secrets.toml beside it is their place")
    return ok(SECRETS, f"{secrets}, for nobody else" if secrets else "from the environment or credentials")
