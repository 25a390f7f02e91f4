"""The kinds of values that settings are made of. Their validators raise ValueError with the cure as its text."""

from __future__ import annotations

import re
from decimal import Decimal
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr

# Longest name below the runtime directory: "/private/symbol-" + ten letters + ".sock", and the final NUL; a unix
# socket's name holds 108 bytes.
MAX_RUNTIME_PATH_BYTES: Final = 72
_SYMBOL: Final = re.compile(r"[A-Z0-9](?:[A-Z0-9.]{0,8}[A-Z0-9])?")
_STRATEGY: Final = re.compile(r"[A-Za-z_][\w-]*|[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")
_LEVELS: Final = ("DEBUG", "INFO", "WARNING", "ERROR")


def is_loopback(host: str) -> bool:
    """Whether a URL's host names this machine itself."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def split_url(url: str) -> SplitResult | None:
    """The parts of a URL, or None when it has none that make sense."""
    try:
        parts = urlsplit(url)
        _ = parts.port  # a bad port is found only when it is asked for
    except ValueError:
        return None
    return parts if parts.hostname else None


def _number(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("give a number, not true or false")
    return value


def _key(value: Any) -> Any:
    if not isinstance(value, str):
        raise ValueError("give it as text in quotes")
    if not value.isascii() or not value.isprintable() or " " in value:
        raise ValueError("give it without spaces, line breaks or special characters")
    return value


def _text(value: Any) -> Any:
    if not isinstance(value, str) or not value.isprintable():
        raise ValueError("give it as one line of text in quotes")
    return value


def symbol_name(value: str) -> str:
    """The name itself. Raises: ValueError: no symbol can have it; the text is the cure."""
    if not _SYMBOL.fullmatch(value):
        raise ValueError("write 1 to 10 capital letters, digits or dots, as in AAPL or BRK.B")
    return value


def _strategy(value: Any) -> Any:
    if not isinstance(value, str) or not _STRATEGY.fullmatch(value):
        raise ValueError('give exactly one strategy: a name such as "golden_cross", or "module:Class"')
    return value


def _url(value: str, secure: str, plain: str) -> str:
    parts = split_url(value)
    if parts is None or parts.scheme not in (secure, plain):
        raise ValueError(f"give a URL that begins with {secure}://")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError("give the URL without user, password or query; keys have settings of their own")
    if parts.scheme == plain and not is_loopback(parts.hostname or ""):
        raise ValueError(f"use {secure}://; {plain}:// is only for this machine itself (127.0.0.1)")
    return value.rstrip("/")


def _https(value: str) -> str:
    return _url(value, "https", "http")


def _wss(value: str) -> str:
    return _url(value, "wss", "ws")


def _without_version(value: str) -> str:
    # Alpaca's own dashboard shows its address with /v2; we add that part ourselves.
    return value.removesuffix("/v2")


def _absolute(value: Path) -> Path:
    if not value.is_absolute():
        raise ValueError("give an absolute path")
    return value


def _short(value: Path) -> Path:
    size = len(str(value).encode())
    if size > MAX_RUNTIME_PATH_BYTES:
        raise ValueError(
            f"give a path of at most {MAX_RUNTIME_PATH_BYTES} bytes (this one has {size}): "
            "names of sockets in it hold 108"
        )
    return value


def _level(value: Any) -> Any:
    level = value.upper() if isinstance(value, str) else value
    if level not in _LEVELS:
        raise ValueError(f"give one of {', '.join(_LEVELS)}")
    return level


def _divides_an_hour(value: int) -> int:
    if 3600 % value:
        raise ValueError("give a number of seconds that divides an hour evenly, such as 1, 5, 60 or 300")
    return value


Money = Annotated[Decimal, BeforeValidator(_number), Field(gt=0, max_digits=18)]
Shares = Annotated[Decimal, BeforeValidator(_number), Field(gt=0, max_digits=18, decimal_places=9)]
Percent = Annotated[Decimal, BeforeValidator(_number), Field(gt=0, le=100)]
Seconds = Annotated[float, BeforeValidator(_number), Field(gt=0, le=86_400)]
Delay = Annotated[float, BeforeValidator(_number), Field(ge=0, le=3_600)]
Part = Annotated[float, BeforeValidator(_number), Field(ge=0, lt=1)]
Count = Annotated[int, BeforeValidator(_number), Field(ge=1, le=1_000_000)]
BarSeconds = Annotated[int, BeforeValidator(_number), Field(ge=1, le=3_600), AfterValidator(_divides_an_hour)]

Key = Annotated[SecretStr, BeforeValidator(_key)]
Dsn = Annotated[SecretStr, BeforeValidator(_text)]
HttpsUrl = Annotated[str, BeforeValidator(_text), AfterValidator(_https)]
AlpacaUrl = Annotated[HttpsUrl, AfterValidator(_without_version)]
WssUrl = Annotated[str, BeforeValidator(_text), AfterValidator(_wss)]

SymbolName = Annotated[str, AfterValidator(symbol_name)]
StrategyName = Annotated[str, BeforeValidator(_strategy)]
Level = Annotated[str, BeforeValidator(_level)]
StatePath = Annotated[Path, AfterValidator(_absolute)]
RuntimePath = Annotated[Path, AfterValidator(_absolute), AfterValidator(_short)]
