"""`[paths]` of a settings file, without a look at the rest of it. Light: `halt` imports it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from kyzlo_actors.bootstrap.environment import DEFAULT_PATH
from kyzlo_actors.domain.errors import BadInput


def written_directories(named: Path | None) -> dict[str, Path]:
    """`state_directory` and `runtime_directory` as far as the file has them; none where there is no default file.

    Raises: BadInput: the file that was named is missing, or what stands there cannot be used.
    """
    path = named or DEFAULT_PATH
    if named is None and not os.access(path, os.R_OK):
        return {}
    from kyzlo_actors.bootstrap.toml_file import read_toml

    paths = read_toml(path, cure="name the settings file of the service").get("paths", {})
    found = {}
    for name in ("state_directory", "runtime_directory"):
        value = paths.get(name) if isinstance(paths, Mapping) else paths
        if isinstance(value, str) and value:
            found[name] = Path(value).absolute()
        elif value:
            raise BadInput(f"paths.{name}", value, f'write a path in "quotes" in {path}')
    return found
