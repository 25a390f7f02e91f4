"""Logs are one JSON object a line, bounded, and no secret is ever in them."""

from __future__ import annotations

import io
import json
import logging
import sys
import threading
import warnings
from collections.abc import Iterator
from decimal import Decimal
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kyzlo_actors.infrastructure.logs import MESSAGE_CHARS, TEXT_CHARS, Redactor, configure

SECRET = 'PK7"x\\y/z+ü&9'
OTHER = "hunter2"
LOG = logging.getLogger("test.logs")


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """Logging and the hooks are the process's: put them back."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    hooks = sys.excepthook, threading.excepthook
    yield
    logging.captureWarnings(False)
    for handler in list(root.handlers):
        root.removeHandler(handler)
    for handler in handlers:
        root.addHandler(handler)
    root.setLevel(level)
    sys.excepthook, threading.excepthook = hooks


@pytest.fixture
def stream(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    monkeypatch.delenv("JOURNAL_STREAM", raising=False)
    buffer = io.StringIO()
    configure("symbol-AAPL", level="INFO", secrets=[SECRET, OTHER, ""], stream=buffer)
    return buffer


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def ours(stream: io.StringIO) -> logging.Handler:
    handlers = [each for each in logging.getLogger().handlers if isinstance(each, logging.StreamHandler)]
    return next(each for each in handlers if each.stream is stream)


def only(stream: io.StringIO) -> dict[str, Any]:
    (line,) = lines(stream)
    return line


def assert_no_secret(text: str) -> None:
    for secret in (SECRET, OTHER):
        for form in (secret, quote(secret, safe=""), json.dumps(secret)[1:-1], repr(secret)[1:-1]):
            assert form not in text
    for line in text.splitlines():
        assert SECRET not in str(json.loads(line))


def test_a_line_says_who_when_and_what_with_its_trace(stream: io.StringIO) -> None:
    LOG.info("filled %s", 7, extra={"correlation_id": "c1", "qty": Decimal("1.50"), "n": 3, "ok": True})
    LOG.debug("not at this level")
    line = only(stream)
    assert line.pop("ts").endswith("+00:00")
    assert line == {
        "level": "INFO",
        "actor": "symbol-AAPL",
        "logger": "test.logs",
        "msg": "filled 7",
        "correlation_id": "c1",
        "qty": "1.50",
        "n": 3,
        "ok": True,
    }


def test_an_extra_does_not_replace_our_own_fields(stream: io.StringIO) -> None:
    LOG.info("x", extra={"actor": "impostor", "level": 9})
    line = only(stream)
    assert (line["actor"], line["actor_"], line["level"], line["level_"]) == (
        "symbol-AAPL",
        "impostor",
        "INFO",
        9,
    )


class Talkative:
    def __str__(self) -> str:
        return f"client with {SECRET}"


def test_no_secret_in_any_corner(stream: io.StringIO) -> None:
    LOG.warning("key %s", SECRET)
    LOG.warning(f"url https://x/?apiKey={quote(SECRET, safe='')}&p={OTHER}")
    LOG.warning("repr %r and json %s", [SECRET], json.dumps({"k": SECRET}))
    LOG.warning("dict", extra={"headers": {"APCA": SECRET, SECRET: 1, "deep": [(SECRET, {SECRET})]}})
    LOG.warning("object", extra={"client": Talkative(), "raw": SECRET.encode(), "nested": [Talkative()]})
    LOG.warning("key in a name", extra={f"field {OTHER}": 1})
    # Past pytest's own handler, which raises here.
    wrong = {"msg": "wrong number of arguments %s %s", "args": (SECRET,), "levelname": "WARNING"}
    ours(stream).handle(logging.makeLogRecord(wrong))
    LOG.warning("stack", stack_info=True, extra={"note": OTHER * 3})
    assert len(lines(stream)) == 8
    assert_no_secret(stream.getvalue())


def test_no_secret_in_exceptions_and_their_causes(stream: io.StringIO) -> None:
    try:
        try:
            raise ValueError(f"refused {SECRET}")
        except ValueError as error:
            raise RuntimeError(f"while using {OTHER}") from error
    except RuntimeError:
        LOG.exception("request failed")
    line = only(stream)
    assert "refused ***" in line["exception"]
    assert "while using ***" in line["exception"]
    assert_no_secret(stream.getvalue())


def test_uncaught_exceptions_and_warnings_are_logged_without_secrets(stream: io.StringIO) -> None:
    def die() -> None:
        raise RuntimeError(f"in a thread {SECRET}")

    thread = threading.Thread(target=die, name="work")
    thread.start()
    thread.join(timeout=30)
    error = RuntimeError(f"in main {SECRET}")
    sys.excepthook(RuntimeError, error, None)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn(f"old key {SECRET}", stacklevel=1)
    first, second, third = lines(stream)
    assert (first["level"], first["thread_name"]) == ("CRITICAL", "work")
    assert "in main ***" in second["exception"]
    assert "old key ***" in third["msg"]
    assert_no_secret(stream.getvalue())


def test_a_secret_that_is_a_number_is_found_in_numbers() -> None:
    redactor = Redactor(["4711"])
    assert redactor.value({"account": 4711, "other": 12, "sum": 1.4711}) == {
        "account": "***",
        "other": 12,
        "sum": "1.***",
    }


def test_a_secret_inside_another_does_not_leave_the_rest() -> None:
    assert Redactor(["abc", "abcdef"]).text("abcdef abc") == "*** ***"
    assert Redactor([]).text("abc") == "abc"
    assert Redactor(["", "  "]).text("a  b") == "a  b"


@given(
    secret=st.text(st.characters(exclude_categories=["Cs"]), min_size=4), before=st.text(), after=st.text()
)
def test_whatever_the_secret_is_it_is_gone(secret: str, before: str, after: str) -> None:
    if not secret.strip() or "*" in secret:
        return
    assert secret not in Redactor([secret]).text(before + secret + after).replace("***", "\0***\0")


def test_lines_are_bounded(stream: io.StringIO) -> None:
    LOG.info("x" * 100_000, extra={"blob": "y" * 100_000})
    try:
        raise ValueError("z" * 100_000 + " the end")
    except ValueError:
        LOG.exception("w")
    long, error = lines(stream)
    assert len(long["msg"]) == MESSAGE_CHARS
    assert len(long["blob"]) == TEXT_CHARS + 1
    assert error["exception"].endswith(" the end\n")


@pytest.mark.parametrize("value", [2**70, float("nan"), float("inf"), -(2**64), "\ud800"])
def test_values_that_json_cannot_say_do_not_lose_the_line(stream: io.StringIO, value: object) -> None:
    LOG.info("odd %s", value, extra={"value": value})
    assert "odd" in only(stream)["msg"]


def test_deep_and_circular_values_end(stream: io.StringIO) -> None:
    loop: list[object] = [1]
    loop.append(loop)
    LOG.info("loop", extra={"loop": loop})
    assert only(stream)["loop"][0] == 1


class Broken:
    def __str__(self) -> str:
        raise RuntimeError(f"no string, only {SECRET}")


def test_a_record_that_cannot_be_formatted_is_told_without_its_content(stream: io.StringIO) -> None:
    LOG.info("broken", extra={"what": Broken(), "key": SECRET})
    assert "was lost: RuntimeError" in stream.getvalue()
    assert SECRET not in stream.getvalue()


def test_under_journald_each_line_has_its_priority(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOURNAL_STREAM", "8:1234")
    buffer = io.StringIO()
    configure("guardian", level=logging.DEBUG, secrets=[], stream=buffer)
    for level in (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR, logging.CRITICAL):
        LOG.log(level, "x")
    assert [line[:4] for line in buffer.getvalue().splitlines()] == ["<7>{", "<6>{", "<4>{", "<3>{", "<2>{"]


def test_configuring_again_replaces_the_first(stream: io.StringIO) -> None:
    second = io.StringIO()
    configure("other", level="INFO", secrets=[], stream=second)
    LOG.info("x")
    assert stream.getvalue() == ""
    assert only(second)["actor"] == "other"


def test_an_unknown_level_is_refused() -> None:
    with pytest.raises(ValueError, match="Unknown level"):
        configure("a", level="LOUD", secrets=[], stream=io.StringIO())


def test_libraries_tell_their_requests_only_to_debug(stream: io.StringIO) -> None:
    logging.getLogger("httpx").info("GET")
    assert stream.getvalue() == ""
    configure("guardian", level="DEBUG", secrets=[], stream=stream)
    logging.getLogger("httpx").info("GET")
    assert only(stream)["logger"] == "httpx"
