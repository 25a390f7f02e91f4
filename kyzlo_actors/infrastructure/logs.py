"""JSON lines on stderr from the standard `logging`, with every secret taken out.

Bounds: a message is cut at 8 KiB, an exception and any other text at 16 KiB (its end is kept: that is where
the error is). Writing is synchronous, so nothing queues and nothing is lost in a crash.
"""

from __future__ import annotations

import json
import logging
import os
import re
import sys
import threading
import traceback
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Final, TextIO
from urllib.parse import quote, quote_plus

import orjson

MESSAGE_CHARS: Final = 8 * 1024
TEXT_CHARS: Final = 16 * 1024
REDACTED: Final = "***"
_DEPTH: Final = 8
_STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_OWN: Final = frozenset({"ts", "level", "actor", "logger", "msg", "exception"})
# syslog priorities, as journald reads them from `<n>` in front of a line.
_PRIORITIES: Final = ((logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6))
_DEBUG_PRIORITY: Final = 7
# They tell every request at INFO, which to us is DEBUG.
_TALKATIVE: Final = ("httpx", "httpcore")


class Redactor:
    """Replaces every secret, as it is or percent-encoded, by `***`. Empty secrets are ignored."""

    def __init__(self, secrets: Iterable[str]) -> None:
        forms = {form for secret in secrets if secret.strip() for form in _forms(secret)}
        # Longest first: a secret may contain another one.
        ordered = sorted(forms, key=lambda form: (-len(form), form))
        self._pattern = re.compile("|".join(map(re.escape, ordered))) if ordered else None

    def text(self, text: str) -> str:
        """`text` without secrets."""
        return self._pattern.sub(REDACTED, text) if self._pattern else text

    def value(self, value: object, depth: int = _DEPTH) -> object:
        """`value` as plain data without secrets: also in keys, in numbers and in what only has a `str`."""
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, int | float):
            shown = self.text(str(value))
            # JSON knows 64 bits and no NaN: what does not fit is told as text.
            fits = abs(value) < 2**63 if isinstance(value, int) else abs(value) < float("inf")
            return value if fits and shown == str(value) else shown
        if depth > 0 and isinstance(value, Mapping):
            return {self.text(str(key)): self.value(each, depth - 1) for key, each in value.items()}
        if depth > 0 and isinstance(value, list | tuple | set | frozenset):
            return [self.value(each, depth - 1) for each in value]
        return _cut(self.text(_shown(value)), TEXT_CHARS)


class JsonFormatter(logging.Formatter):
    """One record as one JSON line: ts, level, actor, logger, msg, exception, and all `extra` values.

    An `extra` named like one of these gets an underscore. `under_journald` puts the priority in front.
    """

    def __init__(self, actor: str, redactor: Redactor, *, under_journald: bool) -> None:
        super().__init__()
        self._actor = actor
        self._redactor = redactor
        self._under_journald = under_journald

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "ts": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="microseconds"),
            "level": record.levelname,
            "actor": self._actor,
            "logger": record.name,
            "msg": self._redactor.text(_message(record))[:MESSAGE_CHARS],
        }
        for key, value in vars(record).items():
            if key not in _STANDARD:
                name = self._redactor.text(key)
                line[f"{name}_" if name in _OWN else name] = self._redactor.value(value)
        if record.exc_info and record.exc_info[1] is not None:
            text = "".join(traceback.format_exception(record.exc_info[1]))
            line["exception"] = _cut(self._redactor.text(text), TEXT_CHARS)
        elif record.exc_text:
            line["exception"] = _cut(self._redactor.text(record.exc_text), TEXT_CHARS)
        if record.stack_info:
            line["stack"] = _cut(self._redactor.text(record.stack_info), TEXT_CHARS)
        prefix = f"<{_priority(record.levelno)}>" if self._under_journald else ""
        return prefix + _dumped(line)


class _Handler(logging.StreamHandler[TextIO]):
    """Never lets the standard library print a record that failed: it would show what we redact."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the name of logging
        error = sys.exc_info()[0]
        name = error.__name__ if error else "error"
        line = f"a log record of {record.module}:{record.lineno} was lost: {name}\n"
        try:
            self.stream.write(line)
        except (OSError, ValueError):
            # stderr itself is gone: there is nobody to tell.
            return


def configure(actor: str, *, level: int | str, secrets: Iterable[str], stream: TextIO | None = None) -> None:
    """Send all logging of this process to `stream` (stderr) as JSON, warnings and uncaught exceptions too.

    Call it first in each process; a second call replaces the first. Raises: ValueError: unknown level.
    """
    handler = _Handler(stream or sys.stderr)
    under_journald = "JOURNAL_STREAM" in os.environ
    handler.setFormatter(JsonFormatter(actor, Redactor(secrets), under_journald=under_journald))
    root = logging.getLogger()
    root.setLevel(level)
    for old in list(root.handlers):
        root.removeHandler(old)
    root.addHandler(handler)
    for name in _TALKATIVE:
        quiet = root.getEffectiveLevel() > logging.DEBUG
        logging.getLogger(name).setLevel(logging.WARNING if quiet else logging.NOTSET)
    logging.captureWarnings(True)
    # Python prints tracebacks past logging; one of them would carry a secret that a library put into its
    # error.
    sys.excepthook = _log_uncaught
    threading.excepthook = _log_uncaught_in_thread


def _log_uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if not issubclass(kind, KeyboardInterrupt):
        logging.getLogger("uncaught").critical("uncaught exception", exc_info=(kind, error, trace))


def _log_uncaught_in_thread(hook: threading.ExceptHookArgs) -> None:
    if hook.exc_value is not None and not issubclass(hook.exc_type, SystemExit):
        extra = {"thread_name": hook.thread.name if hook.thread else "unknown"}
        exc_info = (hook.exc_type, hook.exc_value, hook.exc_traceback)
        logging.getLogger("uncaught").critical(
            "uncaught exception in a thread", exc_info=exc_info, extra=extra
        )


def _dumped(line: dict[str, object]) -> str:
    try:
        return orjson.dumps(line).decode()
    except TypeError:
        # Half a surrogate pair is no UTF-8; the standard library writes it as an escape.
        return json.dumps(line)


def _forms(secret: str) -> set[str]:
    """The secret as it may stand in a text: plain, in a URL, inside `repr` and inside JSON."""
    escaped = json.dumps(secret, ensure_ascii=False)[1:-1]
    encoded = {quote(secret, safe=""), quote_plus(secret)}
    return {secret, secret.strip(), repr(secret)[1:-1], escaped, json.dumps(secret)[1:-1], *encoded}


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except (TypeError, ValueError, KeyError):
        # The arguments do not fit the text: show both, rather than lose what somebody wanted to say.
        return f"{record.msg} {record.args!r}"


def _shown(value: Any) -> str:
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).decode("utf-8", "backslashreplace")
    return str(value)


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else "…" + text[-limit:]


def _priority(level: int) -> int:
    for at_least, priority in _PRIORITIES:
        if level >= at_least:
            return priority
    return _DEBUG_PRIORITY
