"""The first settings of an instance, written where there are none yet."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from kyzlo_actors.bootstrap.plugins import find_strategy
from kyzlo_actors.bootstrap.problems import Words
from kyzlo_actors.bootstrap.secrets import SECRETS_FILE_NAME
from kyzlo_actors.bootstrap.setting_types import symbol_name
from kyzlo_actors.bootstrap.settings_model import MAX_SYMBOLS
from kyzlo_actors.bootstrap.settings_template import secrets_template, settings_template
from kyzlo_actors.domain.errors import BadInput
from kyzlo_actors.infrastructure.files import write_durable

_SETTINGS_MODE: Final = 0o644
_SECRETS_MODE: Final = 0o600


def write_first_settings(
    path: Path, *, symbols: Sequence[str], strategy: str, with_secrets: bool, replace: bool
) -> list[Path]:
    """Write `path` (and `secrets.toml` beside it); the files written. Nothing is written unless all can be.

    `replace` is for the settings alone: keys are never overwritten.
    Raises: BadInput: a symbol or strategy that cannot be, a file that is there, a directory that cannot be written.
    """
    names = _checked(symbols)
    parameters = find_strategy(strategy, field="--strategy", settings_file=path).Parameters
    secrets = path.with_name(SECRETS_FILE_NAME)
    if os.path.lexists(path) and not (replace and path.is_file()):
        raise BadInput(
            "--settings", str(path), "it is there already: add --force to replace it, or name another"
        )
    if with_secrets and os.path.lexists(secrets):
        raise BadInput("--secrets", str(secrets), "it is there already, and keys are never replaced: edit it")
    texts = {path: settings_template(names, strategy, parameters)}
    if with_secrets:
        texts[secrets] = secrets_template()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        for file, text in texts.items():
            _put(file, text, _SECRETS_MODE if file == secrets else _SETTINGS_MODE)
    except OSError as error:
        field, cure = "--settings", "name a file in a directory that you may write"
        raise BadInput(field, Words(f"{path} ({error.strerror})"), cure) from None
    return list(texts)


def _checked(symbols: Sequence[str]) -> list[str]:
    names = list(dict.fromkeys(symbols))
    for name in names:
        try:
            symbol_name(name)
        except ValueError as error:
            raise BadInput("--symbols", name, str(error)) from None
    if not 1 <= len(names) <= MAX_SYMBOLS:
        raise BadInput(
            "--symbols", Words(f"{len(names)} symbols"), f"name 1 to {MAX_SYMBOLS}, as in AAPL,MSFT"
        )
    return names


def _put(path: Path, text: str, mode: int) -> None:
    """A whole file or none: written aside, then renamed. One that is replaced keeps its mode; a link stays one."""
    path = path.resolve()
    draft = path.with_name(f".{path.name}.{os.getpid()}.draft")
    with suppress(FileNotFoundError):
        mode = os.stat(path).st_mode & 0o777
    try:
        write_durable(draft, text.encode(), mode=mode)
        os.replace(draft, path)
    finally:
        with suppress(FileNotFoundError):
            os.unlink(draft)
