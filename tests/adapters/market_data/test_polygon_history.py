"""History over REST: paging, empty answers, and errors that say whether to try again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from aiohttp import web

from kyzlo_actors.adapters.market_data.aggregates import KeyRefused, PolygonHistory
from kyzlo_actors.domain.errors import BadInput, Fatal, Recoverable
from kyzlo_actors.infrastructure.clock import SystemClock
from tests.fakes.local_server import PaperVenue, application

MINUTE = 60_000_000_000
START = 1_700_000_040_000_000_000 // MINUTE * MINUTE
SECRET = "p0lygon-secret"


@contextmanager
def history(*replies: tuple[int, Any]) -> Iterator[tuple[PolygonHistory, list[web.Request]]]:
    """A history whose server gives these replies one after the other, and the requests it saw."""
    seen: list[web.Request] = []

    async def handle(request: web.Request) -> web.Response:
        seen.append(request)
        status, body = replies[min(len(seen), len(replies)) - 1]
        if isinstance(body, str):
            return web.Response(status=status, text=body)
        return web.json_response(body, status=status)

    with application(web.get("/{path:.*}", handle)) as port:
        client = PolygonHistory(f"http://127.0.0.1:{port}", SECRET, SystemClock())
        yield client, seen
        client.close()


def bar(minute: int) -> dict[str, float]:
    return {"o": 1, "h": 2, "l": 1, "c": 2, "v": 10, "t": (START + minute * MINUTE) // 10**6, "n": 3}


def read(client: PolygonHistory, minutes: int = 10) -> list[int]:
    found = client.bars("A/B", interval_ns=MINUTE, start_ns=START, end_ns=START + minutes * MINUTE)
    return [(item.start_ns - START) // MINUTE for item in found]


def test_pages_are_followed_on_our_host_with_the_key_in_the_header() -> None:
    link = "https://evil.example/v2/aggs/next?cursor=abc&apiKey=x"
    first = {"status": "OK", "results": [bar(0), bar(1)], "next_url": link}
    second = {"status": "DELAYED", "results": [bar(1), bar(2), bar(9), bar(10)]}
    with history((200, first), (200, second)) as (client, seen):
        assert read(client) == [0, 1, 2, 9]
        assert [request.headers["Authorization"] for request in seen] == [f"Bearer {SECRET}"] * 2
        assert seen[0].raw_path.startswith("/v2/aggs/ticker/A%2FB/range/1/minute/")
        assert seen[1].raw_path == "/v2/aggs/next?cursor=abc"
        assert SECRET not in "".join(request.raw_path for request in seen)


def test_the_newest_bars_are_asked_for_from_the_end_over_nights_and_weekends() -> None:
    rows = [bar(minute) for minute in (9, 8, 7, -3_000, -3_001)]  # a weekend lies between
    with history((200, {"status": "OK", "results": rows})) as (client, seen):
        end_ns = START + 10 * MINUTE
        found = client.newest_bars("A", interval_ns=MINUTE, count=4, end_ns=end_ns)
        assert [(item.start_ns - START) // MINUTE for item in found] == [-3_000, 7, 8, 9]
        assert (seen[0].query["sort"], seen[0].query["limit"]) == ("desc", "5")
        first_ms = int(seen[0].path.split("/")[-2])
        assert end_ns // 10**6 - first_ms == 14 * 86_400_000


def test_newest_bars_follow_pages_until_there_are_enough() -> None:
    link = "https://host.example/v2/aggs/next?cursor=abc"
    first = {"status": "OK", "results": [bar(9), bar(8)], "next_url": link}
    second = {"status": "OK", "results": [bar(7)], "next_url": link}
    with history((200, first), (200, second)) as (client, seen):
        found = client.newest_bars("A", interval_ns=MINUTE, count=3, end_ns=START + 10 * MINUTE)
        assert [(item.start_ns - START) // MINUTE for item in found] == [7, 8, 9]
        assert len(seen) == 2


def test_no_results_are_no_bars() -> None:
    with history((200, {"status": "OK", "resultsCount": 0})) as (client, _):
        assert read(client) == []


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (401, {"status": "ERROR", "error": "Unknown API Key"}, KeyRefused),
        (403, {"status": "NOT_AUTHORIZED", "message": "Your plan doesn't include"}, Fatal),
        (400, {"status": "ERROR", "error": "bad"}, Fatal),
        (429, {"status": "ERROR", "error": "exceeded"}, Recoverable),
        (502, "<html>Bad Gateway</html>", Recoverable),
        (200, "<html>hello</html>", Recoverable),
        (200, [1], Recoverable),
        (200, {"status": "OK", "results": [], "next_url": "/v2/for/ever"}, Recoverable),
    ],
)
def test_errors_say_whether_to_try_again(status: int, body: Any, kind: type[Exception]) -> None:
    with history((status, body)) as (client, _), pytest.raises(kind) as caught:
        read(client)
    assert SECRET not in str(caught.value)


def test_an_absent_server_can_be_tried_again() -> None:
    with pytest.raises(Recoverable):
        read(PolygonHistory("http://127.0.0.1:1", SECRET, SystemClock()))


def test_odd_intervals_are_bad_input() -> None:
    client = PolygonHistory("http://127.0.0.1:1", SECRET, SystemClock())
    with pytest.raises(BadInput):
        client.bars("A", interval_ns=1_500_000_000, start_ns=0, end_ns=1)


def test_the_venue_has_history(venue: PaperVenue) -> None:
    client = PolygonHistory(venue.url, venue.polygon_key, SystemClock())
    end_ns = SystemClock().now_ns()
    bars = client.bars("AAA", interval_ns=10**9, start_ns=end_ns - 60 * 10**9, end_ns=end_ns)
    starts = [item.start_ns for item in bars]
    assert len(bars) > 10
    assert starts == sorted(set(starts))
    with pytest.raises(Fatal):
        PolygonHistory(venue.url, "wrong", SystemClock()).bars("AAA", interval_ns=10**9, start_ns=0, end_ns=1)
