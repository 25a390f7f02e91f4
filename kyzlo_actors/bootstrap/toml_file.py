"""Reading a TOML file, with errors that help and that never repeat a value: it may be a secret."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any, Final

import toml

from kyzlo_actors.bootstrap.problems import Words
from kyzlo_actors.domain.errors import BadInput

MAX_BYTES: Final = 1 << 20
_TOML_CURE: Final = 'write one `name = value` a line, text in "quotes", each name and [table] once'


def read_toml(path: Path, *, cure: str, private: bool = False) -> dict[str, Any]:
    """The file's table. `cure` is for a missing file; `private` refuses a file that others may read.

    Raises: BadInput: missing, unreadable, too large, open to others, or not TOML (with the line's number).
    """
    return parse_toml(path, _read(path, cure, private))


def parse_toml(path: Path, text: str) -> dict[str, Any]:
    """The table of a text that stands in the file, or is to. Raises: BadInput: it is not TOML."""
    try:
        table = toml.loads(text)
    except toml.TomlDecodeError as error:
        raise _bad_line(path, text, error.lineno) from None
    except (IndexError, TypeError, ValueError, KeyError, AttributeError):
        # The parser's own accidents on malformed input; it does not know the line then.
        raise BadInput(str(path), Words("text that is not TOML"), _TOML_CURE) from None
    _refuse_swallowed(path, text, table)
    return dict(table)


def _read(path: Path, cure: str, private: bool) -> str:
    try:
        # A pipe of that name must not keep a halt waiting: it is opened at once, and refused.
        with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
            mode = os.fstat(file.fileno()).st_mode
            if not stat.S_ISREG(mode):
                raise BadInput(str(path), Words("something that is not a file"), cure)
            if private and mode & 0o077:
                raise BadInput(
                    str(path),
                    Words(f"a secrets file with mode {stat.S_IMODE(mode):04o}"),
                    f"others could read it: chmod 600 {path}",
                )
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise BadInput(str(path), Words("a missing file"), cure) from None
    except OSError as error:
        raise BadInput(str(path), Words(f"an unreadable file ({error.strerror})"), cure) from None
    if len(data) > MAX_BYTES:
        raise BadInput(str(path), Words("a file this large"), f"settings are below {MAX_BYTES >> 20} MiB")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise BadInput(str(path), Words("text that is not UTF-8"), "save it as UTF-8") from None


def _bad_line(path: Path, text: str, number: int) -> BadInput:
    lines = text.splitlines()
    line = lines[number - 1] if 0 < number <= len(lines) else ""
    # Only the name: what stands right of it may be a key that lacks its quotes.
    name = line.split("=")[0].strip() if "=" in line else ""
    where = f"line {number} ({name})" if name else f"line {number}"
    return BadInput(str(path), Words(f"{where}, which is not TOML,"), _TOML_CURE)


def _refuse_swallowed(path: Path, text: str, table: dict[str, Any]) -> None:
    """`key = a=1` becomes a field named "key = a" in this parser: refuse it before the name is printed."""
    for key, value in table.items():
        if "=" in key:
            name = key.split("=")[0].strip()
            number = next(
                (n for n, line in enumerate(text.splitlines(), 1) if line.strip().startswith(name)), 0
            )
            raise BadInput(str(path), Words(f"line {number} ({name}), which is not TOML,"), _TOML_CURE)
        if isinstance(value, dict):
            _refuse_swallowed(path, text, value)
