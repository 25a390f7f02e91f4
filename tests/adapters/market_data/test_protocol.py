"""The session rules of the feed without a socket: each status and what it asks for."""

from __future__ import annotations

import orjson
import pytest

from kyzlo_actors.adapters.market_data.parse import Status
from kyzlo_actors.adapters.market_data.protocol import Ending, Session
from kyzlo_actors.domain.values import Severity

KEY = "t0p-secret"


def session(*symbols: str) -> Session:
    return Session(api_key=KEY, symbols=symbols or ("AAA", "BBB"))


def test_the_way_to_live_data() -> None:
    made = session()
    (auth,) = made.react(Status("connected", "Connected Successfully")).send
    assert orjson.loads(auth) == {"action": "auth", "params": KEY}
    (subscribe,) = made.react(Status("auth_success", "authenticated")).send
    assert orjson.loads(subscribe) == {"action": "subscribe", "params": "T.AAA,T.BBB"}
    made.react(Status("success", "subscribed to: T.BBB"))
    assert made.confirmed_any
    assert not made.subscribed
    made.react(Status("success", "subscribed to: T.AAA"))
    assert made.subscribed
    made.react(Status("success", "unsubscribed to: T.AAA"))
    assert made.subscribed


def test_many_symbols_are_asked_for_in_parts() -> None:
    made = session(*(f"S{number:03}" for number in range(250)))
    frames = made.react(Status("auth_success", "")).send
    assert [len(orjson.loads(frame)["params"].split(",")) for frame in frames] == [100, 100, 50]


@pytest.mark.parametrize(
    ("status", "message", "ending", "severity", "code"),
    [
        ("auth_failed", "authentication failed", Ending.FATAL, Severity.CRITICAL, "FEED_AUTH_FAILED"),
        ("auth_timeout", "", Ending.LOST, Severity.WARNING, "FEED_AUTH_TIMEOUT"),
        ("max_connections", "Maximum", Ending.EVICTED, Severity.CRITICAL, "FEED_EVICTED"),
        ("slow_consumer", "", Ending.LOST, Severity.WARNING, "FEED_SLOW_CONSUMER"),
        ("force_disconnect", "", Ending.LOST, Severity.WARNING, "FEED_FORCE_DISCONNECT"),
        (
            "error",
            "You don't have access real-time data.",
            Ending.FATAL,
            Severity.CRITICAL,
            "FEED_NOT_ENTITLED",
        ),
        ("error", "not authorized", None, Severity.CRITICAL, "FEED_NOT_AUTHORIZED"),
        ("error", "something new", None, Severity.CRITICAL, "FEED_ERROR"),
    ],
)
def test_trouble(status: str, message: str, ending: Ending | None, severity: Severity, code: str) -> None:
    reaction = session().react(Status(status, message))
    assert reaction.ending is ending
    assert reaction.notice is not None
    assert (reaction.notice.severity, reaction.notice.code) == (severity, code)


def test_unknown_statuses_are_counted() -> None:
    made = session()
    reaction = made.react(Status("brand_new", "?"))
    assert (reaction.send, reaction.notice, reaction.ending) == ((), None, None)
    assert made.unknown_statuses == 1


def test_the_key_is_never_shown() -> None:
    made = session()
    reaction = made.react(Status("error", f"no such key {KEY}"))
    assert reaction.notice is not None
    assert KEY not in reaction.notice.text + repr(made)
