"""What HTTP refusals of the broker mean: status and words decide, never its reused codes."""

from __future__ import annotations

import pytest

from kyzlo_actors.adapters.broker.errors import FailureKind, classify
from kyzlo_actors.adapters.broker.rest import api_root, trade_stream_url
from kyzlo_actors.domain.errors import BadInput

UNIQUE = b'{"code":%d,"message":"client_order_id must be unique"}'


@pytest.mark.parametrize(
    ("status", "body", "kind", "definite"),
    [
        (422, UNIQUE % 40010001, FailureKind.DUPLICATE, True),
        (422, UNIQUE % 42210000, FailureKind.DUPLICATE, True),
        (422, b'{"code":42210000,"message":"asset \\"ZZZ\\" not found"}', FailureKind.REFUSED, True),
        (403, b'{"code":40310000,"message":"insufficient buying power"}', FailureKind.REFUSED, True),
        (403, b'{"message":"forbidden."}', FailureKind.UNAUTHORIZED, True),
        (401, b'{"message": "unauthorized."}', FailureKind.UNAUTHORIZED, True),
        (401, b"<html>401</html>", FailureKind.UNAUTHORIZED, True),
        (404, b'{"code":40410000,"message":"order not found for x"}', FailureKind.NOT_FOUND, True),
        (404, b'{"message":"position does not exist"}', FailureKind.NOT_FOUND, True),
        (404, b"<html>404</html>", FailureKind.UNCLEAR, False),
        (404, b'{"message":"no route"}', FailureKind.UNCLEAR, False),
        (429, b'{"code":42910000,"message":"rate limit exceeded"}', FailureKind.RATE_LIMITED, False),
        (408, b"", FailureKind.UNCLEAR, False),
        (500, b'{"code":50010000,"message":"internal server error occurred"}', FailureKind.UNCLEAR, False),
        (502, b"<html>Bad Gateway</html>", FailureKind.UNCLEAR, False),
        (504, b"", FailureKind.UNCLEAR, False),
        (302, b"", FailureKind.UNCLEAR, False),
    ],
)
def test_what_a_refusal_means(status: int, body: bytes, kind: FailureKind, definite: bool) -> None:
    failure = classify(status, body)
    assert (failure.kind, failure.is_definite) == (kind, definite)


def test_messages_are_one_short_line() -> None:
    failure = classify(422, b'{"code":1,"message":"a\\n b  ' + b"x" * 1000 + b'"}')
    assert failure.message.startswith("a b x")
    assert len(failure.message) == 300
    assert classify(502, b"<html>").message == "6 bytes that are not the broker's"
    assert (classify(502, b"").code, failure.code) == ("HTTP_502", "1")


@pytest.mark.parametrize(
    ("base", "root", "stream"),
    [
        ("https://paper-api.alpaca.markets", "https://paper-api.alpaca.markets", "wss://paper-api.alpaca.markets/stream"),
        ("https://api.alpaca.markets/v2/", "https://api.alpaca.markets", "wss://api.alpaca.markets/stream"),
        (" http://127.0.0.1:80/x/v2", "http://127.0.0.1:80/x", "ws://127.0.0.1:80/x/stream"),
    ],
)  # fmt: skip
def test_addresses(base: str, root: str, stream: str) -> None:
    assert api_root(base) == root
    assert trade_stream_url(base) == stream


@pytest.mark.parametrize("base", ["", "paper-api.alpaca.markets", "wss://x", "http://"])
def test_what_is_no_address_is_bad_input(base: str) -> None:
    with pytest.raises(BadInput, match="ALPACA_BASE_URL"):
        api_root(base)
