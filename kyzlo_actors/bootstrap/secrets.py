"""Where secrets may come from besides the environment: secrets.toml (0600) and systemd credentials."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from kyzlo_actors.bootstrap.environment import Found
from kyzlo_actors.bootstrap.problems import Words, did_you_mean
from kyzlo_actors.bootstrap.setting_names import TOP_LEVEL_NAMES, pick
from kyzlo_actors.bootstrap.toml_file import read_toml
from kyzlo_actors.domain.errors import BadInput

SECRETS_FILE_NAME: Final = "secrets.toml"
# systemd's own bound for all credentials of a unit.
_MAX_CREDENTIAL_BYTES: Final = 1 << 20


def from_secrets_file(path: Path, problems: list[BadInput]) -> dict[str, Found]:
    """The secrets in `path`; none when there is no such file. Others may not read it (0600)."""
    if not os.path.exists(path):
        return {}
    try:
        table = read_toml(path, cure="copy config/secrets.example.toml there", private=True)
    except BadInput as problem:
        problems.append(problem)
        return {}
    found = pick(table, str(path), problems, only_secret=True)
    names = [name for name, about in TOP_LEVEL_NAMES.items() if about.secret]
    accepted = {*names, *(other for name in names for other in TOP_LEVEL_NAMES[name].others)}
    for name in table:
        if name not in accepted:
            problems.append(BadInput(name, Words(f"an unknown field in {path}"), did_you_mean(name, names)))
    return found


def from_credentials(environ: Mapping[str, str], problems: list[BadInput]) -> dict[str, Found]:
    """The secrets in systemd's `$CREDENTIALS_DIRECTORY`, one file each, named as the setting or in lower case."""
    directory = environ.get("CREDENTIALS_DIRECTORY")
    if not directory:
        return {}
    given: dict[str, str] = {}
    for name, about in TOP_LEVEL_NAMES.items():
        for accepted in (name, *about.others) if about.secret else ():
            for file_name in (accepted, accepted.lower()):
                path = Path(directory, file_name)
                if accepted not in given and os.path.exists(path):
                    given[accepted] = _read_credential(path, problems)
    return pick(given, "credentials", problems, only_secret=True)


def _read_credential(path: Path, problems: list[BadInput]) -> str:
    try:
        with open(path, "rb") as file:
            return file.read(_MAX_CREDENTIAL_BYTES).decode().strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        problems.append(
            BadInput(str(path), Words(f"an unreadable credential ({reason})"), "see LoadCredential=")
        )
        return ""
