"""`kyzlo strategy new`: a package with a strategy that works, and its test."""

from __future__ import annotations

import keyword
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from kyzlo_actors.bootstrap import strategy_templates
from kyzlo_actors.bootstrap.strategy_path import check_place, is_taken
from kyzlo_actors.domain.errors import BadInput

_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,39}")


@dataclass(frozen=True, slots=True, kw_only=True)
class NewStrategy:
    """What was written. `strategy` is its name in the settings; `settings` is a table of them, ready to copy."""

    directory: Path
    files: tuple[Path, ...]
    strategy: str
    settings: str


def write_strategy(name: str, directory: Path, *, on_frames: bool) -> NewStrategy:
    """Write `<directory>/<name>/{__init__,strategy,test_strategy}.py`.

    Raises: BadInput: the name cannot be one of a module, or is taken; the directory is not a safe one; it exists.
    """
    _check_name(name, directory)
    class_name = "".join(part.capitalize() for part in name.split("_"))
    package = directory.resolve() / name
    strategy = strategy_templates.FRAME_STRATEGY if on_frames else strategy_templates.STRATEGY
    texts = {
        "__init__.py": strategy_templates.DOOR,
        "strategy.py": strategy,
        "test_strategy.py": strategy_templates.TEST.replace(
            "EXPECTED", strategy_templates.EXPECTED[on_frames]
        ),
    }
    try:
        package.mkdir(mode=0o755)
        for file, text in texts.items():
            (package / file).write_text(text.replace("CLASS", class_name).replace("NAME", name))
    except FileExistsError:
        raise BadInput("NAME", name, f"{package} exists: choose another name, or remove it") from None
    except OSError as error:
        raise BadInput("--directory", str(directory), f"it cannot be written: {error.strerror}") from None
    return NewStrategy(
        directory=package.parent,
        files=tuple(package / file for file in texts),
        strategy=f"{name}.strategy:{class_name}",
        settings=_settings(f"{name}.strategy:{class_name}"),
    )


def _check_name(name: str, directory: Path) -> None:
    if not _NAME.fullmatch(name) or not name.strip("_") or keyword.iskeyword(name):
        cure = "give a name of small letters, digits and _, at most 40, as of a Python module"
        raise BadInput("NAME", name, cure)
    if not directory.is_dir():
        raise BadInput("--directory", str(directory), "it must be a directory that exists")
    if is_taken(name, directory):
        raise BadInput("NAME", name, "another Python module has it already: choose another")
    check_place(directory.resolve(), "--directory")


def _settings(strategy: str) -> str:
    parameters = "".join(f"{name} = {value}\n" for name, value in strategy_templates.PARAMETERS.items())
    return (
        f'[symbols.AAPL]\nstrategy = "{strategy}"\nquantity = 10\nmax_position = 10\nbar_seconds = 60\n\n'
        f"[symbols.AAPL.parameters]\n{parameters}"
    )
