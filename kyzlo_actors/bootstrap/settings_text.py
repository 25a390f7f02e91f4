"""Judging a settings file before it is written: as `kyzlo config check` does, on the text that is to stand in it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from kyzlo_actors.bootstrap.plugins import check_strategies
from kyzlo_actors.bootstrap.problems import MISSING, SettingsProblems
from kyzlo_actors.bootstrap.setting_names import TOP_LEVEL_NAMES
from kyzlo_actors.bootstrap.settings import LoadedSettings, load_settings
from kyzlo_actors.bootstrap.venue_check import check_venue
from kyzlo_actors.domain.errors import BadInput

# A service may have its keys where we may not look (credentials, its own environment): the kind of key is all that is
# judged of them here.
_PAPER_KEY: Final = "PKNOTSEENFROMHERE"
_LIVE_KEY: Final = "AKNOTSEENFROMHERE"


def check_text(path: Path, text: str, environ: Mapping[str, str], *, live: bool) -> tuple[str, ...]:
    """Judge `text` as if it stood at `path`. Returns the names of keys that could not be seen from here.

    Raises: BadInput, SettingsProblems: one line for each thing that is wrong.
    """
    unseen: tuple[str, ...] = ()
    try:
        loaded = load_settings(path, environ, text=text)
    except BadInput as problem:
        unseen = _unseen_keys(problem)
        stand_in = dict.fromkeys(unseen, _LIVE_KEY if live else _PAPER_KEY)
        if not unseen:
            raise
        loaded = load_settings(path, {**environ, **stand_in}, text=text)
    _check(loaded, live=live)
    return unseen


def _check(loaded: LoadedSettings, *, live: bool) -> None:
    check_venue(loaded.settings, live=live)
    check_strategies(loaded.settings, settings_file=loaded.path)


def _unseen_keys(problem: BadInput) -> tuple[str, ...]:
    several = problem.problems if isinstance(problem, SettingsProblems) else (problem,)
    secret = {name for name, about in TOP_LEVEL_NAMES.items() if about.secret}
    return tuple(one.field for one in several if one.value == MISSING and one.field in secret)
