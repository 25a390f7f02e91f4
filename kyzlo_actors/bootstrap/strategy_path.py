"""Where a strategy is found: among the installed packages, beside the settings file, in the present directory.

The directory goes to the end of Python's path, so that nothing in it can take the place of an installed package, and
only if it, and the strategy in it, cannot be written by everybody: what is found there runs with the broker's keys.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterable
from importlib import invalidate_caches
from importlib.machinery import PathFinder
from importlib.util import find_spec
from pathlib import Path

from kyzlo_actors.bootstrap.problems import Words
from kyzlo_actors.domain.errors import BadInput


def search_directories(settings_file: Path | None) -> tuple[Path, ...]:
    """Where to look after the installed packages, in this order."""
    beside = [] if settings_file is None else [settings_file.resolve().parent]
    return tuple(dict.fromkeys([*beside, *_present_directory()]))


def make_importable(module: str, directories: Iterable[Path], *, field: str) -> None:
    """Put the directory that holds the dotted `module` on Python's path, unless it can be imported without.

    Does nothing where no directory holds it. Raises: BadInput: others could change what would be imported.
    """
    top = module.partition(".")[0]
    invalidate_caches()
    if top in sys.modules or find_spec(top) is not None:
        return
    for directory in directories:
        spec = PathFinder.find_spec(top, [str(directory)])
        if spec is None:
            continue
        for path in (directory, *map(Path, spec.submodule_search_locations or ()), spec.origin):
            if path is not None:
                check_place(Path(path), field)
        sys.path.append(str(directory))
        return


def is_taken(module: str, directory: Path) -> bool:
    """Whether a top-level module of that name would come from elsewhere than `directory`."""
    if module in sys.stdlib_module_names or module in sys.modules:
        return True
    here = directory.resolve()
    paths = [entry for entry in sys.path if Path(entry).resolve() != here]
    if PathFinder.find_spec(module, paths) is not None:
        return True
    found = find_spec(module)  # by other finders too: packages that are installed to be edited
    return found is not None and here not in Path(found.origin or here / module).parents


def check_place(path: Path, field: str) -> None:
    """Nobody but its owner, the user or root, may write there. Raises: BadInput: others may."""
    about = os.stat(path)
    if stat.S_IMODE(about.st_mode) & stat.S_IWOTH:
        what = Words("a strategy in a place that everybody may write to")
        raise BadInput(field, what, f"chmod o-w {path}, or put it elsewhere")
    if about.st_uid not in (0, os.geteuid()):
        what = Words("a strategy in a place of somebody else")
        raise BadInput(field, what, f"{path} must belong to the user that runs it, or to root")


def _present_directory() -> list[Path]:
    try:
        return [Path.cwd()]
    except OSError:
        return []  # removed under our feet
